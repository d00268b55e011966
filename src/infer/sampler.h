// Chooses the next token from logits. Deterministic: the random number is a function of the seed and the position.
#ifndef INFER_SAMPLER_H
#define INFER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/options.h"

// The same names as YAML keys and options.
typedef struct {
  double temperature;         // 0: the likeliest (lowest id on a tie)
  int64_t top_k;              // 0: all
  double top_p, min_p;        // smallest set of probability top_p; those of at least min_p times the likeliest
  double repetition_penalty;  // logits of tokens seen: divided if positive, multiplied if negative (Keskar et al. 2019)
  double presence_penalty, frequency_penalty;  // subtracted once, and for each time seen
  int64_t seed;
} SamplerConfig;

extern const Field sampler_fields[];

typedef struct {
  SamplerConfig config;
  int64_t V;
  float *logit;    // [V] owned: after penalties
  int32_t *order;  // [V] owned: candidates, likeliest first
  int32_t *seen;   // [V] owned: how often each id is in the text so far
} Sampler;

Err sampler_open(Sampler *s, const SamplerConfig *config, int64_t V);
void sampler_close(Sampler *s);
// Counts tokens of the text (prompt too) for the penalties; count -1 takes them back.
void sampler_see(Sampler *s, const int32_t *ids, int64_t n, int count);
// The token at `position`. NaN logits are never chosen; ERR_NUMERIC if no logit is finite.
// Order: penalties, temperature, top_k, top_p, min_p, draw. Cost: O(V) and a sort of the candidates.
Err sampler_choose(Sampler *s, const float *logits, int64_t position, int32_t *id);

#endif
