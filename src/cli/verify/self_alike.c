// What must not depend on how a batch is computed.
#include <math.h>
#include <string.h>

#include "cli/verify/self.h"
#include "infer/engine.h"

// Sums in another order: as between instruction sets (verify_self_levels.c).
static const double ROUNDING = 0x1p-15;

static VerifyLine *line(Self *s, const char *what, double tolerance) { return verify_case_line(s->report, what, tolerance); }

// Rows of logits that must be equal to the bit: row i of got against row at[i] of want (NULL: i).
static void equal_rows(const Self *s, VerifyLine *l, const float *got, const float *want, const int64_t *at, int64_t rows) {
  int64_t V = s->config.model.vocab;
  for (int64_t i = 0; i < rows; i++) {
    const float *x = got + i * V, *y = want + (at ? at[i] : i) * V;
    double worst = 0;
    int64_t place = 0;
    for (int64_t j = 0; j < V && memcmp(x, y, (size_t)V * sizeof *x) != 0; j++) {
      double d = fabs((double)x[j] - (double)y[j]);
      if (d > worst || isnan(d)) worst = isnan(d) ? INFINITY : d, place = j;
    }
    verify_note(l, worst, "logit %lld of token %lld: %.9g, %.9g", (long long)place, (long long)i, (double)x[place],
                (double)y[place]);
    l->compared += V - 1;
  }
}

// ---- threads

static Err threads_alike(Self *s, const SelfBatch *b, const Outcome *want) {
  static const int counts[] = {1, 2, 3};
  VerifyLine *l = line(s, "threads change no bit", 0);
  for (int i = 0; i < 3; i++) {
    Trainer t = {0};
    Outcome got = {0};
    char prefix[24];
    snprintf(prefix, sizeof prefix, "%d threads", counts[i]);
    Err err = self_trainer(s, &t, counts[i], NULL);
    if (!err) err = self_compute(s, &t, b, NULL, &got);
    if (!err) self_compare(s, l, prefix, &got, want, b->B * b->T);
    outcome_free(&got);
    trainer_close(&t);
    TRY(err);
  }
  return ERR_OK;
}

// ---- batches

static void copy_sequence(SelfBatch *to, int64_t i, const SelfBatch *from, int64_t k) {
  size_t n = (size_t)from->T;
  memcpy(to->id + i * to->T, from->id + k * from->T, n * sizeof *to->id);
  memcpy(to->label + i * to->T, from->label + k * from->T, n * sizeof *to->label);
  memcpy(to->mask + i * to->T, from->mask + k * from->T, n * sizeof *to->mask);
}

static Err order_alike(Self *s, const SelfBatch *b, const Outcome *want) {
  SelfBatch turned = *b;
  Outcome got = {0};
  int64_t at[SELF_B * (SELF_T + SELF_PAD)];
  for (int64_t i = 0; i < b->B; i++) copy_sequence(&turned, i, b, b->B - 1 - i);
  for (int64_t i = 0; i < b->B * b->T; i++) at[i] = (b->B - 1 - i / b->T) * b->T + i % b->T;
  Err err = self_compute(s, &s->trainer, &turned, NULL, &got);
  if (!err) {
    equal_rows(s, line(s, "other sequences beside it change no bit of a token", 0), got.logits, want->logits, at, b->B * b->T);
    self_compare(s, line(s, "order of the sequences: roundings only", ROUNDING), "", &got, want, 0);
  }
  outcome_free(&got);
  return err;
}

static Err micro_batches_alike(Self *s, const SelfBatch *b, const Outcome *want) {
  SelfBatch single = *b;
  Outcome got = {0};
  single.micro_batch = 1;
  Err err = self_compute(s, &s->trainer, &single, NULL, &got);
  if (!err) self_compare(s, line(s, "micro-batches: roundings only", ROUNDING), "", &got, want, b->B * b->T);
  outcome_free(&got);
  return err;
}

