#include <math.h>
#include <string.h>

#include "text/jinja_run.h"

enum { REPEAT_MAX = 1 << 24 };

static const char *const signs[] = {
    [OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_FLOORDIV] = "//", [OP_MOD] = "%", [OP_POW] = "**"};

static Err fail_types(Op op, Value a, Value b) {
  FAIL(ERR_FORMAT, "unsupported operand types for %s: '%s' and '%s'", signs[op], value_type_name(a), value_type_name(b));
}

static double as_real(Value v) { return v.kind == VALUE_FLOAT ? v.real : (double)value_whole(v); }

// Python's: the remainder has the sign of the divisor.
static double real_mod(double a, double b) {
  double m = fmod(a, b);
  if (m != 0) return (b < 0) != (m < 0) ? m + b : m;
  return copysign(0.0, b);
}

static double real_floor(double a, double b) {
  double m = fmod(a, b), d = (a - m) / b;
  if (m != 0 && (b < 0) != (m < 0)) d -= 1;
  if (d == 0) return copysign(0.0, a / b);
  double f = floor(d);
  return d - f > 0.5 ? f + 1 : f;
}

static Err int_pow(int64_t a, int64_t b, Value *out) {
  int64_t x = 1;
  bool over = false;
  if (b < 0) {
    CHECK(a != 0, ERR_FORMAT, "0 cannot be raised to a negative power");
    *out = value_real(pow((double)a, (double)b));
    return ERR_OK;
  }
  if (a == 0 || a == 1 || a == -1) b = b == 0 ? 0 : a == -1 && b % 2 == 0 ? 2 : 1;
  for (int64_t i = 0; i < b && !over; i++) over = __builtin_mul_overflow(x, a, &x);
  CHECK(!over, ERR_FORMAT, "a whole number of more than 64 bits is not calculated with");
  *out = value_int(x);
  return ERR_OK;
}

static Err int_math(Op op, int64_t a, int64_t b, Value *out) {
  int64_t x = 0;
  bool over = false;
  if (op == OP_FLOORDIV || op == OP_MOD) {
    CHECK(b != 0, ERR_FORMAT, "division by zero");
    over = a == INT64_MIN && b == -1;
    if (!over) {
      x = op == OP_MOD ? a % b : a / b;
      bool uneven = a % b != 0 && (a % b < 0) != (b < 0);
      if (uneven) x += op == OP_MOD ? b : -1;
    }
  } else if (op == OP_ADD) {
    over = __builtin_add_overflow(a, b, &x);
  } else if (op == OP_SUB) {
    over = __builtin_sub_overflow(a, b, &x);
  } else if (op == OP_MUL) {
    over = __builtin_mul_overflow(a, b, &x);
  } else {
    return int_pow(a, b, out);
  }
  CHECK(!over, ERR_FORMAT, "a whole number of more than 64 bits is not calculated with");
  *out = value_int(x);
  return ERR_OK;
}

static Err number_math(Op op, Value a, Value b, Value *out) {
  CHECK(a.kind != VALUE_BIG && b.kind != VALUE_BIG, ERR_FORMAT, "a whole number of more than 64 bits is not calculated with");
  if (value_is_whole(a) && value_is_whole(b) && op != OP_DIV) return int_math(op, value_whole(a), value_whole(b), out);
  double x = as_real(a), y = as_real(b), z = 0;
  CHECK(y != 0 || op == OP_ADD || op == OP_SUB || op == OP_MUL || op == OP_POW, ERR_FORMAT, "division by zero");
  switch (op) {
    case OP_ADD: z = x + y; break;
    case OP_SUB: z = x - y; break;
    case OP_MUL: z = x * y; break;
    case OP_MOD: z = real_mod(x, y); break;
    case OP_FLOORDIV: z = real_floor(x, y); break;
    case OP_POW:
      CHECK(x > 0 || (x == 0 && y >= 0) || y == floor(y), ERR_FORMAT, "this power is not supported");
      z = pow(x, y);
      CHECK(isfinite(z) || !isfinite(x) || !isfinite(y), ERR_FORMAT, "the power is too large");
      break;
    default:  // exact for whole numbers that a double holds; Python rounds the true quotient of larger ones
      CHECK((x < 0x1p53 && x > -0x1p53 && y < 0x1p53 && y > -0x1p53) || !value_is_whole(a) || !value_is_whole(b), ERR_FORMAT,
            "whole numbers of more than 53 bits are not divided");
      z = x / y;
      break;
  }
  *out = value_real(z);
  return ERR_OK;
}

static Err concatenate(Workspace *w, Value a, Value b, Value *out) {
  if (a.kind == VALUE_TEXT) {
    CHECK(!a.safe && !b.safe, ERR_FORMAT, "'+' on safe text, which would escape the other, is not supported; use ~");
    char *both;
    TRY(workspace_take(w, a.size + b.size + 1, &both));
    if (a.size) memcpy(both, a.text, a.size);
    if (b.size) memcpy(both + a.size, b.text, b.size);
    *out = value_text(both, a.size + b.size);
    return ERR_OK;
  }
  TRY(value_list(w, a.list->kind, a.list->count + b.list->count, out));
  if (a.list->count) memcpy(out->list->item, a.list->item, (size_t)a.list->count * sizeof(Value));
  if (b.list->count) memcpy(out->list->item + a.list->count, b.list->item, (size_t)b.list->count * sizeof(Value));
  return ERR_OK;
}

