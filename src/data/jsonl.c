#include "data/jsonl.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum { DEPTH_MAX = 512 };

// ---- strings
void strings_free(Strings *s) {
  free(s->data);
  free(s->end);
  *s = (Strings){0};
}

static Err strings_reserve(Strings *s, size_t more) {
  if (s->capacity - s->size >= more) return ERR_OK;
  size_t capacity = (s->size + more) * 3 / 2 + 256;
  char *grown = realloc(s->data, capacity);
  CHECK(grown, ERR_MEMORY, "no memory for a text of %zu bytes", s->size + more);
  s->data = grown;
  s->capacity = capacity;
  return ERR_OK;
}

Err strings_append(Strings *s, const char *text, size_t size) {
  TRY(strings_reserve(s, size));
  if (size) memcpy(s->data + s->size, text, size);
  s->size += size;
  return ERR_OK;
}

Err strings_end(Strings *s) {
  if (s->count == s->end_capacity) {
    int64_t capacity = s->end_capacity * 2 + 16;
    size_t *grown = realloc(s->end, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld texts", (long long)capacity);
    s->end = grown;
    s->end_capacity = capacity;
  }
  s->end[s->count++] = s->size;
  return ERR_OK;
}

// ---- the scanner
typedef struct {
  const char *start, *at, *end;
} Scan;

#define FAIL_HERE(s, ...) return fail_at((s), (s)->at, __VA_ARGS__)

static Err fail_at(const Scan *s, const char *at, const char *what) {
  if (at >= s->end) FAIL(ERR_FORMAT, "JSON syntax: the line ends within %s", what);
  if (*at == '\0') FAIL(ERR_FORMAT, "byte %lld: NUL bytes (a hole left by a crash?)", (long long)(at - s->start));
  unsigned char c = (unsigned char)*at;
  if (c > ' ' && c < 127) FAIL(ERR_FORMAT, "JSON syntax: byte %lld: '%c' where %s is due", (long long)(at - s->start), c, what);
  FAIL(ERR_FORMAT, "JSON syntax: byte %lld: 0x%02X where %s is due", (long long)(at - s->start), c, what);
}

static void skip_space(Scan *s) {
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')) s->at++;
}

static bool take(Scan *s, char c) {
  if (s->at == s->end || *s->at != c) return false;
  s->at++;
  return true;
}

static int hex4(const Scan *s, const char *p) {
  if (s->end - p < 4) return -1;
  int v = 0;
  for (int i = 0; i < 4; i++) {
    int d = hex_digit(p[i]);
    if (d < 0) return -1;
    v = v * 16 + d;
  }
  return v;
}

// s->at is at the backslash. What the escape stands for: text[0, *size).
static Err take_escape(Scan *s, char text[4], size_t *size) {
  const char *start = s->at++;
  if (s->at == s->end) FAIL_HERE(s, "a string");
  static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
  const char *known = *s->at && *s->at != 'u' ? strchr(letters, *s->at) : NULL;
  if (known) {
    s->at++;
    text[0] = meaning[known - letters];
    *size = 1;
    return ERR_OK;
  }
  int high = *s->at == 'u' ? hex4(s, s->at + 1) : -1;
  CHECK(high >= 0, ERR_FORMAT, "JSON syntax: byte %lld: an unknown escape", (long long)(start - s->start));
  s->at += 5;
  unsigned c = (unsigned)high;
  if (high >= 0xD800 && high <= 0xDFFF) {
    int low = high < 0xDC00 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' ? hex4(s, s->at + 2) : -1;
    CHECK(low >= 0xDC00 && low <= 0xDFFF, ERR_FORMAT, "byte %lld: lone surrogate escape \\u%04x", (long long)(start - s->start),
          c);
    s->at += 6;
    c = 0x10000 + ((c - 0xD800) << 10) + ((unsigned)low - 0xDC00);
  }
  *size = utf8_write(text, c);
  return ERR_OK;
}

// Escapes stand in runs where a writer escapes all that is not ASCII.
static Err take_escapes(Scan *s, Strings *out) {
  char unused[4];
  size_t n = 0;
  while (s->at < s->end && *s->at == '\\') {
    if (out) TRY(strings_reserve(out, 4));
    TRY(take_escape(s, out ? out->data + out->size : unused, &n));
    if (out) out->size += n;
  }
  return ERR_OK;
}

// The first byte of [p, end) that is not plain within a string: quote, backslash or control character; eight at a time.
static const char *plain_end(const char *p, const char *end) {
  const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  for (; end - p >= 8; p += 8) {
    uint64_t x;
    memcpy(&x, p, 8);
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    uint64_t found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((x - ones * ' ') & ~x);
    if (found & tops) break;
  }
  while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= ' ') p++;
  return p;
}

