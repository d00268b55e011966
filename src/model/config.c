#include "model/config.h"

#include <string.h>

#include "model/family.h"
#include "ops/ops.h"

const char *const family_names[FAMILIES + 1] = {
#define FAMILY(NAME, name) #name,
#include "model/families.inc"
#undef FAMILY
    NULL};
const char *const rope_scaling_names[ROPE_SCALINGS + 1] = {"none",        "yarn",   "telechat3-yarn", "llama3",
                                                           "dynamic-ntk", "linear", "dynamic",        NULL};

enum { DIM_MAX = 1 << 20, VOCAB_MAX = 1 << 24, LENGTH_MAX = 1 << 24, LAYERS_MAX = 4096, EXPERTS_MAX = 65536 };

#define INT(member, default_, low, high, help) FIELD_INT(ModelConfig, member, default_, low, high, help)
#define REAL(member, default_, low, high, help) FIELD_REAL(ModelConfig, member, default_, low, high, help)

// The defaults are TeleChat3-105B's recipe (docs: reference of each number in the released run files) in a size for a laptop.
const Field model_fields[] = {
    FIELD_ENUM(ModelConfig, model.family, FAMILY_DEEPSEEK_V3, family_names, "whose names and rules files follow (model_type)"),
    INT(model.layers, 8, 1, LAYERS_MAX, "decoder layers"),
    INT(model.width, 512, 1, DIM_MAX, "width of the residual stream"),
    INT(model.ffn, 1536, 1, DIM_MAX, "inner width of a dense feed-forward"),
    INT(model.vocab, 8192, 2, VOCAB_MAX, "token ids, the rows of the embedding"),
    INT(model.max_length, 4096, 1, LENGTH_MAX, "longest sequence in tokens"),
    REAL(model.norm_eps, 1e-5, 0, 1, "added to the mean square in every RMSNorm"),
    REAL(model.init_std, 0.01, 0, 1, "standard deviation of initial weights"),
    FIELD_BOOL(ModelConfig, model.tied, false, "the output head is the embedding table"),
    INT(model.embedding_size, 0, 0, DIM_MAX, "width of the embedding table, mapped to and from model.width; 0: model.width"),
    FIELD_BOOL(ModelConfig, model.up_bias, false, "a bias on every gate_proj and up_proj (without experts)"),
    FIELD_BOOL(ModelConfig, model.down_bias, false, "a bias on every down_proj"),
    INT(model.bos, 1, -1, VOCAB_MAX, "token id that begins a text; -1: none"),
    INT(model.eos, 2, -1, VOCAB_MAX, "token id that ends a document or an answer; -1: none"),
    INT(model.pad, 3, -1, VOCAB_MAX, "token id that fills; -1: none"),
    INT(attention.heads, 8, 1, 65536, "query heads"),
    INT(attention.kv_heads, 8, 1, 65536, "key and value heads (without mla)"),
    INT(attention.head_dim, 0, 0, 65536, "width of a head (without mla); 0: model.width / attention.heads"),
    INT(attention.layers_group, 1, 1, LAYERS_MAX, "runs of so many layers share the attention projections of their first"),
    FIELD_BOOL(ModelConfig, attention.qkv_bias, false, "a bias on q, k and v; with mla on the projections to the latents"),
    FIELD_BOOL(ModelConfig, attention.out_bias, false, "a bias on the attention's output"),
    FIELD_BOOL(ModelConfig, attention.qk_norm, false, "a norm of each head's query and key before the rotary turn"),
    INT(mla.q_rank, 256, 0, DIM_MAX, "width of the queries' latent; 0: none"),
    INT(mla.kv_rank, 128, 0, DIM_MAX, "width of the latent that keys and values come from; 0: grouped-query attention"),
    INT(mla.nope, 64, 0, 65536, "width of a key head's part without rotary"),
    INT(mla.rope, 32, 0, 65536, "width of the rotary key that all heads share"),
    INT(mla.v, 64, 0, 65536, "width of a value head"),
    INT(moe.experts, 48, 0, EXPERTS_MAX, "routed experts; 0: every layer is dense"),
    INT(moe.top_k, 4, 0, EXPERTS_MAX, "experts a token goes to"),
    INT(moe.shared, 1, 0, 1024, "experts every token goes to (one feed-forward of moe.shared * moe.ffn)"),
    INT(moe.ffn, 256, 0, DIM_MAX, "inner width of an expert"),
    INT(moe.first_dense, 1, 0, LAYERS_MAX, "dense layers before the first with experts"),
    INT(moe.groups, 1, 1, EXPERTS_MAX, "equal runs of experts of which a token chooses some; 1: no groups"),
    INT(moe.top_groups, 1, 1, EXPERTS_MAX, "groups a token chooses from"),
    FIELD_ENUM(ModelConfig, moe.scoring, SCORE_SIGMOID, scoring_names, "how router logits become scores"),
    FIELD_BOOL(ModelConfig, moe.normalise, true, "divide the chosen scores by their sum"),
    FIELD_BOOL(ModelConfig, moe.group_max, false, "a group is scored by its best expert, not by the sum of its two best"),
    REAL(moe.scale, 2.8, 0, 1e6, "factor of the routed experts' gates"),
    REAL(moe.bias_rate, 0.001, 0, 1, "step of the selection bias that balances the load"),
    REAL(moe.aux_loss, 0.001, 0, 1e3, "coefficient of the sequence balance loss"),
    REAL(rope.theta, 10000, 1, 1e12, "base of the rotary frequencies"),
    FIELD_ENUM(ModelConfig, rope.scaling, ROPE_PLAIN, rope_scaling_names, "how the frequencies change for longer texts"),
    REAL(rope.factor, 1, 1, 1e6, "length after scaling / length before"),
    INT(rope.original_length, 4096, 1, LENGTH_MAX, "length before scaling"),
    INT(rope.base_length, 4096, 1, LENGTH_MAX, "dynamic-ntk: the length from which on theta grows with model.max_length"),
    REAL(rope.beta_fast, 32, 0, 1e6, "turns within the original length above which a frequency stays"),
    REAL(rope.beta_slow, 1, 0, 1e6, "turns below which a frequency is divided by rope.factor"),
    REAL(rope.mscale, 0, 0, 1e3, "yarn: numerator's coefficient of the attention factor; 0: not given"),
    REAL(rope.mscale_all, 0, 0, 1e3, "yarn: denominator's, and of mla's softmax scale; 0: not given"),
    REAL(rope.attention_factor, 0, 0, 1e3, "yarn: factor of the queries' and keys' turned parts; 0: what follows"),
    INT(mtp.layers, 0, 0, 1, "multi-token-prediction layers"),
    REAL(mtp.loss, 0.2, 0, 1e3, "coefficient of the multi-token-prediction loss"),
    REAL(loss.z, 0, 0, 1e3, "coefficient of the squared log-sum of the logits"),
    {0}};

