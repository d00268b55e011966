#include "cli/verify/verify.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "cli/verify/parts.h"
#include "model/hf_config.h"
#include "model/hf_files.h"

// ---- reports

void verify_begin(VerifyCase *r, const char *path) {
  *r = (VerifyCase){0};
  size_t n = strlen(path), shown = n < sizeof r->name ? n : sizeof r->name - 1;
  snprintf(r->name, sizeof r->name, "%s", path + n - shown);
}

void verify_end(VerifyCase *r) {
  for (int i = 0; i < r->n_lines; i++) {
    r->compared += r->line[i].compared;
    r->failed += r->line[i].failed;
  }
}

VerifyLine *verify_case_line(VerifyCase *r, const char *what, double tolerance) {
  for (int i = 0; i < r->n_lines; i++)
    if (strcmp(r->line[i].what, what) == 0) return &r->line[i];
  assert(r->n_lines < VERIFY_LINES_MAX);
  VerifyLine *l = &r->line[r->n_lines++];
  *l = (VerifyLine){.tolerance = tolerance, .error = -1};
  snprintf(l->what, sizeof l->what, "%s", what);
  return l;
}

VerifyLine *verify_line(Verify *v, const char *what, double tolerance) { return verify_case_line(v->report, what, tolerance); }

void verify_note(VerifyLine *l, double error, const char *place_format, ...) {
  if (isnan(error)) error = INFINITY;
  l->compared++;
  l->failed += error > l->tolerance;
  if (error <= l->error) return;
  l->error = error;
  va_list args;
  va_start(args, place_format);
  vsnprintf(l->place, sizeof l->place, place_format, args);
  va_end(args);
}

static double element(Mat m, int64_t row, int64_t column) {
  Mat at = mat_at(m, row, column);
  if (m.type == DT_I32) return *(const int32_t *)at.data;
  if (m.type == DT_BF16) return (double)bf16_to_f32(*(const uint16_t *)at.data);
  return (double)*(const float *)at.data;
}

static int64_t int64_at(const StTensor *t, int64_t i) {
  int64_t x;
  memcpy(&x, (const char *)t->data + (size_t)i * sizeof x, sizeof x);  // tensors need not be aligned
  return x;
}

Err verify_rows(Verify *v, VerifyLine *l, const StTensor *t, int64_t first, Mat got, int64_t rows, int64_t cols) {
  CHECK(first + rows * cols <= st_elements(t), ERR_FORMAT, "%s: %s has %lld numbers, %lld and more are wanted",
        v->cases.map.path, t->name, (long long)st_elements(t), (long long)(first + rows * cols));
  float *want = malloc((size_t)cols * sizeof *want);
  CHECK(want, ERR_MEMORY, "no memory for a row of %s", t->name);
  Err err = ERR_OK;
  double unit = 1;
  TRY_OUT(verify_unit(v, t, &unit));
  for (int64_t i = 0; i < rows; i++) {
    if (t->type == ST_I64)
      for (int64_t j = 0; j < cols; j++) want[j] = (float)int64_at(t, first + i * cols + j);
    else TRY_OUT(st_read_f32(t, first + i * cols, cols, want));
    for (int64_t j = 0; j < cols; j++)
      verify_note(l, fabs(element(got, i, j) - (double)want[j]) / unit, "%s element %lld: %.9g, want %.9g", t->name,
                  (long long)(first + i * cols + j), element(got, i, j), (double)want[j]);
  }
out:
  free(want);
  return err;
}

// ---- batches

typedef struct {
  const StTensor *tensor;
  int64_t first;  // element
} Slice;

static Err slice_of(const Verify *v, const char *prefix, const char *name, int64_t index, int64_t B, int64_t T, Slice *s) {
  char full[64];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  TRY(safetensors_want(&v->cases, full, ST_I64, -1, NULL, &s->tensor));
  s->first = index * B * T;
  CHECK(st_elements(s->tensor) >= s->first + B * T, ERR_FORMAT, "%s: %s is too short", v->cases.map.path, full);
  return ERR_OK;
}

static int64_t value_of(const Slice *s, int64_t i) { return int64_at(s->tensor, s->first + i); }

static Err fill_documents(Verify *v, Batch *b) {
  Slice doc, position;
  TRY(slice_of(v, "", "doc_ids", 0, b->B, b->T, &doc));
  TRY(slice_of(v, "", "position_ids_doc", 0, b->B, b->T, &position));
  for (int64_t i = 0; i < b->B * b->T; i++) {
    bool begins = i % b->T == 0 || value_of(&doc, i) != value_of(&doc, i - 1);
    b->doc_start[i] = begins ? (int32_t)(i % b->T) : b->doc_start[i - 1];
    b->position[i] = (int32_t)value_of(&position, i);
  }
  return ERR_OK;
}

