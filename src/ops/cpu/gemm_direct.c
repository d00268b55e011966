// Products of few rows: B is read once, as it is stored, straight into the registers.
//
// Packing B costs about as much as 40 rows of multiplying it, and its bytes are written and read once more. What is packed here
// is A, whole in k; the chain of an element is the same. A weight stored [out,in] is walked along its rows, which become the
// rows of the register tile, with the tokens in the lanes; one stored [in,out] is walked down a strip of columns.
#include "ops/cpu/gemm_product.h"

enum {
  STRIP_ROWS = 112,     // columns of C whose lanes are turned at a time, whole tiles and whole vectors
  WIDE_K = 48,          // rows of B walked at a time
  WIDE_ASK = 128,       // bytes
  WIDE_SUMS = 1 << 16,  // floats
};

static bool same_type(const GemmKernel *k, Mat m) { return m.type == (k->ku == 1 ? DT_F32 : DT_BF16); }

bool direct_is_better(const GemmKernel *k, const Product *p, const Space *s) {
  if ((p->b_t ? !k->tile_across : !k->tile_along) || p->b_packed || p->b_row || p->a_t || p->K == 0 || p->K % k->ku)
    return false;
  if (p->M > (p->b_t ? k->direct_rows : GEMM_DIRECT_WIDE) || !same_type(k, p->b) || (!p->b_t && p->N % k->nr)) return false;
  const int64_t lines = p->b_t ? k->nr : k->mr;
  return (size_t)div_up(p->M, lines) * panel_bytes(k, lines, p->K) <= s->b_bytes;
}

static void pack_rows(const GemmKernel *k, const Product *p, char *to, int64_t width, int64_t m, int64_t rows) {
  k->pack_across(&(GemmPack){.to = to,
                             .panel_bytes = panel_bytes(k, width, p->K),
                             .src = p->a,
                             .row = p->a_row,
                             .width = width,
                             .ku = k->ku,
                             .line = m,
                             .n_lines = rows,
                             .n_k = p->K});
}

static void store(const GemmKernel *k, const Product *p, const float *tile, int64_t ld, int64_t m, int64_t rows, int64_t n,
                  int64_t cols) {
  k->store(&(GemmStore){.tile = tile,
                        .ld = ld,
                        .rows = rows,
                        .cols = cols,
                        .c = mat_at(p->c, m, n),
                        .add = mat_at(p->add, m, n),
                        .bias = p->bias ? p->bias + n : NULL});
}

// B stored [N,K]: tiles are [columns, rows] of C and are turned a strip at a time.
static void across_run(const GemmKernel *k, const Product *p, const Space *s, int64_t n0, int64_t n1) {
  const int64_t row_bytes = p->b.ld * (int64_t)dtype_bytes(p->b.type), step = STRIP_ROWS / k->mr * k->mr;
  const size_t bytes = panel_bytes(k, k->nr, p->K);
  float *strip = s->partial, *turned = strip + GEMM_DIRECT_ROWS * STRIP_ROWS;
  pack_rows(k, p, s->b, k->nr, 0, p->M);
  for (int64_t n = n0; n < n1; n += step) {
    const int64_t cols = min64(step, n1 - n);
    for (int64_t j = 0; j < cols; j += k->mr)
      for (int64_t m = 0; m < p->M; m += k->nr)
        k->tile_across(p->K, mat_at(p->b, n + j, 0).data, row_bytes, s->b + (size_t)(m / k->nr) * bytes,
                       (int)min64(k->mr, cols - j), (int)min64(k->nr, p->M - m), strip + m * STRIP_ROWS + j * k->nr);
    for (int64_t m = 0; m < p->M; m += k->nr) {
      const int64_t rows = min64(k->nr, p->M - m);
      k->pack_across(&(GemmPack){.to = (char *)turned,
                                 .src = mat_of(strip + m * STRIP_ROWS, k->nr, DT_F32),
                                 .width = STRIP_ROWS,
                                 .ku = 1,
                                 .n_lines = cols,
                                 .n_k = rows});
      store(k, p, turned, STRIP_ROWS, m, rows, n, cols);
    }
  }
}

// B stored [K,N]: some rows of B at a time are walked from left to right, so that memory is read in order and what was asked
// for stays in the first-level cache until it is used; the sums of a range of columns wait in the second-level cache.
static void along_run(const GemmKernel *k, const Product *p, const Space *s, int64_t n0, int64_t n1) {
  const int64_t tiles = div_up(p->M, k->mr), rows = div_up(p->M, tiles), row_bytes = p->b.ld * (int64_t)dtype_bytes(p->b.type);
  const int64_t range = max64(1, WIDE_SUMS / (tiles * k->mr * k->nr)) * k->nr, element = k->ku == 1 ? 4 : 2;
  const size_t bytes = panel_bytes(k, k->mr, p->K);
  for (int64_t t = 0; t < tiles; t++) pack_rows(k, p, s->b + (size_t)t * bytes, k->mr, t * rows, min64(rows, p->M - t * rows));
  for (int64_t begin = n0; begin < n1; begin += range)
    for (int64_t k0 = 0; k0 < p->K; k0 += WIDE_K) {
      const int64_t n_k = min64(WIDE_K, p->K - k0);
      const bool last = k0 + n_k == p->K;
      float *sums = s->partial;
      for (int64_t n = begin; n < min64(begin + range, n1); n += k->nr)
        for (int64_t t = 0; t < tiles; t++, sums += k->mr * k->nr) {
          const int64_t here = min64(rows, p->M - t * rows);
          k->tile_along(n_k, s->b + (size_t)t * bytes + k0 * k->mr * element, mat_at(p->b, k0, n).data, row_bytes,
                        t == 0 ? WIDE_ASK : 0, (int)here, k0 ? sums : NULL, last, last ? s->tile : sums);
          if (last) store(k, p, s->tile, k->nr, t * rows, here, n, k->nr);
        }
    }
}

void direct_run(const GemmKernel *k, const Product *p, const Space *s, int64_t n0, int64_t n1) {
  if (p->b_t) across_run(k, p, s, n0, n1);
  else along_run(k, p, s, n0, n1);
}
