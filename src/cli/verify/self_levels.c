// Instruction sets against the reference, and, where one is wrong, the operation that is to blame.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/verify/self.h"
#include "ops/cpu/detect.h"

// Some hundred roundings of a relative 2^-24 on the way from a weight to a logit and back, and what norms and softmax make of
// them: 2^-24 * 2^9.
static const double TOLERANCE = 0x1p-15;

static const struct {
  const char *name;
  size_t at;  // of the pointer in Ops
} operations[] = {
#define OP(name, params, tolerance) {#name, offsetof(Ops, name)},
#include "ops/ops.inc"
#undef OP
};
enum { N_OPERATIONS = sizeof operations / sizeof operations[0] };

typedef void AnyFn(void);

static AnyFn *operation_of(const Ops *o, int i) {
  AnyFn *f;
  memcpy(&f, (const char *)o + operations[i].at, sizeof f);
  return f;
}

static void operation_set(Ops *o, int i, AnyFn *f) { memcpy((char *)o + operations[i].at, &f, sizeof f); }

typedef struct {
  Self *s;
  SelfBatch batch;
  RouteTape *tape;
  Outcome want;  // the reference's
  Ops below;     // the operations of the level before
  bool blamed;   // one of a level before is to blame
} Levels;

static Err error_of(Levels *v, Trainer *t, double *error, char place[VERIFY_PLACE_BYTES]) {
  Outcome got;
  Err err = self_compute(v->s, t, &v->batch, v->tape, &got);
  if (!err) *error = outcome_error(v->s, &got, &v->want, v->batch.B * v->batch.T, place);
  outcome_free(&got);
  return err;
}

// Each operation that is this level's own, alone in the reference.
static Err blame(Levels *v, Trainer *t, const char *level) {
  Ops own = *t->dev.table, reference = own;
  Err err = ERR_OK;
  ops_init_ref(&reference);
  for (int i = 0; i < N_OPERATIONS && !err; i++) {
    char what[VERIFY_NAME_BYTES], place[VERIFY_PLACE_BYTES];
    double error = 0;
    if (operation_of(&own, i) == operation_of(&v->below, i)) continue;
    *t->dev.table = reference;
    operation_set(t->dev.table, i, operation_of(&own, i));
    err = error_of(v, t, &error, place);
    if (err || error <= TOLERANCE) continue;
    snprintf(what, sizeof what, "operation %s by %s", operations[i].name, level);
    verify_note(verify_case_line(v->s->report, what, TOLERANCE), error, "%s", place);
    v->blamed = true;
  }
  *t->dev.table = own;
  if (!err && !v->blamed)
    verify_note(verify_case_line(v->s->report, "no operation of its own alone", TOLERANCE), 0,
                "it comes of several of %s together", level);
  return err;
}

static Err level(Levels *v, Isa isa) {
  Trainer t = {0};
  char what[VERIFY_NAME_BYTES];
  Outcome got = {0};
  Err err = self_trainer(v->s, &t, 1, isa_names[isa]);
  snprintf(what, sizeof what, "%s against the reference", isa_names[isa]);
  VerifyLine *l = verify_case_line(v->s->report, what, TOLERANCE);
  if (!err) err = self_compute(v->s, &t, &v->batch, v->tape, &got);
  if (!err) self_compare(v->s, l, "", &got, &v->want, v->batch.B * v->batch.T);
  if (!err && l->failed) err = blame(v, &t, isa_names[isa]);
  if (!err) v->below = *t.dev.table;
  outcome_free(&got);
  trainer_close(&t);
  return err;
}

Err self_levels(Self *s) {
  RouteTape tape = {0};
  Levels v = {.s = s, .tape = &tape};
  Trainer reference = {0};
  self_batch(s, &v.batch);
  Err err = self_trainer(s, &reference, 1, isa_names[ISA_REF]);
  if (!err) err = self_compute(s, &reference, &v.batch, &tape, &v.want);
  if (!err) v.below = *reference.dev.table;
  trainer_close(&reference);
  tape.replay = true;
  Isa used = s->trainer.dev.isa, best = cpu_isa();  // an emulated level stands above one that may not be here
  for (int isa = ISA_REF + 1; isa <= (int)used && !err; isa++)
    if (isa <= (int)best || isa == (int)used) err = level(&v, (Isa)isa);
  outcome_free(&v.want);
  tape_free(&tape);
  return err;
}
