#include "model/small_model.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static void small_telechat(ModelConfig *c, bool experts) {
  c->model.family = FAMILY_TELECHAT;
  c->model.down_bias = c->attention.out_bias = true;
  c->rope.scaling = ROPE_DYNAMIC_NTK, c->rope.original_length = 40, c->rope.base_length = 32;
  c->attention.heads = 4, c->attention.kv_heads = 2;
  if (!experts) return;
  c->moe.experts = 6, c->moe.top_k = 2, c->moe.shared = 0, c->moe.ffn = 11, c->moe.first_dense = 0;
  c->moe.groups = c->moe.top_groups = 1, c->moe.scoring = SCORE_SOFTMAX, c->moe.normalise = true, c->moe.scale = 1;
}

static void small_llama_biases(ModelConfig *c) {
  c->model.family = FAMILY_LLAMA;
  c->attention.heads = 6, c->attention.kv_heads = 2, c->attention.head_dim = 10;
  c->attention.qkv_bias = c->attention.out_bias = c->model.up_bias = c->model.down_bias = true;
  c->rope.scaling = ROPE_LINEAR, c->rope.factor = 3;
}

static void small_v2(ModelConfig *c, bool lite) {
  c->model.family = FAMILY_DEEPSEEK_V2;
  c->attention.qkv_bias = c->attention.out_bias = true;
  c->moe.shared = 2, c->moe.scoring = SCORE_SOFTMAX, c->moe.normalise = false, c->moe.scale = 4, c->moe.group_max = true;
  if (lite) c->mla.q_rank = 0, c->rope.scaling = ROPE_DYNAMIC, c->rope.factor = 2, c->rope.original_length = 256;
  else c->moe.groups = 4, c->moe.top_groups = 2;
}

ModelConfig small_config(SmallKind kind) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 3, c.model.width = 40, c.model.ffn = 52, c.model.vocab = SMALL_VOCAB, c.model.max_length = 512;
  c.model.init_std = 0.2, c.model.tied = kind == SMALL_GQA;
  c.attention.heads = 5, c.attention.kv_heads = 5, c.attention.head_dim = 0;
  c.mla.kv_rank = 0, c.moe.experts = 0, c.mtp.layers = 0;
  if (kind == SMALL_GQA) {
    c.model.family = FAMILY_LLAMA;
    c.attention.heads = 6, c.attention.kv_heads = 2, c.attention.head_dim = 10;
    return c;
  }
  if (kind == SMALL_TELECHAT || kind == SMALL_TELECHAT_MOE) {
    small_telechat(&c, kind == SMALL_TELECHAT_MOE);
    return c;
  }
  if (kind == SMALL_LLAMA_BIASES) {
    small_llama_biases(&c);
    return c;
  }
  if (kind == SMALL_SHARED || kind == SMALL_QWEN2 || kind == SMALL_QWEN3) {
    c.model.family = kind == SMALL_SHARED ? FAMILY_TELECHAT3 : kind == SMALL_QWEN2 ? FAMILY_QWEN2 : FAMILY_QWEN3;
    c.attention.heads = 6, c.attention.kv_heads = 2, c.attention.head_dim = 10;
    c.attention.qkv_bias = kind != SMALL_SHARED, c.attention.out_bias = c.attention.qk_norm = kind == SMALL_QWEN3;
    if (kind == SMALL_SHARED) c.model.embedding_size = 18, c.model.tied = true, c.attention.layers_group = 2;
    return c;
  }
  c.model.family = FAMILY_DEEPSEEK_V3;
  c.mla.q_rank = kind == SMALL_MLA_DIRECT ? 0 : 22;
  c.mla.kv_rank = 12, c.mla.nope = 8, c.mla.rope = 4, c.mla.v = 6;
  c.moe.experts = 8, c.moe.top_k = 2, c.moe.shared = kind == SMALL_MLA_DIRECT ? 0 : 1, c.moe.ffn = 11, c.moe.first_dense = 1;
  c.moe.groups = c.moe.top_groups = 1, c.moe.scoring = SCORE_SIGMOID, c.moe.normalise = true, c.moe.scale = 2.8,
  c.moe.aux_loss = 0.001;
  c.mtp.layers = kind == SMALL_MLA_MOE_MTP, c.mtp.loss = 0.2;
  if (kind == SMALL_V2 || kind == SMALL_V2_LITE) small_v2(&c, kind == SMALL_V2_LITE);
  return c;
}

