#include "data/split.h"

#include <math.h>
#include <stdlib.h>

const char *split_name(SplitPart part) {
  static const char *const names[] = {"train", "valid", "test"};
  return names[part];
}

Err split_parse(Split *s, const char *text) {
  *s = (Split){0};
  double weight[SPLITS] = {0}, sum = 0;
  const char *at = text;
  for (int i = 0;; i++) {
    char *end;
    CHECK(i < SPLITS, ERR_ARG, "split \"%s\": more than three parts (train, valid, test)", text);
    weight[i] = strtod(at, &end);
    CHECK(end > at && isfinite(weight[i]) && weight[i] >= 0, ERR_ARG, "split \"%s\": part %d is not a weight of 0 or more",
          text, i);
    sum += weight[i];
    at = end;
    while (*at == ' ') at++;
    if (!*at) break;
    CHECK(*at == ',', ERR_ARG, "split \"%s\": \"%s\" where a comma is due", text, at);
    at++;
  }
  CHECK(sum > 0, ERR_ARG, "split \"%s\": every part is 0", text);
  double edge = 0;
  for (int i = 0; i < SPLITS; i++) {
    s->present[i] = weight[i] > 0;
    s->begin[i] = edge;
    edge += weight[i] / sum;
    s->end[i] = edge;
  }
  return ERR_OK;
}

void split_range(const Split *s, SplitPart part, int64_t count, int64_t *begin, int64_t *end) {
  *begin = *end = 0;
  if (!s->present[part]) return;
  *begin = (int64_t)nearbyint(s->begin[part] * (double)count);  // the default rounding of C is Python's: half to even
  *end = (int64_t)nearbyint(s->end[part] * (double)count);
  if (*end > count) *end = count;  // a sum of shares may end just above 1
  if (*begin > *end) *begin = *end;
}
