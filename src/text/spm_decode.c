#include "text/spm_decode.h"

#include <stdlib.h>

#include "base/large.h"
#include "text/utf8.h"

static const char space_symbol[] = "\xe2\x96\x81";

static Err append_spaced(Bytes *out, SpmText t) {
  TRY(bytes_reserve(out, t.size));
  char *to = out->data + out->size;
  for (size_t i = 0; i < t.size;) {
    bool space = t.size - i >= 3 && memcmp(t.data + i, space_symbol, 3) == 0;
    *to++ = space ? ' ' : t.data[i];
    i += space ? 3 : 1;
  }
  out->size = (size_t)(to - out->data);
  return ERR_OK;
}

// Which piece stands for the text of piece `id`, -1 if none: a lone NUL.
static int32_t known_piece(const SpmPieces *pieces, int32_t id, bool shadowed) {
  SpmText t = pieces->piece[id].text;
  return shadowed || !*t.data ? spm_pieces_find(pieces, t.data, t.size) : id;
}

static Err text_of_piece(SpmDecoder *d, int32_t id, SpmText unk_surface) {
  const SpmPiece *p = &d->pieces->piece[id];
  int32_t known = known_piece(d->pieces, id, d->kind[id]);
  d->kind[id] = known < 0 ? SPM_UNKNOWN : (uint8_t)d->pieces->piece[known].type;
  d->begin[id] = d->texts.size;
  if (known < 0) return bytes_append(&d->texts, p->text.data, p->text.size);  // it stands for itself
  switch ((SpmPieceType)d->kind[id]) {
    case SPM_CONTROL: return ERR_OK;
    case SPM_UNKNOWN: return bytes_append(&d->texts, unk_surface.data, strnlen(unk_surface.data, unk_surface.size));
    case SPM_BYTE:
      for (int b = 0; b < 256; b++)
        if (d->pieces->byte_id[b] == known) d->byte[id] = (uint8_t)b;
      return ERR_OK;
    default: return append_spaced(&d->texts, p->text);
  }
}

static Err texts_of_pieces(SpmDecoder *d, SpmText unk_surface) {
  const SpmPieces *pieces = d->pieces;
  size_t bytes = 0;
  for (int64_t i = 0; i < pieces->reserved.count; i++) {
    int32_t shadowed = strmap_get(&pieces->normal, strmap_text(&pieces->reserved, i), pieces->reserved.item[i].size, -1);
    if (shadowed >= 0) d->kind[shadowed] = true;
  }
  for (int64_t id = 0; id < pieces->count; id++) bytes += pieces->piece[id].text.size;
  TRY(bytes_reserve(&d->texts, bytes));
  for (int32_t id = 0; id < pieces->count; id++) TRY(text_of_piece(d, id, unk_surface));
  d->begin[pieces->count] = d->texts.size;
  return ERR_OK;
}

Err spm_decoder_init(SpmDecoder *d, const SpmPieces *pieces, const SpmProto *proto, const char *path) {
  *d = (SpmDecoder){.pieces = pieces,
                    .strip_one = proto->normalizer.add_dummy_prefix || proto->normalizer.remove_extra_whitespaces,
                    .strip_all = proto->normalizer.remove_extra_whitespaces};
  SpmText unk_surface = proto->has_unk_surface ? proto->unk_surface : (SpmText){" \xe2\x81\x87 ", 5};
  size_t count = (size_t)pieces->count;
  Err err = ERR_OK;
  d->begin = malloc_large((count + 1) * sizeof *d->begin);
  d->kind = calloc(count, 1);
  d->byte = calloc(count, 1);
  CHECK_OUT(d->begin && d->kind && d->byte, ERR_MEMORY, "%s: no memory for %zu pieces", path, count);
  TRY_OUT(texts_of_pieces(d, unk_surface));
  d->denormalize = proto->denormalizer.charsmap.size > 0;
  if (d->denormalize) TRY_OUT(spm_normalizer_init(&d->denormalizer, &proto->denormalizer, NULL, false, path));
out:
  if (err) spm_decoder_free(d);
  return err;
}

void spm_decoder_free(SpmDecoder *d) {
  bytes_free(&d->texts);
  free(d->begin);
  free(d->kind);
  free(d->byte);
  spm_normalizer_free(&d->denormalizer);
  *d = (SpmDecoder){0};
}

// Neighbouring byte pieces are joined; each byte that begins no character is one U+FFFD.
static Err decode_bytes(const SpmDecoder *d, const int32_t *id, int64_t count, Bytes *out) {
  for (int64_t i = 0; i < count;) {
    char bytes[4] = {0};
    size_t n = 0;
    for (; n < 4 && i + (int64_t)n < count; n++) bytes[n] = (char)d->byte[id[i + (int64_t)n]];
    uint32_t code;
    size_t length = utf8_char(bytes, n, &code);
    TRY(bytes_append(out, length ? bytes : "\xef\xbf\xbd", length ? length : 3));
    i += length ? (int64_t)length : 1;
  }
  return ERR_OK;
}

static Err decode_pieces(const SpmDecoder *d, const int32_t *id, int64_t count, Bytes *out) {
  size_t start = out->size;
  bool at_begin = true, seen = false;
  for (int64_t i = 0; i < count;) {
    int64_t end = i;
    while (end < count && d->kind[id[end]] == SPM_BYTE) end++;
    TRY(decode_bytes(d, id + i, end - i, out));
    if ((i = end) == count) break;
    if (seen || out->size > start) at_begin = false;
    SpmText t = {d->texts.data + d->begin[id[i]], d->begin[id[i] + 1] - d->begin[id[i]]};
    seen = false;
    bool piece = d->kind[id[i]] != SPM_CONTROL && d->kind[id[i]] != SPM_UNKNOWN;
    if (piece && at_begin && d->strip_one && t.size && memcmp(d->pieces->piece[id[i]].text.data, space_symbol, 3) == 0) {
      t = (SpmText){t.data + 1, t.size - 1};
      seen = !d->strip_all;
    }
    TRY(bytes_append(out, t.data, t.size));
    i++;
  }
  return ERR_OK;
}

Err spm_decode_run(const SpmDecoder *d, const int32_t *id, int64_t count, Bytes *scratch, Bytes *out) {
  if (!d->denormalize) return decode_pieces(d, id, count, out);
  scratch->size = 0;
  TRY(decode_pieces(d, id, count, scratch));
  SpmNormalizing s = {0};
  while (!s.done && scratch->size) TRY(spm_normalize(&d->denormalizer, &s, scratch->data, scratch->size, SIZE_MAX / 8, out));
  return ERR_OK;
}
