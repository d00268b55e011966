#include "data/packed.h"

#include <stdio.h>
#include <stdlib.h>

#include "data/random_state.h"

bool packed_is(const Indexed *ids) {
  char path[PATH_BYTES + 16];
  snprintf(path, sizeof path, "%s.mask.idx", ids->prefix);
  return file_exists(path);
}

static int64_t document_tokens(const Indexed *x, int64_t d) {
  int64_t n = 0;
  for (int64_t s = indexed_document(x, d); s < indexed_document(x, d + 1); s++) n += indexed_length(x, s);
  return n;
}

static Err check_shape(const Packed *p) {
  const Indexed *x = p->ids, *m = &p->mask;
  bool same = x->sequences == m->sequences && x->documents == m->documents;
  for (int64_t s = 0; same && s < x->sequences; s++) same = indexed_length(x, s) == indexed_length(m, s);
  for (int64_t d = 0; same && d < x->documents; d++) same = indexed_document(x, d) == indexed_document(m, d);
  CHECK(same, ERR_FORMAT, "%s.idx: not the mask of %s.idx: other lengths; build the set again, or remove the mask", m->prefix,
        x->prefix);
  return ERR_OK;
}

static Err draw_order(Packed *p, uint32_t seed) {
  int64_t n = p->end - p->begin, room = (p->samples + n - 1) / n * n;
  p->order = malloc((size_t)room * sizeof *p->order);
  CHECK(p->order, ERR_MEMORY, "no memory for the order of %lld samples", (long long)room);
  RandomState r;
  random_state_init(&r, seed);
  for (int64_t epoch = 0; epoch < room / n; epoch++) {
    uint32_t *order = p->order + epoch * n;
    for (int64_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    random_state_shuffle(&r, order, n);
  }
  return ERR_OK;
}

Err packed_open(Packed *p, const Indexed *ids, int64_t begin, int64_t end, int64_t samples, int64_t T, uint32_t seed) {
  char path[PATH_BYTES + 16];
  *p = (Packed){.ids = ids, .begin = begin, .end = end};
  CHECK(end > begin && end - begin < UINT32_MAX, ERR_CONFIG, "%s: %lld samples in this part of the data", ids->prefix,
        (long long)(end - begin));
  snprintf(path, sizeof path, "%s.mask", ids->prefix);
  TRY(indexed_open(&p->mask, path));
  TRY(check_shape(p));
  for (int64_t d = begin; d < end; d++) p->cut += document_tokens(ids, d) > T;
  p->samples = samples < 0 ? end - begin : samples;
  return draw_order(p, seed);
}

void packed_close(Packed *p) {
  indexed_close(&p->mask);
  free(p->order);
  *p = (Packed){0};
}

Err packed_read(const Packed *p, int64_t index, const PackedRow *o, int32_t *ids, int32_t *labels, float *mask,
                int32_t *position, int32_t *doc_start) {
  int64_t d = p->begin + p->order[index], T = o->T, at = 0;
  for (int64_t s = indexed_document(p->ids, d); s < indexed_document(p->ids, d + 1) && at < T; s++) {
    int64_t n = indexed_length(p->ids, s), from = at;
    if (n > T - at) n = T - at;
    TRY(indexed_read(p->ids, s, 0, n, o->vocab, ids + at));
    TRY(indexed_read(&p->mask, s, 0, n, 2, labels + at));  // for now; below they become labels
    for (; at < from + n; at++) {
      position[at] = (int32_t)(o->reset_positions ? at - from : at);
      doc_start[at] = (int32_t)(o->reset_attention ? from : 0);
    }
  }
  int64_t tokens = at;
  for (; at < T; at++) {
    ids[at] = o->pad;
    labels[at] = 0;
    position[at] = (int32_t)(o->reset_positions ? at - tokens : at);
    doc_start[at] = (int32_t)(o->reset_attention ? tokens : 0);
  }
  for (int64_t i = 0; i < T; i++) {
    bool learnt = i + 1 < tokens && labels[i + 1] != 0;
    mask[i] = learnt ? 1.0f : 0.0f;
    labels[i] = i + 1 < tokens ? ids[i + 1] : 0;
  }
  return ERR_OK;
}