static void fill_batch(SmallModel *s, int64_t B, int64_t T) {
  Rng r = rng_named(7, "batch");
  int64_t labels = 0, rolled = 0;
  for (int64_t i = 0; i < B * T; i++) {
    s->ids[i] = (int32_t)(rng_uniform(r, 0, (uint64_t)i) * SMALL_VOCAB);
    s->labels[i] = (int32_t)(rng_uniform(r, 1, (uint64_t)i) * SMALL_VOCAB);
    s->mask[i] = rng_uniform(r, 2, (uint64_t)i) < 0.8 ? 1 : 0;
    s->position[i] = (int32_t)(i % T);
    s->doc_start[i] = 0;
    labels += s->mask[i] != 0;
    rolled += i % T && s->mask[i] != 0;
  }
  s->mb = (MicroBatch){.B = B,
                       .T = T,
                       .ids = s->ids,
                       .labels = s->labels,
                       .mask = s->mask,
                       .position = s->position,
                       .doc_start = s->doc_start,
                       .loss_scale = 1 / (double)labels,
                       .mtp_scale = rolled ? 1 / (double)rolled : 0,
                       .sequence_scale = 1 / (double)B};
}

void small_open(SmallModel *s, SmallKind kind, Dtype type, int threads, int64_t B, int64_t T) {
  *s = (SmallModel){.type = type, .model = calloc(1, sizeof(Model))};
  ASSERT(s->model && B * T <= SMALL_ROWS_MAX);
  ASSERT_OK(dev_open(&s->dev, threads));
  ModelConfig c = small_config(kind);
  ASSERT_OK(model_config_check(&c, "small"));
  Arena *arenas[] = {&s->weights, &s->grads, &s->other};
  const char *names[] = {"weights", "grads", "other"};
  for (int i = 0; i < 3; i++) arena_measure(arenas[i], names[i]);
  ASSERT_OK(model_init(s->model, &c, type, 512, &s->weights, &s->grads, &s->other));
  model_free(s->model);
  for (int i = 0; i < 3; i++) ASSERT_OK(arena_init(arenas[i], names[i], arenas[i]->peak));
  ASSERT_OK(model_init(s->model, &c, type, 512, &s->weights, &s->grads, &s->other));
  model_reset(s->model, 1234);
  for (int64_t i = 0; i < s->model->params.count; i++) {  // biases begin as zeros: tests want to see them
    const Param *p = &s->model->params.param[i];
    if (p->role == PARAM_BIAS) model_reset_param(p, 1234, 0.3);
  }
  model_prepare(s->model, &s->dev);
  fill_batch(s, B, T);
}

void small_close(SmallModel *s) {
  model_free(s->model);
  free(s->model);
  arena_free(&s->weights);
  arena_free(&s->grads);
  arena_free(&s->other);
  dev_close(&s->dev);
}

void small_step(SmallRun *r, SmallModel *s, Move move) {
  int64_t n = s->model->n_blocks;
  arena_rewind(&r->kept, 0);
  arena_rewind(&r->temp, 0);
  r->losses = (Losses){0};
  model_forward(s->model, &r->run, &s->mb, 0, n, &r->stream, r->saved, &r->losses);
  if (!r->run.training) return;
  model_backward(s->model, &r->run, &s->mb, 0, n, &r->stream, r->saved, move);
  if (move == MOVE_BACKWARD_INPUT) model_backward(s->model, &r->run, &s->mb, 0, n, &r->stream, r->saved, MOVE_BACKWARD_WEIGHT);
}

void small_run_open(SmallRun *r, SmallModel *s, bool training, Move move) {
  Dev nothing;
  dev_measure(&nothing);
  *r = (SmallRun){.saved = calloc((size_t)s->model->n_blocks, sizeof *r->saved)};
  r->run = (Run){
      .dev = &nothing, .type = s->type, .kept = &r->kept, .temp = &r->temp, .training = training, .recompute = s->recompute};
  arena_measure(&r->kept, "kept");
  arena_measure(&r->temp, "temp");
  small_step(r, s, move);
  ASSERT_OK(arena_init(&r->kept, "kept", r->kept.peak));
  ASSERT_OK(arena_init(&r->temp, "temp", r->temp.peak));
  r->run.dev = &s->dev;
}

void small_run_close(SmallRun *r) {
  arena_free(&r->kept);
  arena_free(&r->temp);
  free(r->saved);
}