static Err repeat(Workspace *w, Value a, int64_t times, Value *out) {
  if (times < 0) times = 0;
  if (a.kind == VALUE_TEXT) {
    CHECK(!a.safe, ERR_FORMAT, "'*' on safe text is not supported");
    CHECK(a.size == 0 || times <= (int64_t)((size_t)REPEAT_MAX / a.size), ERR_MEMORY,
          "repeating gives a text longer than %d bytes", REPEAT_MAX);
    char *text;
    size_t n = a.size * (size_t)times;
    TRY(workspace_take(w, n + 1, &text));
    for (size_t at = 0; at < n; at += a.size) memcpy(text + at, a.text, a.size);
    *out = value_text(text, n);
    return ERR_OK;
  }
  int64_t count = a.list->count;
  CHECK(count == 0 || times <= REPEAT_MAX / 16 / count, ERR_MEMORY, "repeating gives a list of more than %d items",
        REPEAT_MAX / 16);
  TRY(value_list(w, a.list->kind, count * times, out));
  for (int64_t i = 0; i < count * times; i++) out->list->item[i] = a.list->item[i % count];
  return ERR_OK;
}

static bool joinable(Value v) { return v.kind == VALUE_TEXT || (v.kind == VALUE_LIST && v.list->kind <= LIST_TUPLE); }

Err value_math(Workspace *w, Op op, Value a, Value b, Value *out) {
  CHECK(a.kind != VALUE_UNDEFINED && b.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.kind == VALUE_UNDEFINED ? a.text : b.text);
  if (value_is_number(a) && value_is_number(b)) return number_math(op, a, b, out);
  if (op == OP_ADD && joinable(a)) {
    CHECK(a.kind == b.kind && (a.kind == VALUE_TEXT || a.list->kind == b.list->kind), ERR_FORMAT,
          "can only concatenate %s (not \"%s\") to %s", value_type_name(a), value_type_name(b), value_type_name(a));
    return concatenate(w, a, b, out);
  }
  if (op == OP_MUL && joinable(a) && value_is_whole(b)) return repeat(w, a, value_whole(b), out);
  if (op == OP_MUL && joinable(b) && value_is_whole(a)) return repeat(w, b, value_whole(a), out);
  CHECK(op != OP_MOD || a.kind != VALUE_TEXT, ERR_FORMAT, "formatting text by %% is not supported");
  return fail_types(op, a, b);
}

Err value_sign(Op op, Value a, Value *out) {
  CHECK(a.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.text);
  CHECK(value_is_number(a), ERR_FORMAT, "bad operand type for unary %s: '%s'", signs[op], value_type_name(a));
  if (a.kind == VALUE_BOOL) a = value_int(a.yes);
  CHECK(a.kind != VALUE_BIG && (a.kind != VALUE_INT || a.integer != INT64_MIN), ERR_FORMAT,
        "a whole number of more than 64 bits is not calculated with");
  *out = a;
  if (op == OP_SUB && a.kind == VALUE_INT) out->integer = -a.integer;
  if (op == OP_SUB && a.kind == VALUE_FLOAT) out->real = -a.real;
  return ERR_OK;
}

static Err slice_index(Value v, int64_t fallback, int64_t low, int64_t high, int64_t length, int64_t *out) {
  *out = fallback;
  if (v.kind == VALUE_NONE) return ERR_OK;
  CHECK(v.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", v.text);
  CHECK(value_is_whole(v), ERR_FORMAT, "slice indices must be integers or None, not %s", value_type_name(v));
  int64_t i = value_whole(v);
  if (i < 0) i = i < -length ? -1 : i + length;
  *out = i < low ? low : i > high ? high : i;
  return ERR_OK;
}

static Err slice_text(Workspace *w, Value a, int64_t first, int64_t count, int64_t step, Value *out) {
  size_t begin = text_offset(a.text, a.size, first);
  TRY(workspace_step(w, a.size / 64));
  if (step == 1) {
    *out = value_text(a.text + begin, text_offset(a.text + begin, a.size - begin, count));
    return ERR_OK;
  }
  Value characters = value_text(a.text, a.size);
  ValueList *items;
  TRY(value_walk(w, characters, &items));
  Builder b = {.w = w, .limit = w->limit};
  for (int64_t i = 0; i < count; i++)
    TRY(builder_put(&b, items->item[first + i * step].text, items->item[first + i * step].size));
  *out = value_built(&b);
  return ERR_OK;
}

Err value_slice(Workspace *w, Value a, Value start, Value stop, Value step, Value *out) {
  CHECK(a.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.text);
  CHECK(joinable(a) && !a.safe, ERR_FORMAT, "'%s' object is not cut by [a:b]", value_type_name(a));
  int64_t length = a.kind == VALUE_TEXT ? text_length(a.text, a.size) : a.list->count, by = 1, from, to, count = 0;
  if (step.kind != VALUE_NONE) {
    CHECK(value_is_whole(step) && value_whole(step) != 0 && value_whole(step) > INT64_MIN, ERR_FORMAT,
          "the step of a slice must be a whole number, not 0");
    by = value_whole(step);
  }
  TRY(slice_index(start, by > 0 ? 0 : length - 1, by > 0 ? 0 : -1, by > 0 ? length : length - 1, length, &from));
  TRY(slice_index(stop, by > 0 ? length : -1, by > 0 ? 0 : -1, by > 0 ? length : length - 1, length, &to));
  if (by > 0 && to > from) count = (to - from - 1) / by + 1;
  if (by < 0 && to < from) count = (from - to - 1) / -by + 1;
  if (count == 0) from = 0;
  if (a.kind == VALUE_TEXT) return slice_text(w, a, from, count, by, out);
  TRY(value_list(w, a.list->kind, count, out));
  TRY(workspace_step(w, (size_t)count / 16));
  for (int64_t i = 0; i < count; i++) out->list->item[i] = a.list->item[from + i * by];
  return ERR_OK;
}
