// The nearest known name, for "did you mean".
#include <stdlib.h>
#include <string.h>

#include "base/options_internal.h"

enum { LETTERS_MAX = 64 };

static int least(int a, int b, int c) {
  int m = a < b ? a : b;
  return m < c ? m : c;
}

// Edits (insert, delete, change, swap of neighbours) that make b of a.
static int edit_distance(const char *a, const char *b) {
  int n = (int)strnlen(a, LETTERS_MAX), m = (int)strnlen(b, LETTERS_MAX);
  int row[3][LETTERS_MAX + 1];
  int *before = row[0], *above = row[1], *now = row[2];
  for (int j = 0; j <= m; j++) above[j] = j;
  for (int i = 1; i <= n; i++) {
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      now[j] = least(above[j] + 1, now[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
    }
    int *oldest = before;
    before = above, above = now, now = oldest;
  }
  return above[m];
}

static const char *last_part(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot ? dot + 1 : name;
}

const char *name_nearest(const char *name, const char *const *names) {
  const char *best = NULL;
  size_t length = strnlen(name, LETTERS_MAX);
  int limit = length < 4 ? 2 : 1 + (int)length / 3;  // from here on it is another word, not a slip
  for (; *names; names++) {
    int d = edit_distance(name, *names);
    if (d > 1 && strcmp(last_part(*names), last_part(name)) == 0) d = 1;  // top_k or mo.top_k for moe.top_k
    if (d >= limit) continue;
    limit = d;
    best = *names;
  }
  return best;
}

// ---- the names of a set of options, lists as "stages.N.lr"
typedef struct {
  char **name;
  size_t count, room;
} Names;

static void names_add(Names *n, const char *prefix, const char *key, size_t key_bytes) {
  if (n->count + 2 > n->room) {
    size_t room = n->room ? 2 * n->room : 64;
    char **grown = realloc(n->name, room * sizeof *grown);
    if (!grown) return;  // a suggestion less
    n->name = grown;
    n->room = room;
  }
  char *copy = NULL;
  if (asprintf(&copy, "%s%.*s", prefix, (int)key_bytes, key) < 0) return;
  n->name[n->count++] = copy;
  n->name[n->count] = NULL;
}

static void names_gather(Names *n, const char *prefix, const Field *fields) {
  for (const Field *f = fields; f->key; f++) {
    for (const char *dot = strchr(f->key, '.'); dot; dot = strchr(dot + 1, '.'))  // its groups are names too
      names_add(n, prefix, f->key, (size_t)(dot - f->key));
    names_add(n, prefix, f->key, strlen(f->key));
    char inner[256];
    if (f->type != FIELD_IS_LIST) continue;
    snprintf(inner, sizeof inner, "%s%s.N.", prefix, f->key);
    names_gather(n, inner, f->item);
  }
}

// "stages.12.lr" becomes "stages.N.lr".
static void generalise(const char *key, char *out, size_t size) {
  size_t n = 0;
  for (const char *p = key; *p && n + 1 < size;) {
    bool starts = p == key || p[-1] == '.';
    size_t digits = strspn(p, "0123456789");
    if (starts && digits > 0 && p[digits] == '.') {
      out[n++] = 'N';
      p += digits;
    } else {
      out[n++] = *p++;
    }
  }
  out[n] = '\0';
}

Err key_unknown(const Options *o, const char *key, const char *where, const char *const *others) {
  Names known = {0};
  char general[256] = "";
  generalise(key, general, sizeof general);
  for (int i = 0; i < o->n_parts; i++) names_gather(&known, "", o->part[i].fields);
  for (; others && *others; others++) names_add(&known, "", *others + 2, strlen(*others) - 2);
  const char *near = known.count ? name_nearest(general, (const char *const *)known.name) : NULL;
  const char *dashes = strncmp(where, "--", 2) == 0 ? "--" : "";
  Err err;
  if (near) err = ERR_HERE(ERR_ARG, "%s: unknown option \"%.200s\"; did you mean %s%s?", where, key, dashes, near);
  else err = ERR_HERE(ERR_ARG, "%s: unknown option \"%.200s\"; --help lists the known ones", where, key);
  for (size_t i = 0; i < known.count; i++) free(known.name[i]);
  free(known.name);
  return err;
}
