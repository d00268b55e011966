#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text/unicode.h"
#include "text/value.h"

const JsonStyle json_style_plain = {.item = ", ", .colon = ": "};

size_t value_real_text(char out[32], double x) {
  if (isnan(x)) return (size_t)snprintf(out, 32, "nan");
  if (isinf(x)) return (size_t)snprintf(out, 32, x < 0 ? "-inf" : "inf");
  char s[32];
  int digits = 1;
  do snprintf(s, sizeof s, "%.*e", digits - 1, x);  // the nearest decimal of so many digits
  while (digits++ < 17 && strtod(s, NULL) != x);
  char *e = strchr(s, 'e');
  int exponent = (int)strtol(e + 1, NULL, 10), n = 0;
  char digit[20] = {'0'};
  for (char *c = s; c < e; c++)
    if (*c >= '0' && *c <= '9') digit[n++] = *c;
  char *at = out;
  if (s[0] == '-') *at++ = '-';
  if (exponent < -4 || exponent >= 16) {
    *at++ = digit[0];
    if (n > 1) {
      *at++ = '.';
      memcpy(at, digit + 1, (size_t)n - 1);
      at += n - 1;
    }
    return (size_t)(at - out) + (size_t)sprintf(at, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
  }
  for (int i = exponent < 0 ? exponent : 0; i < n || i <= exponent + 1; i++) {  // i: the digit's place
    if (i == exponent + 1) *at++ = '.';
    *at++ = i >= 0 && i < n ? digit[i] : '0';
  }
  *at = '\0';
  return (size_t)(at - out);
}

// str.isprintable of one character.
static bool printable(uint32_t code) {
  if (code < 0x7F) return code >= 0x20;
  switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
  }
}

