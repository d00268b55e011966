// Megatron-LM's arguments: values that are taken apart, defaults, and what several arguments say together.
#include <stdlib.h>
#include <string.h>

#include "cli/import_config/import_config.h"

static Err import_seed(Import *m, const ImportKey *k) {
  TRY(import_set(m, "train.seed", k->value));
  return import_set(m, "data.seed", k->value);
}

static Err blend(Import *m, const ImportKey *k, const char *field) {
  Blend *b = malloc(sizeof *b);
  CHECK(b, ERR_MEMORY, "no memory for a blend");
  Err err = blend_parse(b, k->value, "the blend", "its value");
  bool one = !err && b->count == 1;
  const char *prefix = one ? b->prefix[0] : k->value;  // the weight of a single source plays no part
  if (!err) err = import_set(m, field, prefix);
  free(b);
  return err;
}

static Err import_blend(Import *m, const ImportKey *k) { return blend(m, k, "data.train"); }
static Err import_valid_blend(Import *m, const ImportKey *k) { return blend(m, k, "data.valid"); }

// "[0]*1+[1]*44", "([0]*3+[1]*58)", "[0,1,1]", "1": the layers before the first with experts.
static Err import_layer_freq(Import *m, const ImportKey *k) {
  long long dense = 0, layers = 0;
  char *end;
  const char *p = k->value;
  if (strcmp(p, "1") == 0) return import_set(m, "moe.first_dense", "0");
  bool experts = false;
  for (; *p; p++) {
    if (strchr("()[]+, '\"", *p)) continue;
    CHECK(*p == '0' || *p == '1', ERR_ARG, "1, or a list of zeros and then ones, is wanted (moe.first_dense)");
    bool one = *p == '1';
    long long times = 1;
    if (p[1] == ']' && p[2] == '*') {
      times = strtoll(p + 3, &end, 10);
      CHECK(end > p + 3 && times >= 0 && times <= 65536, ERR_ARG, "a number of layers is wanted after *");
      p = end - 1;
    }
    CHECK(one || !experts, ERR_ARG, "dense layers after ones with experts; they come first here (moe.first_dense)");
    experts = experts || (one && times > 0);
    layers += times;
    if (!one) dense += times;
  }
  CHECK(experts, ERR_ARG, "no layer with experts");
  m->facts.facts.layers_said = layers;
  char text[24];
  snprintf(text, sizeof text, "%lld", dense);
  return import_set(m, "moe.first_dense", text);
}

static const ImportRule rules[] = {
#include "cli/import_config/megatron.inc"
    {0}};

// Megatron's defaults where ours are others.
static Err begin(Import *m) {
  RunConfig *c = m->run;
  ModelConfig *model = &c->model;
  memset(&model->mla, 0, sizeof model->mla);
  memset(&model->moe, 0, sizeof model->moe);
  model->moe.groups = model->moe.top_groups = 1;
  model->moe.scale = 1;
  model->moe.top_k = 2;
  model->moe.scoring = SCORE_SOFTMAX;
  model->mtp.layers = 0;
  model->mtp.loss = 0.1;
  model->model.init_std = 0.02;
  model->model.pad = -1;
  model->model.tied = true;
  model->rope.mscale = 1;
  c->optimizer.beta2 = 0.999;
  c->optimizer.decay = 0.01;
  c->lr.kind = LR_LINEAR;
  c->lr.low = 0;
  c->lr.decay = DECAY_EXPONENTIAL;
  c->data.seed = c->train.seed = 1234;
  c->eval.every = 1000;
  m->facts.facts.bias_rate = 1e-3;
  m->facts.facts.eval_every = 1000;
  m->facts.facts.aux_kind = IMPORT_AUX_SEQUENCE;
  snprintf(c->data.split, sizeof c->data.split, "969,30,1");
  return ERR_OK;
}

static bool given(const Import *m, const char *key) {
  for (int64_t i = 0; i < m->count; i++)
    if (m->entry[i].fate != IMPORT_REFUSED && strcmp(m->entry[i].key.key, key) == 0) return true;
  return false;
}

