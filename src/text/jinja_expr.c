// Expressions, by Jinja's own grammar.
#include <stdio.h>
#include <string.h>

#include "text/jinja_builtin.h"

static Err parse_unary(Parser *p, bool filters, JinjaNode **out);
static Err parse_or(Parser *p, JinjaNode **out);
static Err parse_postfix(Parser *p, JinjaNode *n, JinjaNode **out);
static Err parse_primary(Parser *p, JinjaNode **out);

static Err two(Parser *p, NodeKind kind, Op op, JinjaNode *a, JinjaNode *b, JinjaNode **out) {
  JinjaNode *n;
  TRY(parser_node(p, kind, a->at, &n));
  n->op = op;
  n->a = a;
  n->b = b;
  *out = n;
  return parser_close(p, n);
}

static Op take_op(Parser *p, const char *const *words, const Op *ops) {
  for (int i = 0; words[i]; i++)
    if (parser_take(p, TOKEN_OPERATOR, words[i])) return ops[i];
  return OP_NONE;
}

static Err parse_pow(Parser *p, JinjaNode **out) {
  TRY(parse_unary(p, true, out));
  while (parser_take(p, TOKEN_OPERATOR, "**")) {
    JinjaNode *right;
    TRY(parse_unary(p, true, &right));
    TRY(two(p, NODE_MATH, OP_POW, *out, right, out));
  }
  return ERR_OK;
}

static Err parse_product(Parser *p, JinjaNode **out) {
  static const char *const words[] = {"*", "/", "//", "%", NULL};
  static const Op ops[] = {OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD};
  TRY(parse_pow(p, out));
  for (Op op; (op = take_op(p, words, ops)) != OP_NONE;) {
    JinjaNode *right;
    size_t at = (p->token - 1)->at;
    if (op == OP_MOD && (*out)->kind == NODE_CONST && (*out)->value.kind == VALUE_TEXT)
      JINJA_FAIL(p->t, at, "formatting text by %% is not supported");
    TRY(parse_pow(p, &right));
    TRY(two(p, NODE_MATH, op, *out, right, out));
  }
  return ERR_OK;
}

static Err parse_concat(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  JinjaNode *n;
  TRY(parse_product(p, out));
  if (!parser_is(p, TOKEN_OPERATOR, "~")) return ERR_OK;
  TRY(parser_node(p, NODE_CONCAT, (*out)->at, &n));
  TRY(parser_push(p, &list, *out));
  while (parser_take(p, TOKEN_OPERATOR, "~")) {
    JinjaNode *next;
    TRY(parse_product(p, &next));
    TRY(parser_push(p, &list, next));
  }
  parser_list(n, &list);
  *out = n;
  return parser_close(p, n);
}

static Err parse_sum(Parser *p, JinjaNode **out) {
  static const char *const words[] = {"+", "-", NULL};
  static const Op ops[] = {OP_ADD, OP_SUB};
  TRY(parse_concat(p, out));
  for (Op op; (op = take_op(p, words, ops)) != OP_NONE;) {
    JinjaNode *right;
    TRY(parse_concat(p, &right));
    TRY(two(p, NODE_MATH, op, *out, right, out));
  }
  return ERR_OK;
}

static Op take_comparison(Parser *p) {
  static const char *const words[] = {"==", "!=", "<=", ">=", "<", ">", NULL};
  static const Op ops[] = {OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT};
  Op op = take_op(p, words, ops);
  if (op != OP_NONE) return op;
  if (parser_take(p, TOKEN_NAME, "in")) return OP_IN;
  if (!parser_is(p, TOKEN_NAME, "not")) return OP_NONE;
  p->token++;
  if (parser_take(p, TOKEN_NAME, "in")) return OP_NOT_IN;
  p->token--;
  return OP_NONE;
}

static Err parse_comparison(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  TRY(parse_sum(p, out));
  for (Op op; (op = take_comparison(p)) != OP_NONE;) {
    JinjaNode *operand, *right;
    TRY(parse_sum(p, &right));
    TRY(two(p, NODE_OPERAND, op, right, NULL, &operand));
    TRY(parser_push(p, &list, operand));
  }
  if (list.count == 0) return ERR_OK;
  JinjaNode *n;
  TRY(parser_node(p, NODE_COMPARE, (*out)->at, &n));
  n->a = *out;
  parser_list(n, &list);
  *out = n;
  return parser_close(p, n);
}

