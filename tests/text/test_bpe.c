#include "text/bpe.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

// The definition, by hand: again and again the leftmost pair of the least rank.
static int64_t merge_plain(const BpeTable *t, int32_t *id, int64_t n) {
  for (;;) {
    const BpeEntry *best = NULL;
    int64_t at = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
      const BpeEntry *e = bpe_find(t, id[i], id[i + 1]);
      if (e && (!best || e->rank < best->rank)) best = e, at = i;
    }
    if (!best) return n;
    id[at] = best->merged;
    for (int64_t i = at + 1; i + 1 < n; i++) id[i] = id[i + 1];
    n--;
  }
}

enum { LETTERS = 4, MERGES = 60, WORD = 300 };

// Merges of random symbols with ranks in no order and repeated: harder than any tokenizer.
static void random_table(BpeTable *t, uint64_t seed) {
  Rng r = rng_named(seed, "test.bpe.table");
  ASSERT_OK(bpe_table_init(t, MERGES));
  for (uint64_t i = 0; i < MERGES; i++) {
    uint32_t w[4];
    rng_block(r, 0, i, w);
    uint32_t known = LETTERS + (uint32_t)i;
    ASSERT_OK(bpe_table_add(t, (int32_t)(w[0] % known), (int32_t)(w[1] % known), (int32_t)(w[2] % 50), (int32_t)(LETTERS + i)));
  }
}

TEST(bpe_equals_the_definition) {
  BpeWork work = {0};
  for (uint64_t seed = 0; seed < 200; seed++) {
    BpeTable t;
    random_table(&t, seed);
    Rng r = rng_named(seed, "test.bpe.word");
    int32_t a[WORD], b[WORD];
    int64_t n = seed < 20 ? (int64_t)seed : WORD - (int64_t)seed;
    for (int64_t i = 0; i < n; i++) a[i] = b[i] = (int32_t)(rng_uniform(r, 0, (uint64_t)i) * LETTERS);
    int64_t count = n, want = merge_plain(&t, b, n);
    ASSERT_OK(bpe_merge(&t, &work, a, &count));
    ASSERT_INT(count, want);
    ASSERT(memcmp(a, b, (size_t)count * sizeof *a) == 0);
    bpe_work_free(&work);  // the next table has other ranks
    bpe_table_free(&t);
  }
}

TEST(bpe_long_word_takes_linear_time) {
  enum { N = 1 << 20 };
  BpeTable t;
  ASSERT_OK(bpe_table_init(&t, 0));
  for (int32_t i = 0; i < 12; i++) ASSERT_OK(bpe_table_add(&t, i, i, i, i + 1));
  int32_t *id = calloc(N, sizeof *id);
  int64_t count = N;
  BpeWork work = {0};
  ASSERT_OK(bpe_merge(&t, &work, id, &count));
  ASSERT_INT(count, N >> 12);
  ASSERT_INT(id[0], 12);
  bpe_work_free(&work);
  bpe_table_free(&t);
  free(id);
}