// What their defaults are and no model here is.
static Err check_shape(const Import *m) {
  static const struct {
    const char *key, *why;
  } needed[] = {{"--normalization", "its default is LayerNorm, and norms here are RMSNorm"},
                {"--swiglu", "the default is GELU, and feed-forwards here are SwiGLU"},
                {"--disable-bias-linear", "the default has biases, and projections here have none"},
                {"--position-embedding-type", "the default is learned positions, and they are rotary here"},
                {"--num-layers", "nothing else says it"},
                {"--hidden-size", "nothing else says it"},
                {"--num-attention-heads", "nothing else says it"}};
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
    bool rotary = i == 3 && given(m, "--use-rotary-position-embeddings");
    CHECK(given(m, needed[i].key) || rotary, ERR_CONFIG, "%s: %s is not given (or was refused): %s", m->path, needed[i].key,
          needed[i].why);
  }
  CHECK(given(m, "--vocab-size") || given(m, "--padded-vocab-size"), ERR_CONFIG,
        "%s: --vocab-size is not given; there, it comes from the tokenizer's file: write it", m->path);
  return ERR_OK;
}

static Err finish_experts(Import *m) {
  ModelConfig *c = &m->run->model;
  int64_t ffn = m->facts.facts.expert_ffn, shared = m->facts.facts.shared_ffn, scoring = c->moe.scoring;
  c->moe.experts = m->facts.facts.experts > 0 ? m->facts.facts.experts : 0;
  if (c->moe.experts == 0) {
    c->moe.first_dense = 0;
    return ERR_OK;
  }
  c->moe.ffn = ffn > 0 ? ffn : c->model.ffn;
  c->moe.shared = m->facts.facts.shared > 0 ? m->facts.facts.shared : 0;
  if (shared > 0) {
    CHECK(shared % c->moe.ffn == 0, ERR_CONFIG,
          "%s: --moe-shared-expert-intermediate-size %lld is no multiple of the experts' width %lld, as it is here", m->path,
          (long long)shared, (long long)c->moe.ffn);
    c->moe.shared = shared / c->moe.ffn;
  }
  c->moe.normalise = scoring == SCORE_SIGMOID ? c->moe.top_k > 1 : m->facts.facts.pre_softmax != 1;
  if (m->facts.facts.norm_topk == 1) c->moe.normalise = true;
  if (m->facts.facts.groups > 1) c->moe.groups = m->facts.facts.groups;
  if (m->facts.facts.top_groups > 1) c->moe.top_groups = m->facts.facts.top_groups;
  if (m->facts.facts.expert_bias == 1) c->moe.bias_rate = m->facts.facts.bias_rate;
  if (m->facts.facts.aux_kind == IMPORT_AUX_SEQUENCE) c->moe.aux_loss = m->facts.facts.aux;
  CHECK(m->facts.facts.layers_said < 0 || m->facts.facts.layers_said == c->model.layers, ERR_CONFIG,
        "%s: --moe-layer-freq speaks of %lld layers, --num-layers of %lld", m->path, (long long)m->facts.facts.layers_said,
        (long long)c->model.layers);
  return ERR_OK;
}

static void finish_positions(Import *m) {
  ModelConfig *c = &m->run->model;
  bool said = given(m, "--rope-type") || given(m, "--rope-scaling-type");
  bool factor = given(m, "--rotary-scaling-factor") || given(m, "--rope-scaling-factor");
  bool yarn = said ? m->facts.facts.rope == IMPORT_ROPE_YARN : m->facts.facts.mla;
  if (yarn && !factor) c->rope.factor = 40;
  if (yarn && !said)
    import_note(m, "rope.scaling: yarn with rope.factor %g, as latent attention has it where nothing is said", c->rope.factor);
  bool stretched = yarn && c->rope.factor > 1;
  c->rope.scaling = stretched ? ROPE_YARN : ROPE_PLAIN;
  if (stretched) {
    if (!given(m, "--original-max-position-embeddings") && !given(m, "--rope-scaling-original-max-position-embeddings"))
      c->rope.original_length = 4096;
    return;
  }
  c->rope.factor = 1;
  c->rope.mscale = c->rope.mscale_all = 0;
  c->rope.original_length = c->rope.base_length = c->model.max_length;
}

