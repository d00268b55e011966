#include "data/gpt_dataset.h"

#include <assert.h>
#include <stdlib.h>

#include "data/random_state.h"

static int64_t extra(const GptDataset *g) { return g->option.no_extra ? 0 : 1; }

// The least number of epochs whose tokens are enough.
static int64_t epochs_for(const GptDataset *g) {
  if (g->option.samples == ONE_EPOCH) return 1;
  int64_t want = g->option.samples * g->option.T + extra(g), n = (want + g->tokens_per_epoch - 1) / g->tokens_per_epoch;
  return n > 1 ? n : 1;
}

Err gpt_dataset_plan(GptDataset *g, const Indexed *data, int64_t begin, int64_t end, const GptOptions *option) {
  assert(begin >= 0 && begin <= end && end <= data->sequences);
  *g = (GptDataset){.data = data, .option = *option, .begin = begin, .end = end};
  int64_t T = option->T;
  CHECK(T > 1, ERR_CONFIG, "sequence length %lld; at least 2 is wanted", (long long)T);
  CHECK(option->samples >= ONE_EPOCH && option->samples < INT64_MAX / 4 / T, ERR_CONFIG,
        "%lld samples of %lld tokens are too many", (long long)option->samples, (long long)T);
  CHECK(end <= INT32_MAX, ERR_CONFIG, "%s: %lld sequences; the sample order holds %d at most", data->prefix, (long long)end,
        INT32_MAX);
  for (int64_t s = begin; s < end; s++) g->tokens_per_epoch += indexed_length(data, s);
  CHECK(g->tokens_per_epoch > 0, ERR_CONFIG,
        "%s: no tokens in sequences [%lld, %lld) of %lld: give this split a greater part, or more data", data->prefix,
        (long long)begin, (long long)end, (long long)data->sequences);
  g->epochs = epochs_for(g);
  CHECK(g->epochs <= INT64_MAX / 2 / g->tokens_per_epoch && g->epochs <= INT64_MAX / 8 / (end - begin), ERR_CONFIG,
        "%s: %lld epochs are too many", data->prefix, (long long)g->epochs);
  g->entries = g->epochs * (end - begin);
  int64_t run = g->epochs * g->tokens_per_epoch - extra(g);
  g->samples = (run + (option->keep_partial ? T - 1 : 0)) / T;
  CHECK(
      g->samples > 0, ERR_CONFIG,
      "%s: %lld tokens in sequences [%lld, %lld), one sample wants %lld: shorten the sequence length or ask for several epochs",
      data->prefix, (long long)g->tokens_per_epoch, (long long)begin, (long long)end, (long long)gpt_dataset_row(g));
  CHECK(g->samples < UINT32_MAX, ERR_CONFIG, "%s: %lld samples; the sample order holds %u at most", data->prefix,
        (long long)g->samples, UINT32_MAX - 1);
  if (g->epochs > 1) {
    int64_t before = ((g->epochs - 1) * g->tokens_per_epoch - extra(g)) / T, whole = (g->tokens_per_epoch - extra(g)) / T;
    g->last_separate = option->samples - before < (int64_t)(0.8 * (double)whole);
  }
  return ERR_OK;
}

Err gpt_dataset_take(GptDataset *g) {
  size_t entries = (size_t)g->entries, samples = (size_t)g->samples;
  g->document_index = malloc(entries * sizeof *g->document_index);
  g->sample_index = malloc((samples + 1) * 2 * sizeof *g->sample_index);
  g->shuffle_index = malloc(samples * sizeof *g->shuffle_index);
  CHECK(g->document_index && g->sample_index && g->shuffle_index, ERR_MEMORY,
        "%s: no memory for the order of %lld samples and %lld sequences (%.1f GiB)", g->data->prefix, (long long)g->samples,
        (long long)g->entries, (4.0 * (double)entries + 20.0 * (double)samples) / (1 << 30));
  return ERR_OK;
}

static void build_documents(GptDataset *g, RandomState *r) {
  int64_t each = g->end - g->begin, body = g->last_separate ? g->entries - each : g->entries;
  int64_t at = 0;
  for (int64_t e = 0; e < g->epochs; e++) {
    for (int64_t s = g->begin; s < g->end; s++) g->document_index[at++] = (int32_t)s;
  }
  random_state_shuffle(r, (uint32_t *)g->document_index, body);
  random_state_shuffle(r, (uint32_t *)g->document_index + body, g->entries - body);
}

static void build_samples(GptDataset *g) {
  int64_t position = 0, offset = 0;
  g->sample_index[0] = g->sample_index[1] = 0;
  for (int64_t i = 1; i <= g->samples; i++) {
    int64_t want = gpt_dataset_row(g);  // tokens of this sample still to find
    for (;;) {
      int64_t length = indexed_length(g->data, g->document_index[position]), left = length - offset;
      if (want <= left) {
        offset += want - extra(g);  // the last token is the next sample's first
        break;
      }
      if (position == g->entries - 1) {  // the last, partial sample
        assert(i == g->samples && g->option.keep_partial);
        offset = length - extra(g);
        break;
      }
      want -= left;
      position++;
      offset = 0;
    }
    g->sample_index[2 * i] = position;
    g->sample_index[2 * i + 1] = offset;
  }
}

static void build_shuffle(GptDataset *g, RandomState *r) {
  int64_t body = g->samples;
  if (g->last_separate) body = ((g->epochs - 1) * g->tokens_per_epoch - extra(g)) / g->option.T;
  for (int64_t i = 0; i < g->samples; i++) g->shuffle_index[i] = (uint32_t)i;
  random_state_shuffle(r, g->shuffle_index, body);
  random_state_shuffle(r, g->shuffle_index + body, g->samples - body);
}

Err gpt_dataset_build(GptDataset *g, const Indexed *data, int64_t begin, int64_t end, const GptOptions *option) {
  TRY(gpt_dataset_plan(g, data, begin, end, option));
  Err err = gpt_dataset_take(g);
  if (err) {
    gpt_dataset_free(g);
    return err;
  }
  RandomState r;
  random_state_init(&r, option->seed);
  build_documents(g, &r);
  build_samples(g);
  build_shuffle(g, &r);
  return ERR_OK;
}

void gpt_dataset_free(GptDataset *g) {
  free(g->document_index);
  free(g->sample_index);
  free(g->shuffle_index);
  *g = (GptDataset){0};
}

Err gpt_dataset_read(const GptDataset *g, int64_t index, int64_t first, int64_t n, int64_t vocab, int32_t *out) {
  assert(index >= 0 && index < g->samples && first >= 0 && first + n <= gpt_dataset_row(g));
  const int64_t *start = g->sample_index + 2 * (int64_t)g->shuffle_index[index];
  int64_t position = start[0], offset = start[1], done = 0;
  while (done < n && position < g->entries) {
    int64_t s = g->document_index[position], left = indexed_length(g->data, s) - offset;
    if (first >= left) {
      first -= left;
    } else {
      int64_t take = left - first < n - done ? left - first : n - done;
      TRY(indexed_read(g->data, s, offset + first, take, vocab, out + done));
      done += take;
      first = 0;
    }
    position++;
    offset = 0;
  }
  for (; done < n; done++) out[done] = PAD_TOKEN;
  return ERR_OK;
}
