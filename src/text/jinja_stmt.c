// Statements.
#include <stdio.h>
#include <string.h>

#include "text/jinja_builtin.h"

typedef Err StatementFn(Parser *p, JinjaNode *n);

// A body up to the block `end` (or `end2`), and past its name; *which is that name.
static Err body_until(Parser *p, const char *const *ends, JinjaNode **body, const char **which) {
  char found[80], opened[256];
  size_t at = p->token->at;
  (void)parser_take(p, TOKEN_OPERATOR, ":");
  TRY(parser_expect(p, TOKEN_BLOCK_END, NULL));
  TRY(parse_body(p, body));
  for (int i = 0; ends[i]; i++)
    if (parser_take(p, TOKEN_NAME, ends[i])) {
      if (which) *which = ends[i];
      return ERR_OK;
    }
  jinja_place(p->t, at, opened);
  JINJA_FAIL(p->t, p->token->at, "%s is wanted for the block that began at %s, found %s", ends[0], opened,
             parser_found(p, found));
}

static Err parse_target_name(Parser *p, JinjaNode **out) {
  static const char *const constants[] = {"true", "True", "false", "False", "none", "None", NULL};
  const Token *t = p->token;
  for (int i = 0; constants[i]; i++)
    if (parser_is(p, TOKEN_NAME, constants[i])) JINJA_FAIL(p->t, t->at, "nothing can be assigned to %s", constants[i]);
  if (p->in_for && parser_is(p, TOKEN_NAME, "loop")) JINJA_FAIL(p->t, t->at, "nothing can be assigned to `loop` in a for");
  TRY(parser_expect(p, TOKEN_NAME, NULL));
  TRY(parser_node(p, NODE_NAME, t->at, out));
  (*out)->value = value_text(t->text, t->size);
  return parser_symbol(p, t->text, t->size, &(*out)->symbol);
}

// What is assigned to: a name, or names with commas between (in brackets, too).
static Err parse_target(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  size_t at = p->token->at;
  bool brackets = parser_take(p, TOKEN_OPERATOR, "("), comma = false;
  do {
    JinjaNode *n;
    if (list.count && p->token->kind != TOKEN_NAME) break;  // a comma may stand at the end
    TRY(parse_target_name(p, &n));
    TRY(parser_push(p, &list, n));
    if (!parser_is(p, TOKEN_OPERATOR, ",")) break;
    p->token++;
    comma = true;
  } while (!parser_is(p, TOKEN_NAME, "in"));
  if (brackets) TRY(parser_expect(p, TOKEN_OPERATOR, ")"));
  *out = list.item[0];
  if (!comma) return ERR_OK;
  TRY(parser_node(p, NODE_TUPLE, at, out));
  parser_list(*out, &list);
  return parser_close(p, *out);
}

// An elif is the `else` of the one before. The chain is walked, not climbed, so its length does not count as depth.
static Err parse_if(Parser *p, JinjaNode *first) {
  static const char *const ends[] = {"endif", "elif", "else", NULL}, *const last[] = {"endif", NULL};
  for (JinjaNode *n = first;; n = n->c) {
    const char *which;
    TRY(parse_tuple(p, false, NULL, &n->a));
    TRY(body_until(p, ends, &n->b, &which));
    if (which == ends[2]) TRY(body_until(p, last, &n->c, NULL));
    int deepest = n->b->depth > n->a->depth ? n->b->depth : n->a->depth;
    if (first->depth <= deepest) first->depth = deepest + 1;
    if (which != ends[1]) return ERR_OK;
    TRY(parser_node(p, NODE_IF, (p->token - 1)->at, &n->c));
  }
}

static Err parse_for(Parser *p, JinjaNode *n) {
  static const char *const ends[] = {"endfor", "else", NULL}, *const last[] = {"endfor", NULL};
  const char *which;
  p->in_for++;
  TRY(parse_target(p, &n->a));
  TRY(parser_expect(p, TOKEN_NAME, "in"));
  TRY(parse_tuple(p, false, "recursive", &n->b));
  if (parser_take(p, TOKEN_NAME, "if")) {
    bool outer = p->in_filter;
    p->in_filter = true;
    TRY(parse_expression(p, true, &n->c));
    p->in_filter = outer;
  }
  if (parser_is(p, TOKEN_NAME, "recursive")) JINJA_FAIL(p->t, p->token->at, "recursive loops are not supported");
  p->in_loop++;
  TRY(body_until(p, ends, &n->d, &which));
  p->in_loop--;
  if (which == ends[1]) TRY(body_until(p, last, &n->e, NULL));
  p->in_for--;
  return ERR_OK;
}