void model_config_defaults(ModelConfig *c) {
  memset(c, 0, sizeof *c);  // padding too: configurations are compared and hashed by their text, but never hold junk
  Options o = {0};
  options_bind(&o, model_fields, c);
  options_defaults(&o);
}

typedef struct {
  const char *key;
  int64_t value;
} Named;
#define NAMED(member) ((Named){#member, c->member})

static Err need(bool ok, const char *where, Named a, Named b, const char *why) {
  CHECK(ok, ERR_CONFIG, "%s: %s %lld and %s %lld do not fit: %s", where, a.key, (long long)a.value, b.key, (long long)b.value,
        why);
  return ERR_OK;
}

static Err check_range(const ModelConfig *c, const char *where) {
  for (const Field *f = model_fields; f->key; f++) {
    const char *at = (const char *)c + f->offset;
    if (f->type == FIELD_IS_INT) {
      int64_t v = *(const int64_t *)(const void *)at;
      CHECK((double)v >= f->low && (double)v <= f->high, ERR_CONFIG, "%s: %s is %lld; %.0f to %.0f is possible (%s)", where,
            f->key, (long long)v, f->low, f->high, f->help);
    } else if (f->type == FIELD_IS_REAL) {
      double v = *(const double *)(const void *)at;
      CHECK(v >= f->low && v <= f->high, ERR_CONFIG, "%s: %s is %g; %g to %g is possible (%s)", where, f->key, v, f->low,
            f->high, f->help);
    } else if (f->type == FIELD_IS_ENUM) {
      int v = *(const int *)(const void *)at, n = 0;
      while (f->names[n]) n++;
      CHECK(v >= 0 && v < n, ERR_CONFIG, "%s: %s is %d; its values are 0 to %d", where, f->key, v, n - 1);
    }
  }
  return ERR_OK;
}

