#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

// A token, and the item at which it begins.
typedef struct {
  uint32_t symbol, at;
} Placed;

struct BpeWork {
  // The items of a text: characters as their symbols (BPE_NONE: of no piece), or user-defined pieces, BPE_FROZEN and their id.
  // BPE_NONE stands behind the last.
  uint32_t *item, *at;  // and their places in the text; one more place: the end
  uint32_t *near;       // what bpe_near finds for an item and the one before; 0 before the first and behind the last
  Placed *placed;
  uint32_t items;
  BpeJoining joining;
  uint64_t steps;
};

Err bpe_work_open(BpeWork **out) {
  BpeWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  *out = w;
  return ERR_OK;
}

void bpe_work_close(BpeWork *w) {
  if (!w) return;
  bpe_joining_free(&w->joining);
  free(w->item);
  free(w->at);
  free(w->near);
  free(w->placed);
  free(w);
}

uint64_t bpe_work_steps(const BpeWork *w) { return w->steps; }

static Err reserve_items(BpeWork *w, size_t count) {
  if (w->placed && count <= w->items) return ERR_OK;
  if (count < 2 * (size_t)w->items) count = 2 * (size_t)w->items;
  w->items = 0;
  uint32_t **array[] = {&w->item, &w->at, &w->near};
  for (size_t i = 0; i < sizeof array / sizeof array[0]; i++) {
    free(*array[i]);
    *array[i] = malloc((count + 1) * sizeof **array[i]);
  }
  free(w->placed);
  w->placed = malloc((count + 1) * sizeof *w->placed);
  CHECK(w->item && w->at && w->near && w->placed, ERR_MEMORY, "no memory to encode a run of %zu bytes", count);
  w->items = (uint32_t)count;
  return ERR_OK;
}

// A text on its way.
typedef struct {
  const Bpe *b;
  BpeWork *work;
  const char *text;
  const uint32_t *item, *at, *near;
} Run;

// The cell of the character at s, readable for 4 bytes: quick for those of three bytes.
static inline uint32_t cell_at(const Bpe *b, const char *s, size_t size, size_t *length) {
  uint32_t word;
  memcpy(&word, s, 4);
  if ((word & 0xc0c0f0) != 0x8080e0 || size < 3) return bpe_cell(b, s, size, length);
  uint32_t page = (word & 0xf) << 6 | (word >> 8 & 0x3f);
  if (page < 0x800 >> 6) return bpe_cell(b, s, size, length);
  *length = 3;
  return b->cell[(uint32_t)b->page[page] << 6 | (word >> 16 & 0x3f)];
}

// A user-defined piece that begins at an item whose cell says that one may.
static uint32_t user_item(const Bpe *b, const char *s, size_t size, uint32_t cell, size_t *length) {
  size_t user_length;
  int32_t id = trie_longest(&b->pieces->user, s, size, &user_length);
  if (id < 0) return cell & ~BPE_USER;
  *length = user_length;
  return BPE_FROZEN | (uint32_t)id;
}

// Reads the items of a text and looks up their neighbours; returns how many. Where more may follow, what could be the begin of
// something longer is left.
static uint32_t read_items(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last) {
  uint32_t n = 0, *restrict item = w->item, *restrict place = w->at, *restrict near = w->near;
  uint64_t before = BPE_NONE;
  size_t at = 0, length, end = last ? size : size < 3 ? 0 : size - 3;
  for (; at < end; at += length, n++) {
    uint32_t cell;
    length = 1;
    if ((uint8_t)text[at] < 0x80) cell = b->ascii[(uint8_t)text[at]];
    else cell = cell_at(b, text + at, size - at, &length);
    if (cell & BPE_USER) {
      if (!last && size - at < b->pieces->user_longest) break;
      cell = user_item(b, text + at, size - at, cell, &length);
    }
    item[n] = cell;
    place[n] = (uint32_t)at;
    uint64_t symbol = cell & BPE_FROZEN ? BPE_NONE : cell;
    near[n] = bpe_near(b, before << 21 | symbol);
    before = symbol;
  }
  item[n] = BPE_NONE;
  place[n] = (uint32_t)at;
  near[n] = 0;
  return n;
}

// ---- tokens that stay apart

