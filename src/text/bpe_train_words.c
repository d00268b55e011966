// Collecting the distinct words of the training text: texts gather in a batch, the threads cut a share of it each and count
// into tables of their own, which are joined and sorted at the end.
#include <stdlib.h>

#include "base/utf8.h"
#include "text/bpe_train_parts.h"
#include "text/byte_level.h"
#include "text/unicode.h"

enum { BATCH_BYTES = 16 << 20 };

Err word_counts_add(WordCounts *c, const char *text, size_t size, int64_t times) {
  int64_t index, known = c->word.count;
  TRY(strmap_put(&c->word, text, size, 0, &index));
  if (c->word.count > known) {
    if (c->word.count > c->capacity) {
      int64_t capacity = c->capacity + c->capacity / 2 + 1024;
      int64_t *grown = realloc(c->times, (size_t)capacity * sizeof *grown);
      CHECK(grown, ERR_MEMORY, "no memory for %lld different words", (long long)capacity);
      c->times = grown;
      c->capacity = capacity;
    }
    c->times[index] = 0;
  }
  c->times[index] += times;
  return ERR_OK;
}

void word_counts_free(WordCounts *c) {
  strmap_free(&c->word);
  free(c->times);
  *c = (WordCounts){0};
}

// ---- the words of a text

static Err mend(Bytes *mended, const char **text, size_t *size) {
  size_t good = utf8_invalid_at(*text, *size);
  if (good == *size) return ERR_OK;
  mended->size = 0;
  for (size_t at = 0; at < *size; at++) {
    good = utf8_invalid_at(*text + at, *size - at);
    TRY(bytes_append(mended, *text + at, good));
    at += good;
    if (at == *size) break;
    TRY(bytes_append(mended, "\xEF\xBF\xBD", 3));
  }
  *text = mended->data;
  *size = mended->size;
  return ERR_OK;
}

