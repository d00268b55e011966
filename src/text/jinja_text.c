#include "text/jinja_text.h"

#include <string.h>
#include <utf8proc.h>

#include "text/unicode.h"

static bool in_set(Value set, uint32_t code) {
  if (set.kind == VALUE_NONE) return text_is_space(code);
  for (size_t at = 0; at < set.size;)
    if (utf8_next(set.text, &at) == code) return true;
  return false;
}

Err text_strip(Workspace *w, Value v, Value set, StripSides sides, Value *out) {
  CHECK(set.kind == VALUE_NONE || set.kind == VALUE_TEXT, ERR_FORMAT, "strip arg must be None or str, not %s",
        value_type_name(set));
  size_t begin = 0, end = v.size, work = set.kind == VALUE_TEXT ? set.size + 1 : 1;
  while ((sides & STRIP_LEFT) && begin < end) {
    size_t next = begin;
    if (!in_set(set, utf8_next(v.text, &next))) break;
    begin = next;
  }
  while ((sides & STRIP_RIGHT) && end > begin) {
    size_t last = utf8_back(v.text, end), next = last;
    if (!in_set(set, utf8_next(v.text, &next))) break;
    end = last;
  }
  *out = v;
  out->text += begin;
  out->size = end - begin;
  return workspace_step(w, (v.size - out->size) * work / 64);
}

typedef struct {
  Workspace *w;
  Value *item;
  int64_t count, capacity;
} Parts;

static Err add_part(Parts *p, const char *text, size_t size) {
  TRY(workspace_grow(p->w, &p->item, p->count, &p->capacity, 8, sizeof *p->item));
  p->item[p->count++] = value_text(text, size);
  return workspace_step(p->w, 1);
}

static Err parts_list(Parts *p, bool reverse, Value *out) {
  TRY(value_list(p->w, LIST_LIST, p->count, out));
  for (int64_t i = 0; i < p->count; i++) out->list->item[reverse ? p->count - 1 - i : i] = p->item[i];
  return ERR_OK;
}

static Err split_spaces(Parts *p, Value v, int64_t limit) {
  size_t at = 0;
  for (;;) {
    size_t begin, next = at;
    for (begin = at; begin < v.size && text_is_space(utf8_next(v.text, &next)); begin = next) {
    }
    if (begin >= v.size) return ERR_OK;
    if (limit == 0) return add_part(p, v.text + begin, v.size - begin);  // with the white space at its end
    for (at = begin, next = begin; at < v.size && !text_is_space(utf8_next(v.text, &next)); at = next) {
    }
    TRY(add_part(p, v.text + begin, at - begin));
    limit--;
  }
}

static size_t find_last(Value v, size_t end, Value sep) {
  for (size_t at = end; at >= sep.size; at--)
    if (memcmp(v.text + at - sep.size, sep.text, sep.size) == 0) return at - sep.size;
  return SIZE_MAX;
}

static Err split_right(Parts *p, Value v, Value sep, int64_t limit, Value *out) {
  size_t end = v.size, at;
  for (; limit != 0 && (at = find_last(v, end, sep)) != SIZE_MAX; limit--) {
    TRY(add_part(p, v.text + at + sep.size, end - at - sep.size));
    end = at;
  }
  TRY(add_part(p, v.text, end));
  return parts_list(p, true, out);
}

Err text_split(Workspace *w, Value v, Value sep, int64_t limit, bool from_right, Value *out) {
  Parts p = {.w = w};
  TRY(workspace_step(w, v.size / 64));
  CHECK(sep.kind == VALUE_NONE || sep.kind == VALUE_TEXT, ERR_FORMAT, "must be str or None, not %s", value_type_name(sep));
  if (sep.kind == VALUE_NONE) {
    CHECK(!from_right || limit < 0, ERR_FORMAT, "rsplit at white space with a limit is not supported");
    TRY(split_spaces(&p, v, limit));
    return parts_list(&p, false, out);
  }
  CHECK(sep.size > 0, ERR_FORMAT, "empty separator");
  if (from_right) return split_right(&p, v, sep, limit, out);
  size_t at = 0, found;
  for (; limit != 0; limit--) {
    TRY(text_find(w, v, sep, at, &found));
    if (found == SIZE_MAX) break;
    TRY(add_part(&p, v.text + at, found - at));
    at = found + sep.size;
  }
  TRY(add_part(&p, v.text + at, v.size - at));
  return parts_list(&p, false, out);
}

static bool ends_line(uint32_t c) {
  return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

Err text_split_lines(Workspace *w, Value v, bool keep_ends, Value *out) {
  Parts p = {.w = w};
  TRY(workspace_step(w, v.size / 64));
  for (size_t at = 0, begin = 0; at < v.size;) {
    size_t end = at;
    bool line = ends_line(utf8_next(v.text, &at));
    if (line && v.text[end] == '\r' && at < v.size && v.text[at] == '\n') at++;
    if (!line && at < v.size) continue;
    TRY(add_part(&p, v.text + begin, (line && !keep_ends ? end : at) - begin));
    begin = at;
  }
  return parts_list(&p, false, out);
}

Err text_replace(Workspace *w, Value v, Value old, Value by, int64_t limit, Value *out) {
  Builder b = {.w = w, .limit = w->limit};
  size_t at = 0, found;
  for (; limit != 0; limit--) {
    TRY(text_find(w, v, old, at, &found));
    if (found == SIZE_MAX) break;
    if (old.size == 0) {  // before every character, and at the end
      TRY(builder_put(&b, by.text, by.size));
      if (at == v.size) break;
      size_t n = utf8_size(v.text[at]);
      TRY(builder_put(&b, v.text + at, n));
      at += n;
      continue;
    }
    TRY(builder_put(&b, v.text + at, found - at));
    TRY(builder_put(&b, by.text, by.size));
    at = found + old.size;
  }
  TRY(builder_put(&b, v.text + at, v.size - at));
  *out = value_built(&b);
  return ERR_OK;
}

// Whose other case is several characters, or depends on the neighbours (Unicode's SpecialCasing).
static bool special_case(uint32_t c, bool upper) {
  if (!upper) return c == 0x130 || c == 0x3A3;
  return c == 0xDF || c == 0x149 || c == 0x1F0 || c == 0x390 || c == 0x3B0 || c == 0x587 || (c >= 0x1E96 && c <= 0x1E9E) ||
         (c >= 0x1F50 && c <= 0x1F57) || (c >= 0x1F80 && c <= 0x1FFF) || (c >= 0xFB00 && c <= 0xFB17) ||
         (c >= 0x10D0 && c <= 0x10FF) || (c >= 0x1C4 && c <= 0x1CC) || (c >= 0x1F1 && c <= 0x1F3);
}

static bool cased(uint32_t c) {
  utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

Err text_case(Workspace *w, Value v, TextCase to, Value *out) {
  Builder b = {.w = w, .limit = w->limit};
  bool first = true;
  TRY(workspace_step(w, v.size / 16));
  for (size_t at = 0; at < v.size;) {
    uint32_t code = utf8_next(v.text, &at);
    bool upper = to == CASE_UPPER || (first && to != CASE_LOWER);
    CHECK(!special_case(code, upper), ERR_FORMAT, "the case of U+%04X is not supported", code);
    utf8proc_int32_t c = (utf8proc_int32_t)code;
    char s[4];
    first = to == CASE_TITLE ? !cased(code) : false;
    TRY(builder_put(&b, s, utf8_write(s, (uint32_t)(upper ? utf8proc_toupper(c) : utf8proc_tolower(c)))));
  }
  *out = value_built(&b);
  out->safe = v.safe;
  return ERR_OK;
}
