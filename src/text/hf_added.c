// Added tokens: which stand where in a text, and what they strip from their neighbours.
#include <stdlib.h>

#include "text/hf.h"
#include "text/unicode.h"

static void added_trie_free(HfTrie *t) {
  trie_free(&t->trie);
  *t = (HfTrie){0};
}

// Of tokens with the same text the last counts; a trie keeps the smallest value.
static int32_t trie_value(const Hf *hf, int64_t index) { return (int32_t)(hf->n_added - 1 - index); }

static Err added_trie_make(const Hf *hf, HfTrie *t, bool normalized) {
  added_trie_free(t);
  TrieKey *key = malloc(((size_t)hf->n_added + 1) * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %lld added tokens", (long long)hf->n_added);
  size_t count = 0;
  t->only = -2;
  for (int64_t i = 0; i < hf->n_added; i++) {
    const HfAdded *a = &hf->added[i];
    if (a->normalized != normalized || !a->decoded_size) continue;
    uint8_t first = (uint8_t)a->decoded[0];
    t->first[first] = true;
    t->only = t->only == -2 || t->only == first ? first : -1;
    key[count++] = (TrieKey){a->decoded, a->decoded_size, trie_value(hf, i)};
  }
  Err err = trie_build(&t->trie, key, count);
  free(key);
  return err;
}

Err hf_added_prepare(Hf *hf, HfWork *w) {
  for (int64_t i = 0; i < hf->n_added; i++)
    if (hf->added[i].id >= hf->ids) hf->ids = hf->added[i].id + 1;
  free(hf->added_of);
  hf->added_of = malloc(((size_t)hf->ids + 1) * sizeof *hf->added_of);
  CHECK(hf->added_of, ERR_MEMORY, "no memory for %lld ids", (long long)hf->ids);
  memset(hf->added_of, 0xff, ((size_t)hf->ids + 1) * sizeof *hf->added_of);
  for (int64_t i = 0; i < hf->n_added; i++) {
    HfAdded *a = &hf->added[i];
    hf->added_of[a->id] = (int32_t)i;
    if (a->decoded != a->text) free(a->decoded);
    a->decoded = a->text;
    a->decoded_size = a->size;
    if (!a->normalized) continue;
    const char *normal;
    size_t size;
    TRY(hf_normalize(hf, w, a->text, a->size, &normal, &size));
    if (size == a->size && memcmp(normal, a->text, size) == 0) continue;
    char *copy = malloc(size + 1);
    CHECK(copy, ERR_MEMORY, "no memory for an added token of %zu bytes", size);
    memcpy(copy, normal, size);
    copy[size] = '\0';
    a->decoded = copy;
    a->decoded_size = size;
  }
  TRY(added_trie_make(hf, &hf->raw, false));
  return added_trie_make(hf, &hf->normalized, true);
}

void hf_added_free(Hf *hf) {
  for (int64_t i = 0; i < hf->n_added; i++) {
    if (hf->added[i].decoded != hf->added[i].text) free(hf->added[i].decoded);
    free(hf->added[i].text);
  }
  free(hf->added);
  free(hf->added_of);
  added_trie_free(&hf->raw);
  added_trie_free(&hf->normalized);
}

static bool word_before(const char *text, size_t at) {
  if (at == 0) return false;
  at = utf8_back(text, at);
  return unicode_is_word(utf8_next(text, &at));
}

static bool word_after(const char *text, size_t size, size_t at) { return at < size && unicode_is_word(utf8_next(text, &at)); }

void hf_added_next(const Hf *hf, const HfTrie *trie, bool skip_special, const char *text, size_t size, size_t taken,
                   size_t *from, int64_t *added, size_t *begin, size_t *end) {
  *added = -1;
  for (size_t at = *from; at < size && trie->only != -2;) {
    if (trie->only >= 0) {
      const char *next = memchr(text + at, trie->only, size - at);
      if (!next) break;
      at = (size_t)(next - text);
    }
    size_t length = 0;
    int32_t value = trie->first[(uint8_t)text[at]] ? trie_longest(&trie->trie, text + at, size - at, &length) : -1;
    if (value < 0) {
      at++;
      continue;
    }
    int64_t found = hf->n_added - 1 - value;
    const HfAdded *a = &hf->added[found];
    size_t start = at, stop = at + length;
    at = stop;  // a match that does not count is passed over whole, as in the reference
    if (skip_special && a->special) continue;
    if (a->single_word && (word_before(text, start) || word_after(text, size, stop))) continue;
    *from = stop;
    if (a->lstrip && start < taken) start = taken;
    while (a->lstrip && start > taken) {
      size_t back = utf8_back(text, start), next = back;
      if (!unicode_is_space(utf8_next(text, &next))) break;
      start = back;
    }
    if (a->rstrip && stop < taken) stop = taken;  // spaces that the token before has stripped already
    while (a->rstrip && stop < size) {
      size_t next = stop;
      if (!unicode_is_space(utf8_next(text, &next))) break;
      stop = next;
    }
    if (start >= stop) continue;  // its own letters were spaces, which the token before has stripped
    *added = found;
    *begin = start;
    *end = stop;
    return;
  }
  *from = size;
}