static Err check_tokens(const ModelConfig *c, const char *where) {
  const Named token[] = {NAMED(model.bos), NAMED(model.eos), NAMED(model.pad)};
  for (int i = 0; i < 3; i++)
    TRY(need(token[i].value < c->model.vocab, where, token[i], NAMED(model.vocab),
             "the id must be below the vocabulary's size"));
  return ERR_OK;
}

static Err check_attention(const ModelConfig *c, const char *where) {
  CHECK((c->attention.layers_group == 1 && !c->attention.qk_norm) || !config_is_mla(c), ERR_CONFIG,
        "%s: attention.layers_group and qk_norm are of grouped-query attention, and mla.kv_rank is %lld; set it 0", where,
        (long long)c->mla.kv_rank);
  CHECK((!c->attention.qkv_bias && !c->attention.qk_norm) || !family_of(c)->key_value, ERR_CONFIG,
        "%s: attention.qkv_bias and qk_norm do not go with the key_value tensor of model.family %s", where,
        family_names[c->model.family]);
  if (config_is_mla(c)) {
    const Named dim[] = {NAMED(mla.nope), NAMED(mla.rope), NAMED(mla.v)};
    for (int i = 0; i < 3; i++)
      TRY(need(dim[i].value > 0, where, dim[i], NAMED(mla.kv_rank),
               "with a key-value latent every width of mla must be at least 1"));
    CHECK(c->mla.rope % 2 == 0, ERR_CONFIG, "%s: mla.rope is %lld; rotary turns pairs, so it must be even", where,
          (long long)c->mla.rope);
    return ERR_OK;
  }
  TRY(need(c->attention.heads % c->attention.kv_heads == 0, where, NAMED(attention.heads), NAMED(attention.kv_heads),
           "the key-value heads must divide the query heads"));
  if (c->attention.head_dim == 0)
    TRY(need(c->model.width % c->attention.heads == 0, where, NAMED(model.width), NAMED(attention.heads),
             "the heads must divide the width, or attention.head_dim must be given"));
  int64_t head_dim = config_head_dim(c);
  CHECK(head_dim % 2 == 0, ERR_CONFIG, "%s: attention.head_dim is %lld; rotary turns pairs, so it must be even", where,
        (long long)head_dim);
  return ERR_OK;
}

static bool rope_has_ramp(const ModelConfig *c) {
  return c->rope.scaling == ROPE_YARN || c->rope.scaling == ROPE_TELECHAT3_YARN || c->rope.scaling == ROPE_LLAMA3;
}

static Err check_rope(const ModelConfig *c, const char *where) {
  int64_t d = config_is_mla(c) ? c->mla.rope : config_head_dim(c);
  bool dynamic = c->rope.scaling == ROPE_DYNAMIC_NTK || c->rope.scaling == ROPE_DYNAMIC;
  CHECK(!dynamic || d > 2, ERR_CONFIG, "%s: %s is %lld; rope.scaling %s needs 4 at least", where,
        config_is_mla(c) ? "mla.rope" : "attention.head_dim", (long long)d, rope_scaling_names[c->rope.scaling]);
  CHECK(!rope_has_ramp(c) || c->rope.beta_fast > c->rope.beta_slow, ERR_CONFIG,
        "%s: rope.beta_fast %g and rope.beta_slow %g do not fit: the first must be greater", where, c->rope.beta_fast,
        c->rope.beta_slow);
  return ERR_OK;
}

