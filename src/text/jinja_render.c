// Statements, and a rendering from its beginning to its end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_run.h"

Err scope_open(JinjaRun *r, Scope *parent, const JinjaNode *body, Scope **out) {
  Scope *s;
  TRY(workspace_take(&r->work, sizeof *s, &s));
  *s = (Scope){.parent = parent};
  for (int64_t i = 0; body && i < body->n_missing; i++)
    TRY(scope_set(r, s, body->missing[i], value_undefined("a variable is undefined before it is set")));
  *out = s;
  return ERR_OK;
}

Err scope_set(JinjaRun *r, Scope *s, int32_t symbol, Value v) {
  for (int64_t i = 0; i < s->count; i++)
    if (s->entry[i].symbol == symbol) {
      s->entry[i].value = v;
      return ERR_OK;
    }
  TRY(workspace_grow(&r->work, &s->entry, s->count, &s->capacity, 4, sizeof *s->entry));
  s->entry[s->count++] = (struct ScopeEntry){.symbol = symbol, .value = v};
  return ERR_OK;
}

static Err assign_attribute(JinjaRun *r, const JinjaNode *target, Value v) {
  Value ns;
  TRY(run_lookup(r, target->a, &ns));
  CHECK(ns.kind == VALUE_NAMESPACE, ERR_FORMAT, "only a namespace's attributes can be set, '%.*s' is a %s",
        (int)target->a->value.size, target->a->value.text, value_type_name(ns));
  return value_put(&r->work, ns.map, target->value, v);
}

