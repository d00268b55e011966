// One value from text: type and range.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/options_internal.h"
#include "base/utf8.h"

void range_text(const Field *f, char *out, size_t size) {
  int digits = f->type == FIELD_IS_INT ? 19 : 6;
  bool low = f->low > (f->type == FIELD_IS_INT ? -0x1p62 : -INFINITY),
       high = f->high < (f->type == FIELD_IS_INT ? 0x1p62 : INFINITY);
  if (f->type != FIELD_IS_INT && f->type != FIELD_IS_REAL) low = high = false;
  if (low && high) snprintf(out, size, "%.*g to %.*g", digits, f->low, digits, f->high);
  else if (low) snprintf(out, size, "at least %.*g", digits, f->low);
  else if (high) snprintf(out, size, "at most %.*g", digits, f->high);
  else snprintf(out, size, "%s", "");
}

void value_wanted(const Field *f, char *out, size_t size) {
  static const char *const words[] = {[FIELD_IS_INT] = "an integer",
                                      [FIELD_IS_REAL] = "a number",
                                      [FIELD_IS_BOOL] = "true or false",
                                      [FIELD_IS_TEXT] = "text",
                                      [FIELD_IS_LIST] = "a list"};
  if (f->type != FIELD_IS_ENUM) {
    snprintf(out, size, "%s", words[f->type]);
    return;
  }
  size_t used = (size_t)snprintf(out, size, "one of");
  for (int i = 0; f->names[i] && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s %s", i ? "," : "", f->names[i]);
}

static Err fail_type(const Field *f, const char *key, const char *text, bool quoted, const char *where) {
  char want[512];
  value_wanted(f, want, sizeof want);
  if (*text == '\0') FAIL(ERR_ARG, "%s: %s has no value; %s is wanted (%s)", where, key, want, f->help);
  FAIL(ERR_ARG, "%s: %s is %s%.200s%s; %s is wanted (%s)", where, key, quoted ? "the text \"" : "\"", text, "\"", want,
       f->help);
}

static Err fail_range(const Field *f, const char *key, const char *text, const char *where) {
  char range[80];
  range_text(f, range, sizeof range);
  if (!*range) snprintf(range, sizeof range, "a number that fits 64 bits");
  FAIL(ERR_ARG, "%s: %s is %.200s, out of range; %s is wanted (%s)", where, key, text, range, f->help);
}

// Decimal digits, "_" between them to read better, or a whole number written with an exponent (2e9).
static bool parse_int(const char *text, int64_t *out, bool *fits) {
  char digits[64];
  size_t n = 0;
  for (const char *p = text; *p; p++) {
    if (*p == '_' && p > text && p[1] >= '0' && p[1] <= '9' && p[-1] >= '0' && p[-1] <= '9') continue;
    if (n + 1 == sizeof digits || !strchr("0123456789+-.eE", *p)) return false;
    digits[n++] = *p;
  }
  digits[n] = '\0';
  char *end;
  errno = 0;
  *out = strtoll(digits, &end, 10);
  *fits = errno == 0;
  if (n == 0 || end == digits) return false;
  if (*end == '\0') return true;
  double real = strtod(digits, &end);
  if (*end != '\0' || real != floor(real)) return false;
  *fits = fabs(real) <= 0x1p53;  // beyond, a double no longer holds every integer
  *out = *fits ? (int64_t)real : 0;
  return true;
}

static bool parse_real(const char *text, double *out) {
  const char *bare = text + (*text == '-' || *text == '+');
  if (strcmp(bare, ".inf") == 0 || strcmp(bare, "inf") == 0) {
    *out = *text == '-' ? -INFINITY : INFINITY;
    return true;
  }
  if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;  // strtod would take hexadecimal and spaces
  char *end;
  *out = strtod(text, &end);
  return *end == '\0' && isfinite(*out);
}

static bool parse_bool(const char *text, bool *out) {
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};
  for (int i = 0; i < 6; i++) {
    if (strcmp(text, words[i]) != 0) continue;
    *out = i % 2 == 0;
    return true;
  }
  return false;
}

static Err set_text(const Field *f, const char *key, const char *text, const char *where, char *out) {
  size_t n = strlen(text);
  CHECK(n < OPTION_TEXT_BYTES, ERR_ARG, "%s: %s has %zu bytes; at most %d fit (%s)", where, key, n, OPTION_TEXT_BYTES - 1,
        f->help);
  CHECK(utf8_invalid_at(text, n) == n, ERR_ARG, "%s: %s is not valid UTF-8 at byte %zu (%s)", where, key,
        utf8_invalid_at(text, n), f->help);
  memset(out, 0, OPTION_TEXT_BYTES);
  memcpy(out, text, n);
  return ERR_OK;
}

static Err set_enum(const Field *f, const char *key, const char *text, const char *where, int *out) {
  for (int i = 0; f->names[i]; i++) {
    if (strcmp(text, f->names[i]) != 0) continue;
    *out = i;
    return ERR_OK;
  }
  const char *near = name_nearest(text, f->names);
  if (!near) return fail_type(f, key, text, false, where);
  FAIL(ERR_ARG, "%s: %s is \"%.200s\"; did you mean %s? (%s)", where, key, text, near, f->help);
}

Err value_set(FieldAt at, const char *key, const char *text, bool quoted, const char *where) {
  const Field *f = at.field;
  void *to = (char *)at.base + f->offset;
  if (quoted && f->type != FIELD_IS_TEXT && f->type != FIELD_IS_ENUM) return fail_type(f, key, text, true, where);
  switch (f->type) {
    case FIELD_IS_INT: {
      int64_t value = 0;
      bool fits = false;
      if (!parse_int(text, &value, &fits)) return fail_type(f, key, text, quoted, where);
      if (!fits || (double)value < f->low || (double)value > f->high) return fail_range(f, key, text, where);
      *(int64_t *)to = value;
      return ERR_OK;
    }
    case FIELD_IS_REAL: {
      double value = 0;
      if (!parse_real(text, &value)) return fail_type(f, key, text, quoted, where);
      if (value < f->low || value > f->high) return fail_range(f, key, text, where);
      *(double *)to = value;
      return ERR_OK;
    }
    case FIELD_IS_BOOL: return parse_bool(text, to) ? ERR_OK : fail_type(f, key, text, quoted, where);
    case FIELD_IS_TEXT: return set_text(f, key, text, where, to);
    case FIELD_IS_ENUM: return set_enum(f, key, text, where, to);
    case FIELD_IS_LIST:
    case FIELD_END: break;
  }
  return fail_type(f, key, text, quoted, where);
}