static Err check_moe(const ModelConfig *c, const char *where) {
  if (c->moe.experts == 0) return ERR_OK;
  int64_t E = c->moe.experts;
  TRY(need(c->moe.ffn > 0, where, NAMED(moe.ffn), NAMED(moe.experts), "an expert needs an inner width of at least 1"));
  TRY(need(c->moe.top_k >= 1 && c->moe.top_k <= E, where, NAMED(moe.top_k), NAMED(moe.experts),
           "a token goes to 1 to moe.experts experts"));
  CHECK(!c->model.up_bias, ERR_CONFIG, "%s: model.up_bias is of models without experts, and moe.experts is %lld", where,
        (long long)E);
  TRY(need(c->moe.first_dense <= c->model.layers, where, NAMED(moe.first_dense), NAMED(model.layers),
           "there are not so many layers"));
  if (c->moe.groups == 1) return ERR_OK;
  TRY(need(E % c->moe.groups == 0, where, NAMED(moe.experts), NAMED(moe.groups), "the groups must divide the experts"));
  TRY(need(c->moe.group_max || E / c->moe.groups >= 2, where, NAMED(moe.experts), NAMED(moe.groups),
           "a group is scored by its two best experts, so it must have two"));
  TRY(need(c->moe.top_groups <= c->moe.groups, where, NAMED(moe.top_groups), NAMED(moe.groups),
           "there are not so many groups"));
  TRY(need(c->moe.top_k <= c->moe.top_groups * (E / c->moe.groups), where, NAMED(moe.top_k), NAMED(moe.top_groups),
           "the chosen groups have fewer experts than a token goes to"));
  return ERR_OK;
}

// So that no product of sizes overflows, whatever a foreign file says. A bound from above, not a count.
static Err check_size(const ModelConfig *c, const char *where) {
  double D = (double)c->model.width, layers = (double)(c->model.layers + c->mtp.layers), H = (double)c->attention.heads;
  double head = (double)(config_is_mla(c) ? c->mla.nope + c->mla.rope + c->mla.v + c->mla.q_rank + c->mla.kv_rank
                                          : c->attention.head_dim + c->model.width / c->attention.heads + 1);
  double attention = (H + (double)c->attention.kv_heads) * head * (D + (double)(c->mla.q_rank + c->mla.kv_rank));
  double ffn = D * ((double)c->model.ffn + (double)c->moe.ffn * (double)(c->moe.experts + c->moe.shared) + D);
  double total = layers * 4 * (attention + ffn) + 2 * (double)c->model.vocab * (D + (double)c->model.embedding_size);
  CHECK(total < 1e16, ERR_CONFIG,
        "%s: a model of some %.1e parameters (model.layers %lld, model.width %lld, moe.experts %lld ...) is beyond what can be",
        where, total, (long long)c->model.layers, (long long)c->model.width, (long long)c->moe.experts);
  return ERR_OK;
}

Err model_config_check(const ModelConfig *c, const char *where) {
  TRY(check_range(c, where));
  TRY(check_size(c, where));
  TRY(check_tokens(c, where));
  TRY(check_attention(c, where));
  TRY(check_moe(c, where));
  TRY(check_rope(c, where));
  if (c->mtp.layers > 0)
    TRY(need(c->moe.experts > 0, where, NAMED(mtp.layers), NAMED(moe.experts),
             "a multi-token-prediction layer is a layer with experts"));
  TRY(need(c->mtp.layers == 0 || c->model.embedding_size == 0, where, NAMED(mtp.layers), NAMED(model.embedding_size),
           "a multi-token-prediction layer joins rows of the table with rows of the model's width"));
  CHECK(c->mtp.layers == 0 || c->mtp.loss > 0, ERR_CONFIG,
        "%s: mtp.loss %g and mtp.layers %lld do not fit: a layer that nothing trains; set mtp.layers 0", where, c->mtp.loss,
        (long long)c->mtp.layers);
  return ERR_OK;
}
