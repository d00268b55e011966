#include "train/peak.h"

#include "base/clock.h"

enum { SIZE = 1024 };

static void carve(Arena *a, const Dev *dev, Dtype type, GemmArgs *g, void **packed) {
  *g = (GemmArgs){.M = SIZE,
                  .N = SIZE,
                  .K = SIZE,
                  .c = mat_take(a, SIZE, SIZE, DT_F32),
                  .a = mat_take(a, SIZE, SIZE, type),
                  .b = mat_take(a, SIZE, SIZE, type),
                  .b_t = true,
                  .add = mat_none(),
                  .bias = mat_none()};
  *packed = arena_take(a, gemm_packed_bytes(dev, SIZE, SIZE, type));
}

Err peak_measure(Dev *dev, Dtype type, double budget_s, double *flops) {
  Arena arena;
  GemmArgs g;
  void *packed;
  arena_measure(&arena, "the measurement of the peak");
  carve(&arena, dev, type, &g, &packed);
  TRY(arena_init(&arena, "the measurement of the peak", arena.peak));
  carve(&arena, dev, type, &g, &packed);
  dev->op->gemm_pack(dev, packed, g.b, true, SIZE, SIZE);
  if (gemm_packed_bytes(dev, SIZE, SIZE, type)) g.b_packed = packed;
  double best = 0, start = clock_s();
  for (int i = 0; i < 2 || clock_s() - start < budget_s; i++) {
    double begin = clock_s();
    dev->op->gemm(dev, &g);
    double rate = 2.0 * SIZE * SIZE * SIZE / (clock_s() - begin);
    if (rate > best) best = rate;
  }
  arena_free(&arena);
  *flops = best;
  return ERR_OK;
}