// Longer sequences, whose ends count for nothing.
static Err padding_alike(Self *s, const SelfBatch *b, const Outcome *want) {
  SelfBatch longer = {.B = b->B, .T = b->T + SELF_PAD, .micro_batch = b->micro_batch};
  Outcome got = {0};
  int64_t V = s->config.model.vocab;
  memcpy(longer.id, s->id, sizeof longer.id);
  for (int64_t i = 0; i < b->B * longer.T; i++) longer.position[i] = (int32_t)(i % longer.T);
  for (int64_t i = 0; i < b->B; i++) copy_sequence(&longer, i, b, i);
  Err err = self_compute(s, &s->trainer, &longer, NULL, &got);
  VerifyLine *l = line(s, "what follows changes no bit of a token", 0);
  for (int64_t i = 0; i < b->B && !err; i++)
    equal_rows(s, l, got.logits + i * longer.T * V, want->logits + i * b->T * V, NULL, b->T);
  outcome_free(&got);
  return err;
}

// The first sequence's two halves as documents of one sequence, and as two sequences.
static Err documents_alike(Self *s, const SelfBatch *b) {
  int64_t half = b->T / 2, V = s->config.model.vocab;
  SelfBatch joined = {.B = 1, .T = 2 * half, .micro_batch = 1}, apart = {.B = 2, .T = half, .micro_batch = 1};
  Outcome one = {0}, two = {0};
  for (int64_t i = 0; i < 2 * half; i++) {
    bool last = i % half == half - 1;
    joined.id[i] = apart.id[i] = b->id[i];
    joined.label[i] = apart.label[i] = b->label[i];
    joined.mask[i] = apart.mask[i] = !last;
    joined.position[i] = apart.position[i] = (int32_t)(i % half);
    joined.doc_start[i] = (int32_t)(i / half * half);
  }
  Err err = self_compute(s, &s->trainer, &joined, NULL, &one);
  if (!err) err = self_compute(s, &s->trainer, &apart, NULL, &two);
  VerifyLine *l = line(s, "documents in one sequence see themselves only", ROUNDING);
  double greatest = 0;
  for (int64_t i = 0; i < 2 * half * V && !err; i++) greatest = fmax(greatest, fabs((double)two.logits[i]));
  for (int64_t i = 0; i < 2 * half * V && !err; i++)
    verify_note(l, fabs((double)one.logits[i] - (double)two.logits[i]) / greatest, "logit %lld of token %lld: %.9g, %.9g",
                (long long)(i % V), (long long)(i / V), (double)one.logits[i], (double)two.logits[i]);
  outcome_free(&one);
  outcome_free(&two);
  return err;
}

// ---- the engine

static Err feed(Self *s, Engine *e, const SelfBatch *b, int64_t piece, VerifyLine *l, const float *want) {
  Session session = {0};
  int64_t V = s->config.model.vocab;
  Err err = session_open(&session, e, b->T);
  for (int64_t at = 0; at < b->T && !err; at += piece) {
    int64_t n = at + piece < b->T ? piece : b->T - at;
    err = session_feed(&session, b->id + at, n, false);
    if (!err) equal_rows(s, l, session.next, want + (at + n - 1) * V, NULL, 1);
  }
  if (session.engine) session_close(&session);
  return err;
}

// Whole, in pieces, token by token: the training forward's bits.
static Err pieces_alike(Self *s, const SelfBatch *b, const Outcome *want) {
  Engine e;
  VerifyLine *l = line(s, "a text in pieces has the bits of training", 0);
  TRY(engine_open(&e, &s->trainer.model, &s->trainer.dev, DT_F32, (EngineOptions){.rows_max = b->T}));
  Err err = feed(s, &e, b, b->T, l, want->logits);
  if (!err) err = feed(s, &e, b, 5, l, want->logits);
  if (!err) err = feed(s, &e, b, 1, l, want->logits);
  engine_close(&e);
  return err;
}

Err self_alike(Self *s) {
  SelfBatch b;
  Outcome want = {0};
  self_batch(s, &b);
  Err err = self_compute(s, &s->trainer, &b, NULL, &want);
  if (!err) err = threads_alike(s, &b, &want);
  if (!err) err = order_alike(s, &b, &want);
  if (!err) err = micro_batches_alike(s, &b, &want);
  if (!err) err = padding_alike(s, &b, &want);
  if (!err) err = documents_alike(s, &b);
  if (!err) err = pieces_alike(s, &b, &want);
  outcome_free(&want);
  return err;
}
