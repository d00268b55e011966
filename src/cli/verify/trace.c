#include "cli/verify/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/formats.h"
#include "cli/verify/parts.h"

typedef struct {
  VerifyCase *report;
  SafeTensors file;
  ModelConfig config;
  Trainer trainer;
  double tolerance;
  Err err;  // the first that went wrong in a probe
} Trace;

// ---- the file

static const struct {
  const char *dtype;
  double tolerance;
} types[] = {{"float32", 0x1p-12}, {"bfloat16", 0x1p-4}, {"float16", 0x1p-7}};

static Err read_type(Trace *t) {
  const char *dtype = "float32";
  for (int64_t i = 0; i < t->file.meta_count; i++)
    if (strcmp(t->file.meta[2 * i], "dtype") == 0) dtype = t->file.meta[2 * i + 1];
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i].dtype, dtype) == 0) {
      t->tolerance = types[i].tolerance;
      return ERR_OK;
    }
  FAIL(ERR_FORMAT, "%s: computed in \"%.40s\"; float32, bfloat16 or float16 is wanted", t->file.map.path, dtype);
}

// "hidden.3" of 3; -1 where the name is not prefix.NUMBER.
static int64_t number_after(const char *name, const char *prefix) {
  size_t n = strlen(prefix);
  if (strncmp(name, prefix, n) != 0 || !name[n] || strspn(name + n, "0123456789") != strlen(name + n) || strlen(name + n) > 6)
    return -1;
  return strtoll(name + n, NULL, 10);
}

static Err check_names(const Trace *t) {
  int64_t L = t->config.model.layers;
  for (int64_t i = 0; i < t->file.count; i++) {
    const char *name = t->file.tensor[i].name;
    int64_t hidden = number_after(name, "hidden."), attended = number_after(name, "attended.");
    bool known = (hidden >= 0 && hidden <= L) || (attended >= 0 && attended < L) || strcmp(name, "input_ids") == 0 ||
                 strcmp(name, "final_norm") == 0 || strcmp(name, "logits") == 0;
    CHECK(known, ERR_FORMAT,
          "%s: tensor \"%.80s\": a trace of this model has input_ids, hidden.0 to hidden.%lld, attended.0 to attended.%lld, "
          "final_norm and logits",
          t->file.map.path, name, (long long)L, (long long)L - 1);
  }
  return ERR_OK;
}

static Err read_ids(Trace *t) {
  const StTensor *ids;
  Batch *b = &t->trainer.batch;
  TRY(safetensors_want(&t->file, "input_ids", ST_I64, 2, (int64_t[]){b->B, b->T}, &ids));
  for (int64_t i = 0; i < b->B * b->T; i++) {
    int64_t id;
    memcpy(&id, (const char *)ids->data + (size_t)i * sizeof id, sizeof id);
    CHECK(id >= 0 && id < t->config.model.vocab, ERR_FORMAT, "%s: input_ids[%lld] is %lld, outside the vocabulary of %lld",
          t->file.map.path, (long long)i, (long long)id, (long long)t->config.model.vocab);
    b->ids[i] = (int32_t)id;
    b->position[i] = (int32_t)(i % b->T);
    b->doc_start[i] = 0;
  }
  return ERR_OK;
}

// ---- the model

static Err open_trainer(Trace *t, WeightSource *source, int threads) {
  enum { ROWS_MAX = 1 << 16 };
  const StTensor *ids;
  t->config = source->config;
  TRY(check_names(t));
  TRY(safetensors_want(&t->file, "input_ids", ST_I64, -1, NULL, &ids));
  int64_t B = ids->n_dims == 2 ? ids->dim[0] : 0, T = ids->n_dims == 2 ? ids->dim[1] : 0;
  CHECK(B > 0 && T > 0 && B <= ROWS_MAX && T <= t->config.model.max_length && B * T <= ROWS_MAX, ERR_FORMAT,
        "%s: input_ids: %lld sequences of %lld tokens; [B, T] of at most %d tokens, and %lld a sequence are wanted",
        t->file.map.path, (long long)B, (long long)T, ROWS_MAX, (long long)t->config.model.max_length);
  CHECK(2 * t->config.model.layers + 3 <= VERIFY_LINES_MAX, ERR_CONFIG, "a trace of at most %d layers can be compared",
        (VERIFY_LINES_MAX - 3) / 2);
  TrainerOptions o = {.model = &t->config,
                      .type = DT_F32,
                      .threads = threads,
                      .leaves = 1,
                      .where = source->path,
                      .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
                      .shape = {{B, T}},
                      .n_shapes = 1,
                      .batch_rows = B * T};
  TRY(trainer_open(&t->trainer, &o));
  TRY(weights_load(source, &t->trainer.model.params, false));
  t->trainer.batch.B = B, t->trainer.batch.T = T;
  return read_ids(t);
}

// ---- comparing

