// Expressions.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/unicode.h"

static Err undefined(JinjaRun *r, Value *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
static Err undefined(JinjaRun *r, Value *out, const char *format, ...) {
  char words[200];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(words, sizeof words, format, args);
  va_end(args);
  TRY(value_copy_text(&r->work, words, strlen(words), out));
  out->kind = VALUE_UNDEFINED;
  return ERR_OK;
}

static int shown(size_t size) { return size > 80 ? 80 : (int)size; }

Err run_method(JinjaRun *r, const Builtin *b, Value self, Value *out) {
  CHECK(b->fn, ERR_FORMAT, ".%s of a %s is not supported", b->name, value_type_name(self));
  CHECK(!self.safe, ERR_FORMAT, ".%s of safe text, which would escape, is not supported", b->name);
  Method *m;
  TRY(workspace_take(&r->work, sizeof *m, &m));
  *m = (Method){.builtin = b, .self = self};
  *out = (Value){.kind = VALUE_OTHER, .other_kind = OTHER_METHOD, .other = m};
  return ERR_OK;
}

Err value_attribute(JinjaRun *r, Value a, const char *name, size_t size, Value *out) {
  CHECK(a.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.text);
  if (size > 1 && name[0] == '_' && name[1] == '_')
    return undefined(r, out, "'%.*s' is not reached from a template", shown(size), name);
  if (a.kind == VALUE_OTHER) {
    CHECK(a.other_kind == OTHER_LOOP, ERR_FORMAT, "attributes of a function are not supported");
    return loop_attribute(r, (Loop *)(uintptr_t)a.other, name, size, out);
  }
  const Builtin *method = builtin_method(a, name, size);
  if (method) return run_method(r, method, a, out);
  if (a.kind == VALUE_MAP || a.kind == VALUE_NAMESPACE) {
    TRY(workspace_step(&r->work, (size_t)a.map->count / 16));
    const Value *found = value_get_text(a.map, name, size);
    *out = found ? *found : value_none();
    if (found) return ERR_OK;
  }
  return undefined(r, out, "'%s' has no attribute '%.*s'", value_type_name(a), shown(size), name);
}

// a[i] of a list or text; *found is false where there is no such item.
static void item_at(Value a, int64_t i, bool *found, Value *out) {
  int64_t length = a.kind == VALUE_TEXT ? text_length(a.text, a.size) : a.list->count;
  if (i < 0) i += length;
  *found = i >= 0 && i < length;
  if (!*found) return;
  if (a.kind == VALUE_LIST) {
    *out = a.list->item[i];
    return;
  }
  size_t at = text_offset(a.text, a.size, i);
  *out = a;
  out->text += at;
  out->size = utf8_size(a.text[at]);
}

Err value_subscript(JinjaRun *r, Value a, Value b, Value *out) {
  CHECK(a.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.text);
  bool whole = value_is_whole(b), found = false;
  int64_t index = value_whole(b);
  if (whole &&
      (a.kind == VALUE_TEXT || (a.kind == VALUE_LIST && a.list->kind != LIST_GENERATOR && a.list->kind != LIST_VIEW))) {
    TRY(workspace_step(&r->work, a.kind == VALUE_TEXT ? a.size / 64 : 0));
    item_at(a, index, &found, out);
  } else if (a.kind == VALUE_MAP && b.kind != VALUE_MAP && b.kind != VALUE_LIST) {
    TRY(workspace_step(&r->work, (size_t)a.map->count / 16));
    const Value *value = value_get(&r->work, a.map, b);
    found = value != NULL;
    if (found) *out = *value;
  }
  if (found) return ERR_OK;
  if (b.kind == VALUE_TEXT) return value_attribute(r, a, b.text, b.size, out);
  return undefined(r, out, "'%s' has no element %lld", value_type_name(a), whole ? (long long)index : 0LL);
}

Err run_lookup(JinjaRun *r, const JinjaNode *n, Value *out) {
  int32_t symbol = n->symbol;
  for (Scope *s = r->scope; s; s = s->parent)
    for (int64_t i = 0; i < s->count; i++)
      if (s->entry[i].symbol == symbol) {
        *out = s->entry[i].value;
        return ERR_OK;
      }
  if (!r->known[symbol]) {
    const char *name = n->value.text;
    const json_t *json = json_object_getn(r->variables, name, n->value.size);
    const Builtin *function = builtin_function(name, n->value.size);
    Value v = {.kind = VALUE_OTHER, .other_kind = OTHER_FUNCTION, .other = function};
    if (json) TRY(value_from_json(&r->work, json, &v));
    else if (!function) TRY(undefined(r, &v, "'%.*s' is undefined", shown(n->value.size), name));
    if (json && r->track && v.kind == VALUE_LIST && strlen(r->track) == n->value.size &&
        memcmp(r->track, name, n->value.size) == 0)
      for (int64_t i = 0; i < v.list->count; i++)
        if (v.list->item[i].kind == VALUE_MAP) v.list->item[i].map->mark = i;
    r->input[symbol] = v;
    r->known[symbol] = true;
  }
  *out = r->input[symbol];
  return ERR_OK;
}

// The values of a call's arguments, each at its place in the builtin's list.
static Err builtin_arguments(JinjaRun *r, const JinjaNode *n, const Builtin *b, Args *args) {
  int most = builtin_argument_count(b);
  int64_t unnamed = n->count - n->named;
  CHECK(most < 0 ? n->count <= ARGS_MAX : unnamed <= most, ERR_FORMAT, "%s takes at most %d arguments, found %lld", b->name,
        most < 0 ? ARGS_MAX : most, (long long)n->count);
  CHECK(n->count >= b->needed, ERR_FORMAT, "%s wants %d arguments, found %lld", b->name, b->needed, (long long)n->count);
  *args = (Args){.count = n->count};
  for (int64_t i = 0; i < n->count; i++) {
    const JinjaNode *arg = n->list[i];
    int64_t place = i;
    if (i >= unnamed && most >= 0) {
      place = builtin_argument(b, arg->value.text, arg->value.size);
      CHECK(place >= unnamed, ERR_FORMAT, "%s has no argument '%.*s' here", b->name, shown(arg->value.size), arg->value.text);
    }
    if (i >= unnamed && most < 0) {
      Value name;
      TRY(value_copy_text(&r->work, arg->value.text, arg->value.size, &name));
      args->name[place] = name.text;
    }
    args->given |= 1u << place;
    TRY(run_eval(r, i >= unnamed ? arg->a : arg, &args->value[place]));
  }
  return ERR_OK;
}

static Err eval_call(JinjaRun *r, const JinjaNode *n, Value *out) {
  Value f;
  TRY(run_eval(r, n->a, &f));
  CHECK(f.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s, so it cannot be called", f.text);
  CHECK(f.kind == VALUE_OTHER && f.other_kind != OTHER_LOOP, ERR_FORMAT, "'%s' object is not callable", value_type_name(f));
  if (f.other_kind == OTHER_MACRO) return run_macro(r, f.other, n, out);
  const Method *m = f.other;
  const Builtin *b = f.other_kind == OTHER_METHOD ? m->builtin : f.other;
  CHECK(b->fn, ERR_FORMAT, "the function %s() is not supported", b->name);
  Args args;
  TRY(builtin_arguments(r, n, b, &args));
  return b->fn(r, f.other_kind == OTHER_METHOD ? m->self : value_none(), &args, out);
}

static Err eval_builtin(JinjaRun *r, const JinjaNode *n, Value *out) {
  Value self;
  Args args;
  TRY(run_eval(r, n->a, &self));
  TRY(builtin_arguments(r, n, n->builtin, &args));
  return n->builtin->fn(r, self, &args, out);
}

Err value_compare(Workspace *w, Op op, Value a, Value b, bool *yes) {
  int order = 0;
  switch (op) {
    case OP_IN: return value_contains(w, b, a, yes);
    case OP_NOT_IN:
      TRY(value_contains(w, b, a, yes));
      *yes = !*yes;
      return ERR_OK;
    case OP_EQ: return value_equal(w, a, b, yes);
    case OP_NE:
      TRY(value_equal(w, a, b, yes));
      *yes = !*yes;
      return ERR_OK;
    default: break;
  }
  TRY(value_order(w, a, b, &order));
  *yes = op == OP_LT   ? order == -1
         : op == OP_LE ? order == -1 || order == 0
         : op == OP_GT ? order == 1
                       : order == 1 || order == 0;
  return ERR_OK;
}

static Err eval_compare(JinjaRun *r, const JinjaNode *n, Value *out) {
  Value left, right;
  bool yes = true;
  TRY(run_eval(r, n->a, &left));
  for (int64_t i = 0; yes && i < n->count; i++) {
    TRY(run_eval(r, n->list[i]->a, &right));
    TRY(value_compare(&r->work, n->list[i]->op, left, right, &yes));
    left = right;
  }
  *out = value_bool(yes);
  return ERR_OK;
}

static Err eval_list(JinjaRun *r, const JinjaNode *n, Value *out) {
  TRY(value_list(&r->work, n->kind == NODE_TUPLE ? LIST_TUPLE : LIST_LIST, n->count, out));
  for (int64_t i = 0; i < n->count; i++) TRY(run_eval(r, n->list[i], &out->list->item[i]));
  return ERR_OK;
}

static Err eval_map(JinjaRun *r, const JinjaNode *n, Value *out) {
  TRY(value_map(&r->work, out));
  for (int64_t i = 0; i < n->count; i += 2) {
    Value key, value;
    TRY(run_eval(r, n->list[i], &key));
    TRY(run_eval(r, n->list[i + 1], &value));
    CHECK(key.kind == VALUE_TEXT || key.kind == VALUE_NONE || value_is_number(key), ERR_FORMAT,
          "a %s as a key is not supported", value_type_name(key));
    TRY(value_put(&r->work, out->map, key, value));
  }
  return ERR_OK;
}

static Err eval_concat(JinjaRun *r, const JinjaNode *n, Value *out) {
  Builder b = {.w = &r->work, .limit = JINJA_OUTPUT_BYTES_MAX};
  for (int64_t i = 0; i < n->count; i++) {
    Value v;
    TRY(run_eval(r, n->list[i], &v));
    TRY(value_str(&b, v));
  }
  *out = value_built(&b);
  return ERR_OK;
}

static Err eval_slice(JinjaRun *r, const JinjaNode *n, Value *out) {
  const JinjaNode *parts[] = {n->b, n->c, n->d};
  Value a, at[3] = {value_none(), value_none(), value_none()};
  TRY(run_eval(r, n->a, &a));
  for (int i = 0; i < 3; i++)
    if (parts[i]) TRY(run_eval(r, parts[i], &at[i]));
  return value_slice(&r->work, a, at[0], at[1], at[2], out);
}

static Err eval_two(JinjaRun *r, const JinjaNode *n, Value *out) {
  Value a, b;
  TRY(run_eval(r, n->a, &a));
  TRY(run_eval(r, n->b, &b));
  return n->kind == NODE_ITEM ? value_subscript(r, a, b, out) : value_math(&r->work, n->op, a, b, out);
}

static Err eval_node(JinjaRun *r, const JinjaNode *n, Value *out) {
  Value a;
  switch (n->kind) {
    case NODE_CONST: *out = n->value; return ERR_OK;
    case NODE_PIECE: *out = r->piece; return ERR_OK;
    case NODE_NAME: return run_lookup(r, n, out);
    case NODE_TUPLE:
    case NODE_LIST: return eval_list(r, n, out);
    case NODE_MAP: return eval_map(r, n, out);
    case NODE_ATTR: TRY(run_eval(r, n->a, &a)); return value_attribute(r, a, n->value.text, n->value.size, out);
    case NODE_ITEM:
    case NODE_MATH: return eval_two(r, n, out);
    case NODE_SLICE: return eval_slice(r, n, out);
    case NODE_CALL: return eval_call(r, n, out);
    case NODE_FILTER:
    case NODE_TEST: return eval_builtin(r, n, out);
    case NODE_NOT:
      TRY(run_eval(r, n->a, &a));
      *out = value_bool(!value_true(a));
      return ERR_OK;
    case NODE_SIGN: TRY(run_eval(r, n->a, &a)); return value_sign(n->op, a, out);
    case NODE_AND:
    case NODE_OR:
      TRY(run_eval(r, n->a, out));
      return value_true(*out) == (n->kind == NODE_AND) ? run_eval(r, n->b, out) : ERR_OK;
    case NODE_CONCAT: return eval_concat(r, n, out);
    case NODE_COMPARE: return eval_compare(r, n, out);
    case NODE_CHOICE:
      TRY(run_eval(r, n->a, &a));
      if (value_true(a)) return run_eval(r, n->b, out);
      if (n->c) return run_eval(r, n->c, out);
      return undefined(r, out, "an `if` without `else` gave nothing");
    default: break;
  }
  FAIL(ERR_FORMAT, "this is no expression");
}

Err run_place(JinjaRun *r, const JinjaNode *n, Err err) {
  if (!err || r->placed) return err;
  char place[256];
  r->placed = true;
  jinja_place(r->t, n->at, place);
  return ERR_HERE(err, "%s: %s", place, err_text());
}

Err run_eval(JinjaRun *r, const JinjaNode *n, Value *out) {
  Err err = workspace_step(&r->work, 1);
  *out = value_none();
  if (!err && r->depth >= JINJA_CALL_DEPTH_MAX)
    err = ERR_HERE(ERR_STATE, "nested deeper than the limit of %d; does a macro call itself for ever?", JINJA_CALL_DEPTH_MAX);
  r->depth++;
  if (!err) err = eval_node(r, n, out);
  r->depth--;
  return run_place(r, n, err);
}
