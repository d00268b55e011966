// fp32 weights in two halves: every level splits and joins as base/half.h does, and computes on halves what it does on fp32.
#include <math.h>
#include <stdlib.h>

#include "base/half.h"
#include "levels.h"
#include "test.h"

static Mat halves(int64_t rows, int64_t cols) {
  Mat m = matrix(rows, cols, DT_BF16);
  m.low = guarded((size_t)(rows * m.ld) * sizeof *m.low);
  m.type = DT_SPLIT;
  return m;
}

static void check_halves_guards(Mat m, int64_t rows, int64_t cols) {
  check_guards(mat_of(m.data, m.ld, DT_BF16), rows, cols);
  check_guards(mat_of(m.low, m.ld, DT_BF16), rows, cols);
}

static uint32_t bits_at(Mat m, int64_t i, int64_t j) {
  float x;
  mat_read(mat_at(m, i, j), 1, 0, 1, &x);
  return f32_bits(x);
}

static uint32_t settled(uint32_t u) {
  Bf16 high;
  uint16_t low;
  f32_split(f32_from_bits(u), &high, &low);
  return f32_bits(f32_join(high, low));
}

static void set_bits(Mat m, int64_t i, int64_t j, uint32_t u) { memcpy((float *)m.data + i * m.ld + j, &u, sizeof u); }

// Through the halves and back: cast, mat_read and mat_write.
static void check_cast(Dev *dev, int64_t rows, int64_t cols) {
  static const uint16_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x4321};
  Mat x = matrix(rows, cols, DT_F32), y = matrix(rows, cols, DT_F32), split = halves(rows, cols), by_hand = halves(rows, cols);
  for (int64_t i = 0; i < rows * cols; i++)
    set_bits(x, i / cols, i % cols, (uint32_t)(i * 40503) << 16 | low[i % 7]);  // 40503 is odd: every high half in turn
  dev->op->cast(dev, split, x, rows, cols);
  dev->op->cast(dev, y, split, rows, cols);
  float *line = malloc((size_t)(rows * cols) * sizeof *line), *back = malloc((size_t)(rows * cols) * sizeof *back);
  mat_read(x, cols, 0, rows * cols, line);
  mat_write(by_hand, cols, 0, 5, line);
  mat_write(by_hand, cols, 5, rows * cols - 5, line + 5);
  mat_read(split, cols, 0, rows * cols, back);
  for (int64_t i = 0; i < rows * cols; i++) {
    int64_t r = i / cols, c = i % cols;
    uint32_t u = bits_at(x, r, c), got = bits_at(y, r, c);
    ASSERT_MSG(got == settled(u), "%08x comes back as %08x", u, got);
    ASSERT_INT(bits_at(mat_high(split), r, c), (uint32_t)bf16_from_f32(f32_from_bits(got)) << 16);
    ASSERT_INT(f32_bits(back[i]), got);
    ASSERT_INT(bits_at(by_hand, r, c), got);
  }
  check_halves_guards(split, rows, cols);
  check_halves_guards(by_hand, rows, cols);
  free(line);
  free(back);
}

#define EVERY_LEVEL(isa) for (int isa = ISA_REF, best_ = level_best(); isa <= best_; isa++)

TEST(every_level_splits_and_joins_alike) {
  EVERY_LEVEL(isa) {
    Dev dev = level_open(isa, 2);
    check_cast(&dev, 1, 65536);
    check_cast(&dev, 37, 61);
    check_cast(&dev, 5, 7);
    dev_close(&dev);
  }
}

SLOW_TEST(every_level_splits_and_joins_every_pattern) {
  enum { RUN = 1 << 16 };
  Mat x = matrix(1, RUN, DT_F32), y = matrix(1, RUN, DT_F32), split = halves(1, RUN);
  EVERY_LEVEL(isa) {
    Dev dev = level_open(isa, 1);
    for (uint64_t first = 0; first < (uint64_t)1 << 32; first += RUN) {
      uint32_t *in = x.data, *out = y.data;
      for (uint32_t i = 0; i < RUN; i++) in[i] = (uint32_t)first + i;
      dev.op->cast(&dev, split, x, 1, RUN);
      dev.op->cast(&dev, y, split, 1, RUN);
      uint32_t wrong = 0;
      for (uint32_t i = 0; i < RUN; i++) wrong |= out[i] ^ settled(in[i]);
      ASSERT_MSG(wrong == 0, "%s: a pattern in %08x + %x comes back changed", isa_names[isa], (uint32_t)first, RUN);
    }
    dev_close(&dev);
  }
}

// ---- AdamW

typedef struct {
  int64_t rows, cols;
  Mat p, m, v;
  float *g;
} Adam;

static Adam adam_of(int64_t rows, int64_t cols, Mat p, Dtype moments, const Mat *from) {
  int64_t n = rows * cols;
  Adam a = {rows,
            cols,
            p,
            mat_of(guarded((size_t)n * dtype_bytes(moments)), n, moments),
            mat_of(guarded((size_t)n * dtype_bytes(moments)), n, moments),
            guarded((size_t)n * sizeof(float))};
  memset(a.m.data, 0, (size_t)n * dtype_bytes(moments));
  memset(a.v.data, 0, (size_t)n * dtype_bytes(moments));
  for (int64_t i = 0; i < rows; i++) mat_write(mat_at(p, i, 0), cols, 0, cols, (float *)from->data + i * from->ld);
  return a;
}

