#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "text/unicode.h"
#include "text/value.h"

enum { DIGITS_MAX = 4300 };  // of a whole number, as in Python

typedef struct {
  Workspace *w;
  const char *text;
  size_t size, at;
  bool literal;
} Reader;

#define FAIL_HERE(r, ...) FAIL(ERR_FORMAT, __VA_ARGS__, (r)->at)

static Err read_value(Reader *r, int depth, Value *out);

static void skip_space(Reader *r) {
  while (r->at < r->size && strchr(r->literal ? " \t\n\r\f" : " \t\n\r", r->text[r->at]) && r->text[r->at]) r->at++;
}

static bool take(Reader *r, const char *word) {
  size_t n = strlen(word);
  if (r->size - r->at < n || memcmp(r->text + r->at, word, n) != 0) return false;
  r->at += n;
  return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool read_hex(const char *s, size_t size, size_t n, uint32_t *code) {
  *code = 0;
  if (size < n) return false;
  for (size_t i = 0; i < n; i++) {
    int d = hex_digit(s[i]);
    if (d < 0) return false;
    *code = *code << 4 | (uint32_t)d;
  }
  return true;
}

static Err put_code(Builder *b, uint32_t code) {
  char s[4];
  CHECK(code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF), ERR_FORMAT, "\\u%04x is no character", code);
  return builder_put(b, s, utf8_write(s, code));
}

// One escape after the backslash at s[0]; *used counts the bytes after it.
static Err unescape_one(Builder *b, const char *s, size_t size, size_t *used) {
  static const char letters[] = "abfnrtv\\'\"", meaning[] = "\a\b\f\n\r\t\v\\'\"";
  *used = 1;
  const char *found = size > 1 && s[1] ? strchr(letters, s[1]) : NULL;
  if (found) return builder_char(b, meaning[found - letters]);
  if (size > 1 && s[1] == '\n') return ERR_OK;
  size_t digits = size < 2 ? 0 : s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0;
  uint32_t code = 0;
  if (digits) {
    CHECK(read_hex(s + 2, size - 2, digits, &code), ERR_FORMAT, "\\%c wants %zu hexadecimal digits", s[1], digits);
    *used = 1 + digits;
    return put_code(b, code);
  }
  if (size > 1 && s[1] >= '0' && s[1] <= '7') {
    size_t n = 0;
    while (n < 3 && n + 1 < size && s[n + 1] >= '0' && s[n + 1] <= '7') code = code * 8 + (uint32_t)(s[++n] - '0');
    *used = n;
    return put_code(b, code);
  }
  CHECK(size < 2 || s[1] != 'N', ERR_FORMAT, "\\N{name} is not supported; write \\u and the number");
  *used = 0;  // an unknown escape stays as it is
  return builder_char(b, '\\');
}

Err value_unescape(Workspace *w, const char *text, size_t size, Value *out) {
  if (size == 0 || !memchr(text, '\\', size)) return value_copy_text(w, text, size, out);
  Builder b = {.w = w, .limit = w->limit};
  for (size_t at = 0; at < size;) {
    const char *slash = memchr(text + at, '\\', size - at);
    size_t end = slash ? (size_t)(slash - text) : size, used = 0;
    TRY(builder_put(&b, text + at, end - at));
    at = end;
    if (!slash) break;
    TRY(unescape_one(&b, slash, size - at, &used));
    at += 1 + used;
  }
  *out = value_built(&b);
  return ERR_OK;
}

