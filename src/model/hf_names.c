#include "model/hf_names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "model/family.h"

typedef struct {
  const char *ours, *theirs;
  Join join;
} Line;

#define NAME(ours, theirs, join) {ours, theirs, join},
static const Line lines[] = {
#include "model/names_megatron.inc"
#include "model/names_mindformers.inc"
#include "model/names_telechat_52b.inc"
};
#undef NAME
enum { N_LINES = sizeof lines / sizeof lines[0], NUMBERS = 2 };

// The name that the modules gave, from the family's.
static void declared_name(const ModelConfig *c, const char *name, char out[PARAM_NAME_BYTES]) {
  const NameRule *rules = family_of(c)->names;
  int n = 0;
  snprintf(out, PARAM_NAME_BYTES, "%s", name);
  while (rules && rules[n].ours) n++;
  while (n-- > 0) param_rename((NameRule[]){{rules[n].theirs, rules[n].ours}, {NULL, NULL}}, out);
}

// Whether `name` is `pattern` with numbers for %.
static bool matches(const char *pattern, const char *name, int64_t number[NUMBERS]) {
  int n = 0;
  for (; *pattern; pattern++) {
    if (*pattern != '%') {
      if (*name++ != *pattern) return false;
      continue;
    }
    if (n == NUMBERS || !number_take(&name, "", &number[n++])) return false;
  }
  return *name == '\0';
}

static void fill_in(const ModelConfig *c, const char *pattern, const int64_t number[NUMBERS], char out[OTHER_NAME_BYTES]) {
  static const char layer[] = "decoder.layers.%.";
  int n = 0;
  size_t at = 0;
  if (number[0] == c->model.layers && strncmp(pattern, layer, strlen(layer)) == 0) {
    at = (size_t)snprintf(out, OTHER_NAME_BYTES, "mtp.layers.0.transformer_layer.");
    pattern += strlen(layer);
    n = 1;
  }
  for (; *pattern && at + 24 < OTHER_NAME_BYTES; pattern++) {
    if (*pattern != '%') {
      out[at++] = *pattern;
      continue;
    }
    assert(n < NUMBERS && "a pattern of another's name has no more numbers than one of ours");
    at += (size_t)snprintf(out + at, OTHER_NAME_BYTES - at, "%lld", (long long)number[n++]);
  }
  out[at] = '\0';
}

bool other_name(const ModelConfig *c, const char *name, int64_t *row, OtherName *out) {
  char declared[PARAM_NAME_BYTES];
  declared_name(c, name, declared);
  while (*row < N_LINES) {
    const Line *l = &lines[(*row)++];
    int64_t number[NUMBERS] = {-1, -1};
    bool grouped = l->join == JOIN_Q || l->join == JOIN_K || l->join == JOIN_V;
    if ((grouped && config_is_mla(c)) || !matches(l->ours, declared, number)) continue;
    *out = (OtherName){.join = l->join, .expert = number[1]};
    fill_in(c, l->theirs, number, out->name);
    return true;
  }
  return false;
}

// ---- joint tensors

typedef struct {
  int64_t heads, groups, head;  // query heads of a group; groups; width of a head
} Groups;

static Groups groups_of(const ModelConfig *c) {
  return (Groups){c->attention.heads / c->attention.kv_heads, c->attention.kv_heads, config_head_dim(c)};
}

int join_shape(const ModelConfig *c, const OtherName *other, int n_dims, const int64_t *dim, int64_t want[2]) {
  Groups g = groups_of(c);
  want[0] = dim[0], want[1] = n_dims > 1 ? dim[1] : 0;
  switch (other->join) {
    case JOIN_Q:
    case JOIN_K:
    case JOIN_V: want[0] = g.groups * (g.heads + 2) * g.head; break;
    case JOIN_GATE:
    case JOIN_UP: want[0] = 2 * dim[0]; break;
    case JOIN_STACK_GATE:
    case JOIN_STACK_UP: want[0] = dim[1], want[1] = c->moe.experts * 2 * dim[0]; break;
    case JOIN_STACK_DOWN: want[0] = c->moe.experts * dim[1], want[1] = dim[0]; break;
    case JOIN_TURNED: want[0] = dim[1], want[1] = dim[0]; break;
    case JOIN_TURNED_GATE:
    case JOIN_TURNED_UP: want[0] = dim[1], want[1] = 2 * dim[0]; break;
    case JOIN_TURNED_Q:
    case JOIN_TURNED_K:
    case JOIN_TURNED_V: want[0] = dim[1], want[1] = 3 * dim[0]; break;
    default: break;
  }
  return n_dims;
}

// One of so many equal matrices that lie side by side, turned over.
static void turn(Piece *p, int64_t matrices, int64_t which) {
  p->turned = true;
  p->line = matrices * p->rows;
  p->first = which * p->rows;
}

void join_piece(const ModelConfig *c, const OtherName *other, int n_dims, const int64_t *dim, Piece *p) {
  Groups g = groups_of(c);
  int64_t before[] = {0, g.heads * g.head, (g.heads + 1) * g.head};  // rows of a group before queries, key, value
  if (other->join == JOIN_NONE) return;
  p->rows = dim[0];
  p->cols = n_dims > 1 ? dim[1] : 1;
  p->run = p->stride = p->rows;
  switch (other->join) {
    case JOIN_Q:
    case JOIN_K:
    case JOIN_V:
      p->run = other->join == JOIN_Q ? g.heads * g.head : g.head;
      p->stride = (g.heads + 2) * g.head;
      p->first = before[other->join - JOIN_Q];
      break;
    case JOIN_UP: p->first = p->rows; break;
    case JOIN_STACK_GATE:
    case JOIN_STACK_UP:
      p->turned = true;
      p->line = 2 * p->rows;
      p->first = other->expert * p->cols * p->line + (other->join == JOIN_STACK_UP ? p->rows : 0);
      break;
    case JOIN_STACK_DOWN:
      p->turned = true;
      p->line = p->rows;
      p->first = other->expert * p->cols * p->line;
      break;
    case JOIN_TURNED: turn(p, 1, 0); break;
    case JOIN_TURNED_GATE:
    case JOIN_TURNED_UP: turn(p, 2, other->join - JOIN_TURNED_GATE); break;
    case JOIN_TURNED_Q:
    case JOIN_TURNED_K:
    case JOIN_TURNED_V: turn(p, 3, other->join - JOIN_TURNED_Q); break;
    default: break;
  }
}
