// One forward: a token's log-probability has the same bits in a training forward, a prompt, chunks, and one by one.
#include "infer/engine.h"

#include <math.h>
#include <stdlib.h>

#include "model/small_model.h"
#include "test.h"

enum { LENGTH = 83 };

// Log-probabilities by the training forward, of ids[t] given those before.
static void train_logprobs(SmallModel *s, float *logprob) {
  SmallRun r;
  for (int t = 0; t < LENGTH; t++) s->labels[t] = t + 1 < LENGTH ? s->ids[t + 1] : 0, s->mask[t] = 1;
  small_run_open(&r, s, true, MOVE_BACKWARD);
  small_step(&r, s, MOVE_BACKWARD);
  int64_t V = s->model->config.model.vocab;
  Mat logits = mat_of(malloc((size_t)(LENGTH * V) * sizeof(float)), V, DT_F32);
  float nll[LENGTH], lse[LENGTH];
  head_logits(s->model->head_used, &r.run, logits, r.stream.x, LENGTH);
  s->dev.op->cross_entropy(&s->dev, mat_none(), mat_of(nll, 1, DT_F32), mat_of(lse, 1, DT_F32), logits, s->labels, s->mask,
                           LENGTH, V, 1, 0);
  logprob[0] = 0;
  for (int t = 1; t < LENGTH; t++) logprob[t] = -nll[t - 1];
  free(logits.data);
  small_run_close(&r);
}

static void fed_logprobs(SmallModel *s, int64_t chunk, int64_t rows_max, bool latent, float *logprob) {
  Engine e;
  Session session;
  ASSERT_OK(engine_open(&e, s->model, &s->dev, s->type, (EngineOptions){.rows_max = rows_max, .latent = latent}));
  ASSERT_OK(session_open(&session, &e, LENGTH));
  for (int64_t at = 0; at < LENGTH; at += chunk)
    ASSERT_OK(session_feed(&session, s->ids + at, at + chunk < LENGTH ? chunk : LENGTH - at, true));
  memcpy(logprob, session.logprob, LENGTH * sizeof(float));
  session_close(&session);
  engine_close(&e);
}

TEST(a_log_probability_has_one_value) {
  for (int kind = 0; kind < SMALL_KINDS; kind++)
    for (int type = DT_F32; type <= DT_BF16; type++) {
      SmallModel s;
      float want[LENGTH], got[LENGTH];
      small_open(&s, (SmallKind)kind, (Dtype)type, 2, 1, LENGTH);
      train_logprobs(&s, want);
      const int64_t chunks[] = {LENGTH, 1, 7, 64}, rows[] = {LENGTH, 4, 16, 5};
      for (int i = 0; i < 4; i++) {
        fed_logprobs(&s, chunks[i], rows[i], false, got);
        for (int t = 0; t < LENGTH; t++)
          ASSERT_MSG(memcmp(&got[t], &want[t], sizeof(float)) == 0, "kind %d type %d chunk %d token %d: %.9g, training %.9g",
                     kind, type, (int)chunks[i], t, (double)got[t], (double)want[t]);
      }
      small_close(&s);
    }
}

TEST(the_latent_cache_agrees_within_rounding) {
  SmallModel s;
  float want[LENGTH], got[LENGTH];
  small_open(&s, SMALL_MLA_MOE_MTP, DT_F32, 2, 1, LENGTH);
  train_logprobs(&s, want);
  fed_logprobs(&s, 9, 9, true, got);
  for (int t = 0; t < LENGTH; t++) ASSERT_NEAR(got[t], want[t], 2e-5);
  small_close(&s);
}

TEST(history_can_be_cut_and_continued) {
  SmallModel s;
  Engine e;
  Session a, b;
  small_open(&s, SMALL_MLA_MOE_MTP, DT_BF16, 2, 1, LENGTH);
  ASSERT_OK(engine_open(&e, s.model, &s.dev, s.type, (EngineOptions){.rows_max = 16}));
  ASSERT_OK(session_open(&a, &e, LENGTH));
  ASSERT_OK(session_open(&b, &e, LENGTH));
  ASSERT_OK(session_feed(&a, s.ids, LENGTH, false));
  session_truncate(&a, 20);
  ASSERT_OK(session_feed(&a, s.ids + 40, 13, true));
  ASSERT_OK(session_feed(&b, s.ids, 20, false));
  ASSERT_OK(session_feed(&b, s.ids + 40, 13, true));
  ASSERT(memcmp(a.next, b.next, (size_t)s.model->config.model.vocab * sizeof(float)) == 0);
  ASSERT(memcmp(a.logprob + 20, b.logprob + 20, 13 * sizeof(float)) == 0);
  session_close(&a);
  session_close(&b);
  engine_close(&e);
  small_close(&s);
}

TEST(bad_tokens_and_full_contexts_are_refused) {
  SmallModel s;
  Engine e;
  Session a;
  small_open(&s, SMALL_GQA, DT_F32, 1, 1, LENGTH);
  ASSERT_OK(engine_open(&e, s.model, &s.dev, s.type, (EngineOptions){.rows_max = 16}));
  ASSERT_ERR(session_open(&a, &e, 513), ERR_ARG, "513");
  session_close(&a);
  ASSERT_OK(session_open(&a, &e, 10));
  int32_t bad[] = {1, SMALL_VOCAB};
  ASSERT_ERR(session_feed(&a, bad, 2, false), ERR_ARG, "97");
  ASSERT_ERR(session_feed(&a, s.ids, 11, false), ERR_ARG, "context of 10");
  session_close(&a);
  engine_close(&e);
  small_close(&s);
}