static Err compare(Trace *t, const char *name, Mat m, int64_t rows, int64_t cols) {
  const StTensor *want = safetensors_find(&t->file, name);
  if (!want) return ERR_OK;
  int64_t dims[3] = {t->trainer.batch.B, t->trainer.batch.T, cols};
  TRY(safetensors_want(&t->file, name, ST_F32, 3, dims, &want));
  float *row = malloc((size_t)cols * sizeof *row);
  CHECK(row, ERR_MEMORY, "no memory for a row of %s", name);
  Err err = ERR_OK;
  double greatest = 0;
  for (int64_t i = 0; i < rows && !err; i++) {
    err = st_read_f32(want, i * cols, cols, row);
    for (int64_t j = 0; j < cols; j++) greatest = fmax(greatest, fabs((double)row[j]));
  }
  VerifyLine *l = verify_case_line(t->report, name, t->tolerance);
  for (int64_t i = 0; i < rows && !err; i++) {
    err = st_read_f32(want, i * cols, cols, row);
    for (int64_t j = 0; j < cols && !err; j++) {
      double got = (double)((const float *)mat_at(m, i, j).data)[0], d = fabs(got - (double)row[j]);
      verify_note(l, d == 0 ? 0 : d / greatest, "sequence %lld, token %lld, number %lld: %.9g, want %.9g",
                  (long long)(i / dims[1]), (long long)(i % dims[1]), (long long)j, got, (double)row[j]);
    }
  }
  free(row);
  return err;
}

static void probe(void *context, const char *what, int64_t layer, Mat m, int64_t rows, int64_t cols) {
  Trace *t = context;
  char name[VERIFY_NAME_BYTES];
  if (t->err || m.type != DT_F32) return;
  if (layer >= 0) snprintf(name, sizeof name, "%.40s.%lld", what, (long long)layer);
  else snprintf(name, sizeof name, "%.40s", what);
  t->err = compare(t, name, m, rows, cols);
}

static Err forward(Trace *t) {
  Trainer *r = &t->trainer;
  const Batch *b = &r->batch;
  int64_t N = b->B * b->T, V = t->config.model.vocab;
  Run run = {.dev = &r->dev,
             .type = DT_F32,
             .kept = &r->arena[MEMORY_KEPT],
             .temp = &r->arena[MEMORY_TEMP],
             .training = true,
             .probe = probe,
             .probe_context = t};
  MicroBatch mb = {
      .B = b->B, .T = b->T, .ids = b->ids, .position = b->position, .doc_start = b->doc_start, .sequence_scale = 1};
  Losses losses = {0};
  Mat logits = mat_of(malloc((size_t)(N * V) * sizeof(float)), V, DT_F32);
  CHECK(logits.data, ERR_MEMORY, "no memory for %lld logits", (long long)(N * V));
  model_forward(&r->model, &run, &mb, 0, t->config.model.layers + 2, &r->stream, r->saved, &losses);
  head_logits(r->model.head_used, &run, logits, r->stream.x, N);
  Err err = t->err ? t->err : compare(t, "logits", logits, N, V);
  free(logits.data);
  return err;
}

static Err run(Trace *t, const char *trace, const char *path, int threads) {
  WeightSource *source;
  TRY(safetensors_open(&t->file, trace));
  TRY(read_type(t));
  TRY(format_open(&source, path));
  Err err = open_trainer(t, source, threads);
  weights_close(source);
  TRY(err);
  TRY(forward(t));
  CHECK(t->report->n_lines > 0, ERR_FORMAT, "%s: holds nothing to compare: hidden.N, attended.N, final_norm or logits", trace);
  return ERR_OK;
}

Err verify_trace(VerifyCase *report, const char *trace, const char *path, int threads) {
  Trace *t = calloc(1, sizeof *t);
  CHECK(t, ERR_MEMORY, "no memory to compare %s", trace);
  verify_begin(report, trace);
  t->report = report;
  Err err = run(t, trace, path, threads);
  trainer_close(&t->trainer);
  if (t->file.map.path) safetensors_close(&t->file);
  free(t);
  verify_end(report);
  return err;
}

int verify_first(const VerifyCase *r) {
  for (int i = 0; i < r->n_lines; i++)
    if (r->line[i].failed) return i;
  return -1;
}

const char *trace_meaning(const char *what) {
  if (strcmp(what, "hidden.0") == 0) return "the embedding: its table, its scale, or the ids";
  if (strncmp(what, "attended.", 9) == 0) return "this layer's attention: its norm, projections, rotary positions, scale, mask";
  if (strncmp(what, "hidden.", 7) == 0)
    return "the layer before this number: its MLP (norm, gate, activation), or its router and experts; where the trace has no "
           "attended.N, its attention as well";
  if (strncmp(what, "router", 6) == 0) return "this layer's router: its norm, matrix, bias, groups, scale";
  if (strcmp(what, "loss") == 0) return "the loss: multi-token prediction, balance, z";
  if (strncmp(what, "gradient", 8) == 0) return "the backward of what this parameter feeds; the forward is equal";
  if (strcmp(what, "final_norm") == 0) return "the final norm: its weight or epsilon";
  return "the head: its matrix, or whether it is tied to the embedding";
}
