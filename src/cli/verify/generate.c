// Greedy continuations and their log-probabilities, by the engine and its cache.
#include <math.h>
#include <stdlib.h>

#include "cli/verify/parts.h"
#include "infer/engine.h"

static Err ids_of(const Verify *v, const json_t *list, const char *key, int32_t **ids, int64_t *n) {
  const json_t *array = json_object_get(list, key);
  *n = (int64_t)json_array_size(array);
  CHECK(*n > 0, ERR_FORMAT, "%s/generate.json: \"%s\" is missing or empty", v->folder, key);
  *ids = malloc((size_t)*n * sizeof **ids);
  CHECK(*ids, ERR_MEMORY, "no memory for %lld ids", (long long)*n);
  for (int64_t i = 0; i < *n; i++) {
    json_int_t id = json_integer_value(json_array_get(array, (size_t)i));
    (*ids)[i] = id < 0 || id > INT32_MAX ? -1 : (int32_t)id;  // the engine refuses it by place
  }
  return ERR_OK;
}

static int32_t best_of(const float *logits, int64_t V) {
  int64_t best = 0;
  for (int64_t i = 1; i < V; i++)
    if (logits[i] > logits[best]) best = i;
  return (int32_t)best;
}

typedef struct {
  Dtype type;
  VerifyLine *ids, *logprobs;
  int number;  // of the continuation
} Lines;

static Err compare_one(Session *s, const json_t *want, const int32_t *prompt, int64_t n_prompt, const int32_t *next, int64_t n,
                       Lines *l) {
  int64_t V = s->engine->model->config.model.vocab;
  const json_t *logprobs = json_object_get(want, "logprobs");
  CHECK((int64_t)json_array_size(logprobs) == n, ERR_FORMAT,
        "generate.json: \"logprobs\" and \"continuation\" differ in length");
  TRY(session_feed(s, prompt, n_prompt, false));
  for (int64_t i = 0; i < n; i++) {
    int32_t id = best_of(s->next, V);
    // bf16 may round the two best apart: then by how much the wanted one is behind.
    double behind = next[i] < V ? (double)s->next[id] - (double)s->next[next[i]] : INFINITY;
    verify_note(l->ids, l->type == DT_F32 ? id != next[i] : behind, "continuation %d, token %lld: %d, want %d", l->number,
                (long long)i, id, next[i]);
    TRY(session_feed(s, &next[i], 1, false));  // what was wanted, so that one difference is one
    double got = (double)s->logprob[n_prompt + i], logprob = json_number_value(json_array_get(logprobs, (size_t)i));
    verify_note(l->logprobs, fabs(got - logprob), "continuation %d, token %lld: %.9g, want %.9g", l->number, (long long)i, got,
                logprob);
  }
  return ERR_OK;
}

static Err run_one(Verify *v, Engine *e, const json_t *want, Lines *l) {
  int32_t *prompt = NULL, *next = NULL;
  int64_t n_prompt, n;
  Session s = {0};
  Err err = ERR_OK;
  TRY_OUT(ids_of(v, want, "prompt", &prompt, &n_prompt));
  TRY_OUT(ids_of(v, want, "continuation", &next, &n));
  TRY_OUT(session_open(&s, e, n_prompt + n));
  TRY_OUT(compare_one(&s, want, prompt, n_prompt, next, n, l));
out:
  if (s.engine) session_close(&s);
  free(prompt);
  free(next);
  return err;
}

Err verify_generation(Verify *v) {
  Trainer *t = &v->trainer;
  double limit;
  TRY(verify_tolerance(v, "logprobs", &limit));
  for (int latent = 0; latent <= config_is_mla(&v->config); latent++) {
    Engine e;
    const char *how = latent ? " (latent cache)" : "";
    char ids[VERIFY_NAME_BYTES], logprobs[VERIFY_NAME_BYTES];
    snprintf(ids, sizeof ids, "generation: ids%s", how);
    snprintf(logprobs, sizeof logprobs, "generation: log-probabilities%s", how);
    Lines l = {v->type, verify_line(v, ids, v->type == DT_F32 ? 0 : 2 * limit), verify_line(v, logprobs, limit), 0};
    Err err = engine_open(&e, &t->model, &t->dev, v->type, (EngineOptions){.rows_max = 8, .latent = latent != 0});
    const json_t *one, *all = json_object_get(v->generate, "cases");
    size_t i;
    if (!err) json_array_foreach(all, i, one) {
        l.number = (int)i;
        if (!err) err = run_one(v, &e, one, &l);
      }
    engine_close(&e);
    TRY(err);
  }
  return ERR_OK;
}
