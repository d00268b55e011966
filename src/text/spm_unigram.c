#include "text/spm_unigram.h"

#include <float.h>
#include <stdlib.h>

#include "text/utf8.h"

static const float UNKNOWN_PENALTY = 10.0f;
static const float SCORE_MAX = 100000.0f;  // beyond it the scores in flight are shifted back to zero

Err unigram_init(Unigram *u, const SpmPieces *pieces, const char *path) {
  *u = (Unigram){.pieces = pieces};
  float least = FLT_MAX;
  size_t count = 0;
  for (int64_t i = 0; i < pieces->count; i++) {
    const SpmPiece *p = &pieces->piece[i];
    if (p->type == SPM_NORMAL && p->score < least) least = p->score;
    count += p->type == SPM_NORMAL || p->type == SPM_USER_DEFINED;
  }
  u->unknown_score = least - UNKNOWN_PENALTY;
  u->score = calloc((size_t)pieces->count, sizeof *u->score);
  TrieKey *key = malloc((count + 1) * sizeof *key);
  Err err = ERR_OK;
  CHECK_OUT(u->score && key, ERR_MEMORY, "no memory for %zu pieces", count);
  CHECK_OUT(count, ERR_FORMAT, "%s: the unigram model has no piece that a text could become", path);
  count = 0;
  for (int32_t i = 0; i < pieces->count; i++) {
    const SpmPiece *p = &pieces->piece[i];
    if (p->type != SPM_NORMAL && p->type != SPM_USER_DEFINED) continue;
    // A user-defined piece must win over its parts.
    u->score[i] = p->type == SPM_NORMAL ? p->score : (float)(0.1 * (double)(p->text.size - 1));
    key[count++] = (TrieKey){p->text.data, p->text.size, i};
    if (p->text.size > u->longest) u->longest = p->text.size;
  }
  TRY_OUT(trie_build(&u->trie, key, count));
out:
  free(key);
  if (err) unigram_free(u);
  return err;
}

void unigram_free(Unigram *u) {
  trie_free(&u->trie);
  free(u->score);
  *u = (Unigram){0};
}

void unigram_work_free(UnigramWork *w) {
  free(w->step);
  free(w->back);
  *w = (UnigramWork){0};
}

static Err work_reserve(UnigramWork *w, size_t size) {
  if (size + 1 <= w->capacity) return ERR_OK;
  size_t capacity = size + size / 2 + 1024;
  UnigramStep *step = realloc(w->step, capacity * sizeof *step);
  if (step) w->step = step;
  int32_t *back = realloc(w->back, capacity * sizeof *back);
  if (back) w->back = back;
  CHECK(step && back, ERR_MEMORY, "no memory to encode %zu bytes that the model cannot cut", size);
  w->capacity = capacity;
  return ERR_OK;
}

static inline void offer(UnigramStep *to, float score, int32_t id, size_t length) {
  if (to->length && !(score > to->score)) return;
  *to = (UnigramStep){.score = score, .id = id, .length = (uint32_t)length};
}

static void shift_scores(UnigramWork *w, size_t at, size_t reach) {
  float offset = w->step[at].score;
  for (size_t i = at; i <= reach; i++)
    if (i == at || w->step[i].length) w->step[i].score -= offset;
}

// Writes the best way from `begin` to `end`.
static void write_back(UnigramWork *w, const char *text, size_t begin, size_t end, SpmSink *sink) {
  size_t count = 0;
  for (size_t at = end; at > begin; at -= w->step[at].length)
    w->back[count++] = w->step[at].id == sink->pieces->unk_id ? -(int32_t)w->step[at].length : w->step[at].id;
  for (size_t at = begin; count--;) {
    int32_t id = w->back[count];
    if (id >= 0) {
      spm_emit_id(sink, id);
      at += sink->pieces->piece[id].text.size;
    } else {
      spm_emit_unknown(sink, text + at, (size_t)-id);
      at += (size_t)-id;
    }
  }
}

// Every place that no piece of the text stands across is a cut: the best way goes through it, so what is before is final.
Err unigram_encode(const Unigram *u, UnigramWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  CHECK(size < INT32_MAX, ERR_SHAPE, "a run of %zu bytes that the model cannot cut is too long", size);
  TRY(work_reserve(w, size));
  memset(w->step, 0, (size + 1) * sizeof *w->step);
  w->step[0] = (UnigramStep){.score = w->score};
  size_t begin = 0, reach = 0;
  const TrieNode *node = u->trie.node;
  for (size_t at = 0, length; at < size; at += length) {
    if (at == reach && at > begin) {
      write_back(w, text, begin, at, sink);
      begin = at;
      w->score = w->step[at].score;
    }
    if (!last && size - at < u->longest + 4) break;
    length = utf8_announced(text[at]);
    if (length > size - at) length = size - at;
    if (w->step[at].score > SCORE_MAX || w->step[at].score < -SCORE_MAX) shift_scores(w, at, reach);
    float before = w->step[at].score;
    bool single = false;
    uint32_t s = 0;
    for (size_t k = at; k < size;) {
      s = trie_step(&u->trie, s, (uint8_t)text[k++]);
      if (!s) break;
      int32_t id = node[s].value;
      if (id < 0) continue;
      offer(&w->step[k], u->score[id] + before, id, k - at);
      single |= k - at == length;
      if (k > reach) reach = k;
    }
    if (!single) offer(&w->step[at + length], u->unknown_score + before, u->pieces->unk_id, length);
    if (at + length > reach) reach = at + length;
  }
  if (last && begin < size) write_back(w, text, begin, size, sink);
  *used = last ? size : begin;
  return ERR_OK;
}

void word_encode(const SpmPieces *pieces, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  size_t begin = 0;
  *used = 0;
  for (size_t at = 0, length; at < size; at += length) {
    length = utf8_announced(text[at]);
    if (length > size - at) length = size - at;
    bool space = length == 3 && memcmp(text + at, "\xe2\x96\x81", 3) == 0;
    if (!space || at == begin) continue;
    spm_emit(sink, spm_pieces_emit(pieces, text + begin, at - begin), text + begin, at - begin);
    begin = at;
  }
  if (last && begin < size) {
    spm_emit(sink, spm_pieces_emit(pieces, text + begin, size - begin), text + begin, size - begin);
    begin = size;
  }
  *used = begin;
}
