#include "infer/engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t blocks_used(const Model *m) { return m->n_blocks - m->config.mtp.layers; }

static int64_t key_columns(const ModelConfig *c, bool latent) {
  if (!config_is_mla(c)) return 2 * c->attention.kv_heads * config_head_dim(c);
  return latent ? c->mla.kv_rank + c->mla.rope : c->attention.heads * (c->mla.nope + c->mla.v);
}
static int64_t value_columns(const ModelConfig *c, bool latent) { return config_is_mla(c) && !latent ? c->mla.rope : 0; }

size_t engine_cache_bytes(const ModelConfig *c, Dtype type, bool latent) {
  return (size_t)(c->model.layers * (key_columns(c, latent) + value_columns(c, latent))) * dtype_bytes(type);
}

// Runs n rows of one sequence through the model; e->run.dev may be a measuring one.
static void run_rows(Engine *e, KvSequence *kv, const int32_t *ids, int64_t n, Stream *stream) {
  for (int64_t i = 0; i < n && e->position; i++) e->position[i] = (int32_t)(kv->length + i);
  KvBatch batch = {.count = 1, .rows = &n, .sequence = &kv};
  MicroBatch mb = {.B = 1, .T = n, .ids = ids, .position = e->position, .kv = &batch};
  Losses none = {0};
  arena_rewind(&e->kept, 0);
  model_forward(e->model, &e->run, &mb, 0, blocks_used(e->model), stream, e->saved, &none);
}

// Log-probabilities of labels under n rows of logits: the cross-entropy of training, so the same bits.
static void score_rows(Engine *e, Mat logits, const int32_t *label, int64_t n, float *logprob) {
  Dev *dev = e->run.dev;
  dev->op->cross_entropy(dev, mat_none(), e->nll, e->lse, logits, label, e->ones, n, e->model->config.model.vocab, 1, 0);
  for (int64_t i = 0; i < n; i++) logprob[i] = -((const float *)e->nll.data)[i];
}

static void take_own(Engine *e) {
  int64_t rows = e->options.rows_max;
  e->position = arena_take(&e->own, (size_t)rows * sizeof(int32_t));
  e->ones = arena_take(&e->own, (size_t)rows * sizeof(float));
  e->logits = mat_take(&e->own, rows, e->model->config.model.vocab, DT_F32);
  e->nll = mat_of(arena_take(&e->own, (size_t)rows * sizeof(float)), 1, DT_F32);
  e->lse = mat_of(arena_take(&e->own, (size_t)rows * sizeof(float)), 1, DT_F32);
}

// A pretended sequence that is as long as any will be: what the longest call takes is what every call may take.
static void measure(Engine *e) {
  Dev nothing, *dev = e->run.dev;
  dev_measure(&nothing);
  e->run.dev = &nothing;
  KvLayer layer = {0};
  KvSequence kv = {.length = e->model->rotary.positions - e->options.rows_max, .latent = e->options.latent, .layer = &layer};
  KvLayer *layers = calloc((size_t)(e->model->config.model.layers), sizeof *layers);
  if (layers) kv.layer = layers;
  Stream stream = {0};
  run_rows(e, &kv, NULL, e->options.rows_max, &stream);
  free(layers);
  e->run.dev = dev;
}

Err engine_open(Engine *e, Model *m, Dev *dev, Dtype type, EngineOptions options) {
  *e = (Engine){.model = m, .options = options};
  if (options.rows_max > m->rotary.positions) e->options.rows_max = m->rotary.positions;
  e->run = (Run){.dev = dev, .type = dtype_of_rows(type), .kept = &e->kept, .temp = &e->temp};
  e->saved = calloc((size_t)m->n_blocks, sizeof *e->saved);
  CHECK(e->saved, ERR_MEMORY, "no memory for the engine");
  arena_measure(&e->kept, "activations");
  arena_measure(&e->temp, "temporaries");
  arena_measure(&e->packs, "packed weights");
  arena_measure(&e->own, "logits");
  take_own(e);
  params_pack(&m->params, dev, &e->packs);
  measure(e);
  Arena *arenas[] = {&e->kept, &e->temp, &e->packs, &e->own};
  for (int i = 0; i < 4; i++) TRY(arena_init(arenas[i], arenas[i]->name, arenas[i]->peak));
  take_own(e);
  for (int64_t i = 0; i < e->options.rows_max; i++) e->ones[i] = 1;
  model_prepare(m, dev);
  params_pack(&m->params, dev, &e->packs);
  return ERR_OK;
}

