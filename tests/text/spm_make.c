#include "text/spm_make.h"

#include "base/file.h"
#include "test.h"
#include "text/proto_write.h"

void make_piece(Bytes *model, const char *text, size_t size, float score, SpmPieceType type) {
  Bytes piece = {0};
  ASSERT_OK(proto_put_bytes(&piece, 1, text, size ? size : strlen(text)));
  ASSERT_OK(proto_put_float(&piece, 2, score));
  ASSERT_OK(proto_put_int(&piece, 3, type));
  ASSERT_OK(proto_put_bytes(model, 1, piece.data, piece.size));
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
  ASSERT_OK(proto_put_int(&trainer, 3, o.type));
  ASSERT_OK(proto_put_int(&trainer, 24, o.treat_whitespace_as_suffix));
  ASSERT_OK(proto_put_int(&trainer, 35, o.byte_fallback));
  ASSERT_OK(proto_put_bytes(model, 2, trainer.data, trainer.size));
  if (o.charsmap) ASSERT_OK(proto_put_bytes(&normalizer, 2, o.charsmap, o.charsmap_size));
  ASSERT_OK(proto_put_int(&normalizer, 3, !o.no_dummy_prefix));
  ASSERT_OK(proto_put_int(&normalizer, 4, !o.keep_spaces));
  ASSERT_OK(proto_put_bytes(model, 3, normalizer.data, normalizer.size));
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
