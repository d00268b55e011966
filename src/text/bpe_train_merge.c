// The merge loop of training: pairs are counted once and then kept up to date at the places where a merge changed them.
//
// A queue entry is a pair with the places where it came to be in one step; its count may be out of date and is set right when
// it comes to the top. This is the bookkeeping of the Hugging Face trainer, including that a pair which comes to be twice is
// merged by two entries; SentencePiece's gives the same where a string becomes a piece once.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/bpe.h"
#include "text/bpe_train_parts.h"
#include "text/unicode.h"

typedef struct {
  int64_t count;
  int32_t left, right;
  uint32_t fresh;  // places of this step
  bool allowed;
} Pair;

typedef struct {
  uint32_t pair;
  uint32_t count;  // of places
  size_t first;    // in Merger.place
} Entry;

typedef struct {
  int64_t count;
  uint32_t entry, pair;
} Top;

typedef struct {
  uint32_t pair, place;
} Fresh;

typedef struct {
  MergeTask *task;
  FlatWords *words;
  uint32_t *next, *prev;  // the symbols beside, -1 symbols included
  BpeTable index;         // merged: the pair's place in `pair`
  Pair *pair;
  int64_t n_pairs, pairs_capacity;
  Entry *entry;
  int64_t n_entries, entries_capacity;
  Top *heap;
  int64_t n_heap, heap_capacity;
  uint32_t *place;
  int64_t n_places, places_capacity;
  Fresh *fresh;
  int64_t n_fresh, fresh_capacity;
  uint32_t *touched;  // pairs with fresh places
  int64_t n_touched, touched_capacity;
  Bytes joined;
} Merger;

static Err grow(void **data, int64_t *capacity, int64_t want, size_t item_bytes) {
  if (*capacity >= want) return ERR_OK;
  int64_t grown = *capacity + *capacity / 2 + 4096;
  if (want < grown) want = grown;
  void *p = realloc(*data, (size_t)want * item_bytes);
  CHECK(p, ERR_MEMORY, "no memory to train on so much text (%lld items of %zu bytes); take a sample", (long long)want,
        item_bytes);
  *data = p;
  *capacity = want;
  return ERR_OK;
}
#define GROW(m, data, capacity, want) grow((void **)&(m)->data, &(m)->capacity, (want), sizeof *(m)->data)

static void merger_free(Merger *m) {
  free(m->next);
  free(m->prev);
  bpe_table_free(&m->index);
  free(m->pair);
  free(m->entry);
  free(m->heap);
  free(m->place);
  free(m->fresh);
  free(m->touched);
  bytes_free(&m->joined);
}

// ---- which pair is next

// The order of two joined strings, without joining them.
static int compare_joined(const StrMap *name, const Pair *a, const Pair *b) {
  const StrMapItem *p[2] = {&name->item[a->left], &name->item[a->right]}, *q[2] = {&name->item[b->left], &name->item[b->right]};
  size_t size_a = (size_t)p[0]->size + p[1]->size, size_b = (size_t)q[0]->size + q[1]->size;
  for (size_t i = 0; i < size_a && i < size_b; i++) {
    uint8_t x = (uint8_t)(i < p[0]->size ? name->pool[p[0]->at + i] : name->pool[p[1]->at + i - p[0]->size]);
    uint8_t y = (uint8_t)(i < q[0]->size ? name->pool[q[0]->at + i] : name->pool[q[1]->at + i - q[0]->size]);
    if (x != y) return x < y ? -1 : 1;
  }
  return (size_a > size_b) - (size_a < size_b);
}

// Whether x goes before y: more often; of equals SentencePiece takes the shorter, then the lesser string, Hugging Face the
// older symbols.
static bool before(const Merger *m, Top x, Top y) {
  if (x.count != y.count) return x.count > y.count;
  if (x.pair == y.pair) return x.entry < y.entry;
  const Pair *a = &m->pair[x.pair], *b = &m->pair[y.pair];
  if (!m->task->pieces_once) return a->left != b->left ? a->left < b->left : a->right < b->right;
  const int32_t *chars = m->task->symbols->chars;
  int32_t length_a = chars[a->left] + chars[a->right], length_b = chars[b->left] + chars[b->right];
  if (length_a != length_b) return length_a < length_b;
  int order = compare_joined(&m->task->symbols->name, a, b);
  return order ? order < 0 : x.pair < y.pair;
}

