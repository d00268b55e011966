#include "data/blend.h"

#include <math.h>
#include <stdlib.h>

// NumPy sums eight lanes, and halves what is longer than 128: the normalised weights depend on it in the last bit.
static double sum_numpy(const double *a, int64_t n) {
  if (n < 8) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i];
    return sum;
  }
  if (n > 128) {
    int64_t half = n / 2;
    half -= half % 8;
    return sum_numpy(a, half) + sum_numpy(a + half, n - half);
  }
  double lane[8];
  for (int j = 0; j < 8; j++) lane[j] = a[j];
  int64_t i = 8;
  for (; i < n - n % 8; i += 8) {
    for (int j = 0; j < 8; j++) lane[j] += a[i + j];
  }
  double sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  for (; i < n; i++) sum += a[i];
  return sum;
}

Err blend_normalise(const double *weight, int64_t sets, double *out) {
  CHECK(sets > 0 && sets <= BLEND_SETS, ERR_CONFIG, "%lld data sets; 1 to %d can be blended", (long long)sets, BLEND_SETS);
  for (int64_t d = 0; d < sets; d++) {
    CHECK(isfinite(weight[d]) && weight[d] >= 0, ERR_CONFIG, "weight %g of data set %lld; 0 or more is wanted", weight[d],
          (long long)d);
  }
  double sum = sum_numpy(weight, sets);
  CHECK(sum > 0 && isfinite(sum), ERR_CONFIG, "the weights of the %lld data sets sum to %g", (long long)sets, sum);
  for (int64_t d = 0; d < sets; d++) out[d] = weight[d] / sum;
  return ERR_OK;
}

Err blend_build(const double *weight, int64_t sets, int64_t size, int16_t *set, int64_t *sample) {
  int64_t *used = calloc((size_t)sets, sizeof *used);
  CHECK(used, ERR_MEMORY, "no memory to blend %lld data sets", (long long)sets);
  for (int64_t i = 0; i < size; i++) {
    double steps = i > 1 ? (double)i : 1.0, most = weight[0] * steps - (double)used[0];
    int64_t lagging = 0;
    for (int64_t d = 1; d < sets; d++) {
      double lag = weight[d] * steps - (double)used[d];
      if (lag > most) {
        most = lag;
        lagging = d;
      }
    }
    set[i] = (int16_t)lagging;
    sample[i] = used[lagging]++;
  }
  free(used);
  return ERR_OK;
}

Err blend_exhaustive(const int64_t *sizes, int64_t sets, int16_t *set, int64_t *sample) {
  int64_t *used = calloc((size_t)sets, sizeof *used), total = 0;
  CHECK(used, ERR_MEMORY, "no memory to blend %lld data sets", (long long)sets);
  for (int64_t d = 0; d < sets; d++) total += sizes[d];
  for (int64_t i = 0; i < total; i++) {
    double steps = i > 1 ? (double)i : 1.0, most = -INFINITY;
    int64_t lagging = 0;
    for (int64_t d = 0; d < sets; d++) {
      if (used[d] == sizes[d]) continue;
      double lag = (double)sizes[d] / (double)total * steps - (double)used[d];
      if (lag > most) {
        most = lag;
        lagging = d;
      }
    }
    set[i] = (int16_t)lagging;
    sample[i] = used[lagging]++;
  }
  free(used);
  return ERR_OK;
}

int64_t blend_size_megatron(double weight, int64_t target) { return (int64_t)ceil(ceil((double)target * weight) * 1.005); }
int64_t blend_size_mindformers(double weight, int64_t target) { return (int64_t)ceil((double)target * weight * 1.005); }
