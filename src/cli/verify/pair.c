#include "cli/verify/pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify/source.h"

enum { BATCH_BYTES = 256 << 20, BATCH_ARRAYS = 256, TEXT_BYTES_MAX = 1 << 24 };

const char *const side_names[4] = {"run", "folder of checkpoints", "checkpoint", "model"};

// ---- sides

static bool kind_of(const char *path, SideKind *kind) {
  int64_t *step = NULL, n = 0;
  if (source_is_checkpoint(path)) *kind = SIDE_CHECKPOINT;
  else if (folder_holds(path, "metrics.jsonl")) *kind = SIDE_RUN;
  else if (source_is_model(path)) *kind = SIDE_MODEL;
  else if (file_is_folder(path) && checkpoint_steps(path, &step, &n) == ERR_OK && n > 0) *kind = SIDE_CHECKPOINTS;
  else return false;
  free(step);
  return true;
}

bool side_is(const char *path) {
  SideKind kind;
  return kind_of(path, &kind);
}

static Err read_machine(Side *s) {
  char path[PATH_BYTES];
  json_t *j;
  TRY(path_join(path, s->path, "run.json"));
  if (!file_exists(path)) return ERR_OK;
  TRY(json_read(&j, path, false));
  const char *isa = json_string_value(json_object_get(j, "instruction_set")),
             *type = json_string_value(json_object_get(j, "dtype")),
             *version = json_string_value(json_object_get(j, "version"));
  snprintf(s->machine, sizeof s->machine, "%.20s, %lld threads, %.8s, version %.40s", isa ? isa : "?",
           (long long)json_integer_value(json_object_get(j, "threads")), type ? type : "?", version ? version : "?");
  json_decref(j);
  return ERR_OK;
}

static Err side_open(Side *s, const char *path) {
  *s = (Side){.path = path};
  CHECK(kind_of(path, &s->kind), ERR_ARG,
        "%s: want a run's folder, a checkpoint, a folder of checkpoints, or a model's folder (config.json, *.safetensors)",
        path);
  if (s->kind == SIDE_RUN) {
    TRY(path_join(s->checkpoints, path, "checkpoints"));
    TRY(read_machine(s));
  } else if (s->kind == SIDE_CHECKPOINTS) {
    snprintf(s->checkpoints, sizeof s->checkpoints, "%s", path);
  }
  return *s->checkpoints ? checkpoint_steps(s->checkpoints, &s->step, &s->n_steps) : ERR_OK;
}

static bool has_steps(const Side *s) { return s->kind == SIDE_RUN || s->kind == SIDE_CHECKPOINTS; }

// The folder to open for `step`; of a checkpoint or a model, itself.
static Err side_folder(const Side *s, int64_t step, char out[PATH_BYTES]) {
  if (has_steps(s)) return checkpoint_path(out, s->checkpoints, step);
  snprintf(out, PATH_BYTES, "%s", s->path);
  return ERR_OK;
}

static bool has_step(const Side *s, int64_t step) {
  for (int64_t i = 0; i < s->n_steps; i++)
    if (s->step[i] == step) return true;
  return false;
}

// ---- arrays of one pair

static Err add_array(Pair *p, const CheckpointArray *a, const char *problem, Difference d) {
  PairArray *grown = realloc(p->array, (size_t)(p->n_arrays + 1) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "no memory for a list of %lld differences", (long long)p->n_arrays);
  p->array = grown;
  p->array[p->n_arrays] = (PairArray){*a, problem, d};
  p->array[p->n_arrays++].array.data = NULL;
  return ERR_OK;
}

static bool same_shape(const CheckpointArray *a, const CheckpointArray *b) {
  return a->n_dims == b->n_dims && memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->n_dims) == 0;
}

typedef struct {
  CheckpointArray a[BATCH_ARRAYS], b[BATCH_ARRAYS];
  int64_t n;
  size_t bytes;
} Batch;

