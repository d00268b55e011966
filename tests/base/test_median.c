#include <math.h>

#include "base/median.h"
#include "test.h"

TEST(the_median_is_the_middle_and_sorts) {
  double odd[] = {3, -1, 2}, even[] = {4, 1, 3, 2}, one[] = {7};
  ASSERT_NEAR(median_sort(odd, 3), 2, 0);
  ASSERT(odd[0] < odd[1] && odd[1] < odd[2]);
  ASSERT_NEAR(median_sort(even, 4), 3, 0);
  ASSERT_NEAR(median_sort(one, 1), 7, 0);
  ASSERT(isnan(median_sort(one, 0)));
}
