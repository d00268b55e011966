// Losses, gradients, and the trajectory of optimiser steps, by the trainer's own step.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify/parts.h"
#include "train/lr.h"

static const double printed_digits = 1e-8;  // numbers of 9 digits in the JSON files

static Err note_number(const json_t *object, const char *key, const char *where, VerifyLine *l, double got, bool relative) {
  double want;
  TRY(json_number(object, key, where, &want));
  double error = fabs(got - want);
  if (relative && want != 0) error /= fabs(want);
  verify_note(l, error, "%s: %.9g, want %.9g", strlen(where) > 90 ? strrchr(where, '/') + 1 : where, got, want);
  return ERR_OK;
}

// ---- gradients

static Err compare_gradient(Verify *v, VerifyLine *l, const Param *p) {
  const StTensor *t = safetensors_find(&v->grads, p->name);
  CHECK(t && st_elements(t) == p->n, ERR_FORMAT, "%s: the gradient of \"%s\" is missing or has another shape",
        v->grads.map.path, p->name);
  float *want = malloc((size_t)p->n * sizeof *want);
  CHECK(want, ERR_MEMORY, "no memory for a gradient");
  Err err = st_read_f32(t, 0, p->n, want);
  double difference = 0, size = 0;
  for (int64_t i = 0; i < p->n && !err; i++) {
    double d = (double)p->g[i] - (double)want[i];
    difference += d * d;
    size += (double)want[i] * (double)want[i];
  }
  free(want);
  // An expert that no token chose has no gradient at all.
  if (!err)
    verify_note(l, size > 0 ? sqrt(difference / size) : sqrt(difference), "%s, relative to its norm %.3g", p->name, sqrt(size));
  return err;
}

static Err compare_gradients(Verify *v) {
  double limit;
  TRY(verify_tolerance(v, "grads_rel_norm_per_tensor", &limit));
  VerifyLine *l = verify_line(v, "gradients", limit);
  const ParamList *list = &v->trainer.model.params;
  for (int64_t i = 0; i < list->count; i++)
    if (list->param[i].role != PARAM_BALANCE) TRY(compare_gradient(v, l, &list->param[i]));
  for (int64_t i = 0; i < v->grads.count; i++)
    CHECK(params_find(list, v->grads.tensor[i].name), ERR_FORMAT, "%s: \"%s\" is no parameter of this model", v->grads.map.path,
          v->grads.tensor[i].name);
  return ERR_OK;
}

static Err compare_losses(Verify *v, const json_t *want, const char *where, const Losses *got, double norm) {
  double loss, grad;
  TRY(verify_tolerance(v, "loss_abs", &loss));
  TRY(verify_tolerance(v, "train_grad_norm_rel", &grad));
  VerifyLine *l = verify_line(v, "losses", loss), *g = verify_line(v, "gradient norm", grad);
  TRY(note_number(want, "total", where, l, trainer_total(&v->trainer, got), false));
  TRY(note_number(want, "lm", where, l, got->lm, false));
  TRY(note_number(want, "mtp", where, l, got->mtp, false));
  TRY(note_number(want, "aux_weighted", where, l, got->aux, false));
  return note_number(want, "grad_norm", where, g, norm, true);
}

// With documents only the language-model part counts: the other parts' coefficients are 0 for one step.
static Err compare_documents(Verify *v, const json_t *want, const char *where) {
  Trainer *t = &v->trainer;
  Losses losses;
  double norm;
  TRY(verify_batch(v, "", 0, true));
  for (int64_t i = 0; i < t->model.n_blocks; i++) t->model.block[i].moe.aux_loss = t->model.block[i].mtp_loss = 0;
  Err err = trainer_gradients(t, &t->batch, t->batch.B, &losses, &norm);
  for (int64_t i = 0; i < t->model.n_blocks; i++) {
    t->model.block[i].moe.aux_loss = v->config.moe.aux_loss;
    t->model.block[i].mtp_loss = v->config.mtp.loss;
  }
  TRY(err);
  double loss, grad;
  TRY(verify_tolerance(v, "loss_abs", &loss));
  TRY(verify_tolerance(v, "train_grad_norm_rel", &grad));
  TRY(note_number(want, "lm_doc", where, verify_line(v, "loss, documents", loss), losses.lm, false));
  return note_number(want, "grad_norm_lm_doc", where, verify_line(v, "gradient norm, documents", grad), norm, true);
}

Err verify_gradients(Verify *v) {
  Trainer *t = &v->trainer;
  const json_t *want = json_object_get(v->meta, "losses");
  static const char where[] = "meta.json: losses";
  Losses losses;
  double norm;
  TRY(verify_batch(v, "", 0, false));
  TRY(trainer_gradients(t, &t->batch, t->batch.B, &losses, &norm));
  TRY(compare_losses(v, want, where, &losses, norm));
  TRY(compare_gradients(v));
  return compare_documents(v, want, where);
}

// ---- the trajectory

