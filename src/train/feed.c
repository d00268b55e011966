#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

Err feed_open_set(Dataset **d, const RunConfig *c, const char *blend, const char *key, const char *split, SplitPart part,
                  int64_t T, int64_t samples, const char *cache, const char *where) {
  Blend *b = malloc(sizeof *b);
  DataSource *source = calloc(BLEND_SOURCES_MAX, sizeof *source);
  Err err = ERR_OK;
  CHECK_OUT(b && source, ERR_MEMORY, "no memory for the list of data sources");
  TRY_OUT(blend_parse(b, blend, key, where));
  for (int64_t i = 0; i < b->count; i++) source[i] = (DataSource){b->prefix[i], b->weight[i]};
  DataOptions o = {.source = source,
                   .sources = b->count,
                   .split = split,
                   .part = part,
                   .samples = samples,
                   .T = T,
                   .vocab = c->model.model.vocab,
                   .seed = (uint32_t)c->data.seed,
                   .pad = c->model.model.pad > 0 ? (int32_t)c->model.model.pad : 0,
                   .eod = (int32_t)c->model.model.eos,
                   .eod_mask_loss = c->data.eod_mask_loss,
                   .reset_positions = c->data.reset_positions,
                   .reset_attention = c->data.reset_attention,
                   .cache = cache};
  TRY_OUT(dataset_open(d, &o));
out:
  free(b);
  free(source);
  return err;
}

static Err open_valid(Feed *f, const RunConfig *c, const char *cache, const char *where) {
  int64_t micro = f->plan->stage[0].micro_batch, wanted = c->eval.batches * micro;
  f->valid_T = f->plan->stage[0].seq_length;
  for (int64_t i = 0; i < f->plan->n_stages; i++) {  // the longest sequences of the run, so that losses compare over stages
    const Stage *g = &f->plan->stage[i];
    if (g->seq_length > f->valid_T) f->valid_T = g->seq_length;
    if (g->micro_batch * c->eval.batches > wanted) wanted = g->micro_batch * c->eval.batches;
  }
  if (*c->data.valid)
    TRY(feed_open_set(&f->valid, c, c->data.valid, "data.valid", "1,0,0", SPLIT_TRAIN, f->valid_T, wanted, cache, where));
  else
    TRY(feed_open_set(&f->valid, c, c->data.train, "data.train", c->data.split, SPLIT_VALID, f->valid_T, wanted, cache, where));
  f->valid_samples = dataset_samples(f->valid);
  return ERR_OK;
}

Err feed_open(Feed *f, const RunConfig *c, const Plan *plan, const char *cache, const char *where) {
  *f = (Feed){.plan = plan};
  const char *split = *c->data.valid ? "1,0,0" : c->data.split;
  for (int i = 0; i < plan->n_sources; i++) {
    const PlanSource *s = &plan->source[i];
    TRY(feed_open_set(&f->source[i], c, s->blend, "data.train", split, SPLIT_TRAIN, s->seq_length, s->samples, cache, where));
  }
  return c->eval.every ? open_valid(f, c, cache, where) : ERR_OK;
}

void feed_close(Feed *f) {
  for (int i = 0; i < STAGES_MAX; i++) dataset_close(f->source[i]);
  dataset_close(f->valid);
  *f = (Feed){0};
}

// Rows of T columns become rows of `length`, in place; the masks are counted again.
static void cut_rows(Batch *b, int64_t length) {
  if (length == b->T) return;
  size_t bytes = (size_t)length * sizeof(int32_t);
  for (int64_t r = 0; r < b->B; r++) {
    int64_t to = r * length, from = r * b->T;
    memmove(b->ids + to, b->ids + from, bytes);
    memmove(b->labels + to, b->labels + from, bytes);
    memmove(b->mask + to, b->mask + from, (size_t)length * sizeof(float));
    memmove(b->position + to, b->position + from, bytes);
    memmove(b->doc_start + to, b->doc_start + from, bytes);
  }
  b->T = length;
  b->mask_count = 0;
  for (int64_t i = 0; i < b->B * length; i++) b->mask_count += b->mask[i] != 0;
}

Err feed_batch(Feed *f, int64_t step, Batch *b) {
  const Stage *g = plan_stage(f->plan, step);
  b->B = stage_batch(g, step);
  b->T = g->seq_length;
  TRY(data_batch(f->source[g->source], f->cursor[g->source], b));
  f->cursor[g->source] += b->B;
  cut_rows(b, stage_length(g, step));
  return ERR_OK;
}

Err feed_valid(Feed *f, int64_t index, int64_t B, Batch *b) {
  int64_t whole = f->valid_samples / B;
  CHECK(whole > 0, ERR_CONFIG,
        "the held-out data has %lld samples, fewer than a micro-batch of %lld; give more data or a smaller micro-batch",
        (long long)f->valid_samples, (long long)B);
  b->B = B;
  b->T = f->valid_T;
  return data_batch(f->valid, index % whole * B, b);
}
