#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

// An item that is a user-defined piece: never joined; its id in the other bits.
#define FROZEN 0x80000000u

enum { RECENT_BITS = 16, RECENT_IDS = 9, AHEAD = 32, AHEAD_MISSED = 16 };

// A segment of at most BPE_KEY_BYTES met before, and its ids. Of those that share a place the latest is kept, so this is 4 MiB
// whatever the text.
typedef struct {
  BpeKey key;  // all zero: free (no segment of more than a character is)
  int32_t count, id[RECENT_IDS];
} Recent;

// A segment on its way to its turn.
typedef struct {
  uint32_t begin, end;  // items
  Recent *recent;       // its place; NULL: too long, or of one character
  BpeKey key;
  uint64_t hash;
} Segment;

struct BpeWork {
  // The items of a text: characters as their symbols (BPE_NONE: of no piece), or user-defined pieces. BPE_NONE stands behind
  // the last.
  uint32_t *item, *at;  // and their places in the text; one more place: the end
  bool *cut;            // before an item nothing is joined
  uint32_t items;
  Recent *recent;
  Arena memory;
  BpeWindow window;
  uint32_t limit, least;  // characters of a segment at which a window is taken: now, and where nothing made it more
};

Err bpe_work_open(BpeWork **out, uint32_t window) {
  BpeWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  w->limit = w->least = window;
  size_t recent_bytes = sizeof *w->recent << RECENT_BITS;
  Err err = bpe_window_reserve(&w->window, window + 1);
  if (!err) err = arena_init(&w->memory, "recent segments", recent_bytes);
  if (err) {
    bpe_work_close(w);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  w->recent = arena_take(&w->memory, recent_bytes);
  *out = w;
  return ERR_OK;
}

void bpe_work_close(BpeWork *w) {
  if (!w) return;
  bpe_window_free(&w->window);
  arena_free(&w->memory);
  free(w->item);
  free(w->at);
  free(w->cut);
  free(w);
}

uint64_t bpe_work_steps(const BpeWork *w) { return w->window.steps; }

static Err reserve_items(BpeWork *w, size_t count) {
  if (w->cut && count <= w->items) return ERR_OK;
  if (count < 2 * (size_t)w->items) count = 2 * (size_t)w->items;
  uint32_t *item = realloc(w->item, (count + 1) * sizeof *item);
  if (item) w->item = item;
  uint32_t *at = realloc(w->at, (count + 1) * sizeof *at);
  if (at) w->at = at;
  free(w->cut);
  w->cut = calloc(count + 1, sizeof *w->cut);
  bool all = item && at && w->cut;
  w->items = all ? (uint32_t)count : 0;
  CHECK(all, ERR_MEMORY, "no memory to encode a run of %zu bytes", count);
  return ERR_OK;
}

// Reads the items of a text; returns how many. Where more may follow, what could be the begin of something longer is left.
static uint32_t read_items(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last) {
  uint32_t n = 0, *item = w->item, *place = w->at, before = BPE_NONE;
  bool *cut = w->cut;
  size_t at = 0, length;
  for (; at < size; at += length, n++) {
    if (!last && size - at < 4) break;
    uint32_t cell = (uint8_t)text[at] < 0x80 ? b->ascii[(uint8_t)text[at]] : BPE_NONE;
    length = 1;
    if (cell == BPE_NONE) cell = bpe_cell(b, text + at, size - at, &length);
    if (cell & BPE_USER) {
      if (!last && size - at < b->pieces->user_longest) break;
      size_t user_length;
      int32_t id = trie_longest(&b->pieces->user, text + at, size - at, &user_length);
      cell = id >= 0 ? FROZEN | (uint32_t)id : cell & ~BPE_USER;
      if (id >= 0) length = user_length;
    }
    item[n] = cell;
    place[n] = (uint32_t)at;
    cut[n] = cell >= BPE_NONE || before >= BPE_NONE || !bpe_together(b, before, cell);
    before = cell;
  }
  item[n] = BPE_NONE;
  place[n] = (uint32_t)at;
  cut[n] = true;
  return n;
}

// Puts items into the window, to be joined.
static Err take_items(BpeWork *work, uint32_t begin, uint32_t count) {
  BpeWindow *w = &work->window;
  TRY(bpe_window_reserve(w, count + 1));
  memcpy(w->symbol, work->item + begin, count * sizeof *w->symbol);
  memcpy(w->at, work->at + begin, (count + 1) * sizeof *w->at);
  return ERR_OK;
}

// A text on its way.
typedef struct {
  const Bpe *b;
  BpeWork *work;
  const char *text;
  size_t size;
  uint32_t n;  // items
  bool last;
  SpmSink *sink;
} Run;

static inline bool is_cut(const Run *r, uint32_t at) { return r->work->cut[at]; }

// The text of a symbol lies far away: it is looked at only where no id stands for it.
static inline void emit_symbol(const Bpe *b, SpmSink *sink, uint32_t symbol) {
  int32_t id = b->emit[symbol];
  if (__builtin_expect(id >= 0, 1)) spm_emit_id(sink, id);
  else spm_emit_unknown(sink, b->text[symbol].data, b->text[symbol].size);
}

static inline void emit_item(const Run *r, uint32_t i) {
  const uint32_t *at = r->work->at;
  if (r->work->item[i] & FROZEN) spm_emit_id(r->sink, (int32_t)(r->work->item[i] & ~FROZEN));
  else spm_emit_unknown(r->sink, r->text + at[i], at[i + 1] - at[i]);
}

static void emit_list(const Bpe *b, const BpeWindow *w, SpmSink *sink) {
  for (uint32_t i = 0; i != UINT32_MAX; i = w->next[i]) emit_symbol(b, sink, w->symbol[i]);
}

// ---- segments by joining

static Err join_part(const Run *r, uint32_t begin, uint32_t count, bool open, uint32_t *final) {
  BpeWindow *w = &r->work->window;
  TRY(take_items(r->work, begin, count));
  *final = bpe_join_window(r->b, w, count, open, r->text, r->size);
  if (*final) emit_list(r->b, w, r->sink);
  return ERR_OK;
}

// Encodes from item *i to the next cut, or as far as is certain.
static Err join_segment(const Run *r, uint32_t *i) {
  BpeWork *work = r->work;
  uint32_t end = *i + 1;
  while (!is_cut(r, end)) end++;
  bool closed = end < r->n || r->last;
  while (*i < end) {
    uint32_t count = end - *i, final;
    bool open = !closed || count > work->limit;
    if (count > work->limit) count = work->limit;
    if (!closed && (count < work->limit || r->size - work->at[*i + count] < r->b->longest)) break;
    TRY(join_part(r, *i, count, open, &final));
    work->limit = final ? work->least : 2 * count;
    *i += final;
  }
  return ERR_OK;
}

// ---- short segments

// Joins the symbols s[0, n) in place, n <= BPE_SHORT; returns how many are left.
static int join_short(const Bpe *b, uint32_t *s, int n) {
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

// ---- segments met before

// Encodes a segment that is cut on both sides.
static Err encode_segment(const Run *r, const Segment *s) {
  uint32_t n = s->end - s->begin;
  uint32_t symbol = s->recent && n > 2 ? bpe_token(r->b, s->hash, &s->key) : BPE_NONE;
  if (symbol != BPE_NONE) {
    emit_symbol(r->b, r->sink, symbol);
    return ERR_OK;
  }
  if (n > BPE_SHORT) {
    uint32_t i = s->begin;
    return join_segment(r, &i);
  }
  uint32_t symbols[BPE_SHORT];
  for (uint32_t i = 0; i < n; i++) symbols[i] = r->work->item[s->begin + i];
  int count = join_short(r->b, symbols, (int)n);
  for (int i = 0; i < count; i++) emit_symbol(r->b, r->sink, symbols[i]);
  return ERR_OK;
}

static Err recall_segment(const Run *r, const Segment *s) {
  Ids *ids = r->sink->ids;
  Recent *recent = s->recent;
  if (bpe_key_equal(&recent->key, &s->key)) {
    memcpy(ids->id + ids->count, recent->id, sizeof recent->id);  // all: there is room, and a fixed size is a few moves
    ids->count += recent->count;
    r->sink->after_unknown = false;
    return ERR_OK;
  }
  int64_t before = ids->count;
  TRY(encode_segment(r, s));
  int64_t count = ids->count - before;
  if (count > RECENT_IDS || r->sink->after_unknown) return ERR_OK;
  recent->key = s->key;
  recent->count = (int32_t)count;
  memcpy(recent->id, ids->id + before, (size_t)count * sizeof *ids->id);
  return ERR_OK;
}

// The segment that begins at item `begin`.
static inline Segment segment_at(const Run *r, uint32_t begin) {
  BpeWork *w = r->work;
  Segment s = {.begin = begin, .end = begin + 1};
  while (!w->cut[s.end]) s.end++;
  size_t at = w->at[begin], size = w->at[s.end] - at;
  if (s.end == begin + 1 || size > BPE_KEY_BYTES) return s;
  s.hash = bpe_key(&s.key, r->text + at, size);
  s.recent = &w->recent[s.hash >> (64 - RECENT_BITS)];
  __builtin_prefetch(s.recent);
  return s;
}

// Asks for the lines that encoding a segment will look at if it is not among the recent ones.
static inline void ask_for(const Run *r, const Segment *s) {
  if (!s->recent || bpe_key_equal(&s->recent->key, &s->key)) return;
  __builtin_prefetch(bpe_token_place(r->b, s->hash));
  for (uint32_t k = s->begin; k + 1 < s->end; k++) {
    uint64_t key = (uint64_t)r->work->item[k] << 21 | r->work->item[k + 1];
    __builtin_prefetch(&r->b->pair[bpe_pair_slot(r->b, key)]);
  }
}

static Err encode_cut(const Bpe *b, BpeWork *work, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  TRY(reserve_items(work, size));
  Run r = {.b = b, .work = work, .text = text, .size = size, .last = last, .sink = sink};
  r.n = read_items(b, work, text, size, last);
  Segment ahead[AHEAD];
  uint32_t i = 0, next = 0, taken = 0, asked = 0, done = 0;
  for (; i < r.n; i = ahead[done++ % AHEAD].end) {
    for (; taken < done + AHEAD && next < r.n; taken++) {
      ahead[taken % AHEAD] = segment_at(&r, next);
      next = ahead[taken % AHEAD].end;
    }
    for (; asked < taken && asked < done + AHEAD_MISSED; asked++) ask_for(&r, &ahead[asked % AHEAD]);
    const Segment *s = &ahead[done % AHEAD];
    if (s->end == r.n && !last) {  // it may go on
      TRY(join_segment(&r, &i));
      break;
    }
    if (s->recent) TRY(recall_segment(&r, s));
    else if (s->end > i + 1) TRY(encode_segment(&r, s));
    else if (work->item[i] < BPE_NONE) emit_symbol(b, sink, work->item[i]);
    else emit_item(&r, i);
  }
  *used = work->at[i];
  if (last) work->limit = work->least;
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
  TRY(reserve_items(work, size));
  uint32_t n = read_items(b, work, text, size, true);
  *used = size;
  if (n == 0) return ERR_OK;
  TRY(take_items(work, 0, n));
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
