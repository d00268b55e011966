// What the keys of a MindFormers file say together.
#include <string.h>

#include "cli/import_config/mindformers.h"

#define MODEL "model.model_config."

// A dense model of grouped-query attention, until keys say more; and their defaults where ours are others.
Err import_mindformers_begin(Import *m) {
  RunConfig *c = m->run;
  ModelConfig *model = &c->model;
  memset(&model->mla, 0, sizeof model->mla);
  memset(&model->moe, 0, sizeof model->moe);
  model->moe.groups = model->moe.top_groups = 1;
  model->moe.normalise = true;
  model->moe.scale = 1;
  model->moe.scoring = SCORE_SOFTMAX;
  model->mtp.layers = 0;
  model->model.init_std = 0.0048;
  model->model.pad = -1;
  c->optimizer.beta2 = 0.999;
  c->optimizer.decay = 0;
  c->optimizer.eps = 1e-6;
  c->lr.low = 0;
  c->checkpoint.keep_last = 5;
  snprintf(c->data.split, sizeof c->data.split, "1,0,0");
  snprintf(c->train.output, sizeof c->train.output, "output");
  return ERR_OK;
}

// A key, or all that begin so (a prefix that ends in "." or "_"), turns out to have no meaning.
static void without_meaning(Import *m, const char *prefix, const char *why) {
  size_t n = strlen(prefix);
  bool all = prefix[n - 1] == '.' || prefix[n - 1] == '_';
  for (int64_t i = 0; i < m->count; i++) {
    ImportEntry *e = &m->entry[i];
    if (e->fate != IMPORT_MAPPED || strncmp(e->key.key, prefix, n) != 0 || (!all && e->key.key[n])) continue;
    m->of[e->fate]--;
    m->of[e->fate = IMPORT_NOTHING]++;
    e->target[0] = '\0';
    snprintf(e->why, sizeof e->why, "%s", why);
  }
}

// Several such, NULL at the end.
static void all_without_meaning(Import *m, const char *const *keys, const char *why) {
  for (; *keys; keys++) without_meaning(m, *keys, why);
}

static bool legacy(const Import *m) { return import_said(m, MODEL "num_layers") || import_said(m, MODEL "num_heads"); }

static Err finish_experts(Import *m) {
  ModelConfig *c = &m->run->model;
  int64_t ffn = m->facts.facts.expert_ffn, shared = m->facts.facts.shared, total = m->facts.facts.shared_ffn;
  c->moe.experts = m->facts.facts.experts > 1 ? m->facts.facts.experts : 0;
  if (c->moe.experts == 0) {
    static const char *const keys[] = {"moe_config.",
                                       MODEL "moe_",
                                       MODEL "num_experts_per_tok",
                                       MODEL "n_shared_experts",
                                       MODEL "norm_topk_prob",
                                       MODEL "routed_scaling_factor",
                                       MODEL "scoring_func",
                                       MODEL "first_k_dense_replace",
                                       MODEL "n_group",
                                       MODEL "topk_group",
                                       NULL};
    all_without_meaning(m, keys, "the model has no experts");
    memset(&c->moe, 0, sizeof c->moe);
    c->moe.groups = c->moe.top_groups = 1;
    return ERR_OK;
  }
  c->moe.ffn = ffn > 0 ? ffn : c->model.ffn;
  c->moe.shared = shared > 0 ? shared : 0;
  if (total > 0 && shared != 0) {
    CHECK(total % c->moe.ffn == 0 && (shared < 0 || shared * c->moe.ffn == total), ERR_CONFIG,
          "%s: moe_shared_expert_intermediate_size %lld is not n_shared_experts %lld times moe_intermediate_size %lld; the "
          "shared "
          "expert is as wide as some routed ones together here",
          m->path, (long long)total, (long long)shared, (long long)c->moe.ffn);
    c->moe.shared = total / c->moe.ffn;
  }
  if (m->facts.facts.groups > 1) c->moe.groups = m->facts.facts.groups;
  if (m->facts.facts.top_groups > 1) c->moe.top_groups = m->facts.facts.top_groups;
  if (m->facts.facts.expert_bias == 1) c->moe.bias_rate = m->facts.facts.bias_rate;
  bool aux = m->facts.facts.aux_kind == IMPORT_AUX_SEQUENCE || import_said(m, "moe_config.aux_loss_factor");
  if (aux) c->moe.aux_loss = m->facts.facts.aux;
  return ERR_OK;
}

static void finish_family(Import *m) {
  ModelConfig *c = &m->run->model;
  if (config_is_mla(c)) c->model.family = FAMILY_DEEPSEEK_V3;
  else if (!legacy(m) || m->facts.facts.out_bias == 0) c->model.family = FAMILY_TELECHAT3;
  else c->model.family = FAMILY_TELECHAT;
  bool biases = c->model.family == FAMILY_TELECHAT;
  c->attention.out_bias = c->model.down_bias = biases;
  if (biases && m->facts.facts.out_bias < 0)
    import_note(m, "attention.out_bias, model.down_bias: true, as TelechatConfig has it where nothing is said");
  import_note(m, "model.family: %s (%s)", family_names[c->model.family],
              config_is_mla(c) ? "latent attention: the released files have these names"
              : biases         ? "biases on two projections"
                               : "no biases");
}

