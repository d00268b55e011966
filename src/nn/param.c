#include "nn/param.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/q8.h"

void params_init(ParamList *list, Dtype type, Arena *weights, Arena *grads, Arena *other) {
  *list = (ParamList){.type = type, .weights = weights ? weights : other, .rounded = !weights, .grads = grads, .other = other};
}

void params_free(ParamList *list) {
  free(list->param);
  free(list->weight);
  *list = (ParamList){0};
}

void params_prepare(const ParamList *list, Dev *dev) {
  for (int64_t i = 0; i < list->n_weights; i++) {
    const Weight *w = list->weight[i];
    const int64_t out = w->out / w->groups;
    if (w->c.type != DT_Q8 || w->w.type != DT_F32) continue;
    for (int64_t g = 0; g < w->groups; g++)
      q8_pack(dev, (char *)w->c.data + (size_t)g * q8_bytes(out, w->in), mat_at(w->w, g * out, 0), out, w->in);
  }
}

void param_put_row(const Param *p, int64_t row, const float *x) {
  if (p->w.type == DT_Q8) q8_pack_row(p->w.data, p->w_row + row, p->dim[1], x);
  else param_put(p, row * p->dim[1], p->dim[1], x);
}

void params_pack(const ParamList *list, Dev *dev, Arena *arena) {
  for (int64_t i = 0; i < list->n_weights; i++) {
    Weight *w = list->weight[i];
    if (w->use == USE_LOOKUP || w->c.type == DT_Q8) continue;
    int64_t out = w->out / w->groups;
    size_t bytes = gemm_packed_bytes(dev, out, w->in, w->c.type);
    char *packed = arena_take(arena, (size_t)w->groups * bytes);
    if (arena_measuring(arena)) continue;
    for (int64_t g = 0; g < w->groups; g++)
      dev->op->gemm_pack(dev, packed + (size_t)g * bytes, mat_at(w->c, g * out, 0), true, out, w->in);
    w->packed = packed;
  }
}

Param *params_find(const ParamList *list, const char *name) {
  for (int64_t i = 0; i < list->count; i++)
    if (strcmp(list->param[i].name, name) == 0) return &list->param[i];
  return NULL;
}

Param *params_role(const ParamList *list, ParamRole role) {
  for (int64_t i = 0; i < list->count; i++)
    if (list->param[i].role == role) return &list->param[i];
  return NULL;
}

// Makes room for one more in an array that grows; false (and list->err) without memory.
static bool grow(ParamList *list, void **array, int64_t count, int64_t *capacity, size_t item_bytes) {
  if (count < *capacity) return true;
  int64_t wanted = *capacity ? 2 * *capacity : 256;
  void *grown = realloc(*array, (size_t)wanted * item_bytes);
  if (!grown) {
    list->err = ERR_HERE(ERR_MEMORY, "no memory for the list of %lld parameters", (long long)wanted);
    return false;
  }
  *array = grown;
  *capacity = wanted;
  return true;
}

void param_rename(const NameRule *rules, char name[PARAM_NAME_BYTES]) {
  for (; rules && rules->ours; rules++) {
    char *at = strstr(name, rules->ours), tail[PARAM_NAME_BYTES];
    if (!at) continue;
    snprintf(tail, sizeof tail, "%s", at + strlen(rules->ours));
    snprintf(at, PARAM_NAME_BYTES - (size_t)(at - name), "%s%s", rules->theirs, tail);
  }
}

static Param *declare(ParamList *list, ParamRole role, const char *format, va_list args) {
  if (!grow(list, (void **)&list->param, list->count, &list->capacity, sizeof *list->param)) return NULL;
  Param *p = &list->param[list->count++];
  *p = (Param){.role = role};
  vsnprintf(p->name, sizeof p->name, format, args);
  param_rename(list->names, p->name);
  return p;
}

// How a matrix of that use is held. What is looked up is fp32 in every type, what is trained too.
static Dtype held_type(const ParamList *list, WeightUse use) {
  if (use == USE_LOOKUP || use == USE_GEMM_F32 || list->type == DT_F32) return DT_F32;
  const Dtype read = list->type == DT_Q8 && use != USE_GEMM_PARTS ? DT_Q8 : DT_BF16;
  if (list->rounded && use != USE_LOOKUP_GEMM) return read;
  return read == DT_Q8 ? DT_F32 : DT_SPLIT;
}

static Mat q8_take(Arena *a, const Weight *w) {
  return mat_of(arena_take(a, (size_t)w->groups * q8_bytes(w->out / w->groups, w->in)), w->in, DT_Q8);
}

void weight_take(ParamList *list, Weight *w, int64_t groups, int64_t out, int64_t in, WeightUse use) {
  int64_t rows = groups * out;
  size_t bytes = (size_t)(rows * in) * sizeof(float);
  const Dtype held = held_type(list, use);
  *w = (Weight){.use = use, .out = rows, .in = in, .groups = groups};
  if (held == DT_F32) w->w = mat_of(arena_take(list->weights, bytes), in, DT_F32);
  else w->w = held == DT_Q8 ? q8_take(list->weights, w) : mat_take(list->weights, rows, in, held);
  if (list->grads) w->g = arena_take(list->grads, bytes);
  const bool multiplied = use == USE_GEMM || use == USE_LOOKUP_GEMM;
  w->c = list->type == DT_Q8 && held == DT_F32 && multiplied ? q8_take(list->other, w) : mat_high(w->w);
  if (grow(list, (void **)&list->weight, list->n_weights, &list->weight_capacity, sizeof(Weight *)))
    list->weight[list->n_weights++] = w;
}

// Of a matrix in 8 bits: groups lie apart by whole panels.
static void part_of_group(Param *p, const Weight *w, int64_t row) {
  const int64_t out = w->out / w->groups;
  if (w->w.data) p->w.data = (char *)w->w.data + (size_t)(row / out) * q8_bytes(out, w->in);
  p->w_row = row % out;
}

void weight_part(ParamList *list, const Weight *w, int64_t row, int64_t rows, ParamRole role, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Param *p = declare(list, role, format, args);
  va_end(args);
  if (!p) return;
  p->n_dims = 2;
  p->dim[0] = rows, p->dim[1] = w->in;
  p->n = rows * w->in;
  p->w = w->w;
  if (w->w.type == DT_Q8) part_of_group(p, w, row);
  else p->w = mat_at(w->w, row, 0);
  p->g = w->g ? w->g + row * w->in : NULL;
}

void weight_bias(ParamList *list, Weight *w) {
  size_t bytes = (size_t)w->out * sizeof(float);
  w->bias = arena_take(list->weights, bytes);
  if (list->grads) w->bias_g = arena_take(list->grads, bytes);
}

void weight_bias_part(ParamList *list, const Weight *w, int64_t row, int64_t rows, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Param *p = declare(list, PARAM_BIAS, format, args);
  va_end(args);
  if (!p) return;
  p->n_dims = 1;
  p->dim[0] = p->n = rows;
  p->w = mat_at(mat_of(w->bias, rows, DT_F32), 0, row);
  p->g = w->bias_g ? w->bias_g + row : NULL;
}

void vector_take(ParamList *list, float **w, float **g, int64_t n, ParamRole role, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Param *p = declare(list, role, format, args);
  va_end(args);
  if (!p) return;
  p->n_dims = 1;
  p->dim[0] = p->n = n;
  *w = arena_take(list->weights, (size_t)n * sizeof(float));
  p->w = mat_of(*w, n, DT_F32);
  if (g) *g = p->g = list->grads ? arena_take(list->grads, (size_t)n * sizeof(float)) : NULL;
}
