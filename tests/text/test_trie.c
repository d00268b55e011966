// Sets of strings: all kinds of beginnings that strings may share.
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"

enum { KEYS = 3000, KEY_BYTES = 40 };

// Random strings over a few bytes, 0 and 255 among them; many are there twice, many begin with another.
static size_t random_key(Rng r, uint64_t step, uint64_t k, char *text) {
  static const uint8_t bytes[] = {'a', 0, 255, 'b', 'c', 'd', 'e', 'f'};
  double letters = k % 3 ? 2 : 8;
  size_t size = 1 + (size_t)(rng_uniform(r, step, 64 * k) * (k % 50 ? 9 : KEY_BYTES));
  for (size_t i = 0; i < size; i++) text[i] = (char)bytes[(int)(rng_uniform(r, step, 64 * k + 1 + i) * letters)];
  return size;
}

static int32_t find(const TrieKey *key, size_t count, const char *text, size_t size, size_t *length) {
  int32_t value = -1;
  *length = 0;
  for (size_t k = 0; k < count; k++) {
    if (key[k].size > size || memcmp(key[k].text, text, key[k].size) != 0 || key[k].size < *length) continue;
    if (key[k].size > *length || key[k].value < value) value = key[k].value;
    *length = key[k].size;
  }
  return value;
}

TEST(tries_find_the_longest_string) {
  Rng r = rng_named(1, "trie test");
  static char text[KEYS][KEY_BYTES];
  static TrieKey key[KEYS];
  for (uint64_t step = 0; step < 3; step++) {
    size_t count = step == 0 ? 5 : step == 1 ? 300 : KEYS;
    for (size_t k = 0; k < count; k++) key[k] = (TrieKey){text[k], random_key(r, step, k, text[k]), (int32_t)(count - k)};
    Trie t;
    ASSERT_OK(trie_build(&t, key, count));
    for (size_t k = 0; k + 1 < count; k++) {
      size_t n = key[k].size < key[k + 1].size ? key[k].size : key[k + 1].size;
      int order = memcmp(key[k].text, key[k + 1].text, n);
      ASSERT(order < 0 || (order == 0 && key[k].size <= key[k + 1].size));
    }
    for (uint64_t k = 0; k < 2 * KEYS; k++) {
      char asked[KEY_BYTES];
      size_t size = random_key(r, step + k % 2 * 7, k, asked), length, want_length;
      int32_t want = find(key, count, asked, size, &want_length);
      ASSERT_INT(trie_longest(&t, asked, size, &length), want);
      ASSERT_INT((int64_t)length, (int64_t)want_length);
    }
    trie_free(&t);
  }
}