static Err finish_positions(Import *m) {
  ModelConfig *c = &m->run->model;
  bool yarn = m->facts.facts.rope == IMPORT_ROPE_YARN;
  if (yarn) {
    c->rope.scaling = ROPE_YARN;
    if (c->rope.mscale <= 0) import_note(m, "rope.mscale: not said; attention is scaled by 0.1 ln(rope.factor) + 1");
    if (!import_said(m, MODEL "scaling_factor.original_max_position_embeddings") &&
        !import_said(m, MODEL "rope_scaling.original_max_position_embeddings"))
      c->rope.original_length = m->facts.facts.positions > 0 ? m->facts.facts.positions : c->model.max_length;
    return ERR_OK;
  }
  CHECK(legacy(m) || c->rope.factor <= 1, ERR_CONFIG,
        "%s: rotary_scaling_factor %g without position_embedding_type yarn; set it 1, or say yarn", m->path, c->rope.factor);
  static const char *const keys[] = {
      MODEL "scaling_factor.", MODEL "rope_scaling.", MODEL "rotary_scaling_factor", MODEL "beta_fast",
      MODEL "beta_slow",       MODEL "mscale",        MODEL "mscale_all_dim",        NULL};
  all_without_meaning(m, keys, "positions are not scaled: YARN is not asked for");
  c->rope.factor = 1;
  c->rope.beta_fast = 32;
  c->rope.beta_slow = 1;
  c->rope.mscale = c->rope.mscale_all = 0;
  c->rope.original_length = c->rope.base_length = c->model.max_length;
  if (c->model.family == FAMILY_TELECHAT) c->rope.scaling = ROPE_DYNAMIC_NTK;  // the same up to max_length
  return ERR_OK;
}

static Err finish_model(Import *m) {
  ModelConfig *c = &m->run->model;
  const char *names = m->facts.facts.names;
  int64_t length = m->facts.facts.length, positions = m->facts.facts.positions, narrow = m->facts.facts.embedding;
  c->attention.kv_heads = m->facts.facts.kv_heads > 0 ? m->facts.facts.kv_heads : c->attention.heads;
  if (!m->facts.facts.mla) {
    static const char *const keys[] = {MODEL "q_lora_rank",      MODEL "kv_lora_rank", MODEL "qk_nope_head_dim",
                                       MODEL "qk_rope_head_dim", MODEL "v_head_dim",   NULL};
    all_without_meaning(m, keys, "multi_latent_attention is false");
    memset(&c->mla, 0, sizeof c->mla);
    c->attention.qk_norm = m->facts.facts.qk_norm == 1;
  } else {
    CHECK(m->facts.facts.qk_norm != 0, ERR_CONFIG, "%s: qk_layernorm false: the latents of mla always have norms here",
          m->path);
    c->attention.kv_heads = c->attention.heads;
  }
  if (narrow > 0 && strcmp(names, "telechat3_36b") != 0) {
    c->model.embedding_size = narrow;
    c->model.tied = true;
    import_note(m, "model.tied: true; a narrow embedding is the head, too (TeleChat3-1.8B)");
  } else {
    without_meaning(m, MODEL "embedding_size", "net_name telechat3_36b has no narrow embedding");
    without_meaning(m, MODEL "net_name", "there is no narrow embedding to decide on");
  }
  c->model.max_length = positions > length ? positions : length > 0 ? length : 2048;
  finish_family(m);
  TRY(finish_experts(m));
  return finish_positions(m);
}

static void finish_rate(Import *m) {
  RunConfig *c = m->run;
  int64_t total = m->facts.facts.total_steps;
  if (m->facts.facts.decay_steps > 0) c->lr.steps = m->facts.facts.decay_steps;
  else if (total > 0) c->lr.steps = total;
  if (m->facts.facts.warmup_steps > 0) c->lr.warmup = m->facts.facts.warmup_steps;
  int64_t steps = total > 0 ? total : c->train.steps;
  if (m->facts.facts.warmup_ratio > 0) c->lr.warmup = (int64_t)(m->facts.facts.warmup_ratio * (double)steps);
  if (m->facts.facts.warmup_ratio > 0 && steps <= 0)
    import_note(m, "lr.warmup: 0, as warmup_ratio is of a length that is not known; give --lr.warmup");
  if (c->lr.low > c->lr.peak) c->lr.low = c->lr.peak;
}

