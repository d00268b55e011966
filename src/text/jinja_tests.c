// Tests: what may follow `is`.
#include "text/jinja_run.h"

#define TEST_FN(name) static Err test_##name(JinjaRun *r, Value v, const Args *a, Value *out)
#define PLAIN(name, expression)    \
  TEST_FN(name) {                  \
    (void)r, (void)a;              \
    *out = value_bool(expression); \
    return ERR_OK;                 \
  }

PLAIN(defined, v.kind != VALUE_UNDEFINED)
PLAIN(undefined, v.kind == VALUE_UNDEFINED)
PLAIN(none, v.kind == VALUE_NONE)
PLAIN(string, v.kind == VALUE_TEXT)
PLAIN(mapping, v.kind == VALUE_MAP)
PLAIN(number, value_is_number(v))
PLAIN(integer, v.kind == VALUE_INT || v.kind == VALUE_BIG)
PLAIN(float, v.kind == VALUE_FLOAT)
PLAIN(boolean, v.kind == VALUE_BOOL)
PLAIN(yes, v.kind == VALUE_BOOL && v.yes)
PLAIN(no, v.kind == VALUE_BOOL && !v.yes)
PLAIN(iterable, v.kind == VALUE_UNDEFINED || v.kind == VALUE_TEXT || v.kind == VALUE_LIST || v.kind == VALUE_MAP)
// Something with a length and an item access.
PLAIN(sequence, v.kind == VALUE_UNDEFINED || v.kind == VALUE_TEXT || v.kind == VALUE_MAP ||
                    (v.kind == VALUE_LIST && (v.list->kind <= LIST_TUPLE || v.list->kind == LIST_RANGE)))
PLAIN(filter, v.kind == VALUE_TEXT && builtin_filter(v.text, v.size))
PLAIN(test, v.kind == VALUE_TEXT && builtin_test(v.text, v.size))

#define COMPARISON(name, op)                                        \
  TEST_FN(name) {                                                   \
    bool yes;                                                       \
    TRY(value_compare(run_workspace(r), op, v, a->value[0], &yes)); \
    *out = value_bool(yes);                                         \
    return ERR_OK;                                                  \
  }

COMPARISON(eq, OP_EQ)
COMPARISON(ne, OP_NE)
COMPARISON(lt, OP_LT)
COMPARISON(le, OP_LE)
COMPARISON(gt, OP_GT)
COMPARISON(ge, OP_GE)
COMPARISON(in, OP_IN)

static Err whole(Value v, int64_t *out) {
  CHECK(value_is_whole(v), ERR_FORMAT, "a whole number is wanted, found %s", value_type_name(v));
  *out = value_whole(v);
  return ERR_OK;
}

TEST_FN(even) {
  (void)r, (void)a;
  int64_t i;
  TRY(whole(v, &i));
  *out = value_bool(i % 2 == 0);
  return ERR_OK;
}

TEST_FN(odd) {
  TRY(test_even(r, v, a, out));
  out->yes = !out->yes;
  return ERR_OK;
}

TEST_FN(divisibleby) {
  (void)r;
  int64_t i, by;
  TRY(whole(v, &i));
  TRY(args_int(a, 0, 1, &by));
  CHECK(by != 0, ERR_FORMAT, "division by zero");
  *out = value_bool(by == -1 || i % by == 0);
  return ERR_OK;
}

static const Builtin tests[] = {
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"none", "", 0, test_none},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence},
    {"number", "", 0, test_number},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"boolean", "", 0, test_boolean},
    {"true", "", 0, test_yes},
    {"false", "", 0, test_no},
    {"eq", "other", 1, test_eq},
    {"equalto", "other", 1, test_eq},
    {"==", "other", 1, test_eq},
    {"ne", "other", 1, test_ne},
    {"!=", "other", 1, test_ne},
    {"lt", "other", 1, test_lt},
    {"lessthan", "other", 1, test_lt},
    {"<", "other", 1, test_lt},
    {"le", "other", 1, test_le},
    {"<=", "other", 1, test_le},
    {"gt", "other", 1, test_gt},
    {"greaterthan", "other", 1, test_gt},
    {">", "other", 1, test_gt},
    {"ge", "other", 1, test_ge},
    {">=", "other", 1, test_ge},
    {"in", "seq", 1, test_in},
    {"even", "", 0, test_even},
    {"odd", "", 0, test_odd},
    {"divisibleby", "num", 1, test_divisibleby},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
    {"callable", "", 0, NULL},
    {"sameas", "other", 1, NULL},
    {"escaped", "", 0, NULL},
    {"lower", "", 0, NULL},
    {"upper", "", 0, NULL},
};

const Builtin *builtin_test(const char *name, size_t size) {
  return builtin_find(tests, sizeof tests / sizeof *tests, name, size);
}
