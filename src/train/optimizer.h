// The optimiser: global norm, clipping, AdamW or Muon, and the step of the routers' selection bias.
//
// Determinism: a parameter's squares are summed over fixed blocks of its own indices, parameters by a fixed binary tree over
// the list; the update is elementwise. No thread count and no layout changes a bit. Nothing is allocated after optimizer_init.
// Cost: the gradients are read twice, weights and moments read and written once.
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "nn/param.h"
#include "train/groups.h"
#include "train/muon.h"

typedef struct {
  int kind;  // OptimizerKind
  double beta1, beta2, eps, decay;
  double momentum;  // Muon's
  double clip;      // greatest global norm; 0: no clipping
  int moments;      // MomentType
} OptimizerConfig;

typedef enum { OPTIMIZER_ADAMW, OPTIMIZER_MUON, OPTIMIZER_KINDS } OptimizerKind;  // Muon: AdamW has what Muon does not take
extern const char *const optimizer_names[OPTIMIZER_KINDS + 1];                    // "adamw", "muon"

typedef enum { MOMENTS_F32, MOMENTS_BF16, MOMENT_TYPES } MomentType;
extern const char *const moment_names[MOMENT_TYPES + 1];  // "fp32", "bf16"

typedef struct {
  OptimizerConfig config;
  const ParamList *list;
  const ParamSettings *settings;  // [list->count], borrowed
  Mat *m, *v;       // [list->count], one row each; data NULL for parameters without gradient; Muon has no v. Owned
  Muon muon;        // empty with AdamW
  double *squares;  // [list->count]
  int64_t step;     // updates done
} Optimizer;

// Takes the moments from `arena` (zeroed there), in the order of the list: both of a parameter side by side.
Err optimizer_init(Optimizer *o, OptimizerConfig config, const ParamList *list, const ParamSettings *settings, Arena *arena);
void optimizer_free(Optimizer *o);
// Whether Muon updates this parameter, and AdamW does not: then there is no second moment.
bool optimizer_is_muon(const Optimizer *o, const Param *p);

// L2 norm of all gradients; not finite if one is not.
double optimizer_norm(Optimizer *o, Dev *dev);
// min(1, clip / (norm + 1e-6)); 1 without clipping.
double clip_coefficient(double norm, double clip);
// One update with gradients times `grad_scale`; what they hold after it is nothing. `temp`: room for Muon, given back.
void optimizer_step(Optimizer *o, Dev *dev, Arena *temp, double lr, double grad_scale);
// Takes from a measuring `temp` what optimizer_step will.
void optimizer_measure(const Optimizer *o, Dev *dev, Arena *temp);

// bias[e] += rate sign(mean load - load[e]), sign(0) = 0, in integers: E load[e] against the sum. Wang et al. 2024
// (auxiliary-loss-free balancing).
void balance_step(float *bias, const int64_t *load, int64_t experts, double rate);

#endif
