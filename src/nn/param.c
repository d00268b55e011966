#include "nn/param.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void params_init(ParamList *list, Arena *weights, Arena *grads) {
  *list = (ParamList){.weights = weights, .grads = grads};
}

void params_free(ParamList *list) {
  free(list->param);
  *list = (ParamList){0};
}

Param *params_find(const ParamList *list, const char *name) {
  for (int64_t i = 0; i < list->count; i++)
    if (strcmp(list->param[i].name, name) == 0) return &list->param[i];
  return NULL;
}

static Param *declare(ParamList *list, ParamRole role, const char *format, va_list args) {
  if (list->count == list->capacity) {
    int64_t capacity = list->capacity ? 2 * list->capacity : 256;
    Param *grown = realloc(list->param, (size_t)capacity * sizeof *grown);
    if (!grown) {
      list->err = err_set(ERR_MEMORY, __func__, __FILE__, __LINE__, "no memory for the list of %lld parameters", (long long)capacity);
      return NULL;
    }
    list->param = grown;
    list->capacity = capacity;
  }
  Param *p = &list->param[list->count++];
  *p = (Param){.role = role};
  vsnprintf(p->name, sizeof p->name, format, args);
  return p;
}

void weight_take(ParamList *list, Weight *w, int64_t out, int64_t in) {
  size_t bytes = (size_t)(out * in) * sizeof(float);
  *w = (Weight){.out = out, .in = in};
  w->w = arena_take(list->weights, bytes);
  if (list->grads) w->g = arena_take(list->grads, bytes);
  w->c = mat_of(w->w, in, DT_F32);
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
  p->w = w->w ? w->w + row * w->in : NULL;
  p->g = w->g ? w->g + row * w->in : NULL;
}

void vector_take(ParamList *list, float **w, float **g, int64_t n, ParamRole role, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Param *p = declare(list, role, format, args);
  va_end(args);
  if (!p) return;
  p->n_dims = 1;
  p->dim[0] = p->n = n;
  *w = p->w = arena_take(list->weights, (size_t)n * sizeof(float));
  if (g) *g = p->g = list->grads ? arena_take(list->grads, (size_t)n * sizeof(float)) : NULL;
}
