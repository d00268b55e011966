#include "train/token_bytes.h"

#include <string.h>

// "<0xE4>"
static bool is_byte_piece(const char *piece) {
  return strlen(piece) == 6 && strncmp(piece, "<0x", 3) == 0 && strspn(piece + 3, "0123456789ABCDEFabcdef") == 2 &&
         piece[5] == '>';
}

// Byte-level vocabularies write a space as this letter; then every character of a piece is a byte.
static bool is_byte_level(const Tokenizer *t) {
  return strstr(tokenizer_kind(t), "huggingface") && tokenizer_id(t, "\xc4\xa0") >= 0;
}

static int32_t characters(const char *piece) {
  int32_t n = 0;
  for (; *piece; piece++) n += (*piece & 0xc0) != 0x80;
  return n;
}

// A piece of plain letters to decode others after: the first of a text may lose its leading space.
static int32_t anchor_of(const Tokenizer *t) {
  for (int32_t id = 0; id < tokenizer_vocab(t); id++) {
    const char *piece = tokenizer_piece(t, id);
    if (piece && piece[0] >= 'a' && piece[0] <= 'z' && piece[1] == '\0' && !tokenizer_is_special(t, id)) return id;
  }
  return -1;
}

static Err decoded_size(const Tokenizer *t, TokenizerWork *w, const int32_t *id, int64_t n, Bytes *out, size_t *size) {
  out->size = 0;
  TRY(tokenizer_decode(t, w, id, n, false, out));
  *size = out->size;
  return ERR_OK;
}

static Err fill(const Tokenizer *t, TokenizerWork *w, int64_t vocab, int32_t *bytes, Bytes *text) {
  int32_t anchor = anchor_of(t), first = anchor >= 0 ? 0 : 1;  // without an anchor, the id alone
  bool byte_level = is_byte_level(t);
  size_t before = 0;
  if (anchor >= 0) TRY(decoded_size(t, w, &anchor, 1, text, &before));
  for (int32_t id = 0; id < vocab; id++) {
    const char *piece = id < tokenizer_vocab(t) ? tokenizer_piece(t, id) : NULL;
    bytes[id] = 0;
    if (!piece || tokenizer_is_special(t, id)) continue;
    if (is_byte_piece(piece)) bytes[id] = 1;
    else if (byte_level) bytes[id] = characters(piece);
    else {
      int32_t pair[2] = {anchor, id};
      size_t after;
      TRY(decoded_size(t, w, pair + first, 2 - first, text, &after));
      bytes[id] = after > before ? (int32_t)(after - before) : 0;
    }
  }
  return ERR_OK;
}

Err token_bytes(const Tokenizer *t, int64_t vocab, int32_t *bytes) {
  TokenizerWork *w = NULL;
  Bytes text = {0};
  TRY(tokenizer_work_open(&w, t));
  Err err = fill(t, w, vocab, bytes, &text);
  bytes_free(&text);
  tokenizer_work_close(w);
  return err;
}