static void adam_step(Dev *dev, Adam *a, int64_t step) {
  for (int64_t i = 0; i < a->rows * a->cols; i++) a->g[i] = sinf((float)(i * 7 + step)) * (i % 3 ? 1e-3F : 10);
  dev->op->adamw(dev, &(AdamwArgs){.N = a->rows,
                                   .D = a->cols,
                                   .step = step,
                                   .p = a->p,
                                   .g = a->g,
                                   .m = a->m,
                                   .v = a->v,
                                   .lr = 1e-2,
                                   .beta1 = 0.9,
                                   .beta2 = 0.95,
                                   .eps = 1e-8,
                                   .decay = 0.1,
                                   .grad_scale = 0.5});
}

// On halves as on fp32 whose ties are moved after each step.
static void check_adam(Dev *dev, int64_t rows, int64_t cols, Dtype moments) {
  Mat start = random_matrix(rows, cols, DT_F32);
  for (int64_t i = 0; i < rows * cols; i++) set_bits(start, i / cols, i % cols, settled(bits_at(start, i / cols, i % cols)));
  Adam a = adam_of(rows, cols, halves(rows, cols), moments, &start);
  Adam b = adam_of(rows, cols, matrix(rows, cols, DT_F32), moments, &start);
  for (int64_t step = 1; step <= 3; step++) {
    adam_step(dev, &a, step);
    adam_step(dev, &b, step);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j++) {
        set_bits(b.p, i, j, settled(bits_at(b.p, i, j)));
        ASSERT_INT(bits_at(a.p, i, j), bits_at(b.p, i, j));
      }
    same_row(a.m, 0, b.m, 0, rows * cols, "first moment");
    same_row(a.v, 0, b.v, 0, rows * cols, "second moment");
  }
  check_halves_guards(a.p, rows, cols);
}

TEST(adamw_on_halves_is_adamw_on_fp32) {
  EVERY_LEVEL(isa) for (int threads = 1; threads <= 3; threads += 2) {
    Dev dev = level_open(isa, threads);
    for (int moments = 0; moments < 2; moments++) {
      check_adam(&dev, 33, 40, moments ? DT_BF16 : DT_F32);
      check_adam(&dev, 7, 301, moments ? DT_BF16 : DT_F32);
      check_adam(&dev, 1, 5, moments ? DT_BF16 : DT_F32);
    }
    dev_close(&dev);
  }
}

// As Muon's update: the same bits as through fp32.
TEST(sums_of_halves_are_those_of_fp32) {
  enum { ROWS = 13, COLS = 53 };
  Mat x = random_matrix(ROWS, COLS, DT_F32), b = random_matrix(ROWS, COLS, DT_BF16);
  EVERY_LEVEL(isa) {
    Dev dev = level_open(isa, 2);
    Mat y = matrix(ROWS, COLS, DT_F32), split = halves(ROWS, COLS), want = halves(ROWS, COLS);
    dev.op->cast(&dev, split, x, ROWS, COLS);
    dev.op->cast(&dev, y, split, ROWS, COLS);
    dev.op->scale_add(&dev, y, y, b, ROWS, COLS, 0.9, -0.3, 0);
    dev.op->cast(&dev, want, y, ROWS, COLS);
    dev.op->scale_add(&dev, split, split, b, ROWS, COLS, 0.9, -0.3, 0);
    dev.op->cast(&dev, y, want, ROWS, COLS);
    Mat got = matrix(ROWS, COLS, DT_F32);
    dev.op->cast(&dev, got, split, ROWS, COLS);
    for (int64_t i = 0; i < ROWS; i++)
      for (int64_t j = 0; j < COLS; j++) ASSERT_INT(bits_at(got, i, j), bits_at(y, i, j));
    check_halves_guards(split, ROWS, COLS);
    dev_close(&dev);
  }
}

TEST(lookups_join_halves) {
  enum { ROWS = 11, COLS = 53, N = 9 };
  static const int32_t ids[N] = {3, 0, 10, 3, 5, 5, 1, 9, 2};
  Mat table = random_matrix(ROWS, COLS, DT_F32), split = halves(ROWS, COLS);
  EVERY_LEVEL(isa) {
    Dev dev = level_open(isa, 2);
    Mat y = matrix(N, COLS, DT_F32);
    dev.op->cast(&dev, split, table, ROWS, COLS);
    dev.op->embedding_forward(&dev, y, split, ids, N, COLS);
    for (int64_t i = 0; i < N; i++)
      for (int64_t j = 0; j < COLS; j++) ASSERT_INT(bits_at(y, i, j), settled(bits_at(table, ids[i], j)));
    check_guards(y, N, COLS);
    dev_close(&dev);
  }
}