// Whether encoding `left right` gives the two. near: of the characters where they meet, not 0. longest: nothing longer than
// `left` begins where it begins.
static bool stay_apart(const Run *r, uint32_t left, uint32_t right, uint32_t near, bool longest) {
  const Bpe *b = r->b;
  uint32_t least = (uint32_t)b->near[near].key & 0x3fffff;
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
  const BpeNear *begin = &b->near[near];
  if (begin->token != BPE_NONE) {
    symbol = begin->token;
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
  Placed *placed = r->work->placed;
  for (;;) {
    while ((symbol = r->b->token[symbol].shorter) != BPE_NONE)
      if (!r->near[at] || stay_apart(r, placed[count - 1].symbol, symbol, r->near[at], false)) {
        placed[count] = (Placed){symbol, at};
        return count + 1;
      }
    assert(count);
    count--;
    symbol = placed[count].symbol;
    at = placed[count].at;
  }
}

static void emit_other(const Run *r, Placed p, SpmSink *sink) {
  if (p.symbol & BPE_FROZEN) spm_emit_id(sink, (int32_t)(p.symbol & ~BPE_FROZEN));
  else spm_emit_unknown(sink, r->text + r->at[p.at], r->at[p.at + 1] - r->at[p.at]);
}

static void emit_placed(const Run *r, const Placed *placed, uint32_t count, SpmSink *sink) {
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
  for (uint32_t i = 0; i != UINT32_MAX; i = j->next[i]) emit_placed(r, &(Placed){j->symbol[i], i}, 1, sink);
  return ERR_OK;
}

// Encodes the items [0, n), with nothing joined across the end. Where tokens are taken back often, as in runs of one character,
// joining the pairs is quicker.
static Err encode_items(const Run *r, uint32_t n, SpmSink *sink) {
  Placed *restrict placed = r->work->placed;
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
    placed[count++] = (Placed){symbol, at};
  }
  r->work->steps += n;
  emit_placed(r, placed, count, sink);
  return ERR_OK;
}

// ---- a text without a border that nothing is joined across, and more behind it

// last[i] becomes the last token of the encoding of the items [0, i).
static void find_last(const Run *r, uint32_t n, Placed *last) {
  for (uint32_t at = 0, end; at < n; at++)
    for (uint32_t symbol = longest_token(r, at, &end); symbol != BPE_NONE; symbol = r->b->token[symbol].shorter)
      if (at == 0 || stay_apart(r, last[at].symbol, symbol, r->near[at], false))
        last[at + r->b->token[symbol].length] = (Placed){symbol, at};
}

// Encodes as many of the n items as are certain whatever follows; returns their number. The whole text's encoding begins with
// that of the items [0, i), for some i less than the longest token before the end: what those all begin with is certain.
static uint32_t encode_open(const Run *r, uint32_t n, SpmSink *sink) {
  Placed *last = r->work->placed;
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

Err bpe_encode_parts(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  TRY(reserve_items(work, size));
  uint32_t n = read_items(b, work, text, size, last), border = n;
  Run r = {.b = b, .work = work, .text = text, .item = work->item, .at = work->at, .near = work->near};
  if (!last && n) {
    border = n - 1;  // what follows may join across the end
    while (work->near[border]) border--;
  }
  if (border || n == 0) TRY(encode_items(&r, border, sink));
  else border = encode_open(&r, n, sink);
  *used = work->at[border];
  return ERR_OK;
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
  TRY(reserve_items(work, size));
  uint32_t n = read_items(b, work, text, size, true);
  *used = size;
  if (n == 0) return ERR_OK;
  const Run r = {.b = b, .work = work, .text = text, .item = work->item, .at = work->at, .near = work->near};
  TRY(join_pairs(&r, n));
  for (uint32_t i = 0; i != UINT32_MAX; i = j->next[i]) {
    uint32_t s = j->symbol[i];
    if (s < BPE_NONE) emit_apart(b, j, s, sink);
    else emit_other(&r, (Placed){s, i}, sink);
  }
  return ERR_OK;
}

Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  CHECK(size < UINT32_MAX, ERR_SHAPE, "a run of %zu bytes that the model cannot cut is too long", size);
  return (b->whole ? encode_whole : b->cut ? bpe_encode_segments : bpe_encode_parts)(b, w, text, size, last, used, sink);
}
