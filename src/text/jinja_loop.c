// Loops, and the `loop` of their bodies.
#include <stdlib.h>
#include <string.h>

#include "text/jinja_run.h"

// With several targets a filter hands on a tuple of them, whatever the item was.
static Err as_tuple(JinjaRun *r, Value *item) {
  ValueList *parts;
  TRY(value_walk(&r->work, *item, &parts));
  TRY(value_list(&r->work, LIST_TUPLE, parts->count, item));
  if (parts->count) memcpy(item->list->item, parts->item, (size_t)parts->count * sizeof(Value));
  return ERR_OK;
}

// The next item that passes the filter.
static Err fetch(JinjaRun *r, Loop *l, bool *more, Value *item) {
  if (l->peeked) {
    l->peeked = false;
    *more = l->more;
    *item = l->after;
    return ERR_OK;
  }
  Scope *outer = r->scope;
  for (*more = false; !*more && l->next < l->items->count;) {
    Value keep = value_bool(true);
    TRY(workspace_step(&r->work, 1));
    *item = l->items->item[l->next++];
    if (l->filter) {
      TRY(scope_open(r, l->outside, NULL, &r->scope));
      TRY(run_assign(r, l->target, *item));
      TRY(run_eval(r, l->filter, &keep));
      r->scope = outer;
    }
    *more = value_true(keep);
    if (*more && l->filter && l->target->kind == NODE_TUPLE) TRY(as_tuple(r, item));
  }
  return ERR_OK;
}

static Err peek(JinjaRun *r, Loop *l) {
  if (l->peeked) return ERR_OK;
  TRY(fetch(r, l, &l->more, &l->after));
  l->peeked = true;
  return ERR_OK;
}

// How many items there are in all: the filter is asked about the rest now.
static Err loop_length(JinjaRun *r, Loop *l, int64_t *length) {
  *length = l->items->count;
  if (!l->filter) return ERR_OK;
  Value rest;
  int64_t count = 0;
  TRY(value_list(&r->work, LIST_LIST, l->items->count - l->next + l->peeked, &rest));
  for (bool more = true; more;) {
    Value item;
    TRY(fetch(r, l, &more, &item));
    if (more) rest.list->item[count++] = item;
  }
  // From here on the loop walks what passed, as if it had been a list all along.
  Value all;
  TRY(value_list(&r->work, LIST_LIST, l->index0 + 1 + count, &all));
  for (int64_t i = 0; i < count; i++) all.list->item[l->index0 + 1 + i] = rest.list->item[i];
  l->items = all.list;
  l->next = l->index0 + 1;
  l->filter = NULL;
  *length = all.list->count;
  return ERR_OK;
}

static Err loop_changed(JinjaRun *r, Value self, const Args *a, Value *out) {
  Loop *l = (Loop *)(uintptr_t)self.other;
  Value now;
  bool same = false;
  TRY(value_list(&r->work, LIST_TUPLE, a->count, &now));
  for (int64_t i = 0; i < a->count; i++) now.list->item[i] = a->value[i];
  if (l->changed.kind == VALUE_LIST) TRY(value_equal(&r->work, l->changed, now, &same));
  l->changed = now;
  *out = value_bool(!same);
  return ERR_OK;
}

static Err loop_cycle(JinjaRun *r, Value self, const Args *a, Value *out) {
  (void)r;
  const Loop *l = self.other;
  *out = a->value[l->index0 % a->count];
  return ERR_OK;
}

static bool same(const char *name, size_t size, const char *word) {
  return strlen(word) == size && memcmp(name, word, size) == 0;
}

static Value loop_value(const Loop *l) { return (Value){.kind = VALUE_OTHER, .other_kind = OTHER_LOOP, .other = l}; }

Err loop_attribute(JinjaRun *r, Loop *l, const char *name, size_t size, Value *out) {
  static const Builtin cycle = {"cycle", "*", 1, loop_cycle}, changed = {"changed", "*", 0, loop_changed};
  int64_t length;
  if (same(name, size, "index")) *out = value_int(l->index0 + 1);
  else if (same(name, size, "index0")) *out = value_int(l->index0);
  else if (same(name, size, "first")) *out = value_bool(l->index0 == 0);
  else if (same(name, size, "depth")) *out = value_int(1);  // counts recursive calls, of which there are none
  else if (same(name, size, "depth0")) *out = value_int(0);
  else if (same(name, size, "previtem")) *out = l->index0 == 0 ? value_undefined("there is no previous item") : l->before;
  else if (same(name, size, "cycle")) return run_method(r, &cycle, loop_value(l), out);
  else if (same(name, size, "changed")) return run_method(r, &changed, loop_value(l), out);
  else if (same(name, size, "last") || same(name, size, "nextitem")) {
    TRY(peek(r, l));
    *out = same(name, size, "last") ? value_bool(!l->more) : l->more ? l->after : value_undefined("there is no next item");
  } else if (same(name, size, "length") || same(name, size, "revindex") || same(name, size, "revindex0")) {
    TRY(loop_length(r, l, &length));
    *out = value_int(same(name, size, "length") ? length : length - l->index0 - (size == 9));
  } else {
    *out = value_undefined("the loop has no such attribute");
  }
  return ERR_OK;
}

static Err add_turn(JinjaRun *r, int64_t index, size_t begin) {
  JinjaOutput *o = r->result;
  if (r->text.size == begin) return ERR_OK;
  if (o->n_turns == r->turns_capacity) {
    int64_t capacity = r->turns_capacity ? 2 * r->turns_capacity : 16;
    JinjaTurn *grown = realloc(o->turn, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld turns", (long long)capacity);
    o->turn = grown;
    r->turns_capacity = capacity;
  }
  o->turn[o->n_turns++] = (JinjaTurn){.index = index, .begin = begin, .end = r->text.size};
  return ERR_OK;
}

static Err run_item(JinjaRun *r, const JinjaNode *n, Loop *l, Value item) {
  l->before = l->now;
  l->now = item;
  l->index0++;
  TRY(scope_open(r, l->outside, n->d, &r->scope));
  TRY(scope_set(r, r->scope, r->t->loop_symbol, loop_value(l)));
  TRY(run_assign(r, n->a, item));
  bool tracked = item.kind == VALUE_MAP && item.map->mark >= 0 && r->tracked == 0 && r->out == &r->text;
  size_t begin = r->text.size;
  r->tracked += tracked;
  TRY(run_exec(r, n->d));
  r->tracked -= tracked;
  return tracked ? add_turn(r, item.map->mark, begin) : ERR_OK;
}

Err run_for(JinjaRun *r, const JinjaNode *n) {
  Value source, item;
  Loop *l;
  bool more, whole = false;
  TRY(run_eval(r, n->b, &source));
  TRY(workspace_take(&r->work, sizeof *l, &l));
  *l = (Loop){.target = n->a, .filter = n->c, .outside = r->scope, .index0 = -1};
  TRY(value_walk(&r->work, source, &l->items));
  for (;;) {
    TRY(fetch(r, l, &more, &item));
    if (!more) break;
    TRY(run_item(r, n, l, item));
    Flow flow = r->flow;
    r->flow = FLOW_ON;
    whole |= flow == FLOW_ON;
    if (flow == FLOW_BREAK) break;
  }
  if (!whole && n->e) {  // as Jinja has it: also where each turn ended early
    TRY(scope_open(r, l->outside, n->e, &r->scope));
    TRY(run_exec(r, n->e));
  }
  r->scope = l->outside;
  return ERR_OK;
}
