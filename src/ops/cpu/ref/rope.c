#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// (a, b) -> (a cos - b sin, a sin + b cos)
static void rope_part(void *arg, int thread, int n_threads) {
  const Rope *r = arg;
  int64_t begin, end;
  pool_range(r->N * r->H, 1, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t n = i / r->H, head = i % r->H * r->stride;
    for (int64_t p = 0; p < r->d / 2; p++) {
      int64_t ia = head + (r->pairs ? 2 * p : p), ib = head + (r->pairs ? 2 * p + 1 : p + r->d / 2);
      double c = get(r->cos, r->position[n], p), s = get(r->sin, r->position[n], p);
      if (r->inverse) s = -s;
      double a = get(r->x, n, ia), b = get(r->x, n, ib);
      put(r->x, n, ia, a * c - b * s);
      put(r->x, n, ib, a * s + b * c);
    }
  }
}

void ref_rope(Dev *dev, Mat x, const int32_t *position, Mat cos, Mat sin, int64_t N, int64_t H, int64_t stride, int64_t d,
              bool pairs, bool inverse) {
  Rope r = {x, cos, sin, position, N, H, stride, d, pairs, inverse};
  ops_run(dev, rope_part, &r, N * H * d);
}
