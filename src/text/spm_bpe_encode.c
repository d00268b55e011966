#include <stdlib.h>

#include "text/spm_bpe.h"

// A symbol that is a user-defined piece: never joined. Only where a whole text is gathered.
#define FROZEN 0x80000000u

struct BpeWork {
  BpeWindow window;
  uint32_t limit;  // characters of a segment at which a window is taken
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

static inline void emit_symbol(const Bpe *b, SpmSink *sink, uint32_t symbol) {
  spm_emit(sink, b->emit[symbol], b->text[symbol].data, b->text[symbol].size);
}

// Writes the list of joined symbols.
static void emit_list(const Bpe *b, const BpeWindow *w, SpmSink *sink) {
  for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) emit_symbol(b, sink, w->symbol[i]);
}

// Writes a segment of n characters, which ends at `end` and is cut off on both sides.
static void emit_segment(const Bpe *b, BpeWindow *w, uint32_t n, const char *text, size_t end, SpmSink *sink) {
  uint32_t *s = w->symbol;
  if (n == 0) return;
  if (n == 1) {
    emit_symbol(b, sink, s[0]);
    return;
  }
  if (n == 2) {
    uint32_t joined = bpe_join(b, s[0], s[1]);
    emit_symbol(b, sink, joined == BPE_NONE ? s[0] : joined);
    if (joined == BPE_NONE) emit_symbol(b, sink, s[1]);
    return;
  }
  const BpeWhole *whole = bpe_whole(b, text + w->at[0], end - w->at[0]);
  if (whole->size) {
    emit_symbol(b, sink, whole->symbol);
    return;
  }
  if (n > BPE_SHORT) {
    w->at[n] = (uint32_t)end;
    (void)bpe_join_window(b, w, n, false, text, end);
    emit_list(b, w, sink);
    return;
  }
  int count = bpe_join_short(b, s, (int)n);
  for (int i = 0; i < count; i++) emit_symbol(b, sink, s[i]);
}

// Takes a window from the n characters gathered, which end at `end`, and writes what is final. Returns what is left of them in
// *n.
static Err emit_window(const Bpe *b, BpeWork *work, uint32_t *n, const char *text, size_t size, size_t end, SpmSink *sink) {
  BpeWindow *w = &work->window;
  w->at[*n] = (uint32_t)end;
  // The joining overwrites the symbols, which are needed again where nothing, or not all, is final.
  uint32_t final = bpe_join_window(b, w, *n, true, text, size);
  if (final) emit_list(b, w, sink);
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
        emit_segment(b, w, n, text, at, sink);
        n = 0;
        spm_emit_id(sink, id);
        at += length;
        continue;
      }
      symbol = bpe_cell(b, text + at, size - at, &length) & ~BPE_USER;
    }
    if (n && !bpe_together(b, w->symbol[n - 1], symbol)) {
      emit_segment(b, w, n, text, at, sink);
      n = 0;
    }
    if (symbol == BPE_NONE) {
      emit_segment(b, w, n, text, at, sink);
      n = 0;
      spm_emit_unknown(sink, text + at, length);
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
  if (last) emit_segment(b, w, n, text, at, sink);
  work->limit = last ? BPE_WINDOW : work->limit;
  *used = last || !n ? at : w->at[0];
  return ERR_OK;
}

// ---- models with unused pieces: those may be made on the way, and fall apart again at the end into what the latest look at
// them saw, anywhere in the text. So the whole text is one window.

// A symbol of the stack, and how deep it lies in the piece taken apart.
typedef struct {
  uint32_t symbol, depth;
} Apart;

// The reference goes no deeper, and leaves the unused piece as it is.
enum { DEPTH_MAX = 100 };

// Depth first, so the stack holds at most one symbol of each depth, and two of the last.
static void emit_apart(const Bpe *b, const BpeWindow *w, uint32_t symbol, SpmSink *sink) {
  Apart stack[DEPTH_MAX + 3] = {{symbol, 0}};
  int count = 1;
  while (count) {
    Apart a = stack[--count];
    if (!b->unused[a.symbol]) {
      emit_symbol(b, sink, a.symbol);
    } else if (a.depth > DEPTH_MAX) {
      spm_emit_id(sink, spm_pieces_find(b->pieces, b->text[a.symbol].data, b->text[a.symbol].size));
    } else {
      stack[count++] = (Apart){(uint32_t)w->made_of[a.symbol], a.depth + 1};
      stack[count++] = (Apart){(uint32_t)(w->made_of[a.symbol] >> 32), a.depth + 1};
    }
  }
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
    if (s & FROZEN) spm_emit_id(sink, (int32_t)(s & ~FROZEN));
    else if (s == BPE_NONE) spm_emit_unknown(sink, text + w->at[i], w->at[i + 1] - w->at[i]);
    else emit_apart(b, w, s, sink);
  }
  return ERR_OK;
}

Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  CHECK(size < UINT32_MAX, ERR_SHAPE, "a run of %zu bytes that the model cannot cut is too long", size);
  return (b->unused ? encode_whole : encode_cut)(b, w, text, size, last, used, sink);
}
