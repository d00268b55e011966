#include "model/family.h"

#include <string.h>

static const Family *const families[FAMILIES] = {
#define FAMILY(NAME, name) &family_##name,
#include "model/families.inc"
#undef FAMILY
};

const Family *family_of(const ModelConfig *c) { return families[c->model.family]; }

static const HfKey *find(const HfKey *keys, const char *key) {
  for (; keys->key; keys++)
    if (strcmp(keys->key, key) == 0) return keys;
  return NULL;
}

const HfKey *family_key(const Family *f, const char *key) {
  for (; f; f = f->like) {
    const HfKey *k = find(f->keys, key);
    if (k) return k;
  }
  return find(hf_common_keys, key);
}