// ---- strings
static Err read_json_text(Reader *r, Value *out) {
  Builder b = {.w = r->w, .limit = r->w->limit};
  static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
  for (;;) {
    size_t begin = r->at;
    while (r->at < r->size && r->text[r->at] != '"' && r->text[r->at] != '\\' && (uint8_t)r->text[r->at] >= 0x20) r->at++;
    TRY(builder_put(&b, r->text + begin, r->at - begin));
    if (r->at == r->size) FAIL_HERE(r, "a string without end (offset %zu)");
    if (take(r, "\"")) break;
    if (!take(r, "\\")) FAIL_HERE(r, "a control character in a string (offset %zu)");
    const char *found = r->at < r->size && r->text[r->at] ? strchr(letters, r->text[r->at]) : NULL;
    uint32_t code = 0, low = 0;
    if (found) {
      TRY(builder_char(&b, meaning[found - letters]));
      r->at++;
      continue;
    }
    if (!take(r, "u") || !read_hex(r->text + r->at, r->size - r->at, 4, &code)) FAIL_HERE(r, "an unknown escape (offset %zu)");
    r->at += 4;
    if (code >= 0xD800 && code < 0xDC00 && r->size - r->at >= 6 && memcmp(r->text + r->at, "\\u", 2) == 0 &&
        read_hex(r->text + r->at + 2, 4, 4, &low) && low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      r->at += 6;
    }
    TRY(put_code(&b, code));
  }
  *out = value_built(&b);
  return ERR_OK;
}

// 'text' or "text", several of them side by side joined; the opening quote is still to come.
static Err read_literal_text(Reader *r, Value *out) {
  Builder b = {.w = r->w, .limit = r->w->limit};
  while (r->at < r->size && (r->text[r->at] == '\'' || r->text[r->at] == '"')) {
    char quote = r->text[r->at++];
    size_t begin = r->at;
    if (r->size - r->at >= 2 && r->text[r->at] == quote && r->text[r->at + 1] == quote)
      FAIL_HERE(r, "text in three quotes is not taken (offset %zu)");
    for (; r->at < r->size && r->text[r->at] != quote; r->at++) {
      if (r->text[r->at] == '\n') FAIL_HERE(r, "a newline in a string (offset %zu)");
      if (r->text[r->at] == '\\') r->at++;
    }
    if (r->at >= r->size) FAIL_HERE(r, "a string without end (offset %zu)");
    Value part;
    TRY(value_unescape(r->w, r->text + begin, r->at - begin, &part));
    TRY(builder_put(&b, part.text, part.size));
    r->at++;
    skip_space(r);
  }
  *out = value_built(&b);
  return ERR_OK;
}

// ---- numbers
static Err whole_number(Workspace *w, const char *digits, size_t size, Value *out) {
  CHECK(size <= DIGITS_MAX, ERR_FORMAT, "a number of more than %d digits", DIGITS_MAX);
  while (size > 1 && digits[0] == '0') digits++, size--;
  int64_t n = 0;
  bool big = false;
  for (size_t i = 0; i < size && !big; i++)
    big = __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digits[i] - '0', &n);
  if (!big) {
    *out = value_int(n);
    return ERR_OK;
  }
  TRY(value_copy_text(w, digits, size, out));
  out->kind = VALUE_BIG;
  return ERR_OK;
}

static Err based_number(const char *text, size_t size, Value *out) {
  int base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
  int64_t n = 0;
  CHECK(size > 2, ERR_FORMAT, "no digits after %.2s", text);
  for (size_t i = 2; i < size; i++) {
    int d = hex_digit(text[i]);
    CHECK(d >= 0 && d < base, ERR_FORMAT, "%.*s is no number", (int)(size > 100 ? 100 : size), text);
    CHECK(!__builtin_mul_overflow(n, base, &n) && !__builtin_add_overflow(n, d, &n), ERR_FORMAT, "%.*s is too large",
          (int)(size > 100 ? 100 : size), text);
  }
  *out = value_int(n);
  return ERR_OK;
}

