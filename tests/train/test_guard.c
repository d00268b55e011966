#include "train/guard.h"

#include <math.h>

#include "test.h"

static const GuardConfig config = {POLICY_SKIP, POLICY_STOP, 3, 5};

TEST(nothing_is_a_spike_before_the_window_is_full) {
  GuardState s = {0};
  for (int i = 0; i < 5; i++) ASSERT_INT(guard_judge(&s, &config, 5, i == 2 ? 1000 : 1).finding, GUARD_OK);
  GuardVerdict v = guard_judge(&s, &config, 5, 3.5);
  ASSERT_INT(v.finding, GUARD_SPIKE);
  ASSERT_INT(v.policy, POLICY_STOP);
  ASSERT_NEAR(v.median, 1, 0);
  ASSERT_INT(guard_judge(&s, &config, 5, 2.5).finding, GUARD_OK);
  ASSERT_INT(s.spikes, 1);
  ASSERT_INT(s.count, 6);
}

TEST(not_a_number_is_found_in_loss_and_norm) {
  GuardState s = {0};
  ASSERT_INT(guard_judge(&s, &config, NAN, 1).finding, GUARD_NAN);
  ASSERT_INT(guard_judge(&s, &config, INFINITY, 1).finding, GUARD_NAN);
  ASSERT_INT(guard_judge(&s, &config, 1, NAN).policy, POLICY_SKIP);
  ASSERT_INT(s.nans, 3);
  ASSERT_INT(s.skipped, 3);
  ASSERT_INT(s.count, 0);
}

TEST(factor_zero_turns_spikes_off) {
  GuardConfig off = config;
  off.factor = 0;
  GuardState s = {0};
  for (int i = 0; i < 9; i++) ASSERT_INT(guard_judge(&s, &off, 1, i < 8 ? 1 : 1e30).finding, GUARD_OK);
}

TEST(an_even_window_takes_the_mean_of_the_middle) {
  GuardConfig even = {POLICY_SKIP, POLICY_SKIP, 2, 4};
  GuardState s = {0};
  const double norm[4] = {4, 1, 3, 2};
  for (int i = 0; i < 4; i++) guard_judge(&s, &even, 1, norm[i]);
  ASSERT_NEAR(guard_judge(&s, &even, 1, 2).median, 2.5, 0);
}
