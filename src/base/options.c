// Which fields there are and where they lie. Values are in options_value.c, YAML in options_yaml.c and options_write.c.
#include "base/options.h"

#include <assert.h>
#include <string.h>

#include "base/options_internal.h"

void options_bind(Options *o, const Field *fields, void *base) {
  assert(o->n_parts < (int)(sizeof o->part / sizeof o->part[0]));
  o->part[o->n_parts].fields = fields;
  o->part[o->n_parts++].base = base;
}

static void set_defaults(const Field *fields, void *base) {
  for (const Field *f = fields; f->key; f++) {
    void *at = (char *)base + f->offset;
    switch (f->type) {
      case FIELD_IS_INT: *(int64_t *)at = f->int_default; break;
      case FIELD_IS_REAL: *(double *)at = f->real_default; break;
      case FIELD_IS_BOOL: *(bool *)at = f->int_default != 0; break;
      case FIELD_IS_TEXT: snprintf(at, OPTION_TEXT_BYTES, "%s", f->text_default ? f->text_default : ""); break;
      case FIELD_IS_ENUM: *(int *)at = (int)f->int_default; break;
      case FIELD_IS_LIST: *list_count(f, base) = 0; break;
      case FIELD_END: break;
    }
  }
}

void options_defaults(const Options *o) {
  for (int i = 0; i < o->n_parts; i++) set_defaults(o->part[i].fields, o->part[i].base);
}

int64_t *list_count(const Field *f, void *base) { return (int64_t *)(void *)((char *)base + f->count_offset); }

void *list_item(const Field *f, void *base, int64_t i) { return (char *)base + f->offset + (size_t)i * f->item_size; }

void list_append(const Field *f, void *base) {
  int64_t i = (*list_count(f, base))++;
  assert(i < f->count_max);
  memset(list_item(f, base, i), 0, f->item_size);
  set_defaults(f->item, list_item(f, base, i));
}

typedef enum { NOT_OF_LIST, BAD_INDEX, OF_LIST } ListKey;

// Splits "stages.2.lr" for the list "stages" in 2 and "lr".
static ListKey list_split(const Field *f, const char *key, int64_t *index, const char **rest) {
  size_t n = strlen(f->key);
  if (f->type != FIELD_IS_LIST || strncmp(key, f->key, n) != 0 || key[n] != '.') return NOT_OF_LIST;
  const char *p = key + n + 1;
  if (*p < '0' || *p > '9') return BAD_INDEX;
  for (*index = 0; *p >= '0' && *p <= '9'; p++)
    if ((*index = 10 * *index + (*p - '0')) >= f->count_max) return BAD_INDEX;
  *rest = p + 1;
  return *p == '.' ? OF_LIST : BAD_INDEX;
}

static bool key_known(const Field *fields, const char *key) {
  for (const Field *f = fields; f->key; f++) {
    int64_t index;
    const char *rest;
    if (strcmp(f->key, key) == 0) return true;
    if (list_split(f, key, &index, &rest) == OF_LIST && key_known(f->item, rest)) return true;
  }
  return false;
}

static Err find_in(const Field *fields, void *base, const char *key, const char *where, FieldAt *out) {
  for (const Field *f = fields; f->key; f++) {
    if (strcmp(f->key, key) == 0) {
      *out = (FieldAt){f, base};
      return ERR_OK;
    }
    int64_t index = 0, count = f->type == FIELD_IS_LIST ? *list_count(f, base) : 0;
    const char *rest = NULL;
    ListKey kind = list_split(f, key, &index, &rest);
    if (kind == NOT_OF_LIST) continue;
    CHECK(kind == OF_LIST && index <= count, ERR_ARG,
          "%s: %s is a list that has %lld (at most %lld); write %s.N.%s with N from 0", where, f->key, (long long)count,
          (long long)f->count_max, f->key, f->item->key);
    if (!key_known(f->item, rest)) return ERR_OK;
    if (index == count) list_append(f, base);
    return find_in(f->item, list_item(f, base, index), rest, where, out);
  }
  return ERR_OK;
}

Err field_find(const Options *o, const char *key, const char *where, FieldAt *out) {
  *out = (FieldAt){0};
  for (int i = 0; i < o->n_parts && !out->field; i++) TRY(find_in(o->part[i].fields, o->part[i].base, key, where, out));
  return ERR_OK;
}

static bool group_in(const Field *fields, const char *prefix) {
  size_t n = strlen(prefix);
  for (const Field *f = fields; f->key; f++) {
    int64_t index;
    const char *rest;
    if (strncmp(f->key, prefix, n) == 0 && f->key[n] == '.') return true;
    if (list_split(f, prefix, &index, &rest) == OF_LIST && group_in(f->item, rest)) return true;
  }
  return false;
}

bool group_known(const Options *o, const char *prefix) {
  for (int i = 0; i < o->n_parts; i++)
    if (group_in(o->part[i].fields, prefix)) return true;
  return false;
}

Err options_set(const Options *o, const char *key, const char *value, const char *where) {
  FieldAt at;
  TRY(field_find(o, key, where, &at));
  if (!at.field) return key_unknown(o, key, where, NULL);
  return value_set(at, key, value, false, where);
}
