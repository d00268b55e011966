#include "train/score.h"

#include <stdlib.h>

#include "base/progress.h"

double score_forward(Model *m, const Run *run, const Batch *b, Stream *stream, BlockSaved *saved) {
  static const int32_t nothing;  // measuring: a loss is wanted, and nobody reads the labels
  MicroBatch mb = {.B = b->B,
                   .T = b->T,
                   .ids = b->ids,
                   .labels = b->labels ? b->labels : &nothing,
                   .mask = b->mask,
                   .position = b->position,
                   .doc_start = b->doc_start,
                   .loss_scale = 1};
  Losses losses = {0};
  size_t kept = arena_mark(run->kept), temp = arena_mark(run->temp);
  model_forward(m, run, &mb, 0, m->config.model.layers + 2, stream, saved, &losses);
  arena_rewind(run->kept, kept);
  arena_rewind(run->temp, temp);
  return losses.lm;
}

void score_add(Score *s, const Batch *b, double nll, const int32_t *token_bytes) {
  s->nll += nll;
  s->labels += b->mask_count;
  for (int64_t i = 0; token_bytes && i < b->B * b->T; i++)
    if (b->mask[i] != 0) s->bytes += token_bytes[b->labels[i]];
}

typedef struct {
  Arena kept, temp, batch;
  Batch b;
  Stream stream;
  BlockSaved *saved;
} Room;

static Err room_open(Room *room, Model *m, Dtype type, int64_t B, int64_t T) {
  Dev nothing;
  dev_measure(&nothing);
  *room = (Room){.saved = calloc((size_t)m->n_blocks, sizeof *room->saved)};
  CHECK(room->saved, ERR_MEMORY, "no memory to score");
  arena_measure(&room->kept, "activations");
  arena_measure(&room->temp, "temporary");
  arena_measure(&room->batch, "a batch");
  Run run = {.dev = &nothing, .type = type, .kept = &room->kept, .temp = &room->temp};
  (void)score_forward(m, &run, &(Batch){.B = B, .T = T}, &room->stream, room->saved);
  batch_take(&room->b, &room->batch, B, T);
  TRY(arena_init(&room->kept, room->kept.name, room->kept.peak));
  TRY(arena_init(&room->temp, room->temp.name, room->temp.peak));
  TRY(arena_init(&room->batch, room->batch.name, room->batch.peak));
  batch_take(&room->b, &room->batch, B, T);
  return ERR_OK;
}

static void room_close(Room *room) {
  arena_free(&room->kept);
  arena_free(&room->temp);
  arena_free(&room->batch);
  free(room->saved);
}

static Err score_all(Room *room, Model *m, Dev *dev, Dtype type, const Dataset *d, int64_t count, int64_t B,
                     const int32_t *token_bytes, Progress *progress, Score *score) {
  Run run = {.dev = dev, .type = type, .kept = &room->kept, .temp = &room->temp};
  for (int64_t first = 0; first < count; first += B) {
    room->b.B = count - first < B ? count - first : B;
    TRY(data_batch(d, first, &room->b));
    score_add(score, &room->b, score_forward(m, &run, &room->b, &room->stream, room->saved), token_bytes);
    if (!progress) continue;
    progress_note(progress, "loss %.4f", score->labels ? score->nll / (double)score->labels : 0);
    progress_update(progress, (double)(first + room->b.B));
  }
  return ERR_OK;
}

Err score_dataset(Model *m, Dev *dev, Dtype type, const Dataset *d, int64_t count, int64_t B, const int32_t *token_bytes,
                  bool progress, Score *score) {
  Room room;
  Progress p;
  *score = (Score){0};
  type = dtype_of_rows(type);
  Err err = room_open(&room, m, type, B, dataset_options(d)->T);
  if (!err) {
    if (progress) progress_start(&p, "eval", "sequences", (double)count, 0);
    err = score_all(&room, m, dev, type, d, count, B, token_bytes, progress ? &p : NULL, score);
    if (progress) progress_end(&p);
  }
  room_close(&room);
  return err;
}
