// Filters: what may follow `|`. Those that walk a sequence are in jinja_filters_list.c.
#include "text/jinja_filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text/jinja_text.h"
#include "text/unicode.h"

// soft_str: text as it is, anything else as str() of it.
static Err soft(JinjaRun *r, Value v, Value *out) {
  *out = v;
  if (v.kind == VALUE_TEXT) return ERR_OK;
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX};
  TRY(value_str(&b, v));
  *out = value_built(&b);
  return ERR_OK;
}

static FILTER_FN(string) { return (void)a, soft(r, v, out); }

static FILTER_FN(safe) {
  (void)a;
  TRY(soft(r, v, out));
  out->safe = true;
  return ERR_OK;
}

static FILTER_FN(trim) {
  Value text;
  TRY(soft(r, v, &text));
  return text_strip(run_workspace(r), text, args_given(a, 0) ? a->value[0] : value_none(), STRIP_BOTH, out);
}

static Err in_case(JinjaRun *r, Value v, TextCase to, Value *out) {
  Value text;
  TRY(soft(r, v, &text));
  return text_case(run_workspace(r), text, to, out);
}

static FILTER_FN(upper) { return (void)a, in_case(r, v, CASE_UPPER, out); }
static FILTER_FN(lower) { return (void)a, in_case(r, v, CASE_LOWER, out); }
static FILTER_FN(capitalize) { return (void)a, in_case(r, v, CASE_CAPITALIZE, out); }

// The first letter of each word large, the rest small; words are cut at white space and - ( { [ <.
static FILTER_FN(title) {
  Value text, part;
  (void)a;
  TRY(soft(r, v, &text));
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX};
  for (size_t at = 0, begin = 0; begin < text.size; begin = at) {
    bool first_cut = false;
    for (size_t next = begin; next < text.size;) {
      uint32_t code = utf8_next(text.text, &next);
      bool cut = text_is_space(code) || (code < 0x80 && code && strchr("-({[<", (int)code));
      if (at == begin) first_cut = cut;
      if (cut != first_cut) break;
      at = next;
    }
    size_t letter = utf8_size(text.text[begin]);
    TRY(text_case(b.w, value_text(text.text + begin, letter), CASE_UPPER, &part));
    TRY(builder_put(&b, part.text, part.size));
    TRY(text_case(b.w, value_text(text.text + begin + letter, at - begin - letter), CASE_LOWER, &part));
    TRY(builder_put(&b, part.text, part.size));
  }
  *out = value_built(&b);
  return ERR_OK;
}

static FILTER_FN(replace) {
  Value text, old, by;
  int64_t limit = -1;
  TRY(soft(r, v, &text));
  TRY(soft(r, a->value[0], &old));
  TRY(soft(r, a->value[1], &by));
  if (args_given(a, 2) && a->value[2].kind != VALUE_NONE) TRY(args_int(a, 2, -1, &limit));
  return text_replace(run_workspace(r), text, old, by, limit, out);
}

static FILTER_FN(escape) {
  Value text;
  (void)a;
  TRY(soft(r, v, &text));
  *out = text;
  out->safe = true;
  if (text.safe) return ERR_OK;
  static const char from[] = "&<>'\"";
  static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX};
  for (size_t i = 0; i < text.size; i++) {
    const char *found = text.text[i] ? strchr(from, text.text[i]) : NULL;
    TRY(found ? builder_put(&b, to[found - from], strlen(to[found - from])) : builder_char(&b, text.text[i]));
  }
  *out = value_built(&b);
  out->safe = true;
  return ERR_OK;
}

static FILTER_FN(indent) {
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX}, line_end = b;
  Value width = a->value[0], lines;
  int64_t spaces = 4;
  CHECK(v.kind == VALUE_TEXT && !v.safe, ERR_FORMAT, "indent is for text, found %s", value_type_name(v));
  if (!args_given(a, 0) || width.kind != VALUE_TEXT) {
    TRY(args_int(a, 0, 4, &spaces));
    CHECK(spaces <= 4096, ERR_FORMAT, "indent by %lld is not supported", (long long)spaces);
    for (int64_t i = 0; i < spaces; i++) TRY(builder_char(&line_end, ' '));
    width = value_built(&line_end);
  }
  bool first = args_given(a, 1) && value_true(a->value[1]), blank = args_given(a, 2) && value_true(a->value[2]);
  TRY(builder_put(&b, v.text, v.size));
  TRY(builder_char(&b, '\n'));
  TRY(text_split_lines(b.w, value_built(&b), false, &lines));
  b = (Builder){.w = b.w, .limit = b.limit};
  for (int64_t i = 0; i < lines.list->count; i++) {
    Value line = lines.list->item[i];
    if (i) TRY(builder_char(&b, '\n'));
    if (i == 0 ? first : (blank || line.size)) TRY(builder_put(&b, width.text, width.size));
    TRY(builder_put(&b, line.text, line.size));
  }
  *out = value_built(&b);
  return ERR_OK;
}

