// The engine: runs a model forward for sequences that remember (a cache of keys and values), with the kernels of training.
//
// A token's log-probability has the same bits whether it was fed alone, in a prompt, in a chunk of any size, or in a training
// forward (with the expanded cache; the latent one rounds elsewhere, see nn/cache.h).
#ifndef INFER_ENGINE_H
#define INFER_ENGINE_H

#include "model/model.h"

typedef struct {
  int64_t rows_max;  // tokens of one call; longer prompts go in chunks
  bool latent;       // MLA: cache the latent and decode in the absorbed form
} EngineOptions;

typedef struct {
  Model *model;  // borrowed
  Run run;
  EngineOptions options;
  Arena kept, temp, packs, own;
  BlockSaved *saved;  // owned, by malloc: n_blocks
  int32_t *position;  // [rows_max]
  Mat logits;         // [rows_max, V] f32
  Mat nll, lse;       // [rows_max] rows of ld 1
  float *ones;        // [rows_max]
} Engine;

// A sequence: its tokens, its cache, and the logits of what comes next.
typedef struct {
  Engine *engine;  // borrowed
  KvSequence kv;
  Arena memory;
  int32_t *ids;    // [capacity]; kv.length of them
  float *logprob;  // [capacity] natural log of the probability of each, given those before; the first: 0
  float *next;     // [V] logits after the last token; valid when kv.length > 0
} Session;

// Prepares the model for reading: compute copies, packed weights, working memory. type: as model_init had it.
Err engine_open(Engine *e, Model *m, Dev *dev, Dtype type, EngineOptions options);
void engine_close(Engine *e);

// Room for `capacity` tokens, at most the positions of the model's rotary table (ERR_ARG).
Err session_open(Session *s, Engine *e, int64_t capacity);
void session_close(Session *s);
// Appends n tokens; fills their logprob and `next`. score: log-probabilities of all (costs a head row a token); without, only
// of the first of this call, the others become NaN. ERR_ARG: an id out of range (names it) or no room (names the capacity).
Err session_feed(Session *s, const int32_t *ids, int64_t n, bool score);
// Forgets all but the first `length` tokens. Costs the forward of one token, which makes `next` again.
void session_truncate(Session *s, int64_t length);

// Bytes of cache a token costs.
size_t engine_cache_bytes(const ModelConfig *c, Dtype type, bool latent);

#endif