static Err batch_compare(Pair *p, const Source *a, const Source *b, Batch *batch) {
  Err err = ERR_OK;
  for (int64_t i = 0; i < batch->n; i++) {
    batch->a[i].data = malloc(source_bytes(&batch->a[i]) + 1);
    batch->b[i].data = malloc(source_bytes(&batch->b[i]) + 1);
    if (!batch->a[i].data || !batch->b[i].data) err = ERR_HERE(ERR_MEMORY, "no memory for array \"%s\"", batch->a[i].name);
  }
  if (!err) err = source_read(a, batch->a, batch->n);
  if (!err) err = source_read(b, batch->b, batch->n);
  for (int64_t i = 0; i < batch->n; i++) {
    int64_t elements = source_elements(&batch->a[i]);
    if (!err) {
      Difference d = arrays_differ(&batch->a[i], &batch->b[i], elements);
      p->arrays_compared++, p->numbers_compared += elements, p->numbers_differing += d.differing;
      if (d.differing) err = add_array(p, &batch->a[i], NULL, d);
    }
    free(batch->a[i].data);
    free(batch->b[i].data);
  }
  batch->n = 0;
  batch->bytes = 0;
  return err;
}

// What the other side need not have: all but weights, where it is a model's folder; a model's copies of its own arrays.
static bool left_out(const Source *own, const Source *other, const CheckpointArray *a) {
  return (other->step < 0 && strchr(a->name, '/')) || source_is_copy(own, a);
}

static Err compare_common(Pair *p, const Source *a, const Source *b, Batch *batch) {
  static const Difference whole = {.first = -1, .ulp = -1, .relative = INFINITY, .greatest = INFINITY};
  for (int64_t i = 0; i < b->count; i++)
    if (!source_find(a, b->array[i].name) && !left_out(b, a, &b->array[i])) TRY(add_array(p, &b->array[i], "only in B", whole));
  for (int64_t i = 0; i < a->count; i++) {
    const CheckpointArray *x = &a->array[i], *y = source_find(b, x->name);
    if (!y && left_out(a, b, x)) continue;
    if (!y || !same_shape(x, y)) {
      TRY(add_array(p, x, y ? "another shape" : "only in A", whole));
      continue;
    }
    batch->a[batch->n] = *x, batch->b[batch->n++] = *y;
    batch->bytes += source_bytes(x) + source_bytes(y);
    if (batch->bytes >= BATCH_BYTES || batch->n == BATCH_ARRAYS) TRY(batch_compare(p, a, b, batch));
  }
  return batch_compare(p, a, b, batch);
}

static int worst_first(const void *a, const void *b) {
  const PairArray *x = a, *y = b;
  if (x->difference.relative != y->difference.relative) return x->difference.relative < y->difference.relative ? 1 : -1;
  return strcmp(x->array.name, y->array.name);
}

// Fills what is said of the first pair that differs; *equal.
static Err compare_folders(Pair *p, const char *a, const char *b, bool *equal) {
  Source x = {0}, y = {0};
  Batch *batch = calloc(1, sizeof *batch);
  CHECK(batch, ERR_MEMORY, "no memory to compare %s", a);
  p->n_arrays = p->arrays_compared = p->numbers_compared = p->numbers_differing = 0;
  Err err = source_open(&x, a);
  if (!err) err = source_open(&y, b);
  if (!err) err = compare_common(p, &x, &y, batch);
  if (!err && x.state && y.state) pair_compare_json(x.state, y.state, NULL, p->state, NULL, &p->n_state);
  if (p->n_arrays) qsort(p->array, (size_t)p->n_arrays, sizeof *p->array, worst_first);
  *equal = p->n_arrays == 0 && p->n_state == 0;
  p->compared++;
  source_close(&x);
  source_close(&y);
  free(batch);
  return err;
}

// ---- the steps of both

