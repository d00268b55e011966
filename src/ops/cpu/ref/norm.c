#include <math.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// rstd = 1 / sqrt(sum_d x_d^2 / D + eps);  y_d = w_d x_d rstd
static void forward_part(void *arg, int thread, int n_threads) {
  const Norm *a = arg;
  int64_t begin, end;
  pool_range(a->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    double sum = 0;
    for (int64_t d = 0; d < a->D; d++) sum += get(a->x, n, d) * get(a->x, n, d);
    double rstd = 1 / sqrt(sum / (double)a->D + a->eps);
    put(a->rstd, n, 0, rstd);
    for (int64_t d = 0; d < a->D; d++) put(a->y, n, d, get(a->w, 0, d) * get(a->x, n, d) * rstd);
  }
}

void ref_rms_norm_forward(Dev *dev, Mat y, Mat rstd, Mat x, Mat w, int64_t N, int64_t D, double eps) {
  ops_run(dev, forward_part, &(Norm){.y = y, .rstd = rstd, .x = x, .w = w, .N = N, .D = D, .eps = eps}, N * D);
}

// dx_d = add_d + rstd (dy_d w_d - x_d rstd^2 / D sum_j dy_j w_j x_j)
static void input_part(void *arg, int thread, int n_threads) {
  const Norm *a = arg;
  int64_t begin, end;
  pool_range(a->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    double rstd = get(a->rstd, n, 0), sum = 0;
    for (int64_t d = 0; d < a->D; d++) sum += get(a->dy, n, d) * get(a->w, 0, d) * get(a->x, n, d);
    for (int64_t d = 0; d < a->D; d++) {
      double dx = rstd * (get(a->dy, n, d) * get(a->w, 0, d) - get(a->x, n, d) * rstd * rstd * sum / (double)a->D);
      put(a->y, n, d, get_or_0(a->add, n, d) + dx);
    }
  }
}

void ref_rms_norm_backward_input(Dev *dev, Mat dx, Mat add, Mat dy, Mat x, Mat rstd, Mat w, int64_t N, int64_t D) {
  ops_run(dev, input_part, &(Norm){.y = dx, .add = add, .dy = dy, .x = x, .rstd = rstd, .w = w, .N = N, .D = D}, N * D);
}

// dw_d += sum_n dy_nd x_nd rstd_n, divided by columns
static void weight_part(void *arg, int thread, int n_threads) {
  const Norm *a = arg;
  int64_t begin, end;
  pool_range(a->D, 16, thread, n_threads, &begin, &end);
  for (int64_t d = begin; d < end; d++) {
    double sum = 0;
    for (int64_t n = 0; n < a->N; n++) sum += get(a->dy, n, d) * get(a->x, n, d) * get(a->rstd, n, 0);
    put(a->w, 0, d, get(a->w, 0, d) + sum);
  }
}

void ref_rms_norm_backward_weight(Dev *dev, Mat dw, Mat dy, Mat x, Mat rstd, int64_t N, int64_t D) {
  ops_run(dev, weight_part, &(Norm){.w = dw, .dy = dy, .x = x, .rstd = rstd, .N = N, .D = D}, N * D);
}