void engine_close(Engine *e) {
  for (int64_t i = 0; e->model && i < e->model->params.n_weights; i++) e->model->params.weight[i]->packed = NULL;
  Arena *arenas[] = {&e->kept, &e->temp, &e->packs, &e->own};
  for (int i = 0; i < 4; i++) arena_free(arenas[i]);
  free(e->saved);
  *e = (Engine){0};
}

static void session_take(Session *s) {
  const ModelConfig *c = &s->engine->model->config;
  Dtype type = s->engine->run.type;
  int64_t keys = key_columns(c, s->kv.latent), values = value_columns(c, s->kv.latent);
  s->ids = arena_take(&s->memory, (size_t)s->kv.capacity * sizeof(int32_t));
  s->logprob = arena_take(&s->memory, (size_t)s->kv.capacity * sizeof(float));
  s->next = arena_take(&s->memory, (size_t)c->model.vocab * sizeof(float));
  for (int64_t l = 0; l < c->model.layers; l++) {
    s->kv.layer[l].k = mat_take(&s->memory, s->kv.capacity, keys, type);
    if (values) s->kv.layer[l].v = mat_take(&s->memory, s->kv.capacity, values, type);
  }
}

Err session_open(Session *s, Engine *e, int64_t capacity) {
  *s = (Session){.engine = e, .kv = {.capacity = capacity, .latent = e->options.latent}};
  CHECK(capacity >= 1 && capacity <= e->model->rotary.positions, ERR_ARG,
        "a sequence of %lld tokens is longer than the model allows here: %lld", (long long)capacity,
        (long long)e->model->rotary.positions);
  s->kv.layer = calloc((size_t)e->model->config.model.layers, sizeof *s->kv.layer);
  CHECK(s->kv.layer, ERR_MEMORY, "no memory for a session");
  arena_measure(&s->memory, "keys and values");
  session_take(s);
  TRY(arena_init(&s->memory, s->memory.name, s->memory.peak));
  session_take(s);
  return ERR_OK;
}

void session_close(Session *s) {
  arena_free(&s->memory);
  free(s->kv.layer);
  *s = (Session){0};
}

static void feed_chunk(Session *s, const int32_t *ids, int64_t n, bool score) {
  Engine *e = s->engine;
  Stream stream = {0};
  int64_t first = s->kv.length, V = e->model->config.model.vocab;
  run_rows(e, &s->kv, ids, n, &stream);
  // The last row alone, or all: a row's logits do not depend on its company.
  int64_t rows = score ? n : 1;
  head_logits(e->model->head_used, &e->run, e->logits, mat_at(stream.x, n - rows, 0), rows);
  if (score) score_rows(e, e->logits, ids + 1, n - 1, s->logprob + first + 1);
  else
    for (int64_t i = 1; i < n; i++) s->logprob[first + i] = NAN;
  assert(e->logits.data && "an engine is opened before it is fed");
  memcpy(s->next, mat_at(e->logits, rows - 1, 0).data, (size_t)V * sizeof(float));
  s->kv.length += n;
}

Err session_feed(Session *s, const int32_t *ids, int64_t n, bool score) {
  Engine *e = s->engine;
  int64_t V = e->model->config.model.vocab;
  CHECK(n <= s->kv.capacity - s->kv.length, ERR_ARG,
        "a text of %lld tokens does not fit a context of %lld: shorten it, or take a larger --context if the model has it",
        (long long)(s->kv.length + n), (long long)s->kv.capacity);
  for (int64_t i = 0; i < n; i++)
    CHECK(ids[i] >= 0 && ids[i] < V, ERR_ARG, "token %lld has id %d, outside the model's vocabulary of %lld", (long long)i,
          ids[i], (long long)V);
  while (n > 0) {
    int64_t chunk = n < e->options.rows_max ? n : e->options.rows_max, at = s->kv.length;
    if (at == 0) s->logprob[0] = 0;
    else score_rows(e, mat_of(s->next, V, DT_F32), ids, 1, s->logprob + at);
    memcpy(s->ids + at, ids, (size_t)chunk * sizeof *ids);
    feed_chunk(s, s->ids + at, chunk, score);
    ids += chunk;
    n -= chunk;
  }
  return ERR_OK;
}

void session_truncate(Session *s, int64_t length) {
  if (length >= s->kv.length) return;
  s->kv.length = length > 0 ? length - 1 : 0;
  if (length > 0) feed_chunk(s, s->ids + length - 1, 1, false);
}