static Err compare_step(Pair *p, int64_t step, bool *equal) {
  char a[PATH_BYTES], b[PATH_BYTES];
  TRY(side_folder(&p->a, step, a));
  TRY(side_folder(&p->b, step, b));
  TRY(compare_folders(p, a, b, equal));
  if (*equal) p->equal[p->n_equal++] = step;
  else p->differs = step;
  return ERR_OK;
}

// The one step to compare where a side is no series.
static Err single_step(const Pair *p, int64_t *step) {
  const Side *series = has_steps(&p->a) ? &p->a : has_steps(&p->b) ? &p->b : NULL, *other = series == &p->a ? &p->b : &p->a;
  *step = 0;
  if (other->kind == SIDE_CHECKPOINT) {
    CheckpointInfo info;
    TRY(checkpoint_info(other->path, &info));
    *step = info.step;
    checkpoint_info_free(&info);
  } else if (series && series->n_steps) {
    *step = series->step[series->n_steps - 1];
  }
  CHECK(!series || has_step(series, *step), ERR_ARG, "%s has no checkpoint of step %lld, which %s is",
        series ? series->path : "", (long long)*step, other->path);
  return ERR_OK;
}

static Err compare_checkpoints(Pair *p) {
  bool equal = true;
  p->equal = calloc((size_t)(p->a.n_steps + 1), sizeof *p->equal);
  CHECK(p->equal, ERR_MEMORY, "no memory for a list of steps");
  if (!has_steps(&p->a) || !has_steps(&p->b)) {
    int64_t step;
    TRY(single_step(p, &step));
    return compare_step(p, step, &equal);
  }
  for (int64_t i = 0; i < p->a.n_steps && equal; i++)
    if (has_step(&p->b, p->a.step[i])) TRY(compare_step(p, p->a.step[i], &equal));
  CHECK(p->compared || p->n_logs, ERR_ARG, "%s and %s have no checkpoint of the same step", p->a.path, p->b.path);
  return ERR_OK;
}

// ---- runs

static Err compare_configs(Pair *p) {
  char path[2][PATH_BYTES], *text[2] = {NULL, NULL};
  size_t size;
  Err err = ERR_OK;
  for (int i = 0; i < 2; i++) {
    TRY_OUT(path_join(path[i], i ? p->b.path : p->a.path, "config.yaml"));
    TRY_OUT(file_read(path[i], TEXT_BYTES_MAX, &text[i], &size));
  }
  TRY_OUT(pair_compare_config(text[0], text[1], p->config, &p->n_config));
out:
  free(text[0]);
  free(text[1]);
  return err;
}

static Err compare_runs(Pair *p) {
  static const char *const files[] = {"metrics.jsonl", "experts.jsonl"};
  if (folder_holds(p->a.path, "config.yaml") && folder_holds(p->b.path, "config.yaml")) TRY(compare_configs(p));
  for (int i = 0; i < 2; i++)
    if (folder_holds(p->a.path, files[i]) && folder_holds(p->b.path, files[i]))
      TRY(pair_compare_log(&p->log[p->n_logs++], p->a.path, p->b.path, files[i]));
  return ERR_OK;
}

Err pair_compare(Pair *p, const char *a, const char *b) {
  *p = (Pair){.differs = -1};
  TRY(side_open(&p->a, a));
  TRY(side_open(&p->b, b));
  if (p->a.kind == SIDE_RUN && p->b.kind == SIDE_RUN) TRY(compare_runs(p));
  return compare_checkpoints(p);
}

void pair_free(Pair *p) {
  free(p->a.step);
  free(p->b.step);
  free(p->equal);
  free(p->array);
  *p = (Pair){0};
}

bool pair_equal(const Pair *p) {
  bool equal = p->differs < 0;
  for (int i = 0; i < p->n_logs; i++) equal = equal && p->log[i].step < 0 && p->log[i].last_a == p->log[i].last_b;
  return equal;
}
