// What to do with a step that went wrong: a loss or a gradient norm that is not a number, or a norm that is many times what is
// usual.
//
// Usual is the median of the norms of the last `window` steps that were applied and not spikes themselves; until the window is
// full nothing is a spike. The state is plain data and belongs to the checkpoint.
#ifndef TRAIN_GUARD_H
#define TRAIN_GUARD_H

#include <stdint.h>

enum { GUARD_WINDOW_MAX = 1024 };

typedef enum { POLICY_SKIP, POLICY_STOP, POLICY_GO_ON, POLICIES } Policy;
extern const char *const policy_names[POLICIES + 1];  // "skip", "stop", "go_on"

typedef struct {
  int nan, spike;  // Policy
  double factor;   // a norm above factor times the median is a spike; 0: no such thing
  int64_t window;  // 1 to GUARD_WINDOW_MAX
} GuardConfig;

typedef struct {
  double norm[GUARD_WINDOW_MAX];  // a ring
  int64_t count;                  // norms ever taken in
  int64_t nans, spikes, skipped;  // over the whole run
} GuardState;

typedef enum { GUARD_OK, GUARD_NAN, GUARD_SPIKE } GuardFinding;
extern const char *const guard_finding_names[3];  // "ok", "nan", "spike"

typedef struct {
  GuardFinding finding;
  Policy policy;  // of the finding; POLICY_GO_ON when it is ok
  double median;  // of the window; 0 while it is not full
} GuardVerdict;

// Judges a step and takes its norm in.
GuardVerdict guard_judge(GuardState *state, const GuardConfig *config, double loss, double norm);

// Forgets a step that stopped the run, so that the state is that before it.
void guard_forget(GuardState *state, GuardFinding finding);

#endif