Err value_number(Workspace *w, const char *text, size_t size, Value *out) {
  char *s;
  TRY(workspace_take(w, size + 1, &s));
  size_t n = 0;
  bool real = false, based = size > 1 && text[0] == '0' && strchr("xob", text[1]) && text[1];
  for (size_t i = 0; i < size; i++) {
    bool between = i > 0 && i + 1 < size && hex_digit(text[i - 1]) >= 0 && hex_digit(text[i + 1]) >= 0;
    if (text[i] == '_' && (between || (based && i == 2 && size > 3))) continue;
    real |= text[i] == '.' || (!based && (text[i] == 'e' || text[i] == 'E'));
    s[n++] = text[i];
  }
  if (based) return based_number(s, n, out);
  char *end;
  if (real) {
    *out = value_real(strtod(s, &end));
    CHECK(end == s + n && (is_digit(s[0]) || s[0] == '.') && !strpbrk(s, "xXpPnN"), ERR_FORMAT, "%.100s is no number", s);
    return ERR_OK;
  }
  bool zeros = true;
  for (size_t i = 0; i < n; i++) {
    CHECK(is_digit(s[i]), ERR_FORMAT, "%.100s is no number", s);
    zeros &= s[i] == '0';
  }
  CHECK(n > 0 && (s[0] != '0' || zeros), ERR_FORMAT, "%.100s is no number (leading zeros)", s);
  return whole_number(w, s, n, out);
}

static Err negate(Reader *r, Value *v) {
  if (v->kind == VALUE_INT) v->integer = -v->integer;
  else if (v->kind == VALUE_FLOAT) v->real = -v->real;
  if (v->kind != VALUE_BIG) return ERR_OK;
  if (v->size == 19 && memcmp(v->text, "9223372036854775808", 19) == 0) {
    *v = value_int(INT64_MIN);
    return ERR_OK;
  }
  Builder b = {.w = r->w, .limit = r->w->limit};
  TRY(builder_char(&b, '-'));
  TRY(builder_put(&b, v->text, v->size));
  v->text = b.data;
  v->size = b.size;
  return ERR_OK;
}

static Err read_number(Reader *r, Value *out) {
  bool minus = take(r, "-");
  if (r->literal && !minus) (void)take(r, "+");
  size_t begin = r->at;
  if (!r->literal) {
    while (r->at < r->size && is_digit(r->text[r->at])) r->at++;
    if (r->at == begin) FAIL_HERE(r, "a value is wanted (offset %zu)");
    if (r->at - begin > 1 && r->text[begin] == '0') r->at = begin + 1;  // what follows a 0 is not of the number
    if (r->at + 1 < r->size && r->text[r->at] == '.' && is_digit(r->text[r->at + 1]))
      for (r->at++; r->at < r->size && is_digit(r->text[r->at]);) r->at++;
    size_t e = r->at;
    if (e < r->size && (r->text[e] == 'e' || r->text[e] == 'E')) {
      e++;
      if (e < r->size && (r->text[e] == '+' || r->text[e] == '-')) e++;
      if (e < r->size && is_digit(r->text[e]))
        for (r->at = e; r->at < r->size && is_digit(r->text[r->at]);) r->at++;
    }
  } else {
    for (; r->at < r->size; r->at++) {
      char c = r->text[r->at];
      bool sign = (c == '+' || c == '-') && r->at > begin && (r->text[r->at - 1] | 0x20) == 'e' && r->text[begin + 1] != 'x';
      if (hex_digit(c) < 0 && !sign && !strchr("xo._", c)) break;
      if (!c) break;
    }
  }
  TRY(value_number(r->w, r->text + begin, r->at - begin, out));
  return minus ? negate(r, out) : ERR_OK;
}

// ---- containers
static Err read_items(Reader *r, char close, int depth, bool *comma, Value *out) {
  Value *item = NULL;
  int64_t count = 0, capacity = 0;
  *comma = false;
  for (skip_space(r); r->at < r->size && r->text[r->at] != close; skip_space(r)) {
    if (count > 0 && !*comma) FAIL_HERE(r, "',' or the end of a list is wanted (offset %zu)");
    TRY(workspace_grow(r->w, &item, count, &capacity, 8, sizeof *item));
    TRY(read_value(r, depth + 1, &item[count]));
    count++;
    skip_space(r);
    *comma = take(r, ",");
  }
  if (r->at >= r->size) FAIL_HERE(r, "a list without end (offset %zu)");
  if (*comma && !r->literal) FAIL_HERE(r, "',' before the end of a list (offset %zu)");
  r->at++;
  TRY(value_list(r->w, LIST_LIST, 0, out));
  out->list->count = count;
  out->list->item = item;
  return ERR_OK;
}

