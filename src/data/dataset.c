#include "data/dataset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "data/blend.h"
#include "data/gpt_cache.h"
#include "data/packed.h"

typedef struct {
  Indexed file;
  bool is_packed;
  Packed packed;
  GptDataset order;  // of a file that is not
  int64_t samples;
} Source;

struct Dataset {
  DataOptions option;
  Source *source;
  int64_t samples;
  int16_t *set;     // [samples]; NULL for a single source
  int64_t *sample;  // [samples]
};

static Err open_packed(Source *s, const DataOptions *o, int64_t samples) {
  Split split;
  int64_t begin, end;
  s->is_packed = true;
  TRY(split_parse(&split, o->split));
  split_range(&split, o->part, s->file.documents, &begin, &end);
  TRY(packed_open(&s->packed, &s->file, begin, end, samples, o->T, o->seed));
  if (s->packed.cut)
    log_warn("%s: %lld of %lld samples are longer than %lld tokens and are cut", s->file.prefix, (long long)s->packed.cut,
             (long long)(end - begin), (long long)o->T);
  s->samples = s->packed.samples;
  return ERR_OK;
}

static Err open_source(Dataset *d, Source *s, const DataOptions *o, int64_t i, int64_t samples) {
  TRY(indexed_open(&s->file, o->source[i].prefix));
  GptOptions g = {.samples = samples, .T = o->T, .seed = o->seed, .keep_partial = o->keep_partial};
  if (packed_is(&s->file)) {
    TRY(open_packed(s, o, samples));
  } else {
    TRY(gpt_cache_build(&s->order, &s->file, o->split, o->part, &g, o->cache));
    s->samples = s->order.samples;
  }
  d->option.sources = i + 1;
  return ERR_OK;
}

static Err take_blend(Dataset *d) {
  d->set = malloc((size_t)d->samples * sizeof *d->set);
  d->sample = malloc((size_t)d->samples * sizeof *d->sample);
  CHECK(d->set && d->sample, ERR_MEMORY, "no memory for the blend of %lld samples", (long long)d->samples);
  return ERR_OK;
}

static Err blend_weighted(Dataset *d, const DataOptions *o, double *weight) {
  for (int64_t i = 0; i < o->sources; i++) weight[i] = o->source[i].weight;
  TRY(blend_normalise(weight, o->sources, weight));
  for (int64_t i = 0; i < o->sources; i++) TRY(open_source(d, &d->source[i], o, i, blend_size_megatron(weight[i], o->samples)));
  d->samples = o->samples;
  TRY(take_blend(d));
  TRY(blend_build(weight, o->sources, d->samples, d->set, d->sample));
  for (int64_t i = 0; i < d->samples; i++) {
    const Source *s = &d->source[d->set[i]];
    CHECK(d->sample[i] < s->samples, ERR_CONFIG, "%s: the blend wants more than its %lld samples", s->file.prefix,
          (long long)s->samples);
  }
  return ERR_OK;
}

static Err blend_all(Dataset *d, const DataOptions *o, int64_t *sizes) {
  for (int64_t i = 0; i < o->sources; i++) {
    TRY(open_source(d, &d->source[i], o, i, ONE_EPOCH));
    sizes[i] = d->source[i].samples;
    d->samples += sizes[i];
  }
  TRY(take_blend(d));
  return blend_exhaustive(sizes, o->sources, d->set, d->sample);
}

static Err open_all(Dataset *d, const DataOptions *o) {
  if (o->sources == 1) {
    TRY(open_source(d, &d->source[0], o, 0, o->samples));
    d->samples = d->source[0].samples;
    return ERR_OK;
  }
  union {
    double weight;
    int64_t size;
  } *scratch = calloc((size_t)o->sources, sizeof *scratch);
  CHECK(scratch, ERR_MEMORY, "no memory for %lld data sets", (long long)o->sources);
  Err err = o->samples == ONE_EPOCH ? blend_all(d, o, &scratch->size) : blend_weighted(d, o, &scratch->weight);
  free(scratch);
  return err;
}

static Err check_options(const DataOptions *o) {
  CHECK(o->sources >= 1 && o->sources <= BLEND_SETS, ERR_CONFIG, "%lld data files; 1 to %d are wanted", (long long)o->sources,
        BLEND_SETS);
  CHECK(o->vocab > 0, ERR_CONFIG, "a vocabulary of %lld tokens", (long long)o->vocab);
  bool uses_eod = o->eod_mask_loss || o->reset_positions || o->reset_attention;
  CHECK(!uses_eod || o->eod >= 0, ERR_CONFIG,
        "document masks, position reset and eod_mask_loss need the id that ends a document; none is given");
  CHECK(o->eod < o->vocab, ERR_CONFIG, "end of document %d is not in the vocabulary of %lld", o->eod, (long long)o->vocab);
  return ERR_OK;
}

Err dataset_open(Dataset **out, const DataOptions *option) {
  *out = NULL;
  TRY(check_options(option));
  Dataset *d = calloc(1, sizeof *d);
  CHECK(d, ERR_MEMORY, "no memory for a data set");
  d->option = *option;
  d->option.sources = 0;  // counts those that are open
  d->source = calloc((size_t)option->sources, sizeof *d->source);
  Err err = d->source ? open_all(d, option) : ERR_HERE(ERR_MEMORY, "no memory for %lld data sets", (long long)option->sources);
  if (err) {
    if (d->source && d->option.sources < option->sources) d->option.sources++;  // the one that failed may be half open
    dataset_close(d);
    return err;
  }
  d->option.source = NULL;
  d->option.split = d->option.cache = NULL;
  *out = d;
  return ERR_OK;
}

void dataset_close(Dataset *d) {
  if (!d) return;
  for (int64_t i = 0; d->source && i < d->option.sources; i++) {
    gpt_dataset_free(&d->source[i].order);
    packed_close(&d->source[i].packed);
    indexed_close(&d->source[i].file);
  }
  free(d->source);
  free(d->set);
  free(d->sample);
  free(d);
}

const DataOptions *dataset_options(const Dataset *d) { return &d->option; }
int64_t dataset_samples(const Dataset *d) { return d->samples; }
int64_t dataset_sources(const Dataset *d) { return d->option.sources; }
const GptDataset *dataset_source(const Dataset *d, int64_t source) { return &d->source[source].order; }

const Packed *dataset_packed(const Dataset *d, int64_t source) {
  return d->source[source].is_packed ? &d->source[source].packed : NULL;
}

void dataset_place(const Dataset *d, int64_t i, int64_t *source, int64_t *sample) {
  assert(i >= 0 && i < d->samples);
  *source = d->set ? d->set[i] : 0;
  *sample = d->set ? d->sample[i] : i;
}
