// What differs between two JSON values, and between two run files.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify/pair.h"
#include "train/config.h"

typedef struct {
  PairText *text;
  Difference *difference;
  int *n;
} Found;

static void value_text(const json_t *v, char out[PAIR_VALUE_BYTES]) {
  char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  snprintf(out, PAIR_VALUE_BYTES, "%s", v ? (text ? text : "?") : "(missing)");
  free(text);
}

// Reals of a checkpoint's state are texts that hold their bits.
static bool real_of(const json_t *v, double *out) {
  if (json_is_number(v)) {
    *out = json_number_value(v);
    return true;
  }
  const char *text = json_string_value(v);
  char *end;
  if (!text || !strpbrk(text, "xX")) return false;
  *out = strtod(text, &end);
  return *end == '\0';
}

static void found(Found *f, const char *key, const json_t *a, const json_t *b) {
  if (*f->n == PAIR_TEXTS_MAX) return;
  int at = (*f->n)++;
  snprintf(f->text[at].key, sizeof f->text[at].key, "%s", key);
  value_text(a, f->text[at].a);
  value_text(b, f->text[at].b);
  if (!f->difference) return;
  double x, y;
  bool reals = real_of(a, &x) && real_of(b, &y);
  f->difference[at] = reals ? reals_differ(x, y) : (Difference){.elements = 1, .differing = 1, .ulp = -1, .relative = INFINITY};
}

static void walk(Found *f, const char *key, const json_t *a, const json_t *b, int depth);

static void walk_member(Found *f, const char *key, const char *member, const json_t *a, const json_t *b, int depth) {
  char inner[PAIR_KEY_BYTES];
  snprintf(inner, sizeof inner, "%.60s%s%.32s", key, *key ? "." : "", member);
  walk(f, inner, a, b, depth + 1);
}

static void walk(Found *f, const char *key, const json_t *a, const json_t *b, int depth) {
  enum { DEPTH_MAX = 32 };
  if (json_is_object(a) && json_is_object(b) && depth < DEPTH_MAX) {
    const char *member;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)a, member, v) walk_member(f, key, member, v, json_object_get(b, member), depth);
    json_object_foreach((json_t *)(uintptr_t)b, member, v) if (!json_object_get(a, member))
        walk_member(f, key, member, NULL, v, depth);
  } else if (json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b) && depth < DEPTH_MAX) {
    for (size_t i = 0; i < json_array_size(a); i++) {
      char member[24];
      snprintf(member, sizeof member, "%zu", i);
      walk_member(f, key, member, json_array_get(a, i), json_array_get(b, i), depth);
    }
  } else if (!a || !b || !json_equal(a, b)) {
    found(f, key, a, b);
  }
}

static int worst_first(const void *a, const void *b) {
  double x = ((const Difference *)a)->relative, y = ((const Difference *)b)->relative;
  return (x < y) - (x > y);
}

// Sorts texts and their differences together.
static void sort(PairText *text, Difference *difference, int n) {
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && worst_first(&difference[j - 1], &difference[j]) > 0; j--) {
      Difference d = difference[j];
      PairText t = text[j];
      difference[j] = difference[j - 1], text[j] = text[j - 1];
      difference[j - 1] = d, text[j - 1] = t;
    }
}

void pair_compare_json(const json_t *a, const json_t *b, const char *leave_out, PairText *text, Difference *difference,
                       int *n) {
  json_t *x = json_copy((json_t *)(uintptr_t)a), *y = json_copy((json_t *)(uintptr_t)b);
  Found f = {text, difference, n};
  *n = 0;
  if (leave_out && json_is_object(x)) json_object_del(x, leave_out);
  if (leave_out && json_is_object(y)) json_object_del(y, leave_out);
  walk(&f, "", x, y, 0);
  if (difference) sort(text, difference, *n);
  json_decref(x);
  json_decref(y);
}

// ---- run files: lines of "key: value" in one order, sections by indentation

typedef struct {
  char *key;  // with its sections, "optimizer.lr"
  const char *value;
} Line;

typedef struct {
  char *copy;
  Line *line;
  int64_t count;
} Lines;

static void lines_free(Lines *l) {
  for (int64_t i = 0; i < l->count; i++) free(l->line[i].key);
  free(l->line);
  free(l->copy);
}

// Cuts the text up. Levels of indentation are sections; a dash of a list stays in the key.
static Err lines_of(Lines *l, const char *text) {
  enum { LEVELS = 8, INDENT = 2 };
  const char *section[LEVELS] = {0};
  int64_t most = 1;
  for (const char *at = text; *at; at++) most += *at == '\n';
  *l = (Lines){.copy = strdup(text), .line = calloc((size_t)most + 1, sizeof *l->line)};
  CHECK(l->copy && l->line, ERR_MEMORY, "no memory for a run file");
  for (char *rest = l->copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
    size_t indent = strspn(line, " "), level = indent / INDENT < LEVELS ? indent / INDENT : LEVELS - 1;
    char *colon = strstr(line, ":");
    if (!line[indent] || line[indent] == '#' || !colon) continue;
    *colon = '\0';
    section[level] = line + indent;
    char key[256] = "";
    for (size_t i = 0; i <= level; i++)
      if (section[i]) snprintf(key + strlen(key), sizeof key - strlen(key), "%s%s", *key ? "." : "", section[i]);
    Line *out = &l->line[l->count++];
    *out = (Line){strdup(key), colon + 1 + strspn(colon + 1, " ")};
    CHECK(out->key, ERR_MEMORY, "no memory for a run file");
  }
  return ERR_OK;
}

static void compare_lines(const Lines *a, const Lines *b, PairText *text, int *n) {
  for (int64_t i = 0; i < a->count || i < b->count; i++) {
    const Line *x = i < a->count ? &a->line[i] : NULL, *y = i < b->count ? &b->line[i] : NULL;
    const Line *named = x ? x : y;
    bool aligned = x && y && strcmp(x->key, y->key) == 0;
    if ((aligned && strcmp(x->value, y->value) == 0) || *n == PAIR_TEXTS_MAX) continue;
    PairText *t = &text[(*n)++];
    snprintf(t->key, sizeof t->key, "%s", named ? named->key : "");
    snprintf(t->a, sizeof t->a, "%s", x ? x->value : "(missing)");
    snprintf(t->b, sizeof t->b, "%s", aligned ? y->value : "(not at this place)");
    if (!aligned) return;  // from here on, lines are not about the same
  }
}

Err pair_compare_config(const char *a, const char *b, PairText *text, int *n) {
  Lines x = {0}, y = {0};
  *n = 0;
  Err err = lines_of(&x, a);
  if (!err) err = lines_of(&y, b);
  if (!err) compare_lines(&x, &y, text, n);
  lines_free(&x);
  lines_free(&y);
  return err;
}