// s->at is behind the opening quote; afterwards behind the closing one.
static Err take_string(Scan *s, Strings *out) {
  for (;;) {
    const char *stop = plain_end(s->at, s->end);
    if (out) TRY(strings_append(out, s->at, (size_t)(stop - s->at)));
    s->at = stop;
    if (stop == s->end) FAIL_HERE(s, "a string");
    if (*stop == '"') {
      s->at++;
      return ERR_OK;
    }
    CHECK(*stop == '\\', ERR_FORMAT, "JSON syntax: byte %lld: control character 0x%02X in a string",
          (long long)(stop - s->start), (unsigned char)*stop);
    TRY(take_escapes(s, out));
  }
}

static bool take_digits(Scan *s) {
  const char *start = s->at;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
  return s->at > start;
}

static Err skip_number(Scan *s) {
  take(s, '-');
  if (!take(s, '0') && !take_digits(s)) FAIL_HERE(s, "a value");
  if (take(s, '.') && !take_digits(s)) FAIL_HERE(s, "a digit");
  if (take(s, 'e') || take(s, 'E')) {
    if (!take(s, '+')) take(s, '-');
    if (!take_digits(s)) FAIL_HERE(s, "a digit");
  }
  return ERR_OK;
}

// A value that is neither object nor list.
static Err skip_scalar(Scan *s) {
  static const char *const words[] = {"true", "false", "null"};
  if (take(s, '"')) return take_string(s, NULL);
  for (int i = 0; i < 3; i++) {
    size_t n = strlen(words[i]);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, words[i], n) != 0) continue;
    s->at += n;
    return ERR_OK;
  }
  return skip_number(s);
}

static Err skip_key(Scan *s) {
  skip_space(s);
  if (!take(s, '"')) FAIL_HERE(s, "a key");
  TRY(take_string(s, NULL));
  skip_space(s);
  if (!take(s, ':')) FAIL_HERE(s, "a colon");
  return ERR_OK;
}

// Any value. `closer` is the stack of what is open: '}' or ']'.
static Err skip_value(Scan *s) {
  char closer[DEPTH_MAX];
  int depth = 1;  // the line's own object
  for (;;) {
    skip_space(s);
    bool object = s->at < s->end && *s->at == '{';
    if (object || (s->at < s->end && *s->at == '[')) {
      CHECK(depth < DEPTH_MAX, ERR_FORMAT, "byte %lld: nesting deeper than the limit of %d", (long long)(s->at - s->start),
            DEPTH_MAX);
      s->at++;
      closer[depth++] = object ? '}' : ']';
      skip_space(s);
      if (s->at < s->end && *s->at != closer[depth - 1]) {
        if (object) TRY(skip_key(s));
        continue;
      }
    } else {
      TRY(skip_scalar(s));
    }
    for (;; depth--) {
      if (depth == 1) return ERR_OK;
      skip_space(s);
      if (take(s, ',')) break;
      if (!take(s, closer[depth - 1])) FAIL_HERE(s, closer[depth - 1] == '}' ? "a comma or }" : "a comma or ]");
    }
    if (closer[depth - 1] == '}') TRY(skip_key(s));
  }
}

// ---- the members of a line's object

// Passes over the value at s->at, of keys[key].
typedef Err TakeFn(Scan *s, int key, void *context);

typedef struct {
  const char *const *key;
  int keys;
  TakeFn *take;
  void *context;
} Wanted;

static Err take_members(Scan *s, const Wanted *w) {
  Strings name = {0};  // only a key with escapes is copied
  Err err = ERR_OK;
  for (;;) {
    skip_space(s);
    if (!take(s, '"')) {
      err = fail_at(s, s->at, "a key");
      break;
    }
    const char *start = s->at;
    name.size = 0;
    const char *stop = plain_end(start, s->end);
    bool escaped = stop < s->end && *stop == '\\';
    TRY_OUT(take_string(s, escaped ? &name : NULL));
    size_t size = escaped ? name.size : (size_t)(stop - start);
    int key = 0;
    while (key < w->keys && (strlen(w->key[key]) != size || memcmp(escaped ? name.data : start, w->key[key], size) != 0)) key++;
    skip_space(s);
    if (!take(s, ':')) {
      err = fail_at(s, s->at, "a colon");
      break;
    }
    skip_space(s);
    TRY_OUT(key < w->keys ? w->take(s, key, w->context) : skip_value(s));
    skip_space(s);
    if (take(s, '}')) break;
    if (!take(s, ',')) {
      err = fail_at(s, s->at, "a comma or }");
      break;
    }
  }
out:
  strings_free(&name);
  return err;
}

static Err scan_line(const char *line, size_t size, const Wanted *w) {
  Scan s = {line, line, line + size};
  const unsigned char *b = (const unsigned char *)line;
  CHECK(size < 2 || !((b[0] == 0xFF && b[1] == 0xFE) || (b[0] == 0xFE && b[1] == 0xFF)), ERR_FORMAT,
        "UTF-16 byte order mark; convert the file to UTF-8");
  CHECK(size < 3 || memcmp(line, "\xEF\xBB\xBF", 3) != 0, ERR_FORMAT, "a UTF-8 byte order mark, which JSON does not allow");
  size_t bad = utf8_invalid_at(line, size);
  CHECK(bad == size, ERR_FORMAT, "byte %zu of the line: invalid UTF-8 (0x%02X)", bad, b[bad]);
  skip_space(&s);
  CHECK(s.at < s.end, ERR_FORMAT, "empty line");
  if (!take(&s, '{')) {
    TRY(skip_value(&s));
    FAIL(ERR_FORMAT, "not an object: a line is {\"%s\": ...}", w->key[0]);
  }
  skip_space(&s);
  if (!take(&s, '}')) TRY(take_members(&s, w));
  skip_space(&s);
  CHECK(s.at == s.end, ERR_FORMAT, "JSON syntax: byte %lld: trailing bytes after the object", (long long)(s.at - s.start));
  return ERR_OK;
}

