#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

Err bpe_work_open(BpeWork **out) {
  BpeWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  *out = w;
  return ERR_OK;
}

void bpe_work_close(BpeWork *w) {
  if (!w) return;
  bpe_joining_free(&w->joining);
  free(w->at);
  free(w->near);
  free(w->segment);
  free(w->symbol);
  free(w->placed);
  free(w);
}

uint64_t bpe_work_steps(const BpeWork *w) { return w->steps; }

// A text on its way: items that nothing behind is joined to.
typedef struct {
  const Bpe *b;
  BpeWork *work;
  const char *text;
  const uint32_t *item, *at, *near;
} Run;

// ---- tokens that stay apart

// Whether encoding `left right` gives the two. near: of the characters where they meet, not 0. longest: nothing longer than
// `left` begins where it begins.
static bool stay_apart(const Run *r, uint32_t left, uint32_t right, uint32_t near, bool longest) {
  const Bpe *b = r->b;
  uint32_t least = b->near[near].time;
  uint32_t left_born = bpe_time(b, left), left_lost = UINT32_MAX;
  uint32_t right_born = bpe_time(b, right), right_lost = UINT32_MAX;
  for (;;) {
    r->work->steps++;
    if (!longest) {
      uint32_t joined = bpe_join(b, left, right);
      uint32_t time = bpe_time(b, joined);
      if (joined != BPE_NONE && time < left_lost && time <= right_lost) return false;
    }
    // Back in time, to where the younger of the two was not yet there; of equals the left one is the older.
    if (right_born >= left_born) {
      if (right_born == 0) return true;
      right_lost = right_born;
      right = b->token[right].left;
      right_born = bpe_time(b, right);
    } else {
      left_lost = left_born;
      left = b->token[left].right;
      left_born = bpe_time(b, left);
      longest = false;
    }
    if (least >= left_lost || least > right_lost) return true;
  }
}

// The longest token that begins at an item that is a character, and its end.
static inline uint32_t longest_token(const Run *r, uint32_t at, uint32_t *end) {
  const Bpe *b = r->b;
  uint32_t symbol = r->item[at], near = r->near[at + 1];
  *end = at + 1;
  if (!near) return symbol;
  const BpeBegin *begin = &b->begin[near];
  if (b->near[near].token != BPE_NONE) {
    symbol = b->near[near].token;
    *end = at + 2;
  }
  if (!((begin->third >> (r->item[at + 2] & 63)) & (r->near[at + 2] != 0))) return symbol;
  uint32_t node = begin->node;
  for (uint32_t i = at + 2; r->near[i]; i++) {
    for (uint32_t k = r->at[i]; k < r->at[i + 1]; k++) {
      node = trie_step(&b->trie, node, (uint8_t)r->text[k]);
      if (!node) return symbol;
    }
    if (b->trie.node[node].value < 0) continue;
    symbol = (uint32_t)b->trie.node[node].value;
    *end = i + 1;
  }
  return symbol;
}

// Puts a token shorter than `symbol` at item `at`, or shorter ones before; returns how many are placed.
static uint32_t place_shorter(const Run *r, uint32_t count, uint32_t symbol, uint32_t at) {
  BpePlaced *placed = r->work->placed;
  for (;;) {
    while ((symbol = r->b->token[symbol].shorter) != BPE_NONE)
      if (!r->near[at] || stay_apart(r, placed[count - 1].symbol, symbol, r->near[at], false)) {
        placed[count] = (BpePlaced){symbol, at};
        return count + 1;
      }
    assert(count);
    count--;
    symbol = placed[count].symbol;
    at = placed[count].at;
  }
}

static void emit_other(const Run *r, BpePlaced p, SpmSink *sink) {
  if (p.symbol & BPE_FROZEN) spm_emit_id(sink, (int32_t)(p.symbol & ~BPE_FROZEN));
  else spm_emit_unknown(sink, r->text + r->at[p.at], r->at[p.at + 1] - r->at[p.at]);
}

static void emit_placed(const Run *r, const BpePlaced *placed, uint32_t count, SpmSink *sink) {
  const int32_t *emit = r->b->emit;
  int32_t *to = sink->ids->id + sink->ids->count;
  for (uint32_t i = 0; i < count; i++) {
    int32_t id = placed[i].symbol < BPE_NONE ? emit[placed[i].symbol] : EMIT_UNKNOWN;
    *to++ = id;
    if (__builtin_expect(id >= 0, 1)) {
      sink->after_unknown = false;
      continue;
    }
    sink->ids->count = to - 1 - sink->ids->id;
    emit_other(r, placed[i], sink);
    to = sink->ids->id + sink->ids->count;
  }
  sink->ids->count = to - sink->ids->id;
}

// Joins the pairs of the items [0, n), n > 0.
static Err join_pairs(const Run *r, uint32_t n) {
  BpeJoining *j = &r->work->joining;
  TRY(bpe_joining_reserve(j, n));
  memcpy(j->symbol, r->item, n * sizeof *j->symbol);
  bpe_join_all(r->b, j, n);
  return ERR_OK;
}

// Encodes the items [0, n) so.
static Err join_items(const Run *r, uint32_t n, SpmSink *sink) {
  const BpeJoining *j = &r->work->joining;
  TRY(join_pairs(r, n));
  r->work->steps += n;
  for (uint32_t i = 0; i != UINT32_MAX; i = j->next[i]) emit_placed(r, &(BpePlaced){j->symbol[i], i}, 1, sink);
  return ERR_OK;
}