static Err parse_not(Parser *p, JinjaNode **out) {
  size_t at = p->token->at;
  if (!parser_take(p, TOKEN_NAME, "not")) return parse_comparison(p, out);
  JinjaNode *n;
  TRY(parser_enter(p));
  TRY(parser_node(p, NODE_NOT, at, &n));
  TRY(parse_not(p, &n->a));
  p->nesting--;
  *out = n;
  return parser_close(p, n);
}

static Err parse_and(Parser *p, JinjaNode **out) {
  TRY(parse_not(p, out));
  while (parser_take(p, TOKEN_NAME, "and")) {
    JinjaNode *right;
    TRY(parse_not(p, &right));
    TRY(two(p, NODE_AND, OP_NONE, *out, right, out));
  }
  return ERR_OK;
}

static Err parse_or(Parser *p, JinjaNode **out) {
  TRY(parse_and(p, out));
  while (parser_take(p, TOKEN_NAME, "or")) {
    JinjaNode *right;
    TRY(parse_and(p, &right));
    TRY(two(p, NODE_OR, OP_NONE, *out, right, out));
  }
  return ERR_OK;
}

Err parse_expression(Parser *p, bool choice, JinjaNode **out) {
  TRY(parser_enter(p));
  TRY(parse_or(p, out));
  while (choice && parser_is(p, TOKEN_NAME, "if")) {
    JinjaNode *n;
    TRY(parser_node(p, NODE_CHOICE, p->token->at, &n));
    p->token++;
    n->b = *out;
    TRY(parse_or(p, &n->a));
    if (parser_take(p, TOKEN_NAME, "else")) TRY(parse_expression(p, true, &n->c));
    *out = n;
    TRY(parser_close(p, n));
  }
  p->nesting--;
  return ERR_OK;
}

static bool tuple_ends(const Parser *p, const char *stop) {
  return parser_is(p, TOKEN_PRINT_END, NULL) || parser_is(p, TOKEN_BLOCK_END, NULL) || parser_is(p, TOKEN_OPERATOR, ")") ||
         (stop && parser_is(p, TOKEN_NAME, stop));
}

Err parse_tuple(Parser *p, bool choice, const char *stop, JinjaNode **out) {
  NodeList list = {0};
  bool tuple = false;
  size_t at = p->token->at;
  char found[80];
  while (!tuple_ends(p, stop)) {
    JinjaNode *n;
    TRY(parse_expression(p, choice, &n));
    TRY(parser_push(p, &list, n));
    if (!parser_take(p, TOKEN_OPERATOR, ",")) break;
    tuple = true;
  }
  if (list.count == 0) JINJA_FAIL(p->t, at, "an expression is wanted, found %s", parser_found(p, found));
  *out = list.item[0];
  if (!tuple) return ERR_OK;
  TRY(parser_node(p, NODE_TUPLE, at, out));
  parser_list(*out, &list);
  return parser_close(p, *out);
}

static Err parse_name(Parser *p, JinjaNode **out) {
  static const struct {
    const char *name;
    Value value;
  } constants[] = {{"true", {.kind = VALUE_BOOL, .yes = true}},
                   {"True", {.kind = VALUE_BOOL, .yes = true}},
                   {"false", {.kind = VALUE_BOOL}},
                   {"False", {.kind = VALUE_BOOL}},
                   {"none", {.kind = VALUE_NONE}},
                   {"None", {.kind = VALUE_NONE}}};
  const Token *t = p->token;
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    if (parser_take(p, TOKEN_NAME, constants[i].name)) {
      TRY(parser_node(p, NODE_CONST, t->at, out));
      (*out)->value = constants[i].value;
      return ERR_OK;
    }
  if (parser_is(p, TOKEN_NAME, "loop") && p->in_filter) JINJA_FAIL(p->t, t->at, "there is no `loop` in the `if` of a for");
  if (parser_is(p, TOKEN_NAME, "self")) JINJA_FAIL(p->t, t->at, "'self' is not supported");
  if (p->in_macro &&
      (parser_is(p, TOKEN_NAME, "varargs") || parser_is(p, TOKEN_NAME, "kwargs") || parser_is(p, TOKEN_NAME, "caller")))
    JINJA_FAIL(p->t, t->at, "'%.*s' of a macro is not supported", (int)t->size, t->text);
  TRY(parser_node(p, NODE_NAME, t->at, out));
  (*out)->value = value_text(t->text, t->size);
  p->token++;
  return parser_symbol(p, t->text, t->size, &(*out)->symbol);
}