Err verify_batch(Verify *v, const char *prefix, int64_t index, bool documents) {
  Batch *b = &v->trainer.batch;
  Slice ids, labels, mask;
  TrainerShape shape = v->trainer.option.shape[*prefix ? 1 : 0];
  b->B = shape.micro_batch, b->T = shape.T;
  TRY(slice_of(v, *prefix ? prefix : "input_", "ids", index, b->B, b->T, &ids));
  TRY(slice_of(v, prefix, "labels", index, b->B, b->T, &labels));
  TRY(slice_of(v, prefix, "loss_mask", index, b->B, b->T, &mask));
  b->mask_count = 0;
  for (int64_t i = 0; i < b->B * b->T; i++) {
    int64_t id = value_of(&ids, i), label = value_of(&labels, i), V = v->config.model.vocab;
    CHECK(id >= 0 && id < V && label >= 0 && label < V, ERR_FORMAT,
          "%s: %s: id %lld or label %lld is outside the vocabulary of %lld", v->cases.map.path, ids.tensor->name, (long long)id,
          (long long)label, (long long)V);
    b->ids[i] = (int32_t)id, b->labels[i] = (int32_t)label;
    b->mask[i] = (float)value_of(&mask, i);
    b->position[i] = (int32_t)(i % b->T);
    b->doc_start[i] = 0;
    b->mask_count += b->mask[i] != 0;
  }
  return documents ? fill_documents(v, b) : ERR_OK;
}

// ---- a case

static Err read_json(const Verify *v, const char *name, json_t **root) {
  char path[PATH_BYTES];
  TRY(path_join(path, v->folder, name));
  return json_read(root, path, true);
}

static Err open_tensors(const Verify *v, const char *name, SafeTensors *s) {
  char path[PATH_BYTES];
  TRY(path_join(path, v->folder, name));
  return safetensors_open(s, path);
}

// The configuration, with the coefficients that config.json does not have.
static Err read_config(Verify *v) {
  json_t *hf;
  TRY(read_json(v, "config.json", &hf));
  Err err = hf_config_read(hf, v->folder, &v->config);
  json_decref(hf);
  TRY(err);
  char where[PATH_BYTES + 16];
  snprintf(where, sizeof where, "%s/train.json", v->folder);
  TRY(json_number(v->train, "seq_aux_loss_coeff", where, &v->config.moe.aux_loss));
  TRY(json_number(v->train, "mtp_loss_factor", where, &v->config.mtp.loss));
  return json_number(v->train, "router_bias_update_rate", where, &v->config.moe.bias_rate);
}

static Err tensor_shape(const Verify *v, const char *name, TrainerShape *shape) {
  const StTensor *t;
  TRY(safetensors_want(&v->cases, name, ST_I64, -1, NULL, &t));
  CHECK(t->n_dims >= 2, ERR_FORMAT, "%s: %s has %d dimensions, at least 2 are wanted", v->cases.map.path, name, t->n_dims);
  *shape = (TrainerShape){t->dim[t->n_dims - 2], t->dim[t->n_dims - 1]};
  CHECK(shape->micro_batch > 0 && shape->T > 0 && shape->T <= v->config.model.max_length &&
            shape->micro_batch * shape->T < 1 << 20,
        ERR_FORMAT, "%s: %s has %lld sequences of %lld tokens", v->cases.map.path, name, (long long)shape->micro_batch,
        (long long)shape->T);
  return ERR_OK;
}

// The longest prompt with its continuation, so that the rotary tables reach.
static int64_t longest_generation(const Verify *v) {
  int64_t longest = 1;
  size_t i;
  const json_t *one;
  json_array_foreach(json_object_get(v->generate, "cases"), i, one) {
    int64_t n =
        (int64_t)(json_array_size(json_object_get(one, "prompt")) + json_array_size(json_object_get(one, "continuation")));
    if (n > longest) longest = n;
  }
  return longest < v->config.model.max_length ? longest : v->config.model.max_length;
}

static Err optimizer_of(const Verify *v, OptimizerConfig *o) {
  char where[PATH_BYTES + 16];
  snprintf(where, sizeof where, "%s/train.json", v->folder);
  const json_t *betas = json_object_get(v->train, "betas");
  CHECK(json_array_size(betas) == 2, ERR_FORMAT, "%s: \"betas\" is not a pair", where);
  *o = (OptimizerConfig){.beta1 = json_number_value(json_array_get(betas, 0)),
                         .beta2 = json_number_value(json_array_get(betas, 1)),
                         .moments = MOMENTS_F32};
  TRY(json_number(v->train, "eps", where, &o->eps));
  TRY(json_number(v->train, "weight_decay", where, &o->decay));
  return json_number(v->train, "clip_global_norm", where, &o->clip);
}

