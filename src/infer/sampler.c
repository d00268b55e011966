#include "infer/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

const Field sampler_fields[] = {
    FIELD_REAL(SamplerConfig, temperature, 0.8, 0, 100, "randomness: 0 takes the likeliest token"),
    FIELD_INT(SamplerConfig, top_k, 40, 0, 1e9, "only the k likeliest tokens; 0: all"),
    FIELD_REAL(SamplerConfig, top_p, 0.95, 0, 1, "only the likeliest tokens that together have this probability"),
    FIELD_REAL(SamplerConfig, min_p, 0, 0, 1, "only tokens with at least this share of the likeliest one's probability"),
    FIELD_REAL(SamplerConfig, repetition_penalty, 1, 0.01, 100, "divides the logits of tokens already in the text; 1: none"),
    FIELD_REAL(SamplerConfig, presence_penalty, 0, -100, 100, "subtracted from the logits of tokens already in the text"),
    FIELD_REAL(SamplerConfig, frequency_penalty, 0, -100, 100, "subtracted for each time a token is in the text"),
    FIELD_INT(SamplerConfig, seed, 1, 0, 9e15, "of the random numbers: the same seed gives the same text"),
    {0},
};

Err sampler_open(Sampler *s, const SamplerConfig *config, int64_t V) {
  *s = (Sampler){.config = *config, .V = V};
  s->logit = malloc((size_t)V * sizeof *s->logit);
  s->order = malloc((size_t)V * sizeof *s->order);
  s->seen = calloc((size_t)V, sizeof *s->seen);
  if (s->logit && s->order && s->seen) return ERR_OK;
  sampler_close(s);
  FAIL(ERR_MEMORY, "no memory to sample from a vocabulary of %lld", (long long)V);
}

void sampler_close(Sampler *s) {
  free(s->logit);
  free(s->order);
  free(s->seen);
  *s = (Sampler){0};
}

void sampler_see(Sampler *s, const int32_t *ids, int64_t n, int count) {
  for (int64_t i = 0; i < n; i++) s->seen[ids[i]] += count;
}

static void penalise(Sampler *s, const float *logits) {
  const SamplerConfig *c = &s->config;
  for (int64_t v = 0; v < s->V; v++) {
    double x = (double)logits[v];
    if (s->seen[v] > 0) {
      x = x > 0 ? x / c->repetition_penalty : x * c->repetition_penalty;
      x -= c->presence_penalty + c->frequency_penalty * s->seen[v];
    }
    s->logit[v] = (float)x;
  }
}

static bool better(const Sampler *s, int32_t a, int32_t b) {
  return s->logit[a] > s->logit[b] || (s->logit[a] == s->logit[b] && a < b);
}

static void sift(const Sampler *s, int32_t *heap, int64_t n, int64_t i) {
  for (;;) {
    int64_t best = i, l = 2 * i + 1, r = l + 1;
    if (l < n && better(s, heap[l], heap[best])) best = l;
    if (r < n && better(s, heap[r], heap[best])) best = r;
    if (best == i) return;
    int32_t t = heap[i];
    heap[i] = heap[best];
    heap[best] = t;
    i = best;
  }
}

static double weight_of(const Sampler *s, int32_t v, double max) {
  return exp(((double)s->logit[v] - max) / s->config.temperature);
}

// Takes the best of `left` candidates off the heap in s->order and leaves it behind the heap's new end.
static int32_t pop_best(Sampler *s, int64_t left) {
  int32_t best = s->order[0];
  s->order[0] = s->order[left - 1];
  s->order[left - 1] = best;
  sift(s, s->order, left - 1, 0);
  return best;
}

// Moves the `kept` popped candidates, which lie last to first at the end of the n, to the front, first to last.
static void bring_forward(Sampler *s, int64_t n, int64_t kept) {
  int32_t *popped = s->order + n - kept;
  for (int64_t i = 0; i < kept / 2; i++) {
    int32_t t = popped[i];
    popped[i] = popped[kept - 1 - i];
    popped[kept - 1 - i] = t;
  }
  memmove(s->order, popped, (size_t)kept * sizeof *popped);
}

// Puts the candidates that top_k, then top_p (of what top_k left), and min_p keep into s->order, likeliest first; *sum of their
// weights. The heap gives as many as are needed and no more.
static int64_t candidates(Sampler *s, int64_t n, double *sum) {
  const SamplerConfig *c = &s->config;
  double max = (double)s->logit[s->order[0]], total = 0;
  int64_t kept = 0, limit = c->top_k > 0 && c->top_k < n ? c->top_k : n;
  for (int64_t i = 0; i < n && limit == n; i++) total += weight_of(s, s->order[i], max);
  double known = limit == n ? total : INFINITY;  // with top_k the total is known only when its tokens are out
  *sum = 0;
  for (; kept < limit; kept++) {
    double w = weight_of(s, s->order[0], max);
    if (kept > 0 && (w < c->min_p || *sum >= c->top_p * known)) break;
    pop_best(s, n - kept);
    *sum += w;
  }
  bring_forward(s, n, kept);
  total = *sum;
  *sum = 0;
  for (int64_t i = 0; i < kept; i++) {
    if (limit < n && i > 0 && *sum >= c->top_p * total) return i;
    *sum += weight_of(s, s->order[i], max);
  }
  return kept;
}

Err sampler_choose(Sampler *s, const float *logits, int64_t position, int32_t *id) {
  penalise(s, logits);
  int64_t n = 0;
  for (int64_t v = 0; v < s->V; v++)
    if (isfinite(s->logit[v])) s->order[n++] = (int32_t)v;
  CHECK(n > 0, ERR_NUMERIC, "the model's logits are not numbers at position %lld: its weights are damaged",
        (long long)position);
  for (int64_t i = n / 2 - 1; i >= 0; i--) sift(s, s->order, n, i);
  *id = s->order[0];
  if (s->config.temperature <= 0) return ERR_OK;
  double sum, max = (double)s->logit[s->order[0]];
  int64_t kept = candidates(s, n, &sum);
  double u = rng_uniform(rng_named((uint64_t)s->config.seed, "sample"), 0, (uint64_t)position) * sum;
  for (int64_t i = 0; i < kept; i++) {
    *id = s->order[i];
    u -= weight_of(s, s->order[i], max);
    if (u < 0) break;
  }
  return ERR_OK;
}
