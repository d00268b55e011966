// Added tokens: which stand where in a text, and what they strip from their neighbours.
#include <stdlib.h>

#include "text/hf.h"
#include "text/unicode.h"

struct HfTrieNode {
  int32_t child, sibling;  // 0: none
  int32_t added;           // index of the added token that ends here, -1 if none
  uint8_t byte;
};

static void trie_free(HfTrie *t) {
  free(t->node);
  *t = (HfTrie){0};
}

static Err trie_node(HfTrie *t, uint8_t byte, int32_t *at) {
  if (t->count == t->capacity) {
    int32_t capacity = t->capacity * 2 + 64;
    HfTrieNode *node = realloc(t->node, (size_t)capacity * sizeof *node);
    CHECK(node, ERR_MEMORY, "no memory for %d nodes of added tokens", capacity);
    t->node = node;
    t->capacity = capacity;
  }
  t->node[t->count] = (HfTrieNode){.added = -1, .byte = byte};
  *at = t->count++;
  return ERR_OK;
}

static int32_t trie_child(const HfTrie *t, int32_t at, uint8_t byte) {
  if (at == 0) return t->first[byte];
  int32_t c = t->node[at].child;
  while (c && t->node[c].byte != byte) c = t->node[c].sibling;
  return c;
}

static Err trie_add(HfTrie *t, const char *text, size_t size, int32_t added) {
  int32_t at = 0;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = (uint8_t)text[i];
    int32_t next = trie_child(t, at, byte);
    if (!next) {
      TRY(trie_node(t, byte, &next));
      t->node[next].sibling = t->node[at].child;
      t->node[at].child = next;
      if (at == 0) t->first[byte] = next;
    }
    at = next;
  }
  t->node[at].added = added;
  return ERR_OK;
}

static Err trie_make(const Hf *hf, HfTrie *t, bool normalized) {
  trie_free(t);
  int32_t root;
  TRY(trie_node(t, 0, &root));
  for (int64_t i = 0; i < hf->n_added; i++) {
    const HfAdded *a = &hf->added[i];
    if (a->normalized != normalized) continue;
    if (a->decoded_size) TRY(trie_add(t, a->decoded, a->decoded_size, (int32_t)i));
  }
  t->only = -2;
  for (int b = 0; b < 256; b++)
    if (t->first[b]) t->only = t->only == -2 ? b : -1;
  return ERR_OK;
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
  TRY(trie_make(hf, &hf->raw, false));
  return trie_make(hf, &hf->normalized, true);
}

void hf_added_free(Hf *hf) {
  for (int64_t i = 0; i < hf->n_added; i++) {
    if (hf->added[i].decoded != hf->added[i].text) free(hf->added[i].decoded);
    free(hf->added[i].text);
  }
  free(hf->added);
  free(hf->added_of);
  trie_free(&hf->raw);
  trie_free(&hf->normalized);
}

// The longest token that begins at text[at]: its index, -1 if none.
static int32_t trie_match(const HfTrie *t, const char *text, size_t size, size_t at, size_t *end) {
  int32_t node = 0, added = -1;
  while (at < size && (node = trie_child(t, node, (uint8_t)text[at])) != 0) {
    at++;
    if (t->node[node].added < 0) continue;
    added = t->node[node].added;
    *end = at;
  }
  return added;
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
    size_t stop = at;
    int32_t found = trie->first[(uint8_t)text[at]] ? trie_match(trie, text, size, at, &stop) : -1;
    if (found < 0) {
      at++;
      continue;
    }
    const HfAdded *a = &hf->added[found];
    size_t start = at;
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
