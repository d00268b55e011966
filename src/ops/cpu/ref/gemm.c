#include "ops/cpu/level.h"
#include "ops/cpu/ref/q8.h"
#include "ops/cpu/ref/value.h"

// sum_k A[m,k] B[k,n], k in order
static double dot(Mat a, bool a_t, Mat b, bool b_t, int64_t m, int64_t n, int64_t K) {
  double sum = 0;
  for (int64_t k = 0; k < K; k++) sum += (a_t ? get(a, k, m) : get(a, m, k)) * (b_t ? get(b, n, k) : get(b, k, n));
  return sum;
}

typedef struct {
  const GemmArgs *g;
  Mat b;
  bool b_t;
} Gemm;

// C[m,n] = add[m,n] + bias[n] + sum_k A[m,k] B[k,n]
static void gemm_part(void *arg, int thread, int n_threads) {
  const Gemm *p = arg;
  const GemmArgs *g = p->g;
  int64_t begin, end;
  pool_range(g->M * g->N, 16, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t m = i / g->N, n = i % g->N, row = g->a_row ? g->a_row[m] : m;
    if (g->b.type == DT_Q8) {
      put(g->c, m, n, ref_q8_element(g->a, row, g->b.data, n, g->K, get_or_0(g->bias, 0, n), get_or_0(g->add, m, n)));
      continue;
    }
    double product = dot(g->a, g->a_t, p->b, p->b_t, row, n, g->K);
    put(g->c, m, n, get_or_0(g->add, m, n) + get_or_0(g->bias, 0, n) + product);
  }
}

// What ref_gemm_pack leaves is B [K,N] in its own type; nothing writes through this matrix.
static Mat packed_matrix(const void *packed, int64_t N, Dtype type) { return mat_of((void *)(uintptr_t)packed, N, type); }

void ref_gemm(Dev *dev, const GemmArgs *g) {
  Gemm p = {g, g->b, g->b_t};
  if (g->b_packed) p = (Gemm){g, packed_matrix(g->b_packed, g->N, g->b.type), false};
  ops_run(dev, gemm_part, &p, g->M * g->N * (g->K + 1));
}

typedef struct {
  void *packed;
  Mat b;
  bool b_t;
  int64_t N, K;
} Pack;

static void pack_part(void *arg, int thread, int n_threads) {
  const Pack *p = arg;
  int64_t begin, end;
  pool_range(p->N * p->K, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t k = i / p->N, n = i % p->N;
    put(mat_of(p->packed, p->N, p->b.type), k, n, p->b_t ? get(p->b, n, k) : get(p->b, k, n));
  }
}

void ref_gemm_pack(Dev *dev, void *packed, Mat b, bool b_t, int64_t N, int64_t K) {
  ops_run(dev, pack_part, &(Pack){packed, b, b_t, N, K}, N * K);
}

typedef struct {
  const GroupedGemmArgs *g;
  size_t packed_bytes;
} Grouped;

// For every group: C[r,n] = sum_k A[r,k] B_g[k,n] over its rows r
static void grouped_part(void *arg, int thread, int n_threads) {
  const Grouped *p = arg;
  const GroupedGemmArgs *g = p->g;
  for (int64_t group = 0; group < g->groups; group++) {
    Mat b = mat_at(g->b, 0, group * g->b_stride);
    bool b_t = g->b_t && !g->b_packed;
    if (b.type == DT_Q8) b.data = (char *)g->b.data + (size_t)group * q8_bytes(g->N, g->K);
    if (g->b_packed) b = packed_matrix((const char *)g->b_packed + (size_t)group * p->packed_bytes, g->N, g->b.type);
    int64_t rows = g->offset[group + 1] - g->offset[group], begin, end;
    pool_range(rows * g->N, 16, thread, n_threads, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
      int64_t r = g->offset[group] + i / g->N, n = i % g->N, row = g->a_row ? g->a_row[r] : r;
      if (b.type == DT_Q8) put(g->c, r, n, ref_q8_element(g->a, row, b.data, n, g->K, 0, 0));
      else put(g->c, r, n, dot(g->a, false, b, b_t, row, n, g->K));
    }
  }
}

void ref_gemm_grouped(Dev *dev, const GroupedGemmArgs *g) {
  Grouped p = {g, gemm_packed_bytes(dev, g->N, g->K, g->b.type)};
  ops_run(dev, grouped_part, &p, g->rows_max * g->N * (g->K + 1));
}

// For every group: C_g[m,n] (`zero`: 0) += sum over its rows r, in order, of A[r,m] B[r,n]
static void grouped_weight_part(void *arg, int thread, int n_threads) {
  const GroupedWeightArgs *g = arg;
  int64_t begin, end;
  pool_range(g->groups * g->M * g->N, 16, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t group = i / (g->M * g->N), m = i / g->N % g->M, n = i % g->N;
    double sum = 0;
    for (int64_t r = g->offset[group]; r < g->offset[group + 1]; r++)
      sum += get(g->a, g->a_row ? g->a_row[r] : r, m) * get(g->b, g->b_row ? g->b_row[r] : r, n);
    if (!g->zero && g->offset[group] == g->offset[group + 1]) continue;
    Mat c = mat_at(g->c, 0, group * g->c_stride);
    put(c, m, n, (g->zero ? 0 : get(c, m, n)) + sum);
  }
}

void ref_gemm_grouped_weight(Dev *dev, const GroupedWeightArgs *g) {
  ops_run(dev, grouped_weight_part, (void *)(uintptr_t)g, (g->groups + g->rows_max) * g->M * g->N);
}
