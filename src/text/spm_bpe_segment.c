// Segments: what stands between two cuts, mostly a word or a few characters.
#include <stdlib.h>

#include "text/spm_bpe.h"

int bpe_join_short(const Bpe *b, uint32_t *s, int n) {
  uint32_t join[BPE_SHORT], rank[BPE_SHORT];
  for (int i = 0; i + 1 < n; i++) join[i] = bpe_join(b, s[i], s[i + 1]);
  for (int i = 0; i + 1 < n; i++) rank[i] = join[i] == BPE_NONE ? UINT32_MAX : bpe_rank(b, join[i]);
  while (n > 1) {
    int best = 0;
    for (int i = 1; i + 1 < n; i++)
      if (rank[i] < rank[best]) best = i;
    if (rank[best] == UINT32_MAX) break;
    s[best] = join[best];
    n--;
    for (int i = best + 1; i < n; i++) s[i] = s[i + 1];
    for (int i = best; i + 1 < n; i++) join[i] = join[i + 1], rank[i] = rank[i + 1];
    for (int i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
      join[i] = bpe_join(b, s[i], s[i + 1]);
      rank[i] = join[i] == BPE_NONE ? UINT32_MAX : bpe_rank(b, join[i]);
    }
  }
  return n;
}

static inline void emit_symbol(const Bpe *b, SpmSink *sink, uint32_t symbol) {
  spm_emit(sink, b->emit[symbol], b->text[symbol].data, b->text[symbol].size);
}

void bpe_emit_list(const Bpe *b, const BpeWindow *w, SpmSink *sink) {
  for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) emit_symbol(b, sink, w->symbol[i]);
}

// The key of a text of at most 24 bytes: its bytes, then zeros. text: readable for 24 bytes.
static inline uint64_t segment_key(const char *text, size_t size, uint64_t word[3]) {
  static const uint8_t mask[48] = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  };
  uint64_t keep[3];
  memcpy(word, text, 24);
  memcpy(keep, mask + 24 - size, 24);
  for (int i = 0; i < 3; i++) word[i] &= keep[i];
  uint64_t hash = word[0] * 0x9e3779b97f4a7c15u ^ word[1] * 0xbf58476d1ce4e5b9u ^ word[2] * 0x94d049bb133111ebu;
  return (hash ^ hash >> 29) * 0x9e3779b97f4a7c15u >> (64 - BPE_RECENT_BITS);
}

// Writes a segment that is not in the table of recent ones.
static void encode_segment(const Bpe *b, BpeWindow *w, uint32_t n, const char *text, size_t end, SpmSink *sink) {
  const BpeWhole *whole = n > 2 ? bpe_whole(b, text + w->at[0], end - w->at[0]) : NULL;
  if (whole && whole->size) {
    emit_symbol(b, sink, whole->symbol);
  } else if (n > BPE_SHORT) {
    w->at[n] = (uint32_t)end;
    (void)bpe_join_window(b, w, n, false, text, end);
    bpe_emit_list(b, w, sink);
  } else {
    int count = bpe_join_short(b, w->symbol, (int)n);
    for (int i = 0; i < count; i++) emit_symbol(b, sink, w->symbol[i]);
  }
}

void bpe_emit_segment(const Bpe *b, BpeWindow *w, uint32_t n, const char *text, size_t end, SpmSink *sink) {
  size_t size = end - w->at[0];
  if (n == 1) {
    emit_symbol(b, sink, w->symbol[0]);
    return;
  }
  if (size > 24) {
    encode_segment(b, w, n, text, end, sink);
    return;
  }
  uint64_t word[3];
  BpeRecent *r = &w->recent[segment_key(text + w->at[0], size, word)];
  Ids *ids = sink->ids;
  if (r->word[0] == word[0] && r->word[1] == word[1] && r->word[2] == word[2]) {
    memcpy(ids->id + ids->count, r->id, sizeof r->id);  // all of them: there is room, and a fixed size is a few moves
    ids->count += r->count;
    sink->after_unknown = false;
    return;
  }
  int64_t before = ids->count;
  encode_segment(b, w, n, text, end, sink);
  int64_t count = ids->count - before;
  if (count > BPE_RECENT_IDS || sink->after_unknown) return;
  *r = (BpeRecent){.word = {word[0], word[1], word[2]}, .count = (int32_t)count};
  memcpy(r->id, ids->id + before, (size_t)count * sizeof *r->id);
}
