// The learning rate of a step.
//
// Warm-up rises from 0 to `peak` in `warmup` steps: peak s / warmup for s < warmup. Then, with N = `steps` and W = `warmup`:
//   constant      peak
//   linear        low + (peak - low) (1 - (s - W) / (N - W))
//   cosine        low + (peak - low) (1 + cos(pi (s - W) / (N - W))) / 2
//   wsd           peak until `decay_start` (warm-up, stable, decay), then low + (peak - low) d(r), r = (s - decay_start) / (N -
//   decay_start):
//                 d = 1 - r, (1 + cos(pi r)) / 2, 2 * 0.5^r - 1, or 1 - sqrt(r)
//   inverse_sqrt  max(low, peak sqrt(W / s)), with W at least 1
// Past the end it stays where it ended. Pure functions of their arguments, in double.
#ifndef TRAIN_LR_H
#define TRAIN_LR_H

#include <stdint.h>

typedef enum { LR_CONSTANT, LR_LINEAR, LR_COSINE, LR_WSD, LR_INVERSE_SQRT, LR_KINDS } LrKind;
typedef enum { DECAY_LINEAR, DECAY_COSINE, DECAY_EXPONENTIAL, DECAY_MINUS_SQRT, DECAY_SHAPES } DecayShape;
extern const char *const lr_kind_names[LR_KINDS + 1];
extern const char *const decay_shape_names[DECAY_SHAPES + 1];

typedef struct {
  int kind;   // LrKind
  int decay;  // DecayShape, of wsd
  double peak, low;
  int64_t warmup, decay_start, steps;
} LrSchedule;

// The rate of step s: training's first step is s = 1.
double lr_at(const LrSchedule *schedule, int64_t s);

#endif
