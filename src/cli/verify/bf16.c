// What bf16 changes about a comparison: which experts were chosen, and how far apart two right results may be.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify/parts.h"

// ---- the choices of experts, made in fp32 and given to bf16

static void tape_ids(void *context, int64_t layer, int32_t *ids, int64_t n) {
  RouteTape *t = context;
  if (t->err) return;
  if (t->replay) {
    bool fits = t->at + n + 2 <= t->count && t->ids[t->at] == (int32_t)layer && t->ids[t->at + 1] == (int32_t)n;
    if (!fits) {
      t->err = ERR_HERE(ERR_NUMERIC, "bf16 runs other routers than fp32 at layer %lld", (long long)layer);
      memset(ids, 0, (size_t)n * sizeof *ids);
      return;
    }
    memcpy(ids, t->ids + t->at + 2, (size_t)n * sizeof *ids);
    t->at += n + 2;
    return;
  }
  if (t->count + n + 2 > t->capacity) {
    int64_t wanted = 2 * (t->count + n + 2);
    int32_t *grown = realloc(t->ids, (size_t)wanted * sizeof *grown);
    if (!grown) {
      t->err = ERR_HERE(ERR_MEMORY, "no memory for the choices of experts");
      return;
    }
    t->ids = grown, t->capacity = wanted;
  }
  t->ids[t->count] = (int32_t)layer, t->ids[t->count + 1] = (int32_t)n;
  memcpy(t->ids + t->count + 2, ids, (size_t)n * sizeof *ids);
  t->count += n + 2;
}

void tape_hook(RouteTape *tape, RouteHook *hook, Model *m) {
  if (tape) *hook = (RouteHook){tape, tape->replay, tape_ids};
  for (int64_t i = 0; i < m->n_blocks; i++) m->block[i].moe.hook = tape ? hook : NULL;
}

void tape_free(RouteTape *tape) {
  free(tape->ids);
  *tape = (RouteTape){0};
}

void verify_hook(Verify *v, Model *m) {
  if (v->tape) tape_hook(v->tape, &v->hook, m);
}

// ---- errors

Err verify_unit(const Verify *v, const StTensor *t, double *unit) {
  *unit = 1;
  if (v->type == DT_F32 || t->type == ST_I64) return ERR_OK;
  enum { CHUNK = 1024 };
  float chunk[CHUNK];
  double sum = 0;
  int64_t n = st_elements(t);
  for (int64_t i = 0; i < n; i += CHUNK) {
    int64_t count = i + CHUNK < n ? CHUNK : n - i;
    TRY(st_read_f32(t, i, count, chunk));
    for (int64_t k = 0; k < count; k++) sum += (double)chunk[k] * (double)chunk[k];
  }
  if (sum > 0) *unit = sqrt(sum / (double)n);
  return ERR_OK;
}

// An element is made of terms that were rounded about 16 times a layer (weights, and activations between products), each time
// by u / sqrt(12) of their size on the average, u = 2^-8 the spacing of bf16. The errors add like a random walk, norms and
// softmax carry them on (four times, say), and the greatest of some 10^5 lies at six deviations: 6 * 4 * sqrt(16 / 12) u
// sqrt(layers), about 28; rounded up to 32.
static double element_error(const Verify *v) {
  return 32 * 0x1p-8 * sqrt((double)(v->config.model.layers + v->config.mtp.layers));
}

// Of means over many elements, less.
static const struct {
  const char *key;
  double part;
} parts[] = {{"logits", 1},
             {"hidden", 1},
             {"logprobs", 1},
             {"grads_rel_norm_per_tensor", 0.5},  // forward and backward, but the deviation and not the greatest
             {"train_grad_norm_rel", 0.25},
             {"loss_abs", 0.125},
             {"train_loss_abs", 0.125}};

Err verify_tolerance(const Verify *v, const char *key, double *out) {
  char where[PATH_BYTES + 40];
  snprintf(where, sizeof where, "%s/meta.json: suggested_tolerance_fp32", v->folder);
  TRY(json_number(json_object_get(v->meta, "suggested_tolerance_fp32"), key, where, out));
  for (size_t i = 0; v->type == DT_BF16 && i < sizeof parts / sizeof parts[0]; i++)
    if (strcmp(parts[i].key, key) == 0) *out = parts[i].part * element_error(v);
  return ERR_OK;
}
