// Logits, the residual stream, routing, document masks, multi-token prediction: one forward each, looked at on its way.
#include <stdlib.h>
#include <string.h>

#include "cli/verify/parts.h"
#include "model/hf_files.h"
#include "model/owned.h"

// At everything on its way, at the logits alone, or at those with documents kept apart.
typedef enum { LOOK_ALL, LOOK_LOGITS, LOOK_DOCUMENTS } LookAt;

typedef struct {
  Verify *v;
  LookAt at;
  Err err;  // the first that went wrong
} Look;

static Err compare(Look *look, const char *line, const char *tolerance, const char *tensor, int64_t first, Mat m, int64_t rows,
                   int64_t cols) {
  Verify *v = look->v;
  const StTensor *t = safetensors_find(&v->cases, tensor);
  CHECK(t, ERR_FORMAT, "%s: tensor \"%s\" is missing", v->cases.map.path, tensor);
  double limit = 0;
  if (tolerance) TRY(verify_tolerance(v, tolerance, &limit));
  return verify_rows(v, verify_line(v, line, limit), t, first, m, rows, cols);
}

static void probe(void *context, const char *what, int64_t layer, Mat m, int64_t rows, int64_t cols) {
  Look *look = context;
  if (look->err || look->at != LOOK_ALL) return;
  int64_t moe = layer - look->v->config.moe.first_dense;  // which of the layers with experts
  if (strcmp(what, "hidden") == 0)
    look->err = compare(look, "residual stream", "hidden", "hidden", layer * rows * cols, m, rows, cols);
  else if (strcmp(what, "final_norm") == 0) look->err = compare(look, "final norm", "hidden", "final_norm", 0, m, rows, cols);
  else if (strcmp(what, "mtp_hidden") == 0)
    look->err = compare(look, "mtp: residual stream", "hidden", "mtp_hidden", 0, m, rows, cols);
  else if (strcmp(what, "router_ids") == 0)
    look->err = compare(look, "router: experts", NULL, "router_topk_ids", moe * rows * cols, m, rows, cols);
  else if (strcmp(what, "router_weights") == 0)
    look->err = compare(look, "router: weights", "hidden", "router_topk_weights", moe * rows * cols, m, rows, cols);
}

static Err compare_logits(Look *look, const Run *run, Mat x, int64_t N, const char *line, const char *tensor) {
  const Model *m = &look->v->trainer.model;
  int64_t V = m->config.model.vocab;
  Mat logits = mat_of(malloc((size_t)(N * V) * sizeof(float)), V, DT_F32);
  CHECK(logits.data, ERR_MEMORY, "no memory for %lld logits", (long long)(N * V));
  head_logits(m->head_used, run, logits, x, N);
  Err err = compare(look, line, "logits", tensor, 0, logits, N, V);
  free(logits.data);
  return err;
}

// As in a training step, without labels: what the step will compute is what is looked at.
static Err forward(Verify *v, LookAt at, const char *line, const char *tensor) {
  Trainer *t = &v->trainer;
  Look look = {.v = v, .at = at};
  TRY(verify_batch(v, "", 0, at == LOOK_DOCUMENTS));
  const Batch *b = &t->batch;
  Run run = {.dev = &t->dev,
             .type = v->type,
             .kept = &t->arena[MEMORY_KEPT],
             .temp = &t->arena[MEMORY_TEMP],
             .training = true,
             .probe = probe,
             .probe_context = &look};
  MicroBatch mb = {
      .B = b->B, .T = b->T, .ids = b->ids, .position = b->position, .doc_start = b->doc_start, .sequence_scale = 1};
  Losses losses = {0};
  size_t kept = arena_mark(run.kept), temp = arena_mark(run.temp);
  int64_t blocks = at == LOOK_ALL ? t->model.n_blocks : v->config.model.layers + 2;
  model_forward(&t->model, &run, &mb, 0, blocks, &t->stream, t->saved, &losses);
  Err err = look.err;
  if (!err) err = compare_logits(&look, &run, t->stream.x, b->B * b->T, line, tensor);
  if (!err && v->config.mtp.layers && at == LOOK_ALL)
    err = compare_logits(&look, &run, t->saved[t->model.n_blocks - 1].norm_out, b->B * b->T, "mtp: logits", "mtp_logits");
  arena_rewind(run.kept, kept);
  arena_rewind(run.temp, temp);
  return err;
}

