#include "text/spm_proto.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/large.h"
#include "base/utf8.h"

typedef struct {
  const char *path;
  const uint8_t *data;  // of the file
  size_t at, end;       // offsets in the file
} Wire;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct {
  uint32_t number, type;
  size_t offset;    // of its tag in the file
  uint64_t varint;  // WIRE_VARINT
  Wire body;        // WIRE_BYTES
  float real;       // WIRE_32
} WireField;

static Err read_varint(Wire *w, uint64_t *value) {
  size_t start = w->at;
  *value = 0;
  for (int i = 0; i < 10; i++) {
    CHECK(w->at < w->end, ERR_FORMAT, "%s: offset %zu: a varint is cut off after %d bytes: wanted at least 1 more, 0 left",
          w->path, start, i);
    uint8_t b = w->data[w->at++];
    *value |= (uint64_t)(b & 0x7f) << (7 * i);
    if (!(b & 0x80)) return ERR_OK;
  }
  FAIL(ERR_FORMAT, "%s: offset %zu: varint too long: more than 10 bytes", w->path, start);
}

static Err want_bytes(const Wire *w, const WireField *f, uint64_t wanted) {
  CHECK(wanted <= w->end - w->at, ERR_FORMAT, "%s: offset %zu: field %u says %llu bytes, %zu left", w->path, f->offset,
        f->number, (unsigned long long)wanted, w->end - w->at);
  return ERR_OK;
}

static Err read_field(Wire *w, WireField *f) {
  *f = (WireField){.offset = w->at};
  uint64_t tag;
  TRY(read_varint(w, &tag));
  f->type = (uint32_t)(tag & 7);
  CHECK(tag >> 3 >= 1 && tag >> 3 < 1u << 29, ERR_FORMAT, "%s: offset %zu: field number %llu is not one", w->path, f->offset,
        (unsigned long long)(tag >> 3));
  f->number = (uint32_t)(tag >> 3);
  switch (f->type) {
    case WIRE_VARINT: return read_varint(w, &f->varint);
    case WIRE_64:
      TRY(want_bytes(w, f, 8));
      w->at += 8;
      return ERR_OK;
    case WIRE_32:
      TRY(want_bytes(w, f, 4));
      memcpy(&f->real, w->data + w->at, 4);
      w->at += 4;
      return ERR_OK;
    case WIRE_BYTES: {
      uint64_t size;
      TRY(read_varint(w, &size));
      TRY(want_bytes(w, f, size));
      f->body = (Wire){w->path, w->data, w->at, w->at + (size_t)size};
      w->at += (size_t)size;
      return ERR_OK;
    }
    default:
      FAIL(ERR_FORMAT, "%s: offset %zu: field %u has wire type %u, wanted 0, 1, 2 or 5", w->path, f->offset, f->number,
           f->type);
  }
}

static bool is_field(const WireField *f, uint32_t number, uint32_t type) { return f->number == number && f->type == type; }

static SpmText text_of(const WireField *f) {
  return (SpmText){(const char *)f->body.data + f->body.at, f->body.end - f->body.at};
}

