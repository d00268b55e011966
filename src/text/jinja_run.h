// A rendering in progress.
#ifndef TEXT_JINJA_RUN_H
#define TEXT_JINJA_RUN_H

#include "text/jinja_builtin.h"

// Variables of a block, which hide those of the blocks around it.
typedef struct Scope Scope;
struct Scope {
  Scope *parent;
  int64_t count, capacity;
  struct ScopeEntry {
    int32_t symbol;
    Value value;
  } * entry;
};

typedef enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } Flow;

struct JinjaRun {
  Workspace work;
  const Jinja *t;
  const json_t *variables;
  const char *track;
  const struct tm *now;
  Value *input;  // by symbol: the variable from outside
  bool *known;   // whether input is filled in
  Scope *scope;
  Builder *out;  // where text goes now
  Builder text;  // the whole text
  Flow flow;
  int depth;    // levels of the tree
  int tracked;  // loops over the tracked list that are running
  bool placed;  // the error names its place already
  JinjaOutput *result;
  int64_t spans_capacity, turns_capacity;
  Value piece;  // what a filter block wrote
};

// What `other` of a VALUE_OTHER points to, by its other_kind.
typedef enum { OTHER_LOOP = 1, OTHER_MACRO, OTHER_FUNCTION, OTHER_METHOD } OtherKind;

typedef struct {
  ValueList *items;  // what is walked
  const JinjaNode *target, *filter;
  Scope *outside;  // where the filter is evaluated
  int64_t next;    // of items
  int64_t index0;
  bool peeked, more;         // whether `after` was fetched, and whether there is one
  Value before, now, after;  // before is undefined at first
  Value changed;             // what changed() was last given
} Loop;

typedef struct {
  const JinjaNode *node;
  Scope *scope;  // where it was defined
} Macro;

typedef struct {
  const Builtin *builtin;
  Value self;
} Method;

// body: what runs in it, NULL for an expression.
Err scope_open(JinjaRun *r, Scope *parent, const JinjaNode *body, Scope **out);
Err scope_set(JinjaRun *r, Scope *s, int32_t symbol, Value v);
Err run_lookup(JinjaRun *r, const JinjaNode *name, Value *out);

Err run_eval(JinjaRun *r, const JinjaNode *n, Value *out);
Err run_exec(JinjaRun *r, const JinjaNode *n);
// Puts the node's place before the message of an error that has none.
Err run_place(JinjaRun *r, const JinjaNode *n, Err err);
// Assigns to a target (a name, a tuple, an attribute of a namespace).
Err run_assign(JinjaRun *r, const JinjaNode *target, Value v);
// A method of `self` as a value that can be called.
Err run_method(JinjaRun *r, const Builtin *b, Value self, Value *out);
Err run_macro(JinjaRun *r, const Macro *m, const JinjaNode *call, Value *out);
Err run_for(JinjaRun *r, const JinjaNode *n);
Err loop_attribute(JinjaRun *r, Loop *l, const char *name, size_t size, Value *out);

// Python's operators.
Err value_math(Workspace *w, Op op, Value a, Value b, Value *out);
Err value_compare(Workspace *w, Op op, Value a, Value b, bool *yes);
Err value_sign(Op op, Value a, Value *out);
// a[start:stop:step]; VALUE_NONE where a part is left out.
Err value_slice(Workspace *w, Value a, Value start, Value stop, Value step, Value *out);

#endif
