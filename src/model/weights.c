#include "model/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "model/model.h"

enum { FAULTS_NAMED = 6 };  // names in a message

// ---- making one

static Err declare_tensors(WeightSource *s, const ParamList *list) {
  s->tensor = calloc((size_t)list->count + 1, sizeof *s->tensor);
  CHECK(s->tensor, ERR_MEMORY, "%s: no memory for the list of %lld tensors", s->path, (long long)list->count);
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    WeightTensor *t = &s->tensor[s->count++];
    *t = (WeightTensor){.role = p->role, .n_dims = p->n_dims, .dim = {p->dim[0], p->dim[1]}, .n = p->n, .type = ST_F32};
    memcpy(t->name, p->name, sizeof t->name);
  }
  return ERR_OK;
}

static Err declare_by_config(WeightSource *s) {
  Model *m = calloc(1, sizeof *m);
  CHECK(m, ERR_MEMORY, "%s: no memory", s->path);
  Arena weights, other;
  arena_measure(&weights, "weights");
  arena_measure(&other, "tables");
  Err err = model_init(m, &s->config, DT_F32, 1, &weights, NULL, &other);
  if (!err) err = declare_tensors(s, &m->params);
  model_free(m);
  free(m);
  return err;
}

static Err source_new(WeightSource **out, const char *kind, const char *path, const ModelConfig *config) {
  WeightSource *s = *out = calloc(1, sizeof *s);
  CHECK(s, ERR_MEMORY, "%s: no memory", path);
  s->kind = kind;
  s->config = *config;
  s->step = -1;
  snprintf(s->path, sizeof s->path, "%s", path);
  s->missing = json_array(), s->other = json_array(), s->left = json_array();
  CHECK(s->missing && s->other && s->left, ERR_MEMORY, "%s: no memory", path);
  return ERR_OK;
}

Err weights_new(WeightSource **out, const char *kind, const char *path, const ModelConfig *config) {
  Err err = source_new(out, kind, path, config);
  if (!err) err = declare_by_config(*out);
  if (!err) return ERR_OK;
  weights_close(*out);
  *out = NULL;
  return err;
}

Err weights_want_room(const ModelConfig *c, double room, const char *path) {
  enum { AT_LEAST = 1000 };
  double tensors = (double)c->model.layers * (1 + (double)c->moe.experts);
  CHECK(tensors <= room + AT_LEAST, ERR_FORMAT,
        "%s: the configuration has %lld layers of %lld experts, and the files are much too small for them; one of them does "
        "not belong "
        "to the other",
        path, (long long)c->model.layers, (long long)c->moe.experts);
  return ERR_OK;
}

void weights_close(WeightSource *s) {
  if (!s) return;
  weights_ahead_close(s);
  if (s->close) s->close(s);
  json_decref(s->layout);
  json_decref(s->missing);
  json_decref(s->other);
  json_decref(s->left);
  free(s->tensor);
  free(s);
}

WeightTensor *weights_find(const WeightSource *s, const char *name) {
  for (int64_t i = 0; i < s->count; i++)
    if (strcmp(s->tensor[i].name, name) == 0) return &s->tensor[i];
  return NULL;
}

WeightTensor *weights_role(const WeightSource *s, ParamRole role) {
  for (int64_t i = 0; i < s->count; i++)
    if (s->tensor[i].role == role) return &s->tensor[i];
  return NULL;
}

bool weights_mostly_bf16(const WeightSource *s) {
  int64_t all = 0, bf16 = 0;
  for (int64_t i = 0; i < s->count; i++) {
    all += s->tensor[i].n;
    if (s->tensor[i].type == ST_BF16) bf16 += s->tensor[i].n;
  }
  return bf16 > all / 2;
}

Err weights_fault(json_t *list, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  text_plain(text);
  json_t *entry = json_string(text);
  for (char *p = text; !entry && *p; p++)
    if ((unsigned char)*p >= 0x80) *p = '?';  // a name that is not UTF-8
  if (!entry) entry = json_string(text);
  CHECK(json_array_append_new(list, entry) == 0, ERR_MEMORY, "no memory for a list of faults");
  return ERR_OK;
}

// ---- reading one

static void add_faults(const json_t *list, const char *what, char *text, size_t room) {
  size_t n = json_array_size(list), at = strlen(text);
  if (!n) return;
  at += (size_t)snprintf(text + at, room - at, "%s%zu %s: ", at ? "; " : "", n, what);
  for (size_t i = 0; i < n && i < FAULTS_NAMED && at < room; i++)
    at += (size_t)snprintf(text + at, room - at, "%s%.200s", i ? ", " : "", json_string_value(json_array_get(list, i)));
  if (n > FAULTS_NAMED && at < room) snprintf(text + at, room - at, ", ...");
}