static Err open_trainer(Verify *v) {
  TrainerOptions o = {
      .model = &v->config, .type = v->type, .threads = v->threads, .leaves = 1, .where = v->folder, .n_shapes = 3};
  TRY(optimizer_of(v, &o.optimizer));
  TRY(tensor_shape(v, "input_ids", &o.shape[0]));
  TRY(tensor_shape(v, "train_ids", &o.shape[1]));
  o.shape[2] = (TrainerShape){1, longest_generation(v)};
  const StTensor *longer = safetensors_find(&v->cases, "long_ids");
  if (longer && longer->n_dims == 2 && longer->dim[0] == 1 && longer->dim[1] < 1 << 20)
    o.shape[o.n_shapes++] = (TrainerShape){1, longer->dim[1]};
  for (int i = 0; i < o.n_shapes; i++)
    if (o.shape[i].micro_batch * o.shape[i].T > o.batch_rows) o.batch_rows = o.shape[i].micro_batch * o.shape[i].T;
  TRY(trainer_open(&v->trainer, &o));
  TRY(hf_load(v->folder, &v->config, &v->trainer.model.params, false));
  verify_hook(v, &v->trainer.model);
  return ERR_OK;
}

static Err run_parts(Verify *v) {
  TRY(read_json(v, "train.json", &v->train));
  TRY(read_config(v));
  TRY(read_json(v, "meta.json", &v->meta));
  TRY(read_json(v, "generate.json", &v->generate));
  TRY(open_tensors(v, "cases.safetensors", &v->cases));
  TRY(open_tensors(v, "grads.safetensors", &v->grads));
  TRY(open_trainer(v));
  TRY(verify_forward(v));
  TRY(verify_gradients(v));
  TRY(verify_generation(v));
  return verify_trajectory(v);  // last: it changes the weights
}

bool verify_is_case(const char *folder) {
  return folder_holds(folder, "config.json") && folder_holds(folder, "cases.safetensors");
}

// A model without experts has no load to compare.
static void drop_empty(VerifyCase *r) {
  int n = 0;
  for (int i = 0; i < r->n_lines; i++)
    if (r->line[i].compared) r->line[n++] = r->line[i];
  r->n_lines = n;
}

static Err run(VerifyCase *report, const char *folder, int threads, Dtype type, RouteTape *tape) {
  *report = (VerifyCase){0};
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/') n--;
  size_t at = n;
  while (at > 0 && folder[at - 1] != '/') at--;
  snprintf(report->name, sizeof report->name, "%.*s", (int)(n - at), folder + at);
  Verify *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", folder);
  *v = (Verify){.report = report, .folder = folder, .threads = threads, .type = type, .tape = tape};
  Err err = run_parts(v);
  trainer_close(&v->trainer);
  if (v->cases.map.path) safetensors_close(&v->cases);
  if (v->grads.map.path) safetensors_close(&v->grads);
  json_decref(v->meta);
  json_decref(v->train);
  json_decref(v->generate);
  free(v);
  drop_empty(report);
  verify_end(report);
  return err ? err : tape ? tape->err : ERR_OK;
}

Err verify_run(VerifyCase *report, const char *folder, int threads, Dtype type) {
  if (type == DT_F32) return run(report, folder, threads, type, NULL);
  RouteTape tape = {0};
  Err err = run(report, folder, threads, DT_F32, &tape);
  CHECK_OUT(err || report->failed == 0, ERR_NUMERIC, "%s: fails in fp32, so bf16 has nothing to be compared with", folder);
  tape.replay = true;
  if (!err) err = run(report, folder, threads, type, &tape);
out:
  tape_free(&tape);
  return err;
}

static double badness(const VerifyLine *l) {
  if (l->tolerance > 0) return l->error / l->tolerance;
  return l->error > 0 ? INFINITY : 0;
}

static int worst_first(const void *a, const void *b) {
  double x = badness(a), y = badness(b);
  return x > y ? -1 : x < y ? 1 : strcmp(((const VerifyLine *)a)->what, ((const VerifyLine *)b)->what);
}

void verify_sort(VerifyCase *v) { qsort(v->line, (size_t)v->n_lines, sizeof v->line[0], worst_first); }