Err spm_words_open(SpmWords *s, const TrainOptions *o) {
  *s = (SpmWords){.o = o};
  int64_t count = 4 + o->n_control + o->n_user + (o->byte_fallback ? 256 : 0);
  TrieKey *key = malloc((size_t)count * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %lld names of pieces", (long long)count);
  char bytes[256][8];
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  size_t n = 0;
  for (int i = 0; i < 4; i++)
    if (ends[i]) key[n++] = (TrieKey){ends[i], strlen(ends[i]), 0};
  for (int64_t i = 0; i < o->n_control; i++) key[n++] = (TrieKey){o->control[i], strlen(o->control[i]), 0};
  for (int64_t i = 0; i < o->n_user; i++) key[n++] = (TrieKey){o->user[i], strlen(o->user[i]), 0};
  for (int b = 0; o->byte_fallback && b < 256; b++) {
    snprintf(bytes[b], sizeof bytes[b], "<0x%02X>", b);
    key[n++] = (TrieKey){bytes[b], 6, 0};
  }
  Err err = trie_build(&s->metas, key, n);
  free(key);
  return err;
}

void spm_words_close(SpmWords *s) {
  trie_free(&s->metas);
  bytes_free(&s->text);
  bytes_free(&s->mended);
}

// Words begin at a space; with pieces of spaces only, at the first of several. A word ends where a piece that is there already
// stands.
Err spm_words_add(SpmWords *s, const char *text, size_t size, WordCounts *out) {
  static const char space[] = "\xE2\x96\x81";
  TRY(mend(&s->mended, &text, &size));
  s->text.size = 0;
  TRY(bytes_append(&s->text, space, 3));
  for (size_t at = 0; at < size;) {
    const char *found = memchr(text + at, ' ', size - at);
    size_t end = found ? (size_t)(found - text) : size;
    TRY(bytes_append(&s->text, text + at, end - at));
    if (found) TRY(bytes_append(&s->text, space, 3));
    at = end + (found != NULL);
  }
  const char *t = s->text.data;
  size_t n = s->text.size, begin = 0, meta;
  bool spaces = true;  // the word so far is spaces
  for (size_t at = 0; at < n;) {
    if (trie_longest(&s->metas, t + at, n - at, &meta) >= 0) {
      if (at > begin) TRY(word_counts_add(out, t + begin, at - begin, 1));
      out->marks++;
      begin = at += meta;
      spaces = false;
      continue;
    }
    size_t step = utf8_size(t[at]);
    bool is_space = step == 3 && memcmp(t + at, space, 3) == 0;
    if (is_space && at > begin && s->o->split_by_whitespace && !(spaces && s->o->allow_whitespace_only)) {
      TRY(word_counts_add(out, t + begin, at - begin, 1));
      begin = at;
    }
    spaces = is_space;
    at += step;
  }
  return n > begin ? word_counts_add(out, t + begin, n - begin, 1) : ERR_OK;
}

static bool is_numeric(const char *text, size_t at) { return unicode_class(utf8_next(text, &at)) == CLASS_NUMBER; }

// Words by GPT-2's pattern; with split_digits each number character is one before the pattern is asked.
Err hf_words_add(bool split_digits, Bytes *mended, const char *text, size_t size, WordCounts *out) {
  TRY(mend(mended, &text, &size));
  for (size_t at = 0; at < size;) {
    size_t end = split_digits ? at : size;
    while (split_digits && end < size && !is_numeric(text, end)) end += utf8_size(text[end]);
    for (size_t next; at < end; at = next) {
      next = byte_level_word(text, end, at);
      TRY(word_counts_add(out, text + at, next - at, 1));
    }
    if (end == size) break;
    TRY(word_counts_add(out, text + end, utf8_size(text[end]), 1));
    at = end + utf8_size(text[end]);
  }
  return ERR_OK;
}

// ---- the batch

typedef struct {
  SpmWords spm;
  WordCounts words;
  Err err;
  ErrInfo info;
} Worker;

struct WordCollector {
  TrainOptions o;
  Pool *pool;
  int n_workers;
  Worker *worker;
  Bytes batch;
  Ids sizes;  // of the texts in the batch
  TrainCounts counts;
};

void word_collector_close(WordCollector *c) {
  if (!c) return;
  for (int i = 0; c->worker && i < c->n_workers; i++) {
    spm_words_close(&c->worker[i].spm);
    word_counts_free(&c->worker[i].words);
  }
  free(c->worker);
  bytes_free(&c->batch);
  ids_free(&c->sizes);
  free(c);
}

Err word_collector_open(WordCollector **out, const TrainOptions *o, Pool *pool) {
  WordCollector *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory to train with");
  c->o = *o;
  c->pool = pool;
  c->n_workers = pool_threads(pool);
  c->worker = calloc((size_t)c->n_workers, sizeof *c->worker);
  Err err = ERR_OK;
  CHECK_OUT(c->worker, ERR_MEMORY, "no memory for %d threads", c->n_workers);
  for (int i = 0; o->format == TRAIN_SENTENCEPIECE && i < c->n_workers; i++) TRY_OUT(spm_words_open(&c->worker[i].spm, &c->o));
  *out = c;
  return ERR_OK;
out:
  word_collector_close(c);
  return err;
}

static Err count_share(WordCollector *c, Worker *w, int64_t begin, int64_t end) {
  size_t at = 0;
  for (int64_t i = 0; i < end; i++) {
    size_t size = (size_t)c->sizes.id[i];
    const char *text = c->batch.data + at;
    at += size;
    if (i < begin) continue;
    if (c->o.format == TRAIN_SENTENCEPIECE) TRY(spm_words_add(&w->spm, text, size, &w->words));
    else TRY(hf_words_add(c->o.split_digits, &w->spm.mended, text, size, &w->words));
  }
  return ERR_OK;
}

static void count_batch(void *arg, int thread, int n_threads) {
  WordCollector *c = arg;
  Worker *w = &c->worker[thread];
  int64_t begin, end;
  pool_range(c->sizes.count, 1, thread, n_threads, &begin, &end);
  w->err = count_share(c, w, begin, end);
  if (w->err) err_take(&w->info);
}

static Err batch_end(WordCollector *c) {
  if (c->sizes.count == 0) return ERR_OK;
  pool_run(c->pool, count_batch, c);
  for (int i = 0; i < c->n_workers; i++)
    if (c->worker[i].err) return err_give(&c->worker[i].info);
  c->batch.size = 0;
  c->sizes.count = 0;
  return ERR_OK;
}

Err word_collector_add(WordCollector *c, const char *text, size_t size) {
  if (size == 0) return ERR_OK;
  CHECK(size < INT32_MAX, ERR_ARG, "a text of %zu bytes; at most %d", size, INT32_MAX - 1);
  if (c->o.format == TRAIN_SENTENCEPIECE) {
    if ((int64_t)size > c->o.max_sentence_bytes) {
      c->counts.too_long++;
      return ERR_OK;
    }
    if (memmem(text, size, "\xE2\x96\x85", 3)) {  // U+2585, which the reference puts for characters left out
      c->counts.reserved++;
      return ERR_OK;
    }
  }
  c->counts.texts++;
  c->counts.bytes += (int64_t)size;
  TRY(bytes_append(&c->batch, text, size));
  TRY(ids_push(&c->sizes, (int32_t)size));
  return c->batch.size >= BATCH_BYTES ? batch_end(c) : ERR_OK;
}

// ---- joining

static int by_text(const void *a, const void *b, void *arg) {
  const StrMap *m = arg;
  const StrMapItem *x = &m->item[*(const int64_t *)a], *y = &m->item[*(const int64_t *)b];
  int order = memcmp(m->pool + x->at, m->pool + y->at, x->size < y->size ? x->size : y->size);
  return order ? order : (x->size > y->size) - (x->size < y->size);
}

Err word_collector_finish(WordCollector *c, WordCounts *out, TrainCounts *counts) {
  TRY(batch_end(c));
  WordCounts all = {0};
  int64_t *order = NULL;
  Err err = ERR_OK;
  for (int i = 0; i < c->n_workers; i++) {
    WordCounts *part = &c->worker[i].words;
    out->marks += part->marks;
    for (int64_t w = 0; w < part->word.count; w++)
      TRY_OUT(word_counts_add(&all, strmap_text(&part->word, w), part->word.item[w].size, part->times[w]));
    word_counts_free(part);
  }
  order = malloc(((size_t)all.word.count + 1) * sizeof *order);
  CHECK_OUT(order, ERR_MEMORY, "no memory to sort %lld words", (long long)all.word.count);
  for (int64_t w = 0; w < all.word.count; w++) order[w] = w;
  qsort_r(order, (size_t)all.word.count, sizeof *order, by_text, &all.word);
  for (int64_t w = 0; w < all.word.count; w++)
    TRY_OUT(word_counts_add(out, strmap_text(&all.word, order[w]), all.word.item[order[w]].size, all.times[order[w]]));
  *counts = c->counts;
  counts->words = out->word.count;
out:
  free(order);
  word_counts_free(&all);
  return err;
}
