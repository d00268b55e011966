#include "text/specials.h"

#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b) {
  const Special *x = a, *y = b;
  return (x->id > y->id) - (x->id < y->id);
}

static Err copy_names(Specials *s, const char *const *names, const int32_t *ids, int64_t count, int64_t vocab) {
  s->token = calloc((size_t)count, sizeof *s->token);
  CHECK(s->token, ERR_MEMORY, "no memory for %lld special tokens", (long long)count);
  for (int64_t i = 0; i < count; i++) {
    CHECK(names[i][0], ERR_ARG, "special token %lld has an empty name", (long long)i);
    CHECK(ids[i] >= 0 && ids[i] < vocab, ERR_ARG, "special token \"%s\" has id %d, the model's ids are 0 .. %lld", names[i],
          ids[i], (long long)vocab - 1);
    size_t size = strlen(names[i]);
    char *name = malloc(size + 1);
    CHECK(name, ERR_MEMORY, "no memory for a special token's name");
    memcpy(name, names[i], size + 1);
    s->token[s->count++] = (Special){.name = name, .size = size, .id = ids[i]};
  }
  qsort(s->token, (size_t)count, sizeof *s->token, by_id);
  for (int64_t i = 1; i < count; i++)
    CHECK(s->token[i].id != s->token[i - 1].id, ERR_ARG, "special tokens \"%s\" and \"%s\" have the same id %d",
          s->token[i - 1].name, s->token[i].name, s->token[i].id);
  return ERR_OK;
}

static Err index_names(Specials *s) {
  TrieKey *key = calloc((size_t)s->count, sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %lld special tokens", (long long)s->count);
  for (int64_t i = 0; i < s->count; i++) {
    key[i] = (TrieKey){s->token[i].name, s->token[i].size, (int32_t)i};
    s->begins[(uint8_t)s->token[i].name[0]] = true;
  }
  Err err = trie_build(&s->names, key, (size_t)s->count);
  for (int64_t i = 1; !err && i < s->count; i++)
    if (key[i].size == key[i - 1].size && memcmp(key[i].text, key[i - 1].text, key[i].size) == 0)
      err = ERR_HERE(ERR_ARG, "special token \"%s\" is given twice", key[i].text);
  free(key);
  return err;
}

Err specials_set(Specials *s, const char *const *names, const int32_t *ids, int64_t count, int64_t vocab) {
  Specials fresh = {0};
  if (count) {
    Err err = copy_names(&fresh, names, ids, count, vocab);
    if (!err) err = index_names(&fresh);
    if (err) {
      specials_free(&fresh);
      return err_frame(err, __func__, __FILE__, __LINE__);
    }
  }
  specials_free(s);
  *s = fresh;
  return ERR_OK;
}

void specials_free(Specials *s) {
  for (int64_t i = 0; i < s->count; i++) free(s->token[i].name);
  free(s->token);
  trie_free(&s->names);
  *s = (Specials){0};
}

const Special *specials_of(const Specials *s, int32_t id) {
  int64_t low = 0, high = s->count;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (s->token[middle].id < id) low = middle + 1;
    else high = middle;
  }
  return low < s->count && s->token[low].id == id ? &s->token[low] : NULL;
}

const Special *specials_find(const Specials *s, const char *text, size_t size, size_t from, size_t *at) {
  if (s->count == 0) return NULL;
  for (size_t i = from; i < size; i++) {
    if (!s->begins[(uint8_t)text[i]]) continue;
    size_t length;
    int32_t found = trie_longest(&s->names, text + i, size - i, &length);
    if (found < 0) continue;
    *at = i;
    return &s->token[found];
  }
  return NULL;
}