static Err put_escape(Builder *b, uint32_t code) {
  char s[16];
  if (code == '\n' || code == '\r' || code == '\t')
    return builder_put(b, code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t", 2);
  int n = code < 0x100 ? snprintf(s, sizeof s, "\\x%02x", code)
                       : snprintf(s, sizeof s, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
  return builder_put(b, s, (size_t)n);
}

static Err repr_text(Builder *b, Value v) {
  bool single = v.size && memchr(v.text, '\'', v.size), twice = v.size && memchr(v.text, '"', v.size);
  char quote = single && !twice ? '"' : '\'';
  TRY(builder_char(b, quote));
  for (size_t at = 0; at < v.size;) {
    size_t begin = at;
    uint32_t code = utf8_next(v.text, &at);
    if (code == '\\' || code == (uint32_t)quote) TRY(builder_char(b, '\\'));
    if (printable(code)) TRY(builder_put(b, v.text + begin, at - begin));
    else TRY(put_escape(b, code));
  }
  return builder_char(b, quote);
}

static Err repr_at(Builder *b, Value v, int depth);

static Err repr_list(Builder *b, const ValueList *l, int depth) {
  TRY(builder_char(b, l->kind == LIST_TUPLE ? '(' : '['));
  for (int64_t i = 0; i < l->count; i++) {
    if (i) TRY(builder_put(b, ", ", 2));
    TRY(repr_at(b, l->item[i], depth + 1));
  }
  if (l->kind == LIST_TUPLE && l->count == 1) TRY(builder_char(b, ','));
  return builder_char(b, l->kind == LIST_TUPLE ? ')' : ']');
}

static Err repr_at(Builder *b, Value v, int depth) {
  CHECK(depth < VALUE_DEPTH_MAX, ERR_FORMAT, "values nested deeper than %d are not printed", VALUE_DEPTH_MAX);
  char s[32];
  switch (v.kind) {
    case VALUE_UNDEFINED: return builder_put(b, "Undefined", 9);
    case VALUE_NONE: return builder_put(b, "None", 4);
    case VALUE_BOOL: return v.yes ? builder_put(b, "True", 4) : builder_put(b, "False", 5);
    case VALUE_INT: return builder_put(b, s, (size_t)snprintf(s, sizeof s, "%lld", (long long)v.integer));
    case VALUE_BIG: return builder_put(b, v.text, v.size);
    case VALUE_FLOAT: return builder_put(b, s, value_real_text(s, v.real));
    case VALUE_TEXT: CHECK(!v.safe, ERR_FORMAT, "safe text within a container is not printed"); return repr_text(b, v);
    case VALUE_LIST:
      CHECK(v.list->kind <= LIST_TUPLE, ERR_FORMAT, "a %s is not printed; make it a list first", value_type_name(v));
      return repr_list(b, v.list, depth);
    case VALUE_MAP: break;
    default: FAIL(ERR_FORMAT, "a %s is not printed", value_type_name(v));
  }
  TRY(builder_char(b, '{'));
  for (int64_t i = 0; i < v.map->count; i++) {
    if (i) TRY(builder_put(b, ", ", 2));
    TRY(repr_at(b, v.map->key[i], depth + 1));
    TRY(builder_put(b, ": ", 2));
    TRY(repr_at(b, v.map->value[i], depth + 1));
  }
  return builder_char(b, '}');
}

Err value_repr(Builder *b, Value v) { return repr_at(b, v, 0); }

Err value_str(Builder *b, Value v) {
  if (v.kind == VALUE_TEXT) return builder_put(b, v.text, v.size);
  if (v.kind == VALUE_UNDEFINED) return ERR_OK;
  return repr_at(b, v, 0);
}

static Err json_text_ascii(Builder *b, uint32_t code) {
  char s[16];
  if (code < 0x10000) return builder_put(b, s, (size_t)snprintf(s, sizeof s, "\\u%04x", code));
  code -= 0x10000;
  return builder_put(b, s, (size_t)snprintf(s, sizeof s, "\\u%04x\\u%04x", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)));
}

static Err put_json_text(Builder *b, Value v, bool ascii) {
  static const char escaped[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
  TRY(builder_char(b, '"'));
  for (size_t at = 0; at < v.size;) {
    size_t begin = at;
    uint32_t code = utf8_next(v.text, &at);
    const char *found = code && code < 0x80 ? strchr(escaped, (int)code) : NULL;
    if (found) {
      TRY(builder_char(b, '\\'));
      TRY(builder_char(b, letter[found - escaped]));
    } else if (code < 0x20 || (ascii && code > 0x7E)) {
      TRY(json_text_ascii(b, code));
    } else {
      TRY(builder_put(b, v.text + begin, at - begin));
    }
  }
  return builder_char(b, '"');
}

static Err real_json(Builder *b, double x) {
  char s[32];
  if (isnan(x)) return builder_put(b, "NaN", 3);
  if (isinf(x)) return x < 0 ? builder_put(b, "-Infinity", 9) : builder_put(b, "Infinity", 8);
  return builder_put(b, s, value_real_text(s, x));
}

static Err json_key(Builder *b, Value k, bool ascii) {
  if (k.kind == VALUE_TEXT) return put_json_text(b, k, ascii);
  CHECK(k.kind == VALUE_NONE || value_is_number(k), ERR_FORMAT, "keys must be str, int, float, bool or None, not %s",
        value_type_name(k));
  TRY(builder_char(b, '"'));
  if (k.kind == VALUE_NONE) TRY(builder_put(b, "null", 4));
  else if (k.kind == VALUE_BOOL) TRY(k.yes ? builder_put(b, "true", 4) : builder_put(b, "false", 5));
  else if (k.kind == VALUE_FLOAT) TRY(real_json(b, k.real));
  else TRY(value_repr(b, k));
  return builder_char(b, '"');
}

static Err json_break(Builder *b, const JsonStyle *s, int depth) {
  if (!s->indent) return ERR_OK;
  TRY(builder_char(b, '\n'));
  for (int i = 0; i < depth; i++) TRY(builder_put(b, s->indent, strlen(s->indent)));
  return ERR_OK;
}

static Err json_at(Builder *b, Value v, const JsonStyle *s, int depth);

// The order of the keys: as they came, or sorted (insertion, stable).
static Err json_order(Builder *b, const ValueMap *m, bool sort, int64_t **order) {
  TRY(workspace_take(b->w, (size_t)m->count * sizeof **order, order));
  for (int64_t i = 0; i < m->count; i++) {
    int64_t j = i;
    for (; sort && j > 0; j--) {
      int less = 0;
      TRY(workspace_step(b->w, 1));
      TRY(value_order(b->w, m->key[i], m->key[(*order)[j - 1]], &less));
      if (less != -1) break;
      (*order)[j] = (*order)[j - 1];
    }
    (*order)[j] = i;
  }
  return ERR_OK;
}

static Err json_map(Builder *b, const ValueMap *m, const JsonStyle *s, int depth) {
  if (m->count == 0) return builder_put(b, "{}", 2);
  int64_t *order;
  TRY(json_order(b, m, s->sort_keys, &order));
  TRY(builder_char(b, '{'));
  for (int64_t i = 0; i < m->count; i++) {
    if (i) TRY(builder_put(b, s->item, strlen(s->item)));
    TRY(json_break(b, s, depth + 1));
    TRY(json_key(b, m->key[order[i]], s->ascii));
    TRY(builder_put(b, s->colon, strlen(s->colon)));
    TRY(json_at(b, m->value[order[i]], s, depth + 1));
  }
  TRY(json_break(b, s, depth));
  return builder_char(b, '}');
}

static Err json_list(Builder *b, const ValueList *l, const JsonStyle *s, int depth) {
  if (l->count == 0) return builder_put(b, "[]", 2);
  TRY(builder_char(b, '['));
  for (int64_t i = 0; i < l->count; i++) {
    if (i) TRY(builder_put(b, s->item, strlen(s->item)));
    TRY(json_break(b, s, depth + 1));
    TRY(json_at(b, l->item[i], s, depth + 1));
  }
  TRY(json_break(b, s, depth));
  return builder_char(b, ']');
}

static Err json_at(Builder *b, Value v, const JsonStyle *s, int depth) {
  CHECK(depth < VALUE_DEPTH_MAX, ERR_FORMAT, "values nested deeper than %d are not written as JSON", VALUE_DEPTH_MAX);
  switch (v.kind) {
    case VALUE_NONE: return builder_put(b, "null", 4);
    case VALUE_BOOL: return v.yes ? builder_put(b, "true", 4) : builder_put(b, "false", 5);
    case VALUE_INT:
    case VALUE_BIG: return value_repr(b, v);
    case VALUE_FLOAT: return real_json(b, v.real);
    case VALUE_TEXT: return put_json_text(b, v, s->ascii);
    case VALUE_LIST:
      if (v.list->kind <= LIST_TUPLE) return json_list(b, v.list, s, depth);
      break;
    case VALUE_MAP: return json_map(b, v.map, s, depth);
    default: break;
  }
  FAIL(ERR_FORMAT, "Object of type %s is not JSON serializable", value_type_name(v));
}

Err value_json(Builder *b, Value v, const JsonStyle *style) { return json_at(b, v, style, 0); }
