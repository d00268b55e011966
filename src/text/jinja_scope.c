// Which names of a block are undefined at its beginning, although they have a value outside.
//
// A template is compiled as a whole: a name that a block first sets, and that no block around it mentions, is the block's own
// from its beginning on, so that what is inside the block and runs before the assignment finds it undefined, not what the
// caller gave by that name. (`{% set x %}...{{ x }}...{% endset %}` is such a place.) A name first set in an `if` is read from
// outside until then. After Jinja2's idtracking.py.
#include <string.h>

#include "text/jinja_tree.h"

enum { STACK_FIRST = 16 };

typedef struct {
  Workspace *w;
  int32_t *known;   // by symbol: the number of the newest block that knows it
  int32_t *around;  // by symbol: how many of the blocks around know it
  int32_t blocks;
  // of the present block
  int32_t block;
  int branches;  // ifs around the present place within the block
  int32_t *own;  // what it knows, a stack that its children go on with
  int64_t n_own, capacity;
  JinjaNode **inner;  // the bodies of blocks within, a stack too
  int64_t n_inner, inner_capacity;
  int32_t *missing;
  int64_t n_missing, missing_capacity;
} Analysis;

static Err know(Analysis *a, int32_t symbol) {
  if (a->known[symbol] == a->block) return ERR_OK;
  a->known[symbol] = a->block;
  TRY(workspace_grow(a->w, &a->own, a->n_own, &a->capacity, STACK_FIRST, sizeof *a->own));
  a->own[a->n_own++] = symbol;
  return ERR_OK;
}

static Err load(Analysis *a, int32_t symbol) { return a->around[symbol] == 0 ? know(a, symbol) : ERR_OK; }

static Err store(Analysis *a, int32_t symbol) {
  if (a->known[symbol] != a->block && a->around[symbol] == 0 && a->branches == 0) {
    TRY(workspace_grow(a->w, &a->missing, a->n_missing, &a->missing_capacity, STACK_FIRST, sizeof *a->missing));
    a->missing[a->n_missing++] = symbol;
  }
  return know(a, symbol);
}

static Err visit(Analysis *a, JinjaNode *n);

static Err visit_list(Analysis *a, const JinjaNode *n) {
  for (int64_t i = 0; n && i < n->count; i++) TRY(visit(a, n->list[i]));
  return ERR_OK;
}

static Err targets(Analysis *a, const JinjaNode *n, Err (*fn)(Analysis *, int32_t)) {
  if (n->kind == NODE_NAME) return fn(a, n->symbol);
  if (n->kind == NODE_ATTR) return load(a, n->a->symbol);
  for (int64_t i = 0; i < n->count; i++) TRY(fn(a, n->list[i]->symbol));
  return ERR_OK;
}

// The block whose body this is, is looked at when the present one is done.
static Err later(Analysis *a, JinjaNode *owner) {
  TRY(workspace_grow(a->w, &a->inner, a->n_inner, &a->inner_capacity, STACK_FIRST, sizeof *a->inner));
  a->inner[a->n_inner++] = owner;
  return ERR_OK;
}

static Err visit_if(Analysis *a, JinjaNode *n) {
  TRY(visit(a, n->a));
  a->branches++;
  TRY(visit_list(a, n->b));
  for (n = n->c; n && n->kind == NODE_IF; n = n->c) {
    TRY(visit(a, n->a));
    TRY(visit_list(a, n->b));
  }
  if (n) TRY(visit_list(a, n));
  a->branches--;
  return ERR_OK;
}

static Err visit(Analysis *a, JinjaNode *n) {
  if (!n) return ERR_OK;
  switch (n->kind) {
    case NODE_NAME: return load(a, n->symbol);
    case NODE_IF: return visit_if(a, n);
    case NODE_FOR: TRY(visit(a, n->b)); return later(a, n);
    case NODE_SET: TRY(visit(a, n->b)); return targets(a, n->a, store);
    case NODE_SET_BLOCK: TRY(targets(a, n->a, store)); return later(a, n);
    case NODE_FILTERED: TRY(visit(a, n->b)); return later(a, n);
    case NODE_MACRO: TRY(store(a, n->symbol)); return later(a, n);
    case NODE_WITH:
      for (int64_t i = 0; i < n->count; i++) TRY(visit(a, n->list[i]->b));
      return later(a, n);
    case NODE_GENERATION: return later(a, n);
    default: break;
  }
  JinjaNode *const parts[] = {n->a, n->b, n->c, n->d, n->e};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) TRY(visit(a, parts[i]));
  return visit_list(a, n);
}

// What a block's own head declares before its body: targets of a loop, parameters of a macro, names of a with.
static Err visit_head(Analysis *a, const JinjaNode *owner, const JinjaNode *body) {
  if (owner->kind == NODE_FOR && body == owner->d) return targets(a, owner->a, know);
  for (int64_t i = 0; i < owner->count && owner->kind == NODE_MACRO; i++) TRY(know(a, owner->list[i]->symbol));
  for (int64_t i = 0; i < owner->count && owner->kind == NODE_MACRO; i++) TRY(visit(a, owner->list[i]->a));
  for (int64_t i = 0; i < owner->count && owner->kind == NODE_WITH; i++) TRY(know(a, owner->list[i]->a->symbol));
  return ERR_OK;
}

static Err analyse(Analysis *a, const JinjaNode *owner, JinjaNode *body) {
  int64_t own = a->n_own, inner = a->n_inner;
  a->block = ++a->blocks;
  a->branches = 0;
  a->n_missing = 0;
  if (owner) TRY(visit_head(a, owner, body));
  TRY(visit_list(a, body));
  body->n_missing = a->n_missing;
  if (a->n_missing) TRY(workspace_take(a->w, (size_t)a->n_missing * sizeof *body->missing, &body->missing));
  if (a->n_missing) memcpy(body->missing, a->missing, (size_t)a->n_missing * sizeof *body->missing);
  for (int64_t i = own; i < a->n_own; i++) a->around[a->own[i]]++;
  for (int64_t end = a->n_inner, i = inner; i < end; i++) {
    JinjaNode *child = a->inner[i];
    TRY(analyse(a, child, child->d));
    if (child->e) TRY(analyse(a, child, child->e));
  }
  a->n_inner = inner;
  while (a->n_own > own) a->around[a->own[--a->n_own]]--;
  return ERR_OK;
}

Err jinja_scopes(Jinja *t) {
  Analysis a = {.w = &t->memory};
  size_t symbols = (size_t)t->symbols.count + 1;
  TRY(workspace_take(a.w, symbols * sizeof *a.known, &a.known));
  TRY(workspace_take(a.w, symbols * sizeof *a.around, &a.around));
  return analyse(&a, NULL, t->root);
}