Err run_assign(JinjaRun *r, const JinjaNode *target, Value v) {
  if (target->kind == NODE_NAME) return scope_set(r, r->scope, target->symbol, v);
  if (target->kind == NODE_ATTR) return assign_attribute(r, target, v);
  ValueList *items;
  CHECK(v.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", v.text);
  TRY(value_walk(&r->work, v, &items));
  CHECK(items->count == target->count, ERR_FORMAT, "%lld values for %lld names", (long long)items->count,
        (long long)target->count);
  for (int64_t i = 0; i < target->count; i++) TRY(run_assign(r, target->list[i], items->item[i]));
  return ERR_OK;
}

// What running the body writes.
static Err run_capture(JinjaRun *r, const JinjaNode *body, Value *out) {
  Builder b = {.w = &r->work, .limit = JINJA_OUTPUT_BYTES_MAX}, *outer = r->out;
  r->out = &b;
  TRY(run_exec(r, body));
  r->out = outer;
  *out = value_built(&b);
  return ERR_OK;
}

static Err bind_parameters(JinjaRun *r, const Macro *m, const JinjaNode *call, Scope *inside) {
  const JinjaNode *n = m->node;
  int64_t unnamed = call->count - call->named;
  bool given[ARGS_MAX] = {false};
  CHECK(unnamed <= n->count, ERR_FORMAT, "macro '%.*s' takes not more than %lld arguments", (int)n->value.size, n->value.text,
        (long long)n->count);
  for (int64_t i = 0; i < call->count; i++) {
    const JinjaNode *arg = call->list[i];
    int64_t place = i;
    if (i >= unnamed) {
      for (place = 0; place < n->count; place++)
        if (value_is_text(n->list[place]->value, arg->value.text, arg->value.size)) break;
      CHECK(place < n->count, ERR_FORMAT, "macro '%.*s' takes no argument '%.*s'", (int)n->value.size, n->value.text,
            (int)arg->value.size, arg->value.text);
      CHECK(!given[place], ERR_FORMAT, "argument '%.*s' is given twice", (int)arg->value.size, arg->value.text);
    }
    Value v;
    given[place] = true;
    TRY(run_eval(r, i >= unnamed ? arg->a : arg, &v));
    TRY(scope_set(r, inside, n->list[place]->symbol, v));
  }
  for (int64_t i = 0; i < n->count; i++)
    if (!given[i]) TRY(scope_set(r, inside, n->list[i]->symbol, value_undefined("a parameter was not given")));
  r->scope = inside;  // a default may name the parameters
  for (int64_t i = 0; i < n->count; i++) {
    Value v;
    if (given[i] || !n->list[i]->a) continue;
    TRY(run_eval(r, n->list[i]->a, &v));
    TRY(scope_set(r, inside, n->list[i]->symbol, v));
  }
  return ERR_OK;
}

Err run_macro(JinjaRun *r, const Macro *m, const JinjaNode *call, Value *out) {
  Scope *outer = r->scope, *inside;
  TRY(scope_open(r, m->scope, m->node->d, &inside));
  TRY(bind_parameters(r, m, call, inside));
  TRY(run_capture(r, m->node->d, out));
  r->scope = outer;
  return ERR_OK;
}

static Err exec_print(JinjaRun *r, const JinjaNode *n) {
  Value v;
  TRY(run_eval(r, n->a, &v));
  return value_str(r->out, v);
}

static Err exec_if(JinjaRun *r, const JinjaNode *n) {
  for (; n && n->kind == NODE_IF; n = n->c) {
    Value v;
    TRY(run_eval(r, n->a, &v));
    if (value_true(v)) return run_exec(r, n->b);
  }
  return n ? run_exec(r, n) : ERR_OK;
}

static Err exec_set(JinjaRun *r, const JinjaNode *n) {
  Value v;
  TRY(run_eval(r, n->b, &v));
  return run_assign(r, n->a, v);
}

// The text of a set or filter block, through its filters.
static Err block_text(JinjaRun *r, const JinjaNode *n, Value *out) {
  Scope *outer = r->scope;
  Value outer_piece = r->piece;
  TRY(scope_open(r, outer, n->d, &r->scope));
  TRY(run_capture(r, n->d, out));
  r->piece = *out;
  if (n->b) TRY(run_eval(r, n->b, out));
  r->scope = outer;
  r->piece = outer_piece;
  return ERR_OK;
}

static Err exec_with(JinjaRun *r, const JinjaNode *n) {
  Scope *outer = r->scope, *inside;
  TRY(scope_open(r, outer, n->d, &inside));
  for (int64_t i = 0; i < n->count; i++) {
    Value v;
    TRY(run_eval(r, n->list[i]->b, &v));
    TRY(scope_set(r, inside, n->list[i]->a->symbol, v));
  }
  r->scope = inside;
  TRY(run_exec(r, n->d));
  r->scope = outer;
  return ERR_OK;
}

static Err exec_macro(JinjaRun *r, const JinjaNode *n) {
  Macro *m;
  TRY(workspace_take(&r->work, sizeof *m, &m));
  *m = (Macro){.node = n, .scope = r->scope};
  return scope_set(r, r->scope, n->symbol, (Value){.kind = VALUE_OTHER, .other_kind = OTHER_MACRO, .other = m});
}

static Err exec_generation(JinjaRun *r, const JinjaNode *n) {
  JinjaOutput *o = r->result;
  size_t begin = r->text.size;
  Scope *outer = r->scope;
  TRY(scope_open(r, outer, n->d, &r->scope));
  TRY(run_exec(r, n->d));
  r->scope = outer;
  if (o->n_spans == r->spans_capacity) {
    int64_t capacity = r->spans_capacity ? 2 * r->spans_capacity : 16;
    JinjaSpan *grown = realloc(o->span, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld spans", (long long)capacity);
    o->span = grown;
    r->spans_capacity = capacity;
  }
  o->span[o->n_spans++] = (JinjaSpan){.from = begin, .to = r->text.size};
  return ERR_OK;
}

static Err exec_node(JinjaRun *r, const JinjaNode *n) {
  Value v;
  switch (n->kind) {
    case NODE_TEXT: return builder_put(r->out, n->value.text, n->value.size);
    case NODE_PRINT: return exec_print(r, n);
    case NODE_IF: return exec_if(r, n);
    case NODE_FOR: return run_for(r, n);
    case NODE_SET: return exec_set(r, n);
    case NODE_SET_BLOCK: TRY(block_text(r, n, &v)); return run_assign(r, n->a, v);
    case NODE_FILTERED: TRY(block_text(r, n, &v)); return value_str(r->out, v);
    case NODE_MACRO: return exec_macro(r, n);
    case NODE_WITH: return exec_with(r, n);
    case NODE_GENERATION: return exec_generation(r, n);
    case NODE_BREAK: r->flow = FLOW_BREAK; return ERR_OK;
    case NODE_CONTINUE: r->flow = FLOW_CONTINUE; return ERR_OK;
    default: break;
  }
  FAIL(ERR_FORMAT, "this is no statement");
}

// A body: its statements in order, until one breaks out.
Err run_exec(JinjaRun *r, const JinjaNode *body) {
  CHECK(r->depth < JINJA_CALL_DEPTH_MAX, ERR_STATE, "nested deeper than the limit of %d; does a macro call itself for ever?",
        JINJA_CALL_DEPTH_MAX);
  r->depth++;
  for (int64_t i = 0; i < body->count && r->flow == FLOW_ON; i++) {
    const JinjaNode *n = body->list[i];
    Err err = workspace_step(&r->work, 1);
    if (!err) err = exec_node(r, n);
    if (err) return run_place(r, n, err);
  }
  r->depth--;
  return ERR_OK;
}

// Characters from bytes; spans mostly come in order.
static void count_characters(JinjaOutput *o) {
  size_t at = 0;
  int64_t characters = 0;
  for (int64_t i = 0; i < 2 * o->n_spans; i++) {
    JinjaSpan *s = &o->span[i / 2];
    size_t to = i % 2 ? s->to : s->from;
    if (to < at) at = 0, characters = 0;
    characters += text_length(o->text.data + at, to - at);
    at = to;
    *(i % 2 ? &s->end : &s->begin) = characters;
  }
}

static Err render(JinjaRun *r, JinjaOutput *out) {
  size_t symbols = (size_t)r->t->symbols.count;
  TRY(workspace_take(&r->work, symbols * sizeof *r->input, &r->input));
  TRY(workspace_take(&r->work, symbols * sizeof *r->known, &r->known));
  TRY(scope_open(r, NULL, r->t->root, &r->scope));
  r->text = (Builder){.w = &r->work, .limit = JINJA_OUTPUT_BYTES_MAX};
  r->out = &r->text;
  TRY(run_exec(r, r->t->root));
  TRY(bytes_reserve(&out->text, 1));  // so that `data` is there for an empty text, too
  TRY(bytes_append(&out->text, r->text.data, r->text.size));
  count_characters(out);
  return ERR_OK;
}

Err jinja_render(const Jinja *t, const json_t *variables, const char *track, const struct tm *now, JinjaOutput *out) {
  JinjaRun r = {.t = t, .variables = variables, .track = track, .now = now, .result = out};
  jinja_output_free(out);
  workspace_open(&r.work, JINJA_MEMORY_BYTES_MAX, JINJA_STEPS_MAX);
  Err err = render(&r, out);
  workspace_close(&r.work);
  return err;
}

void jinja_output_free(JinjaOutput *o) {
  bytes_free(&o->text);
  free(o->span);
  free(o->turn);
  *o = (JinjaOutput){0};
}
