// Rules on MindFormers' names of parameters become rules on ours. Their regular expressions are tried on the names that they
// have for each of our kinds of parameters in each layer; what matches is told by globs, whole layers and whole kinds first.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_config/mindformers.h"

enum { KINDS_MAX = 24, LAYERS_MAX = 256 };

typedef enum { OF_ALL, OF_MLA, OF_GQA, OF_DENSE, OF_EXPERTS, OF_SHARED } LayerPart;

static const struct {
  const char *theirs, *ours;
  LayerPart part;
} kinds[] = {{"input_layernorm.weight", "input_layernorm.*", OF_ALL},
             {"self_attention.linear_q_down_proj.weight", "self_attn.q_a_proj.*", OF_MLA},
             {"self_attention.q_layernorm.weight", "self_attn.q_a_layernorm.*", OF_MLA},
             {"self_attention.linear_q_up_proj.weight", "self_attn.q_b_proj.*", OF_MLA},
             {"self_attention.linear_kv_down_proj.weight", "self_attn.kv_a_proj_with_mqa.*", OF_MLA},
             {"self_attention.kv_layernorm.weight", "self_attn.kv_a_layernorm.*", OF_MLA},
             {"self_attention.linear_kv_up_proj.weight", "self_attn.kv_b_proj.*", OF_MLA},
             {"self_attention.linear_qkv.weight", "self_attn.[qkv]_proj.*", OF_GQA},
             {"self_attention.linear_proj.weight", "self_attn.o_proj.*", OF_ALL},
             {"pre_mlp_layernorm.weight", "post_attention_layernorm.*", OF_ALL},
             {"mlp.linear_fc1.weight", "mlp.[gu][ap]*_proj.*", OF_DENSE},
             {"mlp.linear_fc2.weight", "mlp.down_proj.*", OF_DENSE},
             {"mlp.router.weight", "mlp.gate.*", OF_EXPERTS},
             {"mlp.experts.weight1", "mlp.experts.*.[gu][ap]*_proj.*", OF_EXPERTS},
             {"mlp.experts.weight2", "mlp.experts.*.down_proj.*", OF_EXPERTS},
             {"mlp.shared_experts.linear_fc1.weight", "mlp.shared_experts.[gu][ap]*_proj.*", OF_SHARED},
             {"mlp.shared_experts.linear_fc2.weight", "mlp.shared_experts.down_proj.*", OF_SHARED}};
enum { KINDS = sizeof kinds / sizeof kinds[0], ALONE = 3 };
static const struct {
  const char *theirs, *ours;
} alone[ALONE] = {{"embedding.word_embeddings.weight", "model.embed_tokens.*"},
                  {"output_layer.weight", "lm_head.*"},
                  {"decoder.final_layernorm.weight", "model.norm.*"}};

// The value of each kind in each layer, and of what stands alone; NAN: no rule speaks of it.
typedef struct {
  double of[LAYERS_MAX][KINDS], alone[ALONE];
} Values;

static bool has_kind(const ModelConfig *c, int64_t layer, int kind) {
  switch (kinds[kind].part) {
    case OF_ALL: return true;
    case OF_MLA: return config_is_mla(c);
    case OF_GQA: return !config_is_mla(c);
    case OF_DENSE: return !config_is_moe_layer(c, layer);
    case OF_EXPERTS: return config_is_moe_layer(c, layer);
    case OF_SHARED: return config_is_moe_layer(c, layer) && c->moe.shared > 0;
  }
  return false;
}

// One regular expression, tried at the begin of each name.
static Err try_names(const Import *m, const ImportGroup *g, const char *regex, double value, Values *v) {
  const ModelConfig *c = &m->run->model;
  char pattern[IMPORT_VALUE_BYTES + 16], name[128], where[PATH_BYTES];
  bool any = false, matches;
  snprintf(pattern, sizeof pattern, "re:^(?:%s)", regex);
  snprintf(where, sizeof where, "%.4000s:%d", m->path, g->line);
  for (int i = 0; i < ALONE; i++) {
    if (i == 1 && c->model.tied) continue;
    TRY(pattern_matches(pattern, alone[i].theirs, where, &matches));
    if (matches) v->alone[i] = value, any = true;
  }
  for (int64_t l = 0; l < c->model.layers; l++)
    for (int k = 0; k < KINDS; k++) {
      if (!has_kind(c, l, k)) continue;
      snprintf(name, sizeof name, "decoder.layers.%lld.%s", (long long)l, kinds[k].theirs);
      TRY(pattern_matches(pattern, name, where, &matches));
      if (matches) v->of[l][k] = value, any = true;
    }
  CHECK(any, ERR_CONFIG, "%s: \"%s\" matches no parameter of theirs that is known; they are like decoder.layers.0.%s", where,
        regex, kinds[0].theirs);
  return ERR_OK;
}