static Err parse_piece(SpmProto *p, Wire w, size_t file_bytes) {
  if (p->count == p->capacity) {
    size_t likely = (file_bytes - w.at) / 16;  // bytes a piece
    int64_t capacity = p->capacity ? p->capacity * 2 : (int64_t)(likely < SPM_PIECES_MAX ? likely : SPM_PIECES_MAX) + 64;
    SpmPiece *grown =
        p->piece ? realloc(p->piece, (size_t)capacity * sizeof *grown) : malloc_large((size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "%s: no memory for %lld pieces", w.path, (long long)capacity);
    p->piece = grown;
    p->capacity = capacity;
  }
  CHECK(p->count < SPM_PIECES_MAX, ERR_FORMAT, "%s: offset %zu: more than %d pieces", w.path, w.at, SPM_PIECES_MAX);
  SpmPiece piece = {.text = {"", 0}, .type = SPM_NORMAL};
  long long n = (long long)p->count;
  size_t offset = w.at;
  while (w.at < w.end) {
    WireField f;
    TRY(read_field(&w, &f));
    if (is_field(&f, 1, WIRE_BYTES)) piece.text = text_of(&f);
    if (is_field(&f, 2, WIRE_32)) piece.score = f.real;
    if (!is_field(&f, 3, WIRE_VARINT)) continue;
    CHECK(f.varint >= SPM_NORMAL && f.varint <= SPM_BYTE, ERR_FORMAT, "%s: offset %zu: piece %lld has type %llu, wanted 1 .. 6",
          w.path, f.offset, n, (unsigned long long)f.varint);
    piece.type = (SpmPieceType)f.varint;
  }
  CHECK(piece.text.size, ERR_FORMAT, "%s: offset %zu: piece %lld is empty", w.path, offset, n);
  CHECK(piece.text.size <= SPM_PIECE_BYTES_MAX, ERR_FORMAT,
        "%s: offset %zu: piece %lld has %zu bytes, at most %d are supported", w.path, offset, n, piece.text.size,
        SPM_PIECE_BYTES_MAX);
  size_t valid = utf8_invalid_at(piece.text.data, piece.text.size);
  CHECK(valid == piece.text.size, ERR_FORMAT, "%s: offset %zu: piece %lld: invalid UTF-8 at byte %zu of the piece", w.path,
        offset, n, valid);
  CHECK(isfinite(piece.score), ERR_FORMAT, "%s: offset %zu: piece %lld has a score that is not finite", w.path, offset, n);
  p->piece[p->count++] = piece;
  return ERR_OK;
}

static Err parse_trainer(SpmProto *p, Wire w) {
  while (w.at < w.end) {
    WireField f;
    TRY(read_field(&w, &f));
    if (is_field(&f, 3, WIRE_VARINT)) {
      CHECK(f.varint >= SPM_UNIGRAM && f.varint <= SPM_CHAR, ERR_FORMAT,
            "%s: offset %zu: model_type %llu, wanted 1 (unigram), 2 (bpe), 3 (word) or 4 (char)", w.path, f.offset,
            (unsigned long long)f.varint);
      p->type = (SpmModelType)f.varint;
    }
    if (is_field(&f, 24, WIRE_VARINT)) p->treat_whitespace_as_suffix = f.varint != 0;
    if (is_field(&f, 35, WIRE_VARINT)) p->byte_fallback = f.varint != 0;
    if (is_field(&f, 46, WIRE_BYTES)) p->bos_piece = text_of(&f);
    if (is_field(&f, 47, WIRE_BYTES)) p->eos_piece = text_of(&f);
    if (is_field(&f, 48, WIRE_BYTES)) p->pad_piece = text_of(&f);
    if (is_field(&f, 44, WIRE_BYTES)) {
      p->has_unk_surface = true;
      p->unk_surface = text_of(&f);
    }
  }
  return ERR_OK;
}

static Err parse_normalizer(SpmNormalizerSpec *n, Wire w) {
  n->present = true;
  while (w.at < w.end) {
    WireField f;
    TRY(read_field(&w, &f));
    if (is_field(&f, 2, WIRE_BYTES)) n->charsmap = text_of(&f);
    if (is_field(&f, 3, WIRE_VARINT)) n->add_dummy_prefix = f.varint != 0;
    if (is_field(&f, 4, WIRE_VARINT)) n->remove_extra_whitespaces = f.varint != 0;
    if (is_field(&f, 5, WIRE_VARINT)) n->escape_whitespaces = f.varint != 0;
  }
  return ERR_OK;
}

static Err parse_model(SpmProto *p, Wire w) {
  while (w.at < w.end) {
    WireField f;
    TRY(read_field(&w, &f));
    if (is_field(&f, 1, WIRE_BYTES)) TRY(parse_piece(p, f.body, w.end));
    if (is_field(&f, 2, WIRE_BYTES)) TRY(parse_trainer(p, f.body));
    if (is_field(&f, 3, WIRE_BYTES)) TRY(parse_normalizer(&p->normalizer, f.body));
    if (is_field(&f, 5, WIRE_BYTES)) TRY(parse_normalizer(&p->denormalizer, f.body));
  }
  CHECK(p->count, ERR_FORMAT, "%s: the SentencePiece model has no pieces", w.path);
  return ERR_OK;
}

// Text is the commonest thing given in the place of a model; its first byte that is no protobuf would say little.
static bool looks_like_text(const uint8_t *data, size_t size) {
  size_t n = size < 64 ? size : 64;
  for (size_t i = 0; i < n; i++)
    if (!isprint(data[i]) && !isspace(data[i])) return false;
  return true;
}

Err spm_proto_parse(SpmProto *p, const char *path, const void *data, size_t size) {
  static const char lfs[] = "version https://git-lfs.github.com/";
  const SpmNormalizerSpec spec = {
      .charsmap = {"", 0}, .add_dummy_prefix = true, .remove_extra_whitespaces = true, .escape_whitespaces = true};
  *p = (SpmProto){.type = SPM_UNIGRAM,
                  .bos_piece = {"<s>", 3},
                  .eos_piece = {"</s>", 4},
                  .pad_piece = {"<pad>", 5},
                  .normalizer = spec,
                  .denormalizer = spec};
  CHECK(size, ERR_FORMAT, "%s: the file is empty; a tokenizer.json or a SentencePiece model is wanted", path);
  if (size > sizeof lfs - 1 && memcmp(data, lfs, sizeof lfs - 1) == 0)
    FAIL(ERR_FORMAT, "%s: a Git LFS pointer, not the data: fetch the file itself with git lfs pull", path);
  Err err = parse_model(p, (Wire){path, data, 0, size});
  if (err && looks_like_text(data, size)) {
    spm_proto_free(p);
    FAIL(ERR_FORMAT, "%s: not a SentencePiece model: the file begins with the text \"%.*s\"", path,
         (int)strnlen(data, size < 24 ? size : 24), (const char *)data);
  }
  if (err) {
    spm_proto_free(p);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  return ERR_OK;
}

void spm_proto_free(SpmProto *p) {
  free(p->piece);
  *p = (SpmProto){0};
}