// 'one' "two" side by side are one text.
static Err parse_strings(Parser *p, JinjaNode **out) {
  TRY(parser_node(p, NODE_CONST, p->token->at, out));
  Builder b = {.w = &p->t->memory, .limit = JINJA_SOURCE_BYTES_MAX};
  for (; p->token->kind == TOKEN_STRING; p->token++) TRY(builder_put(&b, p->token->value.text, p->token->value.size));
  (*out)->value = value_built(&b);
  return ERR_OK;
}

static Err parse_list(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  TRY(parser_node(p, NODE_LIST, (p->token - 1)->at, out));
  while (!parser_take(p, TOKEN_OPERATOR, "]")) {
    JinjaNode *n;
    if (list.count) TRY(parser_expect(p, TOKEN_OPERATOR, ","));
    if (parser_take(p, TOKEN_OPERATOR, "]")) break;
    TRY(parse_expression(p, true, &n));
    TRY(parser_push(p, &list, n));
  }
  parser_list(*out, &list);
  return parser_close(p, *out);
}

static Err parse_map(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  TRY(parser_node(p, NODE_MAP, (p->token - 1)->at, out));
  while (!parser_take(p, TOKEN_OPERATOR, "}")) {
    JinjaNode *n;
    if (list.count) TRY(parser_expect(p, TOKEN_OPERATOR, ","));
    if (parser_take(p, TOKEN_OPERATOR, "}")) break;
    TRY(parse_expression(p, true, &n));
    TRY(parser_push(p, &list, n));
    TRY(parser_expect(p, TOKEN_OPERATOR, ":"));
    TRY(parse_expression(p, true, &n));
    TRY(parser_push(p, &list, n));
  }
  parser_list(*out, &list);
  return parser_close(p, *out);
}

static Err parse_primary(Parser *p, JinjaNode **out) {
  const Token *t = p->token;
  char found[80];
  if (t->kind == TOKEN_NAME) return parse_name(p, out);
  if (t->kind == TOKEN_STRING) return parse_strings(p, out);
  if (t->kind == TOKEN_NUMBER) {
    p->token++;
    TRY(parser_node(p, NODE_CONST, t->at, out));
    (*out)->value = t->value;
    return ERR_OK;
  }
  if (parser_take(p, TOKEN_OPERATOR, "(")) {
    if (parser_take(p, TOKEN_OPERATOR, ")")) return parser_node(p, NODE_TUPLE, t->at, out);
    TRY(parse_tuple(p, true, NULL, out));
    return parser_expect(p, TOKEN_OPERATOR, ")");
  }
  if (parser_take(p, TOKEN_OPERATOR, "[")) return parse_list(p, out);
  if (parser_take(p, TOKEN_OPERATOR, "{")) return parse_map(p, out);
  JINJA_FAIL(p->t, t->at, "an expression is wanted, found %s", parser_found(p, found));
}

// What stands in a[...], the brackets' end still to come.
static Err parse_subscript(Parser *p, JinjaNode *a, JinjaNode **out) {
  JinjaNode *n, **part[3];
  TRY(parser_node(p, NODE_ITEM, a->at, &n));
  n->a = a;
  part[0] = &n->b, part[1] = &n->c, part[2] = &n->d;
  for (int i = 0; i < 3; i++) {
    if (!parser_is(p, TOKEN_OPERATOR, ":") && !parser_is(p, TOKEN_OPERATOR, "]")) TRY(parse_expression(p, true, part[i]));
    if (!parser_take(p, TOKEN_OPERATOR, ":")) break;
    n->kind = NODE_SLICE;
  }
  if (n->kind == NODE_ITEM && !n->b) JINJA_FAIL(p->t, p->token->at, "an index is wanted, found ']'");
  TRY(parser_expect(p, TOKEN_OPERATOR, "]"));
  *out = n;
  return parser_close(p, n);
}