static FILTER_FN(default) {
  (void)r;
  bool take = v.kind == VALUE_UNDEFINED || (args_given(a, 1) && value_true(a->value[1]) && !value_true(v));
  *out = !take ? v : args_given(a, 0) ? a->value[0] : value_text("", 0);
  return ERR_OK;
}

static FILTER_FN(length) {
  (void)a;
  int64_t n = -1;
  if (v.kind == VALUE_UNDEFINED) n = 0;
  if (v.kind == VALUE_TEXT) n = text_length(v.text, v.size);
  if (v.kind == VALUE_LIST && v.list->kind != LIST_GENERATOR) n = v.list->count;
  if (v.kind == VALUE_MAP) n = v.map->count;
  CHECK(n >= 0, ERR_FORMAT, "object of type '%s' has no len()", value_type_name(v));
  *out = value_int(n);
  return workspace_step(run_workspace(r), v.kind == VALUE_TEXT ? v.size / 64 : 0);
}

static FILTER_FN(abs) {
  (void)r, (void)a;
  CHECK(value_is_number(v) && v.kind != VALUE_BIG, ERR_FORMAT, "bad operand type for abs(): '%s'", value_type_name(v));
  *out = v.kind == VALUE_BOOL ? value_int(v.yes) : v;
  CHECK(v.kind != VALUE_INT || v.integer != INT64_MIN, ERR_FORMAT,
        "a whole number of more than 64 bits is not calculated with");
  if (v.kind == VALUE_INT && v.integer < 0) out->integer = -v.integer;
  if (v.kind == VALUE_FLOAT) out->real = fabs(v.real);
  return ERR_OK;
}

