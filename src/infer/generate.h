// Generation: prompt in, tokens out, one at a time.
#ifndef INFER_GENERATE_H
#define INFER_GENERATE_H

#include "infer/engine.h"
#include "infer/sampler.h"
#include "text/stream.h"

typedef enum { STOP_NONE, STOP_LENGTH, STOP_CONTEXT, STOP_TOKEN, STOP_TEXT, STOP_CALLER } StopReason;
extern const char *const stop_reason_names[];  // "none", "length", "context", "token", "text", "caller"

// Called with each piece of text that became certain (may be empty) and its token; false stops.
typedef bool GenerateFn(void *context, const char *text, size_t size, int32_t id, float logprob);

typedef struct {
  int64_t max_new;          // tokens
  const int32_t *stop_ids;  // tokens that end the text; not given out
  int64_t n_stop_ids;
  const char *const *stop_texts;  // NULL at the end, or NULL. Text from the first of them on is not given out
  SamplerConfig sampler;
  GenerateFn *on_text;  // or NULL
  void *context;
  bool keep_special;  // special tokens are given out by their names
} GenerateOptions;

typedef struct {
  int64_t n_prompt, n_new;
  double prompt_s, new_s;
  StopReason stop;
} GenerateResult;

// Feeds the prompt (at least one token) and generates after it. The first bytes of a character for whose last ones there is no
// room are not given out. Afterwards the session holds both (the stop token too, if one came), with log-probabilities of the
// new tokens; score_prompt: of the prompt's as well.
Err generate(Session *s, const Tokenizer *t, const int32_t *prompt, int64_t n_prompt, bool score_prompt,
             const GenerateOptions *o, GenerateResult *result);

#endif
