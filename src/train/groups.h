// Parameter groups: a pattern on names sets a learning-rate factor, decay, epsilon or initial deviation of the parameters it
// matches.
//
// A pattern is a glob over the whole name (* any run, ? one character; "*.mlp.experts.*") or, after "re:", a regular expression
// that must match somewhere in it. Rules combine; two rules that set one key of one parameter to different values are an error
// that names both. What no rule sets is the default: factor 1, the optimiser's epsilon and the model's initial deviation, and
// its decay for matrices only (norms, biases: none).
#ifndef TRAIN_GROUPS_H
#define TRAIN_GROUPS_H

#include "base/options.h"
#include "nn/param.h"

enum { GROUP_RULES_MAX = 64 };

// An element of the run file's list `groups`; -1: not set by this rule.
typedef struct {
  char match[OPTION_TEXT_BYTES];
  double lr, decay, eps, std;
} GroupRule;

extern const Field group_fields[];

typedef struct {
  double lr_factor, decay, eps;
  double std;  // < 0: as the role has it
} ParamSettings;

// Settings [list->count] of every parameter. `where` names the run file in messages. ERR_CONFIG: a conflict, a pattern that
// matches nothing, or one that is not a regular expression.
Err groups_resolve(const GroupRule *rule, int64_t n_rules, const ParamList *list, double decay, double eps, const char *where,
                   ParamSettings *settings);
// Whether the pattern matches. ERR_CONFIG as above.
Err pattern_matches(const char *pattern, const char *name, const char *where, bool *matches);
// Draws the initial values of the parameters whose std a rule sets, again, by seed, name and element.
void groups_reset(const ParamList *list, const ParamSettings *settings, uint64_t seed);

#endif