static Err read_tuple(Reader *r, int depth, Value *out) {
  bool comma;
  TRY(read_items(r, ')', depth, &comma, out));
  if (out->list->count == 1 && !comma) *out = out->list->item[0];
  else out->list->kind = LIST_TUPLE;
  return ERR_OK;
}

static Err read_map(Reader *r, int depth, Value *out) {
  TRY(value_map(r->w, out));
  skip_space(r);
  if (take(r, "}")) return ERR_OK;
  for (;;) {
    Value key, value;
    if (!r->literal && (r->at >= r->size || r->text[r->at] != '"')) FAIL_HERE(r, "a key in \" is wanted (offset %zu)");
    TRY(read_value(r, depth + 1, &key));
    if (key.kind == VALUE_LIST || key.kind == VALUE_MAP) FAIL_HERE(r, "a container as a key (offset %zu)");
    skip_space(r);
    if (!take(r, ":")) FAIL_HERE(r, "':' is wanted (offset %zu)");
    TRY(read_value(r, depth + 1, &value));
    TRY(value_put(r->w, out->map, key, value));
    skip_space(r);
    if (take(r, "}")) return ERR_OK;
    if (!take(r, ",")) FAIL_HERE(r, "',' or '}' is wanted (offset %zu)");
    skip_space(r);
    if (r->literal && take(r, "}")) return ERR_OK;
  }
}

static bool read_word(Reader *r, Value *out) {
  static const struct {
    const char *word;
    bool literal;
    Value value;
  } words[] = {{"null", false, {.kind = VALUE_NONE}},
               {"true", false, {.kind = VALUE_BOOL, .yes = true}},
               {"false", false, {.kind = VALUE_BOOL}},
               {"NaN", false, {.kind = VALUE_FLOAT, .real = __builtin_nan("")}},
               {"Infinity", false, {.kind = VALUE_FLOAT, .real = __builtin_inf()}},
               {"-Infinity", false, {.kind = VALUE_FLOAT, .real = -__builtin_inf()}},
               {"None", true, {.kind = VALUE_NONE}},
               {"True", true, {.kind = VALUE_BOOL, .yes = true}},
               {"False", true, {.kind = VALUE_BOOL}}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (words[i].literal == r->literal && take(r, words[i].word)) {
      *out = words[i].value;
      return true;
    }
  return false;
}

static Err read_value(Reader *r, int depth, Value *out) {
  if (depth >= VALUE_DEPTH_MAX) FAIL_HERE(r, "nested too deep (offset %zu)");
  TRY(workspace_step(r->w, 1));
  skip_space(r);
  if (r->at >= r->size) FAIL_HERE(r, "the text ends where a value is wanted (offset %zu)");
  bool comma;
  if (read_word(r, out)) return ERR_OK;
  if (take(r, "{")) return read_map(r, depth, out);
  if (take(r, "[")) return read_items(r, ']', depth, &comma, out);
  if (!r->literal) return take(r, "\"") ? read_json_text(r, out) : read_number(r, out);
  if (take(r, "(")) return read_tuple(r, depth, out);
  if (r->text[r->at] == '"' || r->text[r->at] == '\'') return read_literal_text(r, out);
  return read_number(r, out);
}

Err value_read(Workspace *w, const char *text, size_t size, bool literal, Value *out) {
  Reader r = {.w = w, .text = text, .size = size, .literal = literal};
  size_t bad = utf8_invalid_at(text, size);
  CHECK(bad == size, ERR_FORMAT, "invalid UTF-8 (offset %zu)", bad);
  TRY(read_value(&r, 0, out));
  skip_space(&r);
  if (r.at < size) FAIL_HERE(&r, "something follows the value (offset %zu)");
  return ERR_OK;
}
