// The order in which several data sets are mixed, exactly as Megatron mixes them: at each step the set that lags most behind
// its weight. Source: Megatron Core helpers `build_blending_indices` and `build_exhaustive_blending_indices`.
#ifndef DATA_BLEND_H
#define DATA_BLEND_H

#include <stdint.h>

#include "base/err.h"

enum { BLEND_SETS = INT16_MAX };

// out[d] = weight[d] / sum, summed as NumPy does. ERR_CONFIG names a weight that is negative or not finite, or a sum of 0.
Err blend_normalise(const double *weight, int64_t sets, double *out);
// For each of `size` samples its set and the sample in that set. weight: normalised. O(size * sets).
Err blend_build(const double *weight, int64_t sets, int64_t size, int16_t *set, int64_t *sample);
// The same without weights: every set is used up exactly; size = sum of sizes.
Err blend_exhaustive(const int64_t *sizes, int64_t sets, int16_t *set, int64_t *sample);

// How many samples a set must have for its share of `target`: half a percent more than the share. The two programs round
// differently, by one at times.
int64_t blend_size_megatron(double weight, int64_t target);
int64_t blend_size_mindformers(double weight, int64_t target);

#endif