Err weights_complete(const WeightSource *s) {
  char text[1900] = "";
  add_faults(s->missing, "tensors missing", text, sizeof text);
  add_faults(s->other, "tensors of another shape or type", text, sizeof text);
  add_faults(s->left, "tensors left over that the configuration has no place for", text, sizeof text);
  CHECK(!*text, ERR_FORMAT, "%s: %s", s->path, text);
  return ERR_OK;
}

Err weights_check(WeightSource *s) {
  weights_ahead_forget(s);
  TRY(weights_complete(s));
  return s->check ? s->check(s) : ERR_OK;
}

// ---- into memory

static Err to_memory(void *context, const void *data, size_t bytes) {
  char **at = context;
  memcpy(*at, data, bytes);
  *at += bytes;
  return ERR_OK;
}

Err weights_read(WeightSource *s, int64_t i, bool allow_nan, float *out) {
  char *at = (char *)out;
  return weights_pump(s, i, ST_F32, allow_nan, to_memory, &at);
}

typedef struct {
  const Param *p;
  float *row;      // being gathered
  int64_t at, in;  // rows done, elements of the next
} Rows;

static Err to_rows(void *context, const void *data, size_t bytes) {
  Rows *r = context;
  const float *x = data;
  for (int64_t n = (int64_t)(bytes / sizeof *x), cols = r->p->dim[1], take; n > 0; x += take, n -= take) {
    take = n < cols - r->in ? n : cols - r->in;
    memcpy(r->row + r->in, x, (size_t)take * sizeof *x);
    r->in += take;
    if (r->in < cols) continue;
    param_put_row(r->p, r->at++, r->row);
    r->in = 0;
  }
  return ERR_OK;
}

// Into a matrix that is not held in fp32.
static Err read_rows(WeightSource *s, int64_t i, bool allow_nan, const Param *p) {
  Rows r = {.p = p, .row = malloc((size_t)p->dim[1] * sizeof(float))};
  CHECK(r.row, ERR_MEMORY, "%s: no memory for a row of %lld weights", s->path, (long long)p->dim[1]);
  Err err = weights_pump(s, i, ST_F32, allow_nan, to_rows, &r);
  free(r.row);
  return err;
}

static int by_name(const void *a, const void *b) { return strcmp((*(Param *const *)a)->name, (*(Param *const *)b)->name); }

static Err load_all(WeightSource *s, Param **sorted, int64_t count, bool allow_nan) {
  CHECK(s->count == count, ERR_SHAPE, "%s: %lld tensors for a model of %lld parameters", s->path, (long long)s->count,
        (long long)count);
  for (int64_t i = 0; i < s->count; i++) {
    Param key, *find = &key;
    memcpy(key.name, s->tensor[i].name, sizeof key.name);
    Param **p = bsearch(&find, sorted, (size_t)count, sizeof *sorted, by_name);
    CHECK(p && (*p)->n == s->tensor[i].n, ERR_SHAPE, "%s: tensor %s is not of this model", s->path, s->tensor[i].name);
    TRY((*p)->w.type == DT_F32 ? weights_read(s, i, allow_nan, param_floats(*p)) : read_rows(s, i, allow_nan, *p));
  }
  return ERR_OK;
}

Err weights_load(WeightSource *s, const ParamList *list, bool allow_nan) {
  TRY(weights_check(s));
  Param **sorted = calloc((size_t)list->count + 1, sizeof *sorted);
  CHECK(sorted, ERR_MEMORY, "%s: no memory for a list of parameters", s->path);
  for (int64_t i = 0; i < list->count; i++) sorted[i] = &list->param[i];
  qsort(sorted, (size_t)list->count, sizeof *sorted, by_name);
  Err err = load_all(s, sorted, list->count, allow_nan);
  free(sorted);
  return err;
}

// ---- from memory

static Err read_param(WeightSource *s, int64_t i, int64_t first, int64_t n, void *out) {
  const ParamList *list = s->own;
  param_get(&list->param[i], first, n, out);
  return ERR_OK;
}

static void describe_param(const WeightSource *s, int64_t i, char *out, size_t size) {
  snprintf(out, size, "%s F32 in memory", s->tensor[i].name);
}

Err weights_of_params(WeightSource **out, const ModelConfig *config, const ParamList *list) {
  Err err = source_new(out, "model in memory", "the model", config);
  if (!err) err = declare_tensors(*out, list);
  if (err) {
    weights_close(*out);
    *out = NULL;
    return err;
  }
  (*out)->own = (void *)(uintptr_t)list;
  (*out)->read = read_param;
  (*out)->describe = describe_param;
  return ERR_OK;
}
