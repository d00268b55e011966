#include "train/lr.h"

#include <math.h>

#include "test.h"

static LrSchedule of(LrKind kind, DecayShape decay) { return (LrSchedule){(int)kind, (int)decay, 3e-4, 3e-5, 8, 40, 60}; }

TEST(every_kind_warms_up_and_stays_within_low_and_peak) {
  for (int kind = 0; kind < LR_KINDS; kind++)
    for (int decay = 0; decay < DECAY_SHAPES; decay++) {
      LrSchedule l = of((LrKind)kind, (DecayShape)decay);
      ASSERT_NEAR(lr_at(&l, 0), 0, 0);
      ASSERT_NEAR(lr_at(&l, 4), 1.5e-4, 1e-18);
      ASSERT_NEAR(lr_at(&l, 8), 3e-4, 1e-18);
      for (int s = 9; s < 200; s++) {
        ASSERT(lr_at(&l, s) <= lr_at(&l, s - 1));
        ASSERT(lr_at(&l, s) >= l.low);
      }
      bool ends_low = kind == LR_LINEAR || kind == LR_COSINE || kind == LR_WSD;
      if (ends_low) ASSERT_NEAR(lr_at(&l, 60), 3e-5, 1e-18);
    }
}

TEST(shapes_differ_in_the_middle_of_the_decay) {
  const double left[DECAY_SHAPES] = {0.5, 0.5, 2 * 0.70710678118654752 - 1, 1 - 0.70710678118654752};
  for (int d = 0; d < DECAY_SHAPES; d++) {
    LrSchedule l = of(LR_WSD, (DecayShape)d);
    ASSERT_NEAR(lr_at(&l, 50), 3e-5 + 2.7e-4 * left[d], 1e-15);
    ASSERT_NEAR(lr_at(&l, 40), 3e-4, 1e-18);
  }
}

TEST(odd_settings_stay_finite) {
  for (int kind = 0; kind < LR_KINDS; kind++) {
    LrSchedule l = {.kind = kind, .peak = 1, .low = 0, .warmup = 0, .decay_start = 0, .steps = 0};
    for (int s = 0; s < 4; s++) ASSERT(isfinite(lr_at(&l, s)));
    l = (LrSchedule){.kind = kind, .peak = 1, .low = 0, .warmup = 5, .decay_start = 5, .steps = 5};
    for (int s = 0; s < 9; s++) ASSERT(isfinite(lr_at(&l, s)));
  }
}
