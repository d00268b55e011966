#include <stdlib.h>

#include "text/spm_bpe.h"

// A symbol that is a user-defined piece: never joined. Only where a whole text is gathered.
#define FROZEN 0x80000000u

struct BpeWork {
  BpeWindow window;
  uint32_t limit;   // characters of a segment at which a window is taken
  uint32_t *stack;  // for pieces that fall apart again
  uint32_t stack_capacity;
};

Err bpe_work_open(BpeWork **out) {
  BpeWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  w->limit = BPE_WINDOW;
  Err err = bpe_window_reserve(&w->window, BPE_WINDOW + 1);
  if (err) {
    bpe_work_close(w);
    w = NULL;
  }
  *out = w;
  return err;
}

void bpe_work_close(BpeWork *w) {
  if (!w) return;
  bpe_window_free(&w->window);
  free(w->stack);
  free(w);
}

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

static inline Err emit_symbol(const Bpe *b, SpmSink *sink, uint32_t symbol) {
  int32_t emit = b->emit[symbol];
  if (emit < 0) return spm_emit(sink, emit, b->text[symbol].data, b->text[symbol].size);
  spm_emit_id(sink, emit);
  return ERR_OK;
}

// Writes the list of joined symbols.
static Err emit_list(const Bpe *b, const BpeWindow *w, SpmSink *sink) {
  for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) TRY(emit_symbol(b, sink, w->symbol[i]));
  return ERR_OK;
}

// Writes a segment of n >= 1 characters, which ends at `end` and is cut off on both sides.
static Err emit_segment(const Bpe *b, BpeWindow *w, uint32_t n, const char *text, size_t end, SpmSink *sink) {
  uint32_t *s = w->symbol;
  if (n == 1) return emit_symbol(b, sink, s[0]);
  if (n == 2) {
    uint32_t joined = bpe_join(b, s[0], s[1]);
    if (joined != BPE_NONE) return emit_symbol(b, sink, joined);
    TRY(emit_symbol(b, sink, s[0]));
    return emit_symbol(b, sink, s[1]);
  }
  const BpeWhole *whole = bpe_whole(b, text + w->at[0], end - w->at[0]);
  if (whole->size) return emit_symbol(b, sink, whole->symbol);
  if (n > BPE_SHORT) {
    w->at[n] = (uint32_t)end;
    (void)bpe_join_window(b, w, n, false, text, end);
    return emit_list(b, w, sink);
  }
  int count = bpe_join_short(b, s, (int)n);
  for (int i = 0; i < count; i++) TRY(emit_symbol(b, sink, s[i]));
  return ERR_OK;
}

// Takes a window from the n characters gathered, which end at `end`, and writes what is final. Returns what is left of them in
// *n.
static Err emit_window(const Bpe *b, BpeWork *work, uint32_t *n, const char *text, size_t size, size_t end, SpmSink *sink) {
  BpeWindow *w = &work->window;
  w->at[*n] = (uint32_t)end;
  // The joining overwrites the symbols, which are needed again where nothing, or not all, is final.
  uint32_t final = bpe_join_window(b, w, *n, true, text, size);
  if (final) TRY(emit_list(b, w, sink));
  work->limit = final ? BPE_WINDOW : 2 * *n;
  *n -= final;
  memmove(w->at, w->at + final, (*n + 1) * sizeof *w->at);
  for (uint32_t i = 0; i < *n; i++) {
    size_t length;
    w->symbol[i] = bpe_cell(b, text + w->at[i], size - w->at[i], &length) & ~BPE_USER;
  }
  return bpe_window_reserve(w, work->limit + 1);
}