// How many sequences a step has, and how many steps.
static void finish_length(Import *m) {
  RunConfig *c = m->run;
  int64_t micro = m->facts.facts.pp > 1 ? m->facts.facts.micro : 1,
          more = m->facts.facts.pp > 1 ? 1 : m->facts.facts.accumulate;
  c->train.micro_batch = m->facts.facts.batch;
  c->train.batch = m->facts.facts.batch * m->facts.facts.dp * m->facts.facts.interleave * micro * more;
  import_note(m, "train.batch: %lld = batch_size %lld x data_parallel %lld x micro_batch_interleave_num %lld x %s %lld",
              (long long)c->train.batch, (long long)m->facts.facts.batch, (long long)m->facts.facts.dp,
              (long long)m->facts.facts.interleave, m->facts.facts.pp > 1 ? "micro_batch_num" : "gradient_accumulation_steps",
              (long long)(micro * more));
  if (c->train.steps > 0) return;
  int64_t samples = m->facts.facts.samples, total = m->facts.facts.total_steps;
  if (samples >= c->train.batch) {
    c->train.steps = samples / c->train.batch * m->facts.facts.epochs;
    import_note(m, "train.steps: %lld = %lld samples / %lld sequences a step x %lld epochs", (long long)c->train.steps,
                (long long)samples, (long long)c->train.batch, (long long)m->facts.facts.epochs);
  } else if (total > 0) {
    c->train.steps = total;
    import_note(
        m, "train.steps: total_steps, as %s",
        samples >= 0 ? "there are fewer samples in sizes than in a step" : "the file does not say how many samples there are");
  } else {
    import_note(m, "train.steps: not known, as the length is that of the data; give --train.steps or --train.tokens");
  }
}

static Err finish_training(Import *m) {
  RunConfig *c = m->run;
  int64_t T = m->facts.facts.data_length > 0 ? m->facts.facts.data_length : m->facts.facts.length;
  c->data.seq_length = T > 0 ? T : c->model.model.max_length;
  c->train.dtype = (int)m->facts.facts.dtype;
  c->optimizer.clip = m->facts.facts.clip ? m->facts.facts.max_norm : 0;
  finish_length(m);
  finish_rate(m);
  if (m->facts.facts.eval) {
    c->eval.every = m->facts.facts.eval_every;
    snprintf(c->data.valid, sizeof c->data.valid, "%s", m->facts.facts.valid);
  } else {
    without_meaning(m, "eval_dataset.", "do_eval is false");
    without_meaning(m, "eval_step_interval", "do_eval is false");
  }
  bool documents = c->data.eod_mask_loss || c->data.reset_positions || c->data.reset_attention;
  if (documents && m->facts.facts.eod >= 0) c->model.model.eos = m->facts.facts.eod;
  else without_meaning(m, "train_dataset.data_loader.config.eod", "nothing asks where documents end");
  snprintf(c->train.init, sizeof c->train.init, "%s", m->facts.facts.load);
  if (*c->train.init) import_note(m, "train.init: weights of others go through pleiad import first; name its folder");
  static const char *const keys[] = {
      MODEL "do_sample",          MODEL "temperature",       MODEL "top_k",          MODEL "top_p",
      MODEL "repetition_penalty", MODEL "max_decode_length", MODEL "max_new_tokens", NULL};
  all_without_meaning(m, keys, "a training run makes no text");
  if (!*c->data.train) import_note(m, "data.train: not said; give --data.train PREFIX");
  return import_groups_finish(m);
}

static Err finish_generation(Import *m) {
  static const char *const keys[] = {"seed",
                                     "output_dir",
                                     "optimizer.",
                                     "lr_schedule.",
                                     "grouped_lr_schedule.",
                                     "callbacks.",
                                     "runner_config.",
                                     "runner_wrapper.",
                                     "train_dataset.",
                                     "eval_dataset.",
                                     "do_eval",
                                     "eval_step_interval",
                                     "parallel_config.",
                                     "micro_batch_interleave_num",
                                     NULL};
  all_without_meaning(m, keys, "a generation does not train");
  without_meaning(m, MODEL "sigma", "weights are loaded");
  without_meaning(m, MODEL "initializer_range", "weights are loaded");
  without_meaning(m, MODEL "param_init_std_rules.", "weights are loaded");
  if (!m->facts.facts.sample) m->generate.sampler.temperature = 0;
  else if (!import_said(m, MODEL "temperature")) m->generate.sampler.temperature = 1;
  m->generate.generate.dtype = 1 + (int)m->facts.facts.dtype;
  snprintf(m->generate.generate.model, sizeof m->generate.generate.model, "%s", m->facts.facts.load);
  if (!*m->facts.facts.load) import_note(m, "generate.model: not said; give --model DIR");
  return ERR_OK;
}

Err import_mindformers_finish(Import *m) {
  static const char *const needed[][2] = {{MODEL "hidden_size", MODEL "hidden_size"},
                                          {MODEL "vocab_size", MODEL "vocab_size"},
                                          {MODEL "intermediate_size", MODEL "ffn_hidden_size"},
                                          {MODEL "num_hidden_layers", MODEL "num_layers"},
                                          {MODEL "num_attention_heads", MODEL "num_heads"}};
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
    CHECK(import_said(m, needed[i][0]) || import_said(m, needed[i][1]), ERR_CONFIG,
          "%s: %s is not said (or was refused), and nothing else gives it", m->path, needed[i][0]);
  TRY(finish_model(m));
  return m->facts.facts.mode == IMPORT_PREDICT ? finish_generation(m) : finish_training(m);
}
