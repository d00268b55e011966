// The frame of the parser: tokens, nodes, and opening a template.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_tree.h"

enum { TREE_BYTES_MAX = 256 << 20 };

Err parser_enter(Parser *p) {
  if (++p->nesting > 2 * JINJA_TREE_DEPTH_MAX) JINJA_FAIL(p->t, p->token->at, "nested too deep");
  return ERR_OK;
}

Err parser_node(Parser *p, NodeKind kind, size_t at, JinjaNode **out) {
  TRY(workspace_take(&p->t->memory, sizeof **out, out));
  **out = (JinjaNode){.kind = kind, .at = (uint32_t)at, .depth = 1, .symbol = -1};
  return ERR_OK;
}

Err parser_close(Parser *p, JinjaNode *n) {
  const JinjaNode *children[] = {n->a, n->b, n->c, n->d, n->e};
  for (size_t i = 0; i < sizeof children / sizeof *children; i++)
    if (children[i] && children[i]->depth >= n->depth) n->depth = children[i]->depth + 1;
  for (int64_t i = 0; i < n->count; i++)
    if (n->list[i]->depth >= n->depth) n->depth = n->list[i]->depth + 1;
  if (n->depth > JINJA_TREE_DEPTH_MAX) JINJA_FAIL(p->t, n->at, "nested deeper than the limit of %d", JINJA_TREE_DEPTH_MAX);
  return ERR_OK;
}

bool parser_is(const Parser *p, TokenKind kind, const char *text) {
  if (p->token->kind != kind) return false;
  return !text || (strlen(text) == p->token->size && memcmp(text, p->token->text, p->token->size) == 0);
}

bool parser_take(Parser *p, TokenKind kind, const char *text) {
  if (!parser_is(p, kind, text)) return false;
  p->token++;
  return true;
}

const char *parser_found(const Parser *p, char out[80]) {
  const Token *t = p->token;
  const char *words = "";
  switch (t->kind) {
    case TOKEN_NAME:
    case TOKEN_OPERATOR: (void)snprintf(out, 80, "'%.*s'", (int)(t->size > 60 ? 60 : t->size), t->text); return out;
    case TOKEN_STRING: words = "a string"; break;
    case TOKEN_NUMBER: words = "a number"; break;
    case TOKEN_PRINT_END: words = "the end of the tag, }}"; break;
    case TOKEN_BLOCK_END: words = "the end of the tag, %}"; break;
    case TOKEN_END: words = "the end of the template"; break;
    case TOKEN_TEXT:
    case TOKEN_PRINT:
    case TOKEN_BLOCK: words = "text"; break;
  }
  (void)snprintf(out, 80, "%s", words);
  return out;
}

Err parser_expect(Parser *p, TokenKind kind, const char *text) {
  char found[80];
  if (parser_take(p, kind, text)) return ERR_OK;
  const char *want = text ? text : kind == TOKEN_NAME ? "a name" : kind == TOKEN_BLOCK_END ? "%}" : "}}";
  JINJA_FAIL(p->t, p->token->at, "%s is wanted, found %s", want, parser_found(p, found));
}

Err parser_symbol(Parser *p, const char *name, size_t size, int32_t *symbol) {
  int64_t index;
  TRY(strmap_put(&p->t->symbols, name, size, 0, &index));
  *symbol = (int32_t)index;
  return ERR_OK;
}

Err parser_push(Parser *p, NodeList *l, JinjaNode *n) {
  TRY(workspace_grow(&p->t->memory, &l->item, l->count, &l->capacity, 4, sizeof *l->item));
  l->item[l->count++] = n;
  return ERR_OK;
}

void parser_list(JinjaNode *n, const NodeList *l) {
  n->list = l->item;
  n->count = l->count;
}

// The source as Jinja takes it: every newline is \n, and one at the very end goes.
static void copy_source(Jinja *t, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    bool newline = text[i] == '\r' || text[i] == '\n';
    if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') i++;
    t->source[t->size++] = newline ? '\n' : text[i];
  }
  if (t->size && t->source[t->size - 1] == '\n') t->size--;
}

// Lexes and parses t->source into t->root.
static Err jinja_parse(Jinja *t) {
  Parser p = {.t = t};
  int64_t count;
  TRY(parser_symbol(&p, "loop", 4, &t->loop_symbol));
  TRY(jinja_lex(t, &p.token, &count));
  TRY(parse_body(&p, &t->root));
  char found[80];
  if (!parser_is(&p, TOKEN_END, NULL)) JINJA_FAIL(t, p.token->at, "unexpected %s", parser_found(&p, found));
  return jinja_scopes(t);
}

Err jinja_open(Jinja **out, const char *name, const char *text, size_t size) {
  *out = NULL;
  CHECK(size <= JINJA_SOURCE_BYTES_MAX, ERR_FORMAT, "%s: a template of %zu bytes is larger than the limit of %d", name, size,
        JINJA_SOURCE_BYTES_MAX);
  size_t bad = utf8_invalid_at(text, size);
  CHECK(bad == size, ERR_FORMAT, "%s: invalid UTF-8 at byte %zu", name, bad);
  Jinja *t = calloc(1, sizeof *t);
  CHECK(t, ERR_MEMORY, "%s: no memory", name);
  workspace_open(&t->memory, TREE_BYTES_MAX, INT64_MAX);
  t->name = strdup(name);
  t->source = malloc(size + 1);
  Err err = ERR_OK;
  CHECK_OUT(t->name && t->source, ERR_MEMORY, "%s: no memory", name);
  copy_source(t, text, size);
  TRY_OUT(jinja_parse(t));
  *out = t;
  return ERR_OK;
out:
  jinja_close(t);
  return err;
}

void jinja_close(Jinja *t) {
  if (!t) return;
  workspace_close(&t->memory);
  strmap_free(&t->symbols);
  free(t->name);
  free(t->source);
  free(t);
}

bool jinja_has_generation(const Jinja *t) { return t->generation; }

const char *jinja_source(const Jinja *t, size_t *size) {
  *size = t->size;
  return t->source;
}