static void set_latent_eps(Model *m, double eps) {
  for (int64_t i = 0; i < m->n_blocks; i++) m->block[i].mla.q_norm.eps = m->block[i].mla.kv_norm.eps = eps;
}

// One class computes the norms of the latents with an epsilon of its own, and a case may hold what comes of that.
static Err forward_latent_eps(Verify *v) {
  static const char name[] = "logits_latent_eps_1e-6";
  if (!safetensors_find(&v->cases, name)) return ERR_OK;
  set_latent_eps(&v->trainer.model, 1e-6);
  Err err = forward(v, LOOK_LOGITS, "logits, latent norms 1e-6", name);
  set_latent_eps(&v->trainer.model, v->config.model.norm_eps);
  return err;
}

// ---- longer than the model was trained with

static Err read_long(Verify *v, const StTensor *t) {
  Batch *b = &v->trainer.batch;
  int64_t T = t->dim[1], V = v->config.model.vocab;
  for (int64_t i = 0; i < T; i++) {
    int64_t id;
    memcpy(&id, (const char *)t->data + (size_t)i * sizeof id, sizeof id);
    CHECK(id >= 0 && id < V, ERR_FORMAT, "%s: long_ids: %lld is outside the vocabulary of %lld", v->cases.map.path,
          (long long)id, (long long)V);
    b->ids[i] = (int32_t)id, b->position[i] = (int32_t)i, b->doc_start[i] = 0;
  }
  return ERR_OK;
}

// A model announced for that length (nn/rotary.h), with the trainer's memory.
static Err forward_long_as(Verify *v, Model *m, int64_t T) {
  Trainer *t = &v->trainer;
  Look look = {.v = v, .at = LOOK_LOGITS};
  Run run = {.dev = &t->dev, .type = v->type, .kept = &t->arena[MEMORY_KEPT], .temp = &t->arena[MEMORY_TEMP], .training = true};
  MicroBatch mb = {
      .B = 1, .T = T, .ids = t->batch.ids, .position = t->batch.position, .doc_start = t->batch.doc_start, .sequence_scale = 1};
  Losses losses = {0};
  Stream stream = {0};
  size_t kept = arena_mark(run.kept), temp = arena_mark(run.temp);
  model_forward(m, &run, &mb, 0, v->config.model.layers + 2, &stream, t->saved, &losses);
  Err err = compare_logits(&look, &run, stream.x, T, "logits, long", "logits_long");
  arena_rewind(run.kept, kept);
  arena_rewind(run.temp, temp);
  return err;
}

static Err forward_long(Verify *v) {
  const StTensor *t = safetensors_find(&v->cases, "long_ids");
  if (!t) return ERR_OK;
  CHECK(t->n_dims == 2 && t->dim[0] == 1 && t->dim[1] <= v->trainer.option.batch_rows && t->type == ST_I64, ERR_FORMAT,
        "%s: long_ids is not one sequence of ids (I64)", v->cases.map.path);
  TRY(read_long(v, t));
  ModelConfig config = v->config;
  if (config.model.max_length < t->dim[1]) config.model.max_length = t->dim[1];
  OwnedModel *m = calloc(1, sizeof *m);
  CHECK(m, ERR_MEMORY, "no memory for a model");
  Err err = owned_open(m, &config, v->type, t->dim[1], false);
  if (!err) {
    err = hf_load(v->folder, &config, &m->model.params, false);
    model_prepare(&m->model, &v->trainer.dev);
    verify_hook(v, &m->model);
    if (!err) err = forward_long_as(v, &m->model, t->dim[1]);
    owned_close(m);
  }
  free(m);
  return err;
}

Err verify_forward(Verify *v) {
  TRY(forward(v, LOOK_ALL, "logits", "logits"));
  TRY(forward(v, LOOK_DOCUMENTS, "logits, documents", "logits_doc"));
  TRY(forward_latent_eps(v));
  return forward_long(v);
}