static Err compare_load(Verify *v, const json_t *step, const char *where) {
  VerifyLine *l = verify_line(v, "trajectory: expert load", 0);
  const json_t *rows = json_object_get(step, "load");
  const Moe *moe;
  for (int64_t i = 0; (moe = trainer_moe(&v->trainer, i)) != NULL; i++) {
    const json_t *row = json_array_get(rows, (size_t)i);
    CHECK(json_array_size(row) == (size_t)moe->E, ERR_FORMAT, "%s/%s: load of layer %lld is missing", v->folder, where,
          (long long)i);
    for (int64_t e = 0; e < moe->E; e++) {
      int64_t want = json_integer_value(json_array_get(row, (size_t)e));
      verify_note(l, fabs((double)(moe->load[e] - want)), "%s: layer %lld, expert %lld: %lld picks, want %lld", where,
                  (long long)moe->layer, (long long)e, (long long)moe->load[e], (long long)want);
    }
  }
  return ERR_OK;
}

static Err compare_step(Verify *v, const json_t *step, const char *where, const Losses *got, double norm, double lr) {
  double loss, grad;
  TRY(verify_tolerance(v, "train_loss_abs", &loss));
  TRY(verify_tolerance(v, "train_grad_norm_rel", &grad));
  VerifyLine *l = verify_line(v, "trajectory: losses", loss);
  TRY(note_number(step, "loss", where, l, trainer_total(&v->trainer, got), false));
  TRY(note_number(step, "lm_loss", where, l, got->lm, false));
  TRY(note_number(step, "mtp_loss", where, l, got->mtp, false));
  TRY(note_number(step, "aux_loss", where, l, got->aux, false));
  TRY(note_number(step, "grad_norm", where, verify_line(v, "trajectory: gradient norm", grad), norm, true));
  TRY(note_number(step, "lr", where, verify_line(v, "trajectory: learning rate", printed_digits), lr, true));
  return compare_load(v, step, where);
}

static Err compare_biases(Verify *v) {
  VerifyLine *l = verify_line(v, "trajectory: router bias at the end", 1e-6);  // steps of 0.001 in fp32
  const char *name;
  json_t *want;
  json_object_foreach(json_object_get(v->train, "final_router_bias"), name, want) {
    const Param *p = params_find(&v->trainer.model.params, name);
    CHECK(p && json_array_size(want) == (size_t)p->n, ERR_FORMAT, "%s/train.json: \"%s\" is no router bias of this model",
          v->folder, name);
    for (int64_t i = 0; i < p->n; i++) {
      double w = json_number_value(json_array_get(want, (size_t)i));
      float got;
      param_get(p, i, 1, &got);
      verify_note(l, fabs((double)got - w), "%s[%lld]: %.9g, want %.9g", name, (long long)i, (double)got, w);
    }
  }
  return ERR_OK;
}

static Err compare_norms(Verify *v, double tolerance) {
  VerifyLine *l = verify_line(v, "trajectory: parameter norms at the end", tolerance);
  const char *name;
  json_t *want;
  json_object_foreach(json_object_get(v->train, "final_param_norm"), name, want) {
    const Param *p = params_find(&v->trainer.model.params, name);
    CHECK(p, ERR_FORMAT, "%s/train.json: \"%s\" is no parameter of this model", v->folder, name);
    double sum = 0, w = json_number_value(want);
    for (int64_t i = 0; i < p->n; i++) {
      float x;
      param_get(p, i, 1, &x);
      sum += (double)x * (double)x;
    }
    verify_note(l, fabs(sqrt(sum) - w) / (w > 0 ? w : 1), "%s: %.9g, want %.9g", name, sqrt(sum), w);
  }
  return ERR_OK;
}

Err verify_trajectory(Verify *v) {
  Trainer *t = &v->trainer;
  char where[PATH_BYTES];
  snprintf(where, sizeof where, "%s/train.json", v->folder);
  LrSchedule lr = {.kind = LR_COSINE};
  TRY(json_number(v->train, "lr_peak", where, &lr.peak));
  TRY(json_number(v->train, "lr_min", where, &lr.low));
  TRY(json_int(v->train, "warmup_steps", where, &lr.warmup));
  TRY(json_int(v->train, "steps", where, &lr.steps));
  const json_t *steps = json_object_get(v->train, "trajectory");
  CHECK((int64_t)json_array_size(steps) == lr.steps, ERR_FORMAT, "%s: \"trajectory\" has %zu steps, \"steps\" says %lld", where,
        json_array_size(steps), (long long)lr.steps);
  for (int64_t s = 1; s <= lr.steps; s++) {
    Losses losses;
    double norm, rate = lr_at(&lr, s);
    snprintf(where, sizeof where, "step %lld", (long long)s);
    TRY(verify_batch(v, "train_", s - 1, false));
    TRY(trainer_gradients(t, &t->batch, t->batch.B, &losses, &norm));
    TRY(compare_step(v, json_array_get(steps, (size_t)s - 1), where, &losses, norm, rate));
    trainer_update(t, rate, norm);
  }
  double grad;
  TRY(verify_tolerance(v, "train_grad_norm_rel", &grad));
  TRY(compare_biases(v));
  return compare_norms(v, grad);
}