static Err parse_arguments(Parser *p, JinjaNode *n) {
  NodeList list = {0};
  TRY(parser_enter(p));
  while (!parser_take(p, TOKEN_OPERATOR, ")")) {
    JinjaNode *arg;
    if (list.count) TRY(parser_expect(p, TOKEN_OPERATOR, ","));
    if (parser_take(p, TOKEN_OPERATOR, ")")) break;
    if (parser_is(p, TOKEN_OPERATOR, "*") || parser_is(p, TOKEN_OPERATOR, "**"))
      JINJA_FAIL(p->t, p->token->at, "%s in a call is not supported", p->token->size == 1 ? "*arguments" : "**arguments");
    const Token *t = p->token;
    if (t->kind == TOKEN_NAME && t[1].kind == TOKEN_OPERATOR && t[1].size == 1 && t[1].text[0] == '=') {
      TRY(parser_node(p, NODE_NAMED, t->at, &arg));
      arg->value = value_text(t->text, t->size);
      p->token += 2;
      TRY(parse_expression(p, true, &arg->a));
      TRY(parser_close(p, arg));
      n->named++;
    } else {
      if (n->named) JINJA_FAIL(p->t, t->at, "an argument without a name after one with a name");
      TRY(parse_expression(p, true, &arg));
    }
    TRY(parser_push(p, &list, arg));
  }
  p->nesting--;
  parser_list(n, &list);
  return ERR_OK;
}

// What a builtin is given fits its list, as far as it can be known before rendering.
static Err check_arguments(Parser *p, const JinjaNode *n, const Builtin *b, const char *what) {
  if (!b->fn) JINJA_FAIL(p->t, n->at, "%s '%s' is not supported", what, b->name);
  int64_t most = builtin_argument_count(b), given = n->count - n->named;
  if (most < 0) {
    if (n->count > ARGS_MAX) JINJA_FAIL(p->t, n->at, "%s '%s' takes at most %d arguments", what, b->name, ARGS_MAX);
    return ERR_OK;
  }
  if (given > most)
    JINJA_FAIL(p->t, n->at, "%s '%s' takes at most %lld arguments, found %lld", what, b->name, (long long)most,
               (long long)given);
  for (int64_t i = given; i < n->count; i++) {
    const JinjaNode *arg = n->list[i];
    int place = builtin_argument(b, arg->value.text, arg->value.size);
    if (place < 0)
      JINJA_FAIL(p->t, arg->at, "%s '%s' has no argument '%.*s' here", what, b->name, (int)arg->value.size, arg->value.text);
    if (place < given) JINJA_FAIL(p->t, arg->at, "argument '%.*s' is given twice", (int)arg->value.size, arg->value.text);
  }
  if (n->count < b->needed)
    JINJA_FAIL(p->t, n->at, "%s '%s' wants %d argument%s at least", what, b->name, b->needed, b->needed > 1 ? "s" : "");
  return ERR_OK;
}

static Err parse_call(Parser *p, JinjaNode *a, JinjaNode **out) {
  JinjaNode *n;
  TRY(parser_node(p, NODE_CALL, a->at, &n));
  n->a = a;
  TRY(parse_arguments(p, n));
  if (a->kind == NODE_ATTR && !builtin_method_known(a->value.text, a->value.size))
    JINJA_FAIL(p->t, a->at, "the method .%.*s() is not supported", (int)a->value.size, a->value.text);
  const Builtin *f = a->kind == NODE_NAME ? builtin_function(a->value.text, a->value.size) : NULL;
  if (f && !f->fn) JINJA_FAIL(p->t, a->at, "the function %s() is not supported", f->name);
  *out = n;
  return parser_close(p, n);
}

static Err parse_attribute(Parser *p, JinjaNode *a, JinjaNode **out) {
  const Token *t = p->token;
  JinjaNode *n;
  char found[80];
  if (t->kind != TOKEN_NAME && t->kind != TOKEN_NUMBER)
    JINJA_FAIL(p->t, t->at, "a name is wanted after '.', found %s", parser_found(p, found));
  p->token++;
  TRY(parser_node(p, t->kind == TOKEN_NAME ? NODE_ATTR : NODE_ITEM, a->at, &n));
  n->a = a;
  if (t->kind == TOKEN_NAME) {
    n->value = value_text(t->text, t->size);
  } else {
    TRY(parser_node(p, NODE_CONST, t->at, &n->b));
    n->b->value = t->value;
  }
  *out = n;
  return parser_close(p, n);
}

