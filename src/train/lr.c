#include "train/lr.h"

#include <math.h>
#include <stddef.h>

const char *const lr_kind_names[LR_KINDS + 1] = {"constant", "linear", "cosine", "wsd", "inverse_sqrt", NULL};
const char *const decay_shape_names[DECAY_SHAPES + 1] = {"linear", "cosine", "exponential", "minus_sqrt", NULL};

static const double pi = 3.14159265358979323846;

// What is left of (peak - low) at share r of the decay.
static double decay_left(int shape, double r) {
  switch (shape) {
    case DECAY_COSINE: return (1 + cos(pi * r)) / 2;
    case DECAY_EXPONENTIAL: return 2 * pow(0.5, r) - 1;
    case DECAY_MINUS_SQRT: return 1 - sqrt(r);
    default: return 1 - r;
  }
}

static double decay_from(const LrSchedule *l, int shape, int64_t begin, int64_t s) {
  if (s <= begin) return l->peak;
  double r = s >= l->steps ? 1 : (double)(s - begin) / (double)(l->steps - begin);
  return l->low + (l->peak - l->low) * decay_left(shape, r);
}

double lr_at(const LrSchedule *l, int64_t s) {
  if (s < l->warmup) return l->peak * (double)s / (double)l->warmup;
  switch (l->kind) {
    case LR_LINEAR: return decay_from(l, DECAY_LINEAR, l->warmup, s);
    case LR_COSINE: return decay_from(l, DECAY_COSINE, l->warmup, s);
    case LR_WSD: return decay_from(l, l->decay, l->decay_start > l->warmup ? l->decay_start : l->warmup, s);
    case LR_INVERSE_SQRT: {
      int64_t w = l->warmup > 1 ? l->warmup : 1;
      return s <= w ? l->peak : fmax(l->low, l->peak * sqrt((double)w / (double)s));
    }
    default: return l->peak;
  }
}
