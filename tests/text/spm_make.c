#include "text/spm_make.h"

#include "base/file.h"
#include "test.h"

void make_varint(Bytes *b, uint64_t value) {
  do {
    uint8_t byte = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    ASSERT_OK(bytes_append(b, &byte, 1));
    value >>= 7;
  } while (value);
}

void make_field(Bytes *b, uint32_t number, const void *data, size_t size) {
  make_varint(b, number << 3 | 2);
  make_varint(b, size);
  ASSERT_OK(bytes_append(b, data, size));
}

static void make_number(Bytes *b, uint32_t number, uint64_t value) {
  make_varint(b, number << 3);
  make_varint(b, value);
}

void make_piece(Bytes *model, const char *text, size_t size, float score, SpmPieceType type) {
  Bytes piece = {0};
  make_field(&piece, 1, text, size ? size : strlen(text));
  make_varint(&piece, 2 << 3 | 5);
  ASSERT_OK(bytes_append(&piece, &score, sizeof score));
  make_number(&piece, 3, type);
  make_field(model, 1, piece.data, piece.size);
  bytes_free(&piece);
}

void make_reserved(Bytes *model, bool bytes) {
  make_piece(model, "<unk>", 0, 0, SPM_UNKNOWN);
  make_piece(model, "<s>", 0, 0, SPM_CONTROL);
  make_piece(model, "</s>", 0, 0, SPM_CONTROL);
  for (unsigned i = 0; bytes && i < 256; i++) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", i);
    make_piece(model, name, 0, 0, SPM_BYTE);
  }
}

void make_options(Bytes *model, MakeOptions o) {
  Bytes trainer = {0}, normalizer = {0};
  make_number(&trainer, 3, o.type);
  make_number(&trainer, 24, o.treat_whitespace_as_suffix);
  make_number(&trainer, 35, o.byte_fallback);
  make_field(model, 2, trainer.data, trainer.size);
  if (o.charsmap) make_field(&normalizer, 2, o.charsmap, o.charsmap_size);
  make_number(&normalizer, 3, !o.no_dummy_prefix);
  make_number(&normalizer, 4, !o.keep_spaces);
  make_field(model, 3, normalizer.data, normalizer.size);
  bytes_free(&trainer);
  bytes_free(&normalizer);
}

Tokenizer *make_tokenizer(const Bytes *model) {
  char path[PATH_BYTES];
  Tokenizer *t;
  ASSERT_OK(path_join(path, test_folder(), "made.model"));
  ASSERT_OK(file_replace(path, model->data, model->size));
  ASSERT_OK(tokenizer_open(&t, path));
  return t;
}