static Err encode_cut(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  BpeWindow *w = &work->window;
  size_t at = 0, length, longest = b->longest > b->pieces->user_longest ? b->longest : b->pieces->user_longest;
  uint32_t n = 0;
  while (at < size) {
    if (!last && size - at < 4) break;
    uint32_t symbol = bpe_cell(b, text + at, size - at, &length);
    if (symbol & BPE_USER) {
      if (!last && size - at < longest) break;
      int32_t id = trie_longest(&b->pieces->user, text + at, size - at, &length);
      if (id >= 0) {
        if (n) TRY(emit_segment(b, w, n, text, at, sink));
        n = 0;
        TRY(spm_emit_user(sink, id));
        at += length;
        continue;
      }
      symbol = bpe_cell(b, text + at, size - at, &length) & ~BPE_USER;
    }
    if (n && !bpe_together(b, w->symbol[n - 1], symbol)) {
      TRY(emit_segment(b, w, n, text, at, sink));
      n = 0;
    }
    if (symbol == BPE_NONE) {
      if (n) TRY(emit_segment(b, w, n, text, at, sink));
      n = 0;
      TRY(spm_emit(sink, EMIT_UNKNOWN, text + at, length));
      at += length;
      continue;
    }
    if (n >= work->limit) {
      if (!last && size - at < longest) break;
      TRY(emit_window(b, work, &n, text, size, at, sink));
    }
    w->symbol[n] = symbol;
    w->at[n++] = (uint32_t)at;
    at += length;
  }
  if (last && n) TRY(emit_segment(b, w, n, text, at, sink));
  work->limit = last ? BPE_WINDOW : work->limit;
  *used = last || !n ? at : w->at[0];
  return ERR_OK;
}

// ---- models with unused pieces: those may be made on the way, and fall apart again at the end into what the latest look at
// them saw, anywhere in the text. So the whole text is one window.

static Err push(BpeWork *work, uint32_t *count, uint32_t symbol) {
  if (*count == work->stack_capacity) {
    uint32_t capacity = work->stack_capacity ? 2 * work->stack_capacity : 64;
    uint32_t *grown = realloc(work->stack, capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory to take a piece apart");
    work->stack = grown;
    work->stack_capacity = capacity;
  }
  work->stack[(*count)++] = symbol;
  return ERR_OK;
}

static Err emit_apart(const Bpe *b, BpeWork *work, uint32_t symbol, SpmSink *sink) {
  uint32_t count = 0;
  TRY(push(work, &count, symbol));
  while (count) {
    uint32_t s = work->stack[--count];
    // As PieceToId: a reserved piece of this text comes first and is not taken apart.
    bool apart = b->unused[s] && b->emit[s] >= 0 && b->pieces->piece[b->emit[s]].type == SPM_UNUSED;
    if (!apart) {
      TRY(emit_symbol(b, sink, s));
      continue;
    }
    TRY(push(work, &count, (uint32_t)work->window.made_of[s]));
    TRY(push(work, &count, (uint32_t)(work->window.made_of[s] >> 32)));
  }
  return ERR_OK;
}

static Err encode_whole(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  BpeWindow *w = &work->window;
  *used = 0;
  if (!last) return ERR_OK;
  if (!w->made_of) {
    w->made_of = malloc(b->symbol_count * sizeof *w->made_of);
    CHECK(w->made_of, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  }
  uint32_t n = 0;
  for (size_t at = 0, length; at < size; at += length, n++) {
    TRY(bpe_window_reserve(w, n + 1));
    w->at[n] = (uint32_t)at;
    w->symbol[n] = bpe_cell(b, text + at, size - at, &length);
    if (!(w->symbol[n] & BPE_USER)) continue;
    size_t user_length;
    int32_t id = trie_longest(&b->pieces->user, text + at, size - at, &user_length);
    w->symbol[n] = id >= 0 ? FROZEN | (uint32_t)id : w->symbol[n] & ~BPE_USER;
    if (id >= 0) length = user_length;
  }
  *used = size;
  if (n == 0) return ERR_OK;
  w->at[n] = (uint32_t)size;
  (void)bpe_join_window(b, w, n, false, text, size);
  for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) {
    uint32_t s = w->symbol[i];
    if (s & FROZEN) TRY(spm_emit_user(sink, (int32_t)(s & ~FROZEN)));
    else if (s == BPE_NONE) TRY(spm_emit(sink, EMIT_UNKNOWN, text + w->at[i], w->at[i + 1] - w->at[i]));
    else TRY(emit_apart(b, work, s, sink));
  }
  return ERR_OK;
}

Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  CHECK(size < UINT32_MAX, ERR_SHAPE, "a run of %zu bytes that the model cannot cut is too long", size);
  return (b->unused ? encode_whole : encode_cut)(b, w, text, size, last, used, sink);
}