// Encodes the items [0, n), with nothing joined across the end. Where tokens are taken back often, as in runs of one character,
// joining the pairs is quicker.
static Err encode_items(const Run *r, uint32_t n, SpmSink *sink) {
  BpePlaced *restrict placed = r->work->placed;
  uint32_t count = 0;
  bool longest = true;
  uint64_t enough = r->work->steps + 4 * (uint64_t)n;
  for (uint32_t at = 0, end; at < n; at = end) {
    uint32_t symbol = r->item[at], near = r->near[at];
    end = at + 1;
    if (symbol < BPE_NONE) symbol = longest_token(r, at, &end);
    if (near && !stay_apart(r, placed[count - 1].symbol, symbol, near, longest)) {
      count = place_shorter(r, count, symbol, at);
      end = placed[count - 1].at + r->b->token[placed[count - 1].symbol].length;
      longest = false;
      if (r->work->steps > enough) return join_items(r, n, sink);
      continue;
    }
    longest = true;
    placed[count++] = (BpePlaced){symbol, at};
  }
  r->work->steps += n;
  emit_placed(r, placed, count, sink);
  return ERR_OK;
}

// ---- a text without a border that nothing is joined across, and more behind it

// last[i] becomes the last token of the encoding of the items [0, i).
static void find_last(const Run *r, uint32_t n, BpePlaced *last) {
  for (uint32_t at = 0, end; at < n; at++)
    for (uint32_t symbol = longest_token(r, at, &end); symbol != BPE_NONE; symbol = r->b->token[symbol].shorter)
      if (at == 0 || stay_apart(r, last[at].symbol, symbol, r->near[at], false))
        last[at + r->b->token[symbol].length] = (BpePlaced){symbol, at};
}

// Encodes as many of the n items as are certain whatever follows; returns their number. The whole text's encoding begins with
// that of the items [0, i), for some i less than the longest token before the end: what those all begin with is certain.
static uint32_t encode_open(const Run *r, uint32_t n, SpmSink *sink) {
  BpePlaced *last = r->work->placed;
  uint32_t *next = r->work->near, alive = r->b->longest, end = n;
  if (n < alive) return 0;
  find_last(r, n, last);
  for (uint32_t i = 0; i <= n; i++) next[i] = i + alive > n;
  for (; alive > 1; end--) {
    if (!next[end]) continue;
    alive -= next[last[end].at];
    next[last[end].at] = 1;
  }
  while (!next[end]) end--;
  for (uint32_t i = end; i; i = last[i].at) next[last[i].at] = i;
  for (uint32_t i = 0; i < end; i = next[i]) emit_placed(r, &last[next[i]], 1, sink);
  return end;
}

static Run run_of(const Bpe *b, BpeWork *w, const char *text, uint32_t from) {
  return (Run){b, w, text, w->symbol + from, w->at + from, w->near + from};
}

Err bpe_encode_items(const Bpe *b, BpeWork *w, const char *text, uint32_t from, uint32_t to, SpmSink *sink) {
  bpe_spell(b, w, text, from, to);
  Run r = run_of(b, w, text, from);
  return encode_items(&r, to - from, sink);
}

// ---- models whose pairs must be joined: what is made on the way may lie anywhere in the text. So all of it is joined at once.

// A symbol of the stack, and how deep it lies in the piece taken apart.
typedef struct {
  uint32_t symbol, depth;
} Apart;

// The reference goes no deeper, and leaves the unused piece as it is.
enum { DEPTH_MAX = 100 };

// An unused piece falls apart at the end into what the latest look at its parts saw, anywhere in the text. Depth first, so the
// stack holds at most one symbol of each depth, and two of the last.
static void emit_apart(const Bpe *b, const BpeJoining *j, uint32_t symbol, SpmSink *sink) {
  Apart stack[DEPTH_MAX + 3] = {{symbol, 0}};
  int count = 1;
  while (count) {
    Apart a = stack[--count];
    if (!b->unused || !b->unused[a.symbol]) {
      spm_emit(sink, b->emit[a.symbol], b->text[a.symbol].data, b->text[a.symbol].size);
    } else if (a.depth > DEPTH_MAX) {
      spm_emit_id(sink, spm_pieces_find(b->pieces, b->text[a.symbol].data, b->text[a.symbol].size));
    } else {
      stack[count++] = (Apart){(uint32_t)j->made_of[a.symbol], a.depth + 1};
      stack[count++] = (Apart){(uint32_t)(j->made_of[a.symbol] >> 32), a.depth + 1};
    }
  }
}

static Err encode_whole(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  BpeJoining *j = &work->joining;
  *used = 0;
  if (!last) return ERR_OK;
  if (b->unused && !j->made_of) {
    j->made_of = malloc(b->symbol_count * sizeof *j->made_of);
    CHECK(j->made_of, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  }
  *used = size;
  uint32_t n = work->items;
  if (n == 0) return ERR_OK;
  bpe_spell(b, work, text, 0, n);
  Run r = run_of(b, work, text, 0);
  TRY(join_pairs(&r, n));
  for (uint32_t i = 0; i != UINT32_MAX; i = j->next[i]) {
    uint32_t s = j->symbol[i];
    if (s < BPE_NONE) emit_apart(b, j, s, sink);
    else emit_other(&r, (BpePlaced){s, i}, sink);
  }
  return ERR_OK;
}

Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  CHECK(size < UINT32_MAX, ERR_SHAPE, "a run of %zu bytes that the model cannot cut is too long", size);
  TRY(bpe_read(b, w, text, size, last));
  if (b->whole) return encode_whole(b, w, text, size, last, used, sink);
  uint32_t segments = w->segments - (!last && w->segments);  // what follows may join across the end
  *used = w->at[w->segment[segments]];
  if (segments || !w->items) return bpe_encode_segments(b, w, text, segments, sink);
  bpe_spell(b, w, text, 0, w->items);
  Run r = run_of(b, w, text, 0);
  *used = w->at[encode_open(&r, w->items, sink)];
  return ERR_OK;
}
