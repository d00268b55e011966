#include <stdlib.h>

#include "text/spm_bpe.h"

// A symbol that is a user-defined piece: never joined. Only where a whole text is gathered.
#define FROZEN 0x80000000u

struct BpeWork {
  BpeWindow window;
  uint32_t limit, least;  // characters of a segment at which a window is taken: now, and where nothing made it more
};

Err bpe_work_open(BpeWork **out, uint32_t window) {
  BpeWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  w->limit = w->least = window;
  Err err = bpe_window_open(&w->window, window + 1);
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

uint64_t bpe_work_steps(const BpeWork *w) { return w->window.steps; }

// Takes a window from the n characters gathered, which end at `end`, and writes what is final. Returns what is left of them in
// *n.
static Err emit_window(const Bpe *b, BpeWork *work, uint32_t *n, const char *text, size_t size, size_t end, SpmSink *sink) {
  BpeWindow *w = &work->window;
  w->at[*n] = (uint32_t)end;
  // The joining overwrites the symbols, which are needed again where nothing, or not all, is final.
  uint32_t final = bpe_join_window(b, w, *n, true, text, size);
  if (final) bpe_emit_list(b, w, sink);
  work->limit = final ? work->least : 2 * *n;
  *n -= final;
  memmove(w->at, w->at + final, (*n + 1) * sizeof *w->at);
  for (uint32_t i = 0; i < *n; i++) {
    size_t length;
    w->symbol[i] = bpe_cell(b, text + w->at[i], size - w->at[i], &length) & ~BPE_USER;
  }
  return bpe_window_reserve(w, work->limit + 1);
}

// A text on its way through the cuts.
typedef struct {
  const Bpe *b;
  BpeWork *work;
  const char *text;
  size_t size;
  SpmSink *sink;
  uint32_t n;  // characters gathered since the last cut
} Cutter;

// Writes what is gathered; the text is cut at `end`.
static inline void cut(Cutter *c, size_t end) {
  if (c->n) bpe_emit_segment(c->b, &c->work->window, c->n, c->text, end, c->sink);
  c->n = 0;
}

static inline Err gather(Cutter *c, uint32_t symbol, size_t at) {
  BpeWindow *w = &c->work->window;
  if (c->n && !bpe_together(c->b, w->symbol[c->n - 1], symbol)) cut(c, at);
  if (c->n >= c->work->limit) TRY(emit_window(c->b, c->work, &c->n, c->text, c->size, at, c->sink));
  w->symbol[c->n] = symbol;
  w->at[c->n++] = (uint32_t)at;
  return ERR_OK;
}

static Err encode_cut(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  Cutter c = {.b = b, .work = work, .text = text, .size = size, .sink = sink};
  size_t at = 0, length, longest = b->longest > b->pieces->user_longest ? b->longest : b->pieces->user_longest;
  while (at < size) {
    if (!last && size - at < 4) break;
    uint32_t symbol = (uint8_t)text[at] < 0x80 ? b->ascii[(uint8_t)text[at]] : BPE_NONE;
    length = 1;
    if (symbol == BPE_NONE) symbol = bpe_cell(b, text + at, size - at, &length);
    if (!last && (symbol & BPE_USER || c.n >= work->limit) && size - at < longest) break;
    if (symbol & BPE_USER) {
      size_t user_length;
      int32_t id = trie_longest(&b->pieces->user, text + at, size - at, &user_length);
      symbol &= ~BPE_USER;
      if (id >= 0) {
        cut(&c, at);
        spm_emit_id(sink, id);
        at += user_length;
        continue;
      }
    }
    if (symbol == BPE_NONE) {
      cut(&c, at);
      spm_emit_unknown(sink, text + at, length);
    } else {
      TRY(gather(&c, symbol, at));
    }
    at += length;
  }
  *used = last || !c.n ? at : work->window.at[0];
  if (!last) return ERR_OK;
  cut(&c, at);
  work->limit = work->least;
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
      spm_emit(sink, b->emit[a.symbol], b->text[a.symbol].data, b->text[a.symbol].size);
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