static Err finish_model(Import *m) {
  ModelConfig *c = &m->run->model;
  int64_t unit = m->facts.facts.divide * m->facts.facts.tp, vocab = m->facts.facts.vocab;
  if (!given(m, "--padded-vocab-size") && vocab > 0) {
    c->model.vocab = (vocab + unit - 1) / unit * unit;
    if (c->model.vocab != vocab)
      import_note(m, "model.vocab: %lld, to a multiple of make-vocab-size-divisible-by %lld x tensor-model-parallel-size %lld",
                  (long long)c->model.vocab, (long long)m->facts.facts.divide, (long long)m->facts.facts.tp);
  }
  if (!given(m, "--ffn-hidden-size")) {
    c->model.ffn = 8 * c->model.width / 3 / 64 * 64;  // as many weights as two matrices of four widths, in whole 64s
    import_note(m, "model.ffn: %lld, two thirds of four times hidden-size in whole 64s, as with swiglu there",
                (long long)c->model.ffn);
  }
  c->attention.kv_heads = m->facts.facts.kv_heads > 0 && !m->facts.facts.mla ? m->facts.facts.kv_heads : c->attention.heads;
  if (!m->facts.facts.mla) {
    memset(&c->mla, 0, sizeof c->mla);
    c->attention.qk_norm = m->facts.facts.qk_norm == 1;
  } else {
    c->attention.head_dim = 0;
    if (!given(m, "--kv-lora-rank")) c->mla.kv_rank = 32;
    if (!given(m, "--qk-head-dim")) c->mla.nope = 128;
    if (!given(m, "--qk-pos-emb-head-dim")) c->mla.rope = 64;
    if (!given(m, "--v-head-dim")) c->mla.v = 128;
    CHECK(m->facts.facts.qk_norm == 1, ERR_CONFIG,
          "%s: latent attention without --qk-layernorm: the latents always have norms here", m->path);
  }
  TRY(finish_experts(m));
  c->model.family = m->facts.facts.mla || c->moe.experts ? FAMILY_DEEPSEEK_V3
                    : c->attention.qk_norm               ? FAMILY_QWEN3
                    : c->attention.qkv_bias              ? FAMILY_QWEN2
                                                         : FAMILY_LLAMA;
  import_note(m, "model.family: %s", family_names[c->model.family]);
  int64_t positions = m->facts.facts.positions, length = m->facts.facts.data_length;
  c->model.max_length = positions > length ? positions : length > 0 ? length : 4096;
  finish_positions(m);
  return ERR_OK;
}

static Err finish_run(Import *m) {
  RunConfig *c = m->run;
  int64_t batch = m->facts.facts.global_batch > 0 ? m->facts.facts.global_batch : m->facts.facts.batch;
  c->train.micro_batch = m->facts.facts.batch;
  c->train.batch = batch;
  if (m->facts.facts.global_batch < 0)
    import_note(m, "train.batch: micro-batch-size, as no --global-batch-size is given: times the data-parallel size there");
  if (m->facts.facts.data_length > 0) c->data.seq_length = m->facts.facts.data_length;
  c->train.dtype = (int)m->facts.facts.dtype;
  if (m->facts.facts.samples > 0) c->train.steps = m->facts.facts.samples / batch;
  if (m->facts.facts.decay_samples > 0) c->lr.steps = m->facts.facts.decay_samples / batch;
  int64_t steps = c->lr.steps ? c->lr.steps : c->train.steps;
  if (m->facts.facts.warmup_steps > 0) c->lr.warmup = m->facts.facts.warmup_steps;
  if (m->facts.facts.warmup_samples > 0) c->lr.warmup = m->facts.facts.warmup_samples / batch;
  if (m->facts.facts.warmup_ratio > 0) c->lr.warmup = (int64_t)(m->facts.facts.warmup_ratio * (double)steps);
  if (c->lr.kind == LR_WSD && m->facts.facts.decay_steps > 0) c->lr.decay_start = steps - m->facts.facts.decay_steps;
  double decay[2] = {m->facts.facts.decay_from, m->facts.facts.decay_to};
  for (int i = 0; i < 2; i++)
    CHECK(decay[i] <= 0 || decay[i] == c->optimizer.decay, ERR_CONFIG, "%s: weight decay that changes over the run is not here",
          m->path);
  int64_t iterations = m->facts.facts.eval_iters >= 0 ? m->facts.facts.eval_iters : 100;
  c->eval.every = iterations ? m->facts.facts.eval_every : 0;
  if (iterations) c->eval.batches = iterations * (batch / m->facts.facts.batch > 0 ? batch / m->facts.facts.batch : 1);
  if (strcmp(m->facts.facts.load, c->train.output) != 0)
    snprintf(c->train.init, sizeof c->train.init, "%s", m->facts.facts.load);
  if (*c->train.init) import_note(m, "train.init: weights of others go through pleiad import first; name its folder");
  if (!*c->data.train) import_note(m, "data.train: not said; give --data.train PREFIX");
  if (!c->train.steps) import_note(m, "train.steps: not said; give --train.steps");
  return ERR_OK;
}

static Err finish(Import *m) {
  TRY(check_shape(m));
  TRY(finish_model(m));
  return finish_run(m);
}

const ImportTable import_megatron = {"megatron", rules, begin, finish};