static Err parse_postfix(Parser *p, JinjaNode *n, JinjaNode **out) {
  for (;;) {
    if (parser_take(p, TOKEN_OPERATOR, ".")) TRY(parse_attribute(p, n, &n));
    else if (parser_take(p, TOKEN_OPERATOR, "[")) TRY(parse_subscript(p, n, &n));
    else if (parser_take(p, TOKEN_OPERATOR, "(")) TRY(parse_call(p, n, &n));
    else break;
  }
  *out = n;
  return ERR_OK;
}

Err parse_filter(Parser *p, JinjaNode *a, JinjaNode **out) {
  const Token *t = p->token;
  TRY(parser_expect(p, TOKEN_NAME, NULL));
  JinjaNode *n;
  TRY(parser_node(p, NODE_FILTER, t->at, &n));
  n->a = a;
  n->builtin = builtin_filter(t->text, t->size);
  if (!n->builtin) JINJA_FAIL(p->t, t->at, "no filter '%.*s' is known", (int)t->size, t->text);
  if (parser_take(p, TOKEN_OPERATOR, "(")) TRY(parse_arguments(p, n));
  TRY(check_arguments(p, n, n->builtin, "filter"));
  *out = n;
  return parser_close(p, n);
}

Err parse_filters(Parser *p, JinjaNode *n, JinjaNode **out) {
  while (parser_take(p, TOKEN_OPERATOR, "|")) TRY(parse_filter(p, n, &n));
  *out = n;
  return ERR_OK;
}

static bool test_argument_follows(const Parser *p) {
  const Token *t = p->token;
  if (t->kind == TOKEN_STRING || t->kind == TOKEN_NUMBER) return true;
  if (t->kind == TOKEN_OPERATOR) return t->size == 1 && strchr("([{", t->text[0]);
  return t->kind == TOKEN_NAME && !parser_is(p, TOKEN_NAME, "else") && !parser_is(p, TOKEN_NAME, "or") &&
         !parser_is(p, TOKEN_NAME, "and");
}

static Err parse_test(Parser *p, JinjaNode *a, JinjaNode **out) {
  bool negated = parser_take(p, TOKEN_NAME, "not");
  const Token *t = p->token;
  TRY(parser_expect(p, TOKEN_NAME, NULL));
  JinjaNode *n, *arg, *no;
  TRY(parser_node(p, NODE_TEST, t->at, &n));
  n->a = a;
  n->builtin = builtin_test(t->text, t->size);
  if (!n->builtin) JINJA_FAIL(p->t, t->at, "no test '%.*s' is known", (int)t->size, t->text);
  if (parser_take(p, TOKEN_OPERATOR, "(")) {
    TRY(parse_arguments(p, n));
  } else if (test_argument_follows(p)) {
    NodeList list = {0};
    if (parser_is(p, TOKEN_NAME, "is")) JINJA_FAIL(p->t, p->token->at, "tests do not follow each other");
    TRY(parse_primary(p, &arg));
    TRY(parse_postfix(p, arg, &arg));
    TRY(parser_push(p, &list, arg));
    parser_list(n, &list);
  }
  TRY(check_arguments(p, n, n->builtin, "test"));
  TRY(parser_close(p, n));
  *out = n;
  if (!negated) return ERR_OK;
  TRY(two(p, NODE_NOT, OP_NONE, n, NULL, &no));
  *out = no;
  return ERR_OK;
}

static Err parse_unary(Parser *p, bool filters, JinjaNode **out) {
  const Token *t = p->token;
  JinjaNode *n;
  TRY(parser_enter(p));
  if (parser_is(p, TOKEN_OPERATOR, "-") || parser_is(p, TOKEN_OPERATOR, "+")) {
    p->token++;
    TRY(parser_node(p, NODE_SIGN, t->at, &n));
    n->op = t->text[0] == '-' ? OP_SUB : OP_ADD;
    TRY(parse_unary(p, false, &n->a));
    TRY(parser_close(p, n));
  } else {
    TRY(parse_primary(p, &n));
  }
  TRY(parse_postfix(p, n, &n));
  while (filters) {
    if (parser_is(p, TOKEN_OPERATOR, "|")) TRY(parse_filters(p, n, &n));
    else if (parser_take(p, TOKEN_NAME, "is")) TRY(parse_test(p, n, &n));
    else if (parser_take(p, TOKEN_OPERATOR, "(")) TRY(parse_call(p, n, &n));  // after filters and tests too
    else break;
  }
  p->nesting--;
  *out = n;
  return ERR_OK;
}