// The body of a function in Jinja's eyes: loops around it cannot be broken out of from within.
static Err function_body(Parser *p, const char *end, JinjaNode **body) {
  const char *const ends[] = {end, NULL};
  int loops = p->in_loop;
  p->in_loop = 0;
  TRY(body_until(p, ends, body, NULL));
  p->in_loop = loops;
  return ERR_OK;
}

// A body whose text goes elsewhere first: {% generation %} in it would not know where its text ends up, nor break where to.
static Err captured_body(Parser *p, const char *end, JinjaNode **body) {
  p->in_capture++;
  TRY(function_body(p, end, body));
  p->in_capture--;
  return ERR_OK;
}

// The filters of {% set x | f %} and {% filter f %}, on the text that the block writes.
static Err block_filters(Parser *p, JinjaNode *n) {
  JinjaNode *piece;
  TRY(parser_node(p, NODE_PIECE, p->token->at, &piece));
  TRY(parse_filter(p, piece, &n->b));
  return parse_filters(p, n->b, &n->b);
}

static Err parse_set(Parser *p, JinjaNode *n) {
  if (p->token[1].kind == TOKEN_OPERATOR && p->token[1].text[0] == '.') {
    TRY(parser_node(p, NODE_ATTR, p->token->at, &n->a));
    TRY(parse_target_name(p, &n->a->a));
    p->token++;
    n->a->value = value_text(p->token->text, p->token->size);
    TRY(parser_expect(p, TOKEN_NAME, NULL));
  } else {
    TRY(parse_target(p, &n->a));
  }
  if (parser_take(p, TOKEN_OPERATOR, "=")) return parse_tuple(p, true, NULL, &n->b);
  n->kind = NODE_SET_BLOCK;
  if (parser_take(p, TOKEN_OPERATOR, "|")) TRY(block_filters(p, n));
  return captured_body(p, "endset", &n->d);
}

static Err parse_filter_block(Parser *p, JinjaNode *n) {
  TRY(block_filters(p, n));
  return captured_body(p, "endfilter", &n->d);
}

static Err parse_macro(Parser *p, JinjaNode *n) {
  NodeList list = {0};
  JinjaNode *name, *param;
  TRY(parse_target_name(p, &name));
  n->symbol = name->symbol;
  n->value = name->value;
  TRY(parser_expect(p, TOKEN_OPERATOR, "("));
  while (!parser_take(p, TOKEN_OPERATOR, ")")) {
    if (list.count) TRY(parser_expect(p, TOKEN_OPERATOR, ","));
    TRY(parse_target_name(p, &param));
    param->kind = NODE_PARAMETER;
    if (parser_take(p, TOKEN_OPERATOR, "=")) TRY(parse_expression(p, true, &param->a));
    else if (list.count && list.item[list.count - 1]->a)
      JINJA_FAIL(p->t, param->at, "a parameter without a default after one with a default");
    TRY(parser_close(p, param));
    TRY(parser_push(p, &list, param));
  }
  if (list.count > ARGS_MAX) JINJA_FAIL(p->t, n->at, "a macro takes at most %d parameters", ARGS_MAX);
  parser_list(n, &list);
  p->in_macro++, p->in_capture++;
  TRY(function_body(p, "endmacro", &n->d));
  p->in_macro--, p->in_capture--;
  return ERR_OK;
}

