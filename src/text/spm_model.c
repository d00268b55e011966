#include "text/spm_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/large.h"

static Err copy_pieces(SpmPieces *s, const SpmProto *proto, const char *path) {
  size_t bytes = SPM_PADDING;
  for (int64_t i = 0; i < proto->count; i++) bytes += proto->piece[i].text.size + 1;
  s->texts = calloc_large(bytes, 1);
  s->piece = malloc_large((size_t)proto->count * sizeof *s->piece);
  CHECK(s->texts && s->piece, ERR_MEMORY, "%s: no memory for %lld pieces", path, (long long)proto->count);
  char *to = s->texts;
  for (int64_t i = 0; i < proto->count; i++) {
    SpmPiece p = proto->piece[i];
    memcpy(to, p.text.data, p.text.size);
    to[p.text.size] = '\0';
    p.text.data = to;
    to += p.text.size + 1;
    s->piece[i] = p;
  }
  s->count = proto->count;
  return ERR_OK;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

// "<0x0A>" is the byte 10; -1 for anything else.
static int byte_of(const SpmPiece *p) {
  const char *t = p->text.data;
  if (p->text.size != 6 || memcmp(t, "<0x", 3) != 0 || t[5] != '>') return -1;
  int high = hex_digit(t[3]), low = hex_digit(t[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_normal(SpmPieceType t) { return t == SPM_NORMAL || t == SPM_USER_DEFINED || t == SPM_UNUSED; }

static Err reserve_texts(SpmPieces *s) {
  int64_t count = 0;
  size_t bytes = 0;
  for (int64_t i = 0; i < s->count; i++) {
    if (!is_normal(s->piece[i].type)) continue;
    count++;
    bytes += s->piece[i].text.size;
  }
  return strmap_reserve(&s->normal, count, bytes);
}

static Err index_piece(SpmPieces *s, int32_t id, const char *path) {
  SpmPiece *p = &s->piece[id];
  bool nul = p->text.size == 1 && p->text.data[0] == '\0';
  if (nul && s->byte_fallback) p->type = SPM_UNUSED;  // converters put it in beside the byte piece <0x00>
  if (nul && p->type == SPM_UNUSED) return ERR_OK;
  CHECK(!memchr(p->text.data, 0, p->text.size), ERR_FORMAT, "%s: piece %d holds a NUL byte", path, id);
  StrMap *map = is_normal(p->type) ? &s->normal : &s->reserved;
  int64_t index;
  TRY(strmap_put(map, p->text.data, p->text.size, id, &index));
  CHECK(map->item[index].value == id, ERR_FORMAT, "%s: pieces %d and %d are both \"%s\"", path, map->item[index].value, id,
        p->text.data);
  if (p->type == SPM_UNKNOWN) {
    CHECK(s->unk_id < 0, ERR_FORMAT, "%s: pieces %d and %d are both the unknown piece", path, s->unk_id, id);
    s->unk_id = id;
  }
  if (p->type == SPM_BYTE) {
    int byte = byte_of(p);
    CHECK(byte >= 0, ERR_FORMAT, "%s: piece %d is a byte but reads \"%s\", wanted <0x00> .. <0xFF>", path, id, p->text.data);
    CHECK(s->byte_fallback, ERR_FORMAT, "%s: piece %d is a byte, but the model has no byte_fallback", path, id);
    s->byte_id[byte] = id;
  }
  if (p->type == SPM_USER_DEFINED) {
    if (p->text.size > s->user_longest) s->user_longest = p->text.size;
  }
  return ERR_OK;
}

static Err index_user(SpmPieces *s) {
  size_t count = 0;
  for (int64_t i = 0; i < s->count; i++) count += s->piece[i].type == SPM_USER_DEFINED;
  if (!count) return ERR_OK;
  TrieKey *key = malloc(count * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %zu user-defined pieces", count);
  count = 0;
  for (int32_t i = 0; i < s->count; i++)
    if (s->piece[i].type == SPM_USER_DEFINED) key[count++] = (TrieKey){s->piece[i].text.data, s->piece[i].text.size, i};
  Err err = trie_build(&s->user, key, count);
  free(key);
  return err;
}

Err spm_pieces_init(SpmPieces *s, const SpmProto *proto, const char *path) {
  *s = (SpmPieces){.unk_id = -1, .byte_fallback = proto->byte_fallback};
  for (int b = 0; b < 256; b++) s->byte_id[b] = -1;
  Err err = ERR_OK;
  TRY_OUT(copy_pieces(s, proto, path));
  TRY_OUT(reserve_texts(s));
  for (int32_t i = 0; i < s->count; i++) TRY_OUT(index_piece(s, i, path));
  for (int64_t i = 0; proto->type == SPM_BPE && i < s->reserved.count; i++) {
    const char *text = strmap_text(&s->reserved, i);
    int32_t normal = strmap_get(&s->normal, text, s->reserved.item[i].size, -1);
    CHECK_OUT(normal < 0, ERR_FORMAT, "%s: pieces %d and %d are both \"%s\"", path, s->reserved.item[i].value, normal, text);
  }
  CHECK_OUT(s->unk_id >= 0 || s->byte_fallback, ERR_FORMAT, "%s: the SentencePiece model has no unknown piece", path);
  for (int b = 0; b < 256 && s->byte_fallback; b++)
    CHECK_OUT(s->byte_id[b] >= 0, ERR_FORMAT, "%s: byte_fallback is set, but the byte piece <0x%02X> is missing", path,
              (unsigned)b);
  TRY_OUT(index_user(s));
out:
  if (err) spm_pieces_free(s);
  return err;
}

void spm_pieces_free(SpmPieces *s) {
  free(s->texts);
  free(s->piece);
  strmap_free(&s->normal);
  strmap_free(&s->reserved);
  trie_free(&s->user);
  *s = (SpmPieces){0};
}

int32_t spm_pieces_find(const SpmPieces *s, const char *text, size_t size) {
  int32_t id = strmap_get(&s->reserved, text, size, -1);
  return id >= 0 ? id : strmap_get(&s->normal, text, size, -1);
}

int32_t spm_pieces_emit(const SpmPieces *s, const char *text, size_t size) {
  int32_t id = strmap_get(&s->normal, text, size, -1);
  return id < 0 || s->piece[id].type == SPM_UNUSED ? EMIT_UNKNOWN : id;
}
