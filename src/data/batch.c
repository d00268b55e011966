#include "data/batch.h"

#include <assert.h>
#include <string.h>

void batch_take(Batch *b, Arena *a, int64_t B, int64_t T) {
  size_t n = (size_t)(B * T);
  *b = (Batch){.B = B, .T = T};
  b->ids = arena_take(a, n * sizeof *b->ids);
  b->labels = arena_take(a, n * sizeof *b->labels);
  b->mask = arena_take(a, n * sizeof *b->mask);
  b->position = arena_take(a, n * sizeof *b->position);
  b->doc_start = arena_take(a, n * sizeof *b->doc_start);
}

void batch_masks(const int32_t *ids, int64_t T, const DataOptions *o, float *mask, int32_t *position, int32_t *doc_start) {
  int32_t start = 0;
  for (int32_t i = 0; i < T; i++) {
    bool eod = o->eod >= 0 && ids[i] == o->eod;
    mask[i] = eod && o->eod_mask_loss ? 0.0f : 1.0f;
    position[i] = o->reset_positions ? i - start : i;
    doc_start[i] = o->reset_attention ? start : 0;
    if (eod) start = i + 1;
  }
}

static Err fill_row(const Dataset *d, int64_t sample, Batch *b, int64_t row) {
  const DataOptions *o = dataset_options(d);
  int64_t T = b->T, source, number;
  dataset_place(d, sample, &source, &number);
  const GptDataset *g = dataset_source(d, source);
  const Packed *packed = dataset_packed(d, source);
  int32_t *ids = b->ids + row * T, *labels = b->labels + row * T;
  float *mask = b->mask + row * T;
  if (packed) {
    PackedRow p = {T, o->vocab, o->pad, o->reset_positions, o->reset_attention};
    TRY(packed_read(packed, number, &p, ids, labels, mask, b->position + row * T, b->doc_start + row * T));
    for (int64_t i = 0; i < T; i++) b->mask_count += mask[i] != 0;
    return ERR_OK;
  }
  TRY(gpt_dataset_read(g, number, 0, T, o->vocab, ids));
  memcpy(labels, ids + 1, (size_t)(T - 1) * sizeof *ids);
  TRY(gpt_dataset_read(g, number, T, 1, o->vocab, labels + T - 1));
  batch_masks(ids, T, o, mask, b->position + row * T, b->doc_start + row * T);
  for (int64_t i = 0; i < T; i++) {
    if (labels[i] == PAD_TOKEN) mask[i] = 0, labels[i] = 0;
    if (ids[i] == PAD_TOKEN) ids[i] = 0;
    b->mask_count += mask[i] != 0;
  }
  return ERR_OK;
}

Err data_batch(const Dataset *d, int64_t first, Batch *b) {
  assert(b->T == dataset_options(d)->T);
  int64_t samples = dataset_samples(d);
  CHECK(first >= 0 && b->B <= samples && first <= samples - b->B, ERR_ARG,
        "samples %lld to %lld are wanted, the data set has %lld: open it with as many as the run will read", (long long)first,
        (long long)(first + b->B - 1), (long long)samples);
  b->mask_count = 0;
  for (int64_t row = 0; row < b->B; row++) TRY(fill_row(d, first + row, b, row));
  return ERR_OK;
}