// A later rule takes the place of an earlier one.
static Err gather(const Import *m, const ImportGroup *group, bool factors, Values *v) {
  for (int i = 0; i < ALONE; i++) v->alone[i] = NAN;
  for (int l = 0; l < LAYERS_MAX; l++)
    for (int k = 0; k < KINDS; k++) v->of[l][k] = NAN;
  for (int i = 0; i < IMPORT_GROUPS_MAX && group[i].line; i++) {
    CHECK(*group[i].names && group[i].value >= 0, ERR_CONFIG, "%s:%d: a rule wants names and a value", m->path, group[i].line);
    double value = factors ? group[i].value / m->run->lr.peak : group[i].value;
    char names[IMPORT_VALUE_BYTES], *rest = NULL;
    snprintf(names, sizeof names, "%s", group[i].names);
    for (char *regex = strtok_r(names, "\n", &rest); regex; regex = strtok_r(NULL, "\n", &rest))
      TRY(try_names(m, &group[i], regex, value, v));
  }
  return ERR_OK;
}

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static Err add_rule(Import *m, bool factors, double value, const char *match) {
  RunConfig *c = m->run;
  if (isnan(value) || (factors && value == 1)) return ERR_OK;
  CHECK(c->n_groups < GROUP_RULES_MAX, ERR_CONFIG, "%s: its rules on names become more than %d of groups", m->path,
        GROUP_RULES_MAX);
  GroupRule *r = &c->groups[c->n_groups++];
  *r = (GroupRule){.lr = -1, .decay = -1, .eps = -1, .std = -1};
  snprintf(r->match, sizeof r->match, "%s", match);
  *(factors ? &r->lr : &r->std) = value;
  return ERR_OK;
}

static bool layer_same(const ModelConfig *c, const Values *v, int64_t l, double *value) {
  bool first = true;
  for (int k = 0; k < KINDS; k++) {
    if (!has_kind(c, l, k)) continue;
    if (!first && !same(*value, v->of[l][k])) return false;
    *value = v->of[l][k];
    first = false;
  }
  return true;
}

// A kind that has one value in all layers is one rule; else a layer of one value is one; else each for itself.
static Err write_rules(Import *m, bool factors, const Values *v) {
  const ModelConfig *c = &m->run->model;
  char match[160];
  bool done[KINDS] = {false};
  for (int i = 0; i < ALONE; i++) TRY(add_rule(m, factors, v->alone[i], alone[i].ours));
  for (int k = 0; k < KINDS; k++) {
    double value = NAN;
    bool first = true, one = true;
    for (int64_t l = 0; l < c->model.layers; l++) {
      if (!has_kind(c, l, k)) continue;
      if (!first) one = one && same(value, v->of[l][k]);
      value = v->of[l][k];
      first = false;
    }
    if (first || !one) continue;
    done[k] = true;
    snprintf(match, sizeof match, "model.layers.*.%s", kinds[k].ours);
    TRY(add_rule(m, factors, value, match));
  }
  for (int64_t l = 0; l < c->model.layers; l++) {
    double value = NAN;
    bool whole = layer_same(c, v, l, &value);
    for (int k = 0; k < KINDS; k++) whole = whole && (!has_kind(c, l, k) || !done[k]);
    snprintf(match, sizeof match, "model.layers.%lld.*", (long long)l);
    if (whole) TRY(add_rule(m, factors, value, match));
    for (int k = 0; k < KINDS && !whole; k++) {
      if (done[k] || !has_kind(c, l, k)) continue;
      snprintf(match, sizeof match, "model.layers.%lld.%s", (long long)l, kinds[k].ours);
      TRY(add_rule(m, factors, v->of[l][k], match));
    }
  }
  return ERR_OK;
}

// Schedules differ by a factor only.
static Err check_schedules(const Import *m) {
  const RunConfig *c = m->run;
  const char *kind = NULL;
  for (int64_t i = 0; i < m->count; i++)
    if (strcmp(m->entry[i].key.key, "grouped_lr_schedule.default.type") == 0) kind = m->entry[i].key.value;
  for (int i = 0; i < IMPORT_GROUPS_MAX && m->group[i].line; i++) {
    const ImportGroup *g = &m->group[i];
    bool ok = (!kind || !*g->type || strcmp(g->type, kind) == 0) && (g->warmup < 0 || g->warmup == c->lr.warmup) &&
              (g->steps < 0 || g->steps == m->facts.facts.total_steps) &&
              (g->warmup_ratio < 0 || g->warmup_ratio == m->facts.facts.warmup_ratio);
    CHECK(ok && c->lr.peak > 0, ERR_CONFIG,
          "%s:%d: this group's schedule has another type, warm-up or length than the default; a group here has a factor of the "
          "one schedule",
          m->path, g->line);
    double low = g->low >= 0 ? g->low : 0, factor = g->value / c->lr.peak;
    CHECK(c->lr.kind == LR_CONSTANT || fabs(low - factor * c->lr.low) <= 1e-9 * c->lr.peak, ERR_CONFIG,
          "%s:%d: lr_end %g is not lr_end of the default times the same factor, %g; a group here has a factor of the one "
          "schedule",
          m->path, g->line, low, factor);
  }
  return ERR_OK;
}

Err import_groups_finish(Import *m) {
  bool any = m->group[0].line || m->deviation[0].line;
  for (int i = 1; i < IMPORT_GROUPS_MAX; i++) any = any || m->group[i].line || m->deviation[i].line;
  if (!any) return ERR_OK;
  CHECK(m->run->model.model.layers <= LAYERS_MAX, ERR_CONFIG, "%s: rules on names in more than %d layers", m->path, LAYERS_MAX);
  Values *v = malloc(sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory for rules on names");
  Err err = check_schedules(m);
  if (!err) err = gather(m, m->group, true, v);
  if (!err) err = write_rules(m, true, v);
  if (!err) err = gather(m, m->deviation, false, v);
  if (!err) err = write_rules(m, false, v);
  free(v);
  TRY(err);
  if (m->run->n_groups == 0) import_note(m, "groups: none; every group has the rate of the others");
  return ERR_OK;
}