static Err parse_with(Parser *p, JinjaNode *n) {
  static const char *const ends[] = {"endwith", NULL};
  NodeList list = {0};
  while (!parser_is(p, TOKEN_BLOCK_END, NULL)) {
    JinjaNode *set;
    if (list.count) TRY(parser_expect(p, TOKEN_OPERATOR, ","));
    TRY(parser_node(p, NODE_SET, p->token->at, &set));
    TRY(parse_target_name(p, &set->a));
    TRY(parser_expect(p, TOKEN_OPERATOR, "="));
    TRY(parse_expression(p, true, &set->b));
    TRY(parser_close(p, set));
    TRY(parser_push(p, &list, set));
  }
  parser_list(n, &list);
  return body_until(p, ends, &n->d, NULL);
}

static Err parse_generation(Parser *p, JinjaNode *n) {
  if (p->in_capture)
    JINJA_FAIL(p->t, n->at, "{%% generation %%} within a macro, set, filter or generation block has no place in the text");
  p->t->generation = true;
  p->in_capture++;  // within it another one would be counted from the wrong place
  TRY(function_body(p, "endgeneration", &n->d));
  p->in_capture--;
  return ERR_OK;
}

static Err parse_jump(Parser *p, JinjaNode *n) {
  if (p->in_loop == 0) JINJA_FAIL(p->t, n->at, "%s outside of a loop", n->kind == NODE_BREAK ? "break" : "continue");
  return ERR_OK;
}

// The statements. Without a function: Jinja's, not supported here.
static const struct {
  const char *name;
  NodeKind kind;
  StatementFn *parse;
} statements[] = {
    {"if", NODE_IF, parse_if},
    {"for", NODE_FOR, parse_for},
    {"set", NODE_SET, parse_set},
    {"macro", NODE_MACRO, parse_macro},
    {"with", NODE_WITH, parse_with},
    {"filter", NODE_FILTERED, parse_filter_block},
    {"generation", NODE_GENERATION, parse_generation},
    {"break", NODE_BREAK, parse_jump},
    {"continue", NODE_CONTINUE, parse_jump},
    {"call", NODE_BODY, NULL},
    {"block", NODE_BODY, NULL},
    {"extends", NODE_BODY, NULL},
    {"include", NODE_BODY, NULL},
    {"import", NODE_BODY, NULL},
    {"from", NODE_BODY, NULL},
    {"autoescape", NODE_BODY, NULL},
};

static Err parse_statement(Parser *p, JinjaNode **out) {
  const Token *t = p->token;
  char found[80];
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    if (!parser_take(p, TOKEN_NAME, statements[i].name)) continue;
    if (!statements[i].parse) JINJA_FAIL(p->t, t->at, "{%% %s %%} is not supported", statements[i].name);
    TRY(parser_node(p, statements[i].kind, t->at, out));
    TRY(parser_enter(p));
    TRY(statements[i].parse(p, *out));
    p->nesting--;
    return parser_close(p, *out);
  }
  JINJA_FAIL(p->t, t->at, "unknown block %s", parser_found(p, found));
}

// endif, else, ...: ends a body, even where another end is wanted, so that the message can say what was open.
static bool closes(const Parser *p) {
  const Token *t = p->token;
  return t->kind == TOKEN_NAME && ((t->size > 3 && memcmp(t->text, "end", 3) == 0) || parser_is(p, TOKEN_NAME, "else") ||
                                   parser_is(p, TOKEN_NAME, "elif"));
}

Err parse_body(Parser *p, JinjaNode **out) {
  NodeList list = {0};
  JinjaNode *n;
  TRY(parser_node(p, NODE_BODY, p->token->at, out));
  while (p->token->kind != TOKEN_END) {
    const Token *t = p->token++;
    if (t->kind == TOKEN_TEXT) {
      TRY(parser_node(p, NODE_TEXT, t->at, &n));
      n->value = value_text(t->text, t->size);
    } else if (t->kind == TOKEN_PRINT) {
      TRY(parser_node(p, NODE_PRINT, t->at, &n));
      TRY(parse_tuple(p, true, NULL, &n->a));
      TRY(parser_expect(p, TOKEN_PRINT_END, NULL));
      TRY(parser_close(p, n));
    } else {
      if (closes(p)) break;
      TRY(parse_statement(p, &n));
      TRY(parser_expect(p, TOKEN_BLOCK_END, NULL));
    }
    TRY(parser_push(p, &list, n));
  }
  parser_list(*out, &list);
  return parser_close(p, *out);
}