static Err heap_push(Merger *m, Top top) {
  TRY(GROW(m, heap, heap_capacity, m->n_heap + 1));
  int64_t at = m->n_heap++;
  for (; at > 0 && before(m, top, m->heap[(at - 1) / 2]); at = (at - 1) / 2) m->heap[at] = m->heap[(at - 1) / 2];
  m->heap[at] = top;
  return ERR_OK;
}

// Puts `top` where it belongs, beginning at the root, whose entry is taken out.
static void heap_sink(Merger *m, Top top) {
  int64_t at = 0;
  for (int64_t child; (child = 2 * at + 1) < m->n_heap; at = child) {
    if (child + 1 < m->n_heap && before(m, m->heap[child + 1], m->heap[child])) child++;
    if (!before(m, m->heap[child], top)) break;
    m->heap[at] = m->heap[child];
  }
  m->heap[at] = top;
}

static void heap_drop(Merger *m) {
  Top last = m->heap[--m->n_heap];
  if (m->n_heap) heap_sink(m, last);
}

// The next pair to merge, with its true count; false if none occurs.
static bool heap_take(Merger *m, Top *out) {
  while (m->n_heap) {
    Top top = m->heap[0];
    int64_t count = m->pair[top.pair].count;
    if (count <= 0) {
      heap_drop(m);
    } else if (count != top.count) {
      top.count = count;
      heap_sink(m, top);
    } else {
      heap_drop(m);
      *out = top;
      return true;
    }
  }
  return false;
}

// ---- pairs

static Err join(Merger *m, const Pair *p) {
  const StrMap *name = &m->task->symbols->name;
  m->joined.size = 0;
  TRY(bytes_append(&m->joined, strmap_text(name, p->left), name->item[p->left].size));
  return bytes_append(&m->joined, strmap_text(name, p->right), name->item[p->right].size);
}

static Err pair_of(Merger *m, int32_t left, int32_t right, uint32_t *out) {
  const BpeEntry *e = bpe_find(&m->index, left, right);
  if (e) {
    *out = (uint32_t)e->merged;
    return ERR_OK;
  }
  TRY(GROW(m, pair, pairs_capacity, m->n_pairs + 1));
  Pair p = {.left = left, .right = right, .allowed = true};
  if (m->task->rules) {
    const int32_t *chars = m->task->symbols->chars;
    TRY(join(m, &p));
    p.allowed = piece_rules_allow(m->task->rules, m->joined.data, m->joined.size, (int64_t)chars[left] + chars[right]);
  }
  CHECK(m->n_pairs < INT32_MAX, ERR_ARG, "too many different pairs of symbols in the text; take a sample of it");
  *out = (uint32_t)m->n_pairs;
  m->pair[m->n_pairs] = p;
  return bpe_table_add(&m->index, left, right, 0, (int32_t)m->n_pairs++);
}

static Err pair_new_at(Merger *m, int32_t left, int32_t right, uint32_t place) {
  uint32_t at;
  if (left < 0 || right < 0) return ERR_OK;
  TRY(pair_of(m, left, right, &at));
  Pair *p = &m->pair[at];
  if (!p->allowed) return ERR_OK;
  p->count += m->words->times[m->words->word[place]];
  if (p->fresh++ == 0) {
    TRY(GROW(m, touched, touched_capacity, m->n_touched + 1));
    m->touched[m->n_touched++] = at;
  }
  TRY(GROW(m, fresh, fresh_capacity, m->n_fresh + 1));
  m->fresh[m->n_fresh++] = (Fresh){at, place};
  return ERR_OK;
}

static void pair_gone_at(Merger *m, int32_t left, int32_t right, uint32_t place) {
  if (left < 0 || right < 0) return;
  const BpeEntry *e = bpe_find(&m->index, left, right);
  if (e) m->pair[e->merged].count -= m->words->times[m->words->word[place]];
}