// What Python's int() and float() make of text: digits with white space around and a sign before. *is_number is false where
// they would raise ValueError.
static Err read_number(JinjaRun *r, Value v, bool *is_number, Value *out) {
  Value s;
  *is_number = false;
  TRY(text_strip(run_workspace(r), v, value_none(), STRIP_BOTH, &s));
  for (size_t i = 0; i < s.size; i++)
    CHECK((uint8_t)s.text[i] < 0x80, ERR_FORMAT, "a number from other letters than ASCII is not supported");
  bool sign = s.size > 0 && (s.text[0] == '-' || s.text[0] == '+');
  const char *digits = s.text + sign;
  size_t size = s.size - sign;
  CHECK(size < 3 || (strncasecmp(digits, "inf", 3) != 0 && strncasecmp(digits, "nan", 3) != 0), ERR_FORMAT,
        "a number from \"%.*s\" is not supported", (int)(size > 20 ? 20 : size), digits);
  while (size > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') digits++, size--;
  if (size == 0 || !((digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.')) return ERR_OK;
  if (size > 1 && strchr("xXoObB", digits[1])) return ERR_OK;
  *is_number = !value_number(run_workspace(r), digits, size, out);
  return *is_number && s.text[0] == '-' ? value_sign(OP_SUB, *out, out) : ERR_OK;
}

static FILTER_FN(int) {
  CHECK(v.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", v.text);
  *out = args_given(a, 0) ? a->value[0] : value_int(0);
  Value n = v;
  bool is_number = true;
  if (v.kind == VALUE_TEXT) TRY(read_number(r, v, &is_number, &n));
  if (!is_number) return ERR_OK;
  if (n.kind == VALUE_BOOL) n = value_int(n.yes);
  if (n.kind == VALUE_FLOAT && isfinite(n.real)) {
    CHECK(fabs(n.real) < 0x1p63, ERR_FORMAT, "a whole number of more than 64 bits is not calculated with");
    n = value_int((int64_t)n.real);
  }
  if (n.kind == VALUE_INT || n.kind == VALUE_BIG) *out = n;
  return ERR_OK;
}

static FILTER_FN(float) {
  CHECK(v.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", v.text);
  *out = args_given(a, 0) ? a->value[0] : value_real(0);
  Value n = v;
  bool is_number = true;
  if (v.kind == VALUE_TEXT) TRY(read_number(r, v, &is_number, &n));
  if (!is_number) return ERR_OK;
  CHECK(n.kind != VALUE_BIG, ERR_FORMAT, "a whole number of more than 64 bits is not calculated with");
  if (n.kind == VALUE_BOOL) *out = value_real(n.yes);
  if (n.kind == VALUE_INT) *out = value_real((double)n.integer);
  if (n.kind == VALUE_FLOAT) *out = n;
  return ERR_OK;
}

static Err separator(JinjaRun *r, Value v, const char **out) {
  CHECK(v.kind == VALUE_TEXT && (v.size == 0 || !memchr(v.text, '\0', v.size)), ERR_FORMAT,
        "a separator of tojson is text, found %s", value_type_name(v));
  Value copy;
  TRY(value_copy_text(run_workspace(r), v.text, v.size, &copy));
  *out = copy.text;
  return ERR_OK;
}

// json.dumps(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)
static FILTER_FN(tojson) {
  JsonStyle style = json_style_plain;
  Value indent = a->value[1], separators = a->value[2];
  style.ascii = args_given(a, 0) && value_true(a->value[0]);
  style.sort_keys = args_given(a, 3) && value_true(a->value[3]);
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX}, spaces = b;
  if (args_given(a, 1) && indent.kind != VALUE_NONE) {
    int64_t n;
    style.item = ",";
    if (indent.kind != VALUE_TEXT) {
      TRY(args_int(a, 1, 0, &n));
      CHECK(n <= 4096, ERR_FORMAT, "tojson(indent=%lld) is not supported", (long long)n);
      for (int64_t i = 0; i < n; i++) TRY(builder_char(&spaces, ' '));
      indent = value_built(&spaces);
    }
    TRY(separator(r, indent, &style.indent));
  }
  if (args_given(a, 2) && separators.kind != VALUE_NONE) {
    CHECK(separators.kind == VALUE_LIST && separators.list->kind <= LIST_TUPLE && separators.list->count == 2, ERR_FORMAT,
          "tojson(separators=) wants two texts");
    TRY(separator(r, separators.list->item[0], &style.item));
    TRY(separator(r, separators.list->item[1], &style.colon));
  }
  TRY(value_json(&b, v, &style));
  *out = value_built(&b);
  return ERR_OK;
}

// The only list of filters. Without a function: Jinja's, not supported here.
static const Builtin filters[] = {
    {"abs", "", 0, filter_abs},
    {"capitalize", "", 0, filter_capitalize},
    {"count", "", 0, filter_length},
    {"d", "default_value boolean", 0, filter_default},
    {"default", "default_value boolean", 0, filter_default},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"e", "", 0, filter_escape},
    {"escape", "", 0, filter_escape},
    {"first", "", 0, filter_first},
    {"float", "default", 0, filter_float},
    {"indent", "width first blank", 0, filter_indent},
    {"int", "default", 0, filter_int},
    {"items", "", 0, filter_items},
    {"join", "d attribute", 0, filter_join},
    {"last", "", 0, filter_last},
    {"length", "", 0, filter_length},
    {"list", "", 0, filter_list},
    {"lower", "", 0, filter_lower},
    {"map", "*", 1, filter_map},
    {"max", "", 0, filter_max},
    {"min", "", 0, filter_min},
    {"reject", "*", 0, filter_reject},
    {"rejectattr", "*", 1, filter_rejectattr},
    {"replace", "old new count", 2, filter_replace},
    {"reverse", "", 0, filter_reverse},
    {"safe", "", 0, filter_safe},
    {"select", "*", 0, filter_select},
    {"selectattr", "*", 1, filter_selectattr},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"string", "", 0, filter_string},
    {"sum", "attribute start", 0, filter_sum},
    {"title", "", 0, filter_title},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson},
    {"trim", "chars", 0, filter_trim},
    {"unique", "case_sensitive attribute", 0, filter_unique},
    {"upper", "", 0, filter_upper},
#define NO(name) \
  { name, "*", 0, NULL }
    NO("attr"),
    NO("batch"),
    NO("center"),
    NO("filesizeformat"),
    NO("forceescape"),
    NO("format"),
    NO("groupby"),
    NO("pprint"),
    NO("random"),
    NO("round"),
    NO("slice"),
    NO("striptags"),

    NO("truncate"),
    NO("urlencode"),
    NO("urlize"),
    NO("wordcount"),
    NO("wordwrap"),
    NO("xmlattr"),
#undef NO
};

const Builtin *builtin_filter(const char *name, size_t size) {
  return builtin_find(filters, sizeof filters / sizeof *filters, name, size);
}
