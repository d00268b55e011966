#define PCRE2_CODE_UNIT_WIDTH 8
#include "train/groups.h"

#include <fnmatch.h>
#include <pcre2.h>
#include <string.h>

#include "model/model.h"

const Field group_fields[] = {
    FIELD_TEXT(GroupRule, match, "", "names it applies to: a glob, or a regular expression after \"re:\""),
    FIELD_REAL(GroupRule, lr, -1, -1, 1e6, "factor of the learning rate; -1: not set here"),
    FIELD_REAL(GroupRule, decay, -1, -1, 1e6, "weight decay; -1: not set here"),
    FIELD_REAL(GroupRule, eps, -1, -1, 1, "AdamW's epsilon; -1: not set here"),
    FIELD_REAL(GroupRule, std, -1, -1, 1e3, "standard deviation of the initial values; -1: not set here"),
    {0}};

static Err regex_matches(const char *pattern, const char *name, const char *where, bool *matches) {
  int code = 0;
  PCRE2_SIZE at = 0;
  pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
  if (!re) {
    PCRE2_UCHAR why[200];
    pcre2_get_error_message(code, why, sizeof why);
    FAIL(ERR_CONFIG, "%s: groups: \"re:%s\" is not a regular expression: %s at character %zu", where, pattern, (char *)why,
         at + 1);
  }
  pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
  int found = data ? pcre2_match(re, (PCRE2_SPTR)name, strlen(name), 0, 0, data, NULL) : PCRE2_ERROR_NOMEMORY;
  pcre2_match_data_free(data);
  pcre2_code_free(re);
  CHECK(found >= 0 || found == PCRE2_ERROR_NOMATCH, ERR_CONFIG,
        "%s: groups: \"re:%s\" cannot be matched within bounds; make it simpler", where, pattern);
  *matches = found >= 0;
  return ERR_OK;
}

Err pattern_matches(const char *pattern, const char *name, const char *where, bool *matches) {
  if (strncmp(pattern, "re:", 3) == 0) return regex_matches(pattern + 3, name, where, matches);
  *matches = fnmatch(pattern, name, 0) == 0;
  return ERR_OK;
}

enum { KEY_LR, KEY_DECAY, KEY_EPS, KEY_STD, KEYS };
static const char *const key_names[KEYS] = {"lr", "decay", "eps", "std"};

// Which rule set each key of the parameter at hand.
typedef struct {
  double value[KEYS];
  const GroupRule *from[KEYS];
} Merged;

static Err merge(Merged *m, const GroupRule *rule, const Param *p, const char *where) {
  const double value[KEYS] = {rule->lr, rule->decay, rule->eps, rule->std};
  for (int k = 0; k < KEYS; k++) {
    if (value[k] < 0) continue;
    CHECK(!m->from[k] || m->value[k] == value[k], ERR_CONFIG,
          "%s: groups: \"%s\" sets %s of %s to %g, and \"%s\" to %g; narrow one of the two patterns", where, m->from[k]->match,
          key_names[k], p->name, m->value[k], rule->match, value[k]);
    m->value[k] = value[k];
    m->from[k] = rule;
  }
  return ERR_OK;
}

Err groups_resolve(const GroupRule *rule, int64_t n_rules, const ParamList *list, double decay, double eps, const char *where,
                   ParamSettings *settings) {
  bool used[GROUP_RULES_MAX] = {0};
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    Merged m = {.value = {1, p->n_dims == 2 ? decay : 0, eps, -1}};
    for (int64_t r = 0; r < n_rules; r++) {
      bool matches = false;
      TRY(pattern_matches(rule[r].match, p->name, where, &matches));
      if (!matches) continue;
      used[r] = true;
      TRY(merge(&m, &rule[r], p, where));
    }
    settings[i] = (ParamSettings){m.value[KEY_LR], m.value[KEY_DECAY], m.value[KEY_EPS], m.value[KEY_STD]};
  }
  for (int64_t r = 0; r < n_rules; r++)
    CHECK(used[r], ERR_CONFIG, "%s: groups: \"%s\" matches no parameter; names are like %s", where, rule[r].match,
          list->count ? list->param[list->count / 2].name : "model.norm.weight");
  return ERR_OK;
}

void groups_reset(const ParamList *list, const ParamSettings *settings, uint64_t seed) {
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    if (settings[i].std < 0 || !p->w.data) continue;
    model_reset_param(p, seed, settings[i].std);
  }
}