// Makes queue entries of the pairs that came to be in this step, with their places in order.
static Err step_end(Merger *m) {
  TRY(GROW(m, place, places_capacity, m->n_places + m->n_fresh));
  for (int64_t i = 0; i < m->n_touched; i++) {
    Pair *p = &m->pair[m->touched[i]];
    TRY(GROW(m, entry, entries_capacity, m->n_entries + 1));
    m->entry[m->n_entries] = (Entry){m->touched[i], 0, (size_t)m->n_places};
    m->n_places += p->fresh;
    p->fresh = (uint32_t)m->n_entries;  // from here on: its entry
    if (p->count > 0) TRY(heap_push(m, (Top){p->count, (uint32_t)m->n_entries, m->touched[i]}));
    CHECK(++m->n_entries < UINT32_MAX, ERR_ARG, "too many pairs of symbols in the text; take a sample of it");
  }
  for (int64_t i = 0; i < m->n_fresh; i++) {
    Entry *e = &m->entry[m->pair[m->fresh[i].pair].fresh];
    m->place[e->first + e->count++] = m->fresh[i].place;
  }
  for (int64_t i = 0; i < m->n_touched; i++) m->pair[m->touched[i]].fresh = 0;
  m->n_fresh = m->n_touched = 0;
  return ERR_OK;
}

// ---- merging

static Err merge_places(Merger *m, Entry e, int32_t merged) {
  int32_t *symbol = m->words->symbol, left = m->pair[e.pair].left, right = m->pair[e.pair].right;
  for (uint32_t i = 0; i < e.count; i++) {
    uint32_t p = m->place[e.first + i], q = m->next[p];
    if (symbol[p] != left || symbol[q] != right) continue;
    uint32_t before_p = m->prev[p], after_q = m->next[q];
    pair_gone_at(m, symbol[before_p], left, p);
    pair_gone_at(m, right, symbol[after_q], p);
    symbol[p] = merged;
    symbol[q] = -1;
    m->next[p] = after_q;
    m->prev[after_q] = p;
    TRY(pair_new_at(m, symbol[before_p], merged, before_p));
    TRY(pair_new_at(m, merged, symbol[after_q], p));
  }
  return step_end(m);
}

static Err merge_pair(Merger *m, Top top) {
  MergeTask *task = m->task;
  Pair p = m->pair[top.pair];
  TRY(join(m, &p));
  int64_t known = strmap_find(&task->symbols->name, m->joined.data, m->joined.size);
  if (known >= 0 && task->pieces_once) return ERR_OK;
  int32_t merged = (int32_t)known;
  if (known < 0) {
    int32_t chars = task->symbols->chars[p.left] + task->symbols->chars[p.right];
    TRY(symbols_add(task->symbols, m->joined.data, m->joined.size, chars, &merged));
    task->want--;
  }
  TRY(GROW(task, merge, merges_capacity, task->n_merges + 1));
  task->merge[task->n_merges++] = (TrainMerge){p.left, p.right, merged};
  return merge_places(m, m->entry[top.entry], merged);
}

static Err count_pairs(Merger *m) {
  uint32_t n = m->words->count;
  m->next = malloc((size_t)n * sizeof *m->next);
  m->prev = malloc((size_t)n * sizeof *m->prev);
  CHECK(m->next && m->prev, ERR_MEMORY, "no memory to train on %u symbols; take a sample of the text", n);
  TRY(bpe_table_init(&m->index, n / 8));
  for (uint32_t i = 0; i < n; i++) {
    m->next[i] = i + 1 < n ? i + 1 : i;
    m->prev[i] = i ? i - 1 : 0;
  }
  for (uint32_t i = 0; i + 1 < n; i++) TRY(pair_new_at(m, m->words->symbol[i], m->words->symbol[i + 1], i));
  return step_end(m);
}

Err merge_words(MergeTask *task, FlatWords *words, TrainProgress *progress, void *arg) {
  Merger m = {.task = task, .words = words};
  int64_t total = task->want;
  Err err = ERR_OK;
  if (total > 0) TRY_OUT(count_pairs(&m));
  Top top;
  while (task->want > 0 && heap_take(&m, &top)) {
    TRY_OUT(merge_pair(&m, top));
    if (progress && task->want % 64 == 0) progress(arg, total - task->want, total);
  }
out:
  merger_free(&m);
  return err;
}
