#include "data/token_bytes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// "<0xE4>" that does not decode to these six letters is a byte.
static bool is_byte_piece(const char *piece, const Bytes *decoded) {
  char again[8];
  if (strlen(piece) != 6) return false;
  snprintf(again, sizeof again, "<0x%02X>", (unsigned)strtoul(piece + 3, NULL, 16) & 0xFF);
  return strcmp(piece, again) == 0 && !(decoded->size == 6 && memcmp(decoded->data, piece, 6) == 0);
}

// Letters of a piece; -1 if it is not UTF-8.
static int32_t letters(const char *piece) {
  const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)piece;
  int32_t n = 0;
  for (utf8proc_int32_t c; *p; n++) {
    utf8proc_ssize_t size = utf8proc_iterate(p, -1, &c);
    if (size < 1) return -1;
    p += size;
  }
  return n;
}

// Whether pieces spell bytes as letters: then the letter of the space, U+0120, alone decodes to it.
static Err find_byte_level(const Tokenizer *t, TokenizerWork *w, Bytes *scratch, bool *yes) {
  int32_t space = tokenizer_id(t, "\xC4\xA0");
  *yes = false;
  if (space < 0) return ERR_OK;
  scratch->size = 0;
  TRY(tokenizer_decode(t, w, &space, 1, false, scratch));
  *yes = scratch->size == 1 && scratch->data[0] == ' ';
  return ERR_OK;
}

static Err bytes_of(const Tokenizer *t, TokenizerWork *w, int32_t id, bool byte_level, Bytes *scratch, int32_t *out) {
  const char *piece = tokenizer_piece(t, id);
  *out = 0;
  if (!piece || tokenizer_is_special(t, id)) return ERR_OK;
  int32_t twice[2] = {id, id};
  scratch->size = 0;
  TRY(tokenizer_decode(t, w, twice, 1, false, scratch));
  size_t once = scratch->size;
  if (byte_level) {
    // A piece that decodes to its own letters beyond ASCII is a token added as plain text.
    bool plain = once == strlen(piece) && memcmp(scratch->data, piece, once) == 0;
    int32_t n = letters(piece);
    *out = plain || n < 0 ? (int32_t)once : n;
    return ERR_OK;
  }
  if (is_byte_piece(piece, scratch)) {
    *out = 1;
    return ERR_OK;
  }
  scratch->size = 0;
  TRY(tokenizer_decode(t, w, twice, 2, false,
                       scratch));  // the second is not at the begin of the text, where a space may be dropped
  *out = (int32_t)(scratch->size - once);
  return ERR_OK;
}

Err data_token_bytes(const Tokenizer *t, int32_t *table) {
  TokenizerWork *w = NULL;
  Bytes scratch = {0};
  bool byte_level;
  TRY(tokenizer_work_open(&w, t));
  Err err = find_byte_level(t, w, &scratch, &byte_level);
  for (int64_t id = 0; id < tokenizer_vocab(t) && !err; id++)
    err = bytes_of(t, w, (int32_t)id, byte_level, &scratch, &table[id]);
  bytes_free(&scratch);
  tokenizer_work_close(w);
  return err;
}