// ---- a string, or a list of strings

typedef struct {
  Strings *out;
  bool found, other;  // other: the value is something else
} Text;

static Err take_text(Scan *s, int key, void *context) {
  (void)key;
  Text *t = context;
  Strings *out = t->out;
  const char *start = s->at;
  out->size = 0;
  out->count = 0;
  t->found = true;
  t->other = false;
  if (take(s, '"')) {
    TRY(take_string(s, out));
    return strings_end(out);
  }
  if (take(s, '[')) {
    skip_space(s);
    if (take(s, ']')) return ERR_OK;
    for (;;) {
      skip_space(s);
      if (!take(s, '"')) break;
      TRY(take_string(s, out));
      TRY(strings_end(out));
      skip_space(s);
      if (take(s, ']')) return ERR_OK;
      if (!take(s, ',')) break;
    }
    s->at = start;  // not a list of strings: wrong, but first of all it must be JSON
  }
  t->other = true;
  return skip_value(s);
}

Err jsonl_text(const char *line, size_t size, const char *key, Strings *out) {
  Text t = {.out = out};
  out->size = 0;
  out->count = 0;
  TRY(scan_line(line, size, &(Wanted){&key, 1, take_text, &t}));
  CHECK(t.found, ERR_FORMAT, "no \"%s\" key", key);
  CHECK(!t.other, ERR_FORMAT, "\"%s\" is not a string (nor a list of strings)", key);
  return ERR_OK;
}

// ---- a string under one of several keys

typedef struct {
  Strings *out;
  int which, none;
} Choice;

static Err take_choice(Scan *s, int key, void *context) {
  Choice *c = context;
  if (key > c->which) return skip_value(s);
  if (!take(s, '"')) {
    if (key == c->which) c->which = c->none;  // repeated: the last counts
    return skip_value(s);
  }
  c->which = key;
  c->out->size = 0;
  c->out->count = 0;
  TRY(take_string(s, c->out));
  return strings_end(c->out);
}

Err jsonl_string(const char *line, size_t size, const char *const *keys, int n_keys, Strings *out, int *which) {
  Choice c = {out, n_keys, n_keys};
  TRY(scan_line(line, size, &(Wanted){keys, n_keys, take_choice, &c}));
  *which = c.which;
  return ERR_OK;
}

// ---- a list of numbers

typedef struct {
  Ids *out;
  int64_t begin, bad;  // bad: what is no id, from 0; -1: none
  bool found, other;
} Numbers;

static bool take_id(Scan *s, int32_t *id) {
  const char *p = s->at;
  bool negative = p < s->end && *p == '-';
  p += negative;
  const char *digits = p;
  int64_t v = 0;
  for (; p < s->end && *p >= '0' && *p <= '9' && v <= INT32_MAX; p++) v = v * 10 + (*p - '0');
  bool whole = p > digits && (*digits != '0' || p == digits + 1) && (p == s->end || !memchr(".eE", *p, 3));
  v = negative ? -v : v;
  if (!whole || v < INT32_MIN || v > INT32_MAX) return false;
  s->at = p;
  *id = (int32_t)v;
  return true;
}

static Err take_ids(Scan *s, int key, void *context) {
  (void)key;
  Numbers *n = context;
  const char *start = s->at;
  n->out->count = n->begin;
  n->bad = -1;
  n->found = true;
  n->other = !take(s, '[');
  if (n->other) return skip_value(s);
  skip_space(s);
  if (take(s, ']')) return ERR_OK;
  for (int32_t id;;) {
    skip_space(s);
    if (!take_id(s, &id)) break;
    TRY(ids_push(n->out, id));
    skip_space(s);
    if (take(s, ']')) return ERR_OK;
    if (!take(s, ',')) break;
  }
  n->bad = n->out->count - n->begin;
  s->at = start;
  return skip_value(s);
}

Err jsonl_ids(const char *line, size_t size, const char *key, Ids *out) {
  Numbers n = {.out = out, .begin = out->count, .bad = -1};
  TRY(scan_line(line, size, &(Wanted){&key, 1, take_ids, &n}));
  CHECK(n.found, ERR_FORMAT, "no \"%s\" key", key);
  CHECK(!n.other, ERR_FORMAT, "\"%s\" is not a list of token ids", key);
  CHECK(n.bad < 0, ERR_FORMAT, "\"%s\"[%lld] is not an id", key, (long long)n.bad);
  return ERR_OK;
}
