// Sample orders: random numbers, splits, index arrays, cache names.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/gpt_cache.h"
#include "data/gpt_dataset.h"
#include "data/npy.h"
#include "data/random_state.h"
#include "data/split.h"
#include "golden/golden_data.h"

static void shuffle(GoldenCount *n, RandomState *r, const json_t *shuffle) {
  const json_t *want = golden_array(n, shuffle, "shuffled");
  int64_t count = (int64_t)json_array_size(want);
  golden_compare(n, count == golden_int(shuffle, "n"), "a shuffle of %lld", (long long)count);
  uint32_t *a = calloc((size_t)count + 1, sizeof *a);
  for (int64_t i = 0; i < count; i++) a[i] = (uint32_t)i;
  random_state_shuffle(r, a, count);
  for (int64_t i = 0; i < count; i++)
    golden_compare(n, a[i] == golden_element(want, (size_t)i), "shuffle of %lld, place %lld", (long long)count, (long long)i);
  free(a);
}

static void random_state_line(GoldenCount *n, const json_t *line, void *context) {
  (void)context;
  RandomState r;
  random_state_init(&r, (uint32_t)golden_int(line, "seed"));
  const json_t *first = golden_array(n, line, "first_uint32");
  for (size_t i = 0; i < json_array_size(first); i++)
    golden_compare(n, random_state_next(&r) == golden_element(first, i), "output %zu", i);
  random_state_init(&r, (uint32_t)golden_int(line, "seed"));
  size_t at;
  json_t *one;
  json_array_foreach(golden_array(n, line, "shuffles_one_state"), at, one) shuffle(n, &r, one);
}
void golden_data_random_state(GoldenCount *n) { golden_each_line(n, n->folder, random_state_line, NULL); }

static void split_line(GoldenCount *n, const json_t *line, void *context) {
  (void)context;
  Split s;
  const char *text = golden_text(line, "split");
  if (split_parse(&s, text) != ERR_OK) {
    golden_compare(n, 0, "%s", err_text());
    return;
  }
  for (size_t i = 0; i < SPLITS; i++) {
    const json_t *share = json_array_get(json_object_get(line, "matrix"), i),
                 *range = json_array_get(json_object_get(line, "ranges"), i);
    golden_compare(n, s.present[i] == json_is_array(share), "split %s: part %zu present", text, i);
    if (!json_is_array(share)) continue;
    int64_t begin, end;
    split_range(&s, (SplitPart)i, golden_int(line, "sequences"), &begin, &end);
    golden_compare(n, begin == golden_element(range, 0) && end == golden_element(range, 1),
                   "split %s: part %zu is [%lld, %lld)", text, i, (long long)begin, (long long)end);
    golden_compare(
        n, s.begin[i] == json_number_value(json_array_get(share, 0)) && s.end[i] == json_number_value(json_array_get(share, 1)),
        "split %s: shares of part %zu", text, i);
  }
}

void golden_data_splits(GoldenCount *n) { golden_each_line(n, n->folder, split_line, NULL); }

void golden_array_is(GoldenCount *n, const char *name, const void *ours, size_t bytes, char kind, int size) {
  char path[PATH_BYTES];
  Npy a;
  if (!golden_ok(n, npy_open(&a, golden_path(n, path, "data/%s.npy", name)))) return;
  bool same = a.kind == kind && a.size == size && (size_t)(a.count * a.size) == bytes;
  golden_compare(n, same, "%s: has %lld elements of type %c%d, ours %zu of %c%d", path, (long long)a.count, a.kind, a.size,
                 bytes / (size_t)size, kind, size);
  for (int64_t i = 0; same && i < a.count; i++) {
    const char *p = (const char *)ours + i * size;
    golden_compare(n, memcmp(p, (const char *)a.data + i * size, (size_t)size) == 0, "%s: element %lld", path, (long long)i);
  }
  npy_close(&a);
}

void golden_pair(const GoldenCount *n, char out[PATH_BYTES], const json_t *c) {
  golden_path(n, out, "data/%s.bin", golden_text(c, "dataset"));
  golden_path(n, out, "data/%s.idx", golden_text(c, "dataset"));
  out[strlen(out) - strlen(".idx")] = '\0';
}

static Err open_case(const GoldenCount *n, const json_t *c, Indexed *x, Split *s, GptOptions *o) {
  char path[PATH_BYTES];
  golden_pair(n, path, c);
  *o = (GptOptions){.samples = json_is_null(json_object_get(c, "num_samples")) ? ONE_EPOCH : golden_int(c, "num_samples"),
                    .T = golden_int(c, "seq_length"),
                    .seed = (uint32_t)golden_int(c, "seed"),
                    .keep_partial = !golden_true(c, "drop_last_partial"),
                    .no_extra = !golden_true(c, "add_extra_token")};
  TRY(split_parse(s, golden_text(c, "split")));
  return indexed_open(x, path);
}

SplitPart golden_part(const char *name) {
  SplitPart p = SPLIT_TRAIN;
  while (p < SPLIT_TEST && strcmp(split_name(p), name) != 0) p++;
  return p;
}

static void compare_tokens(GoldenCount *n, const char *name, const GptDataset *g) {
  int64_t row = gpt_dataset_row(g), rows = g->samples < 50 ? g->samples : 50;
  char array[GOLDEN_NAME_BYTES];
  int32_t *tokens = calloc((size_t)(rows * row) + 1, sizeof *tokens);
  for (int64_t i = 0; i < rows; i++) {
    int64_t cut = i * 7 % row;  // in two reads, cut anywhere
    golden_compare(n,
                   gpt_dataset_read(g, i, 0, cut, INT32_MAX, tokens + i * row) == ERR_OK &&
                       gpt_dataset_read(g, i, cut, row - cut, INT32_MAX, tokens + i * row + cut) == ERR_OK,
                   "%s sample %lld: %s", name, (long long)i, err_text());
  }
  snprintf(array, sizeof array, "gpt/%.200s/tokens", name);
  golden_array_is(n, array, tokens, (size_t)(rows * row) * 4, 'i', 4);
  free(tokens);
}

// The three index arrays and the first samples.
static void compare_arrays(GoldenCount *n, const char *name, const GptDataset *g) {
  char array[GOLDEN_NAME_BYTES];
  snprintf(array, sizeof array, "gpt/%.200s/document_index", name);
  golden_array_is(n, array, g->document_index, (size_t)g->entries * 4, 'i', 4);
  snprintf(array, sizeof array, "gpt/%.200s/sample_index", name);
  golden_array_is(n, array, g->sample_index, (size_t)(g->samples + 1) * 16, 'i', 8);
  snprintf(array, sizeof array, "gpt/%.200s/shuffle_index", name);
  golden_array_is(n, array, g->shuffle_index, (size_t)g->samples * 4, 'u', 4);
  compare_tokens(n, name, g);
}

static void gpt_line(GoldenCount *n, const json_t *c, void *context) {
  (void)context;
  const char *name = golden_text(c, "name");
  Indexed x;
  Split s;
  GptOptions o;
  GptDataset g;
  int64_t begin, end;
  if (!golden_ok(n, open_case(n, c, &x, &s, &o))) return;
  split_range(&s, golden_part(golden_text(c, "which")), x.sequences, &begin, &end);
  const json_t *range = golden_array(n, c, "sequences"), *separate = json_object_get(c, "last_epoch_separate");
  golden_compare(n, begin == golden_element(range, 0) && end == golden_element(range, 1), "%s: sequences [%lld, %lld)", name,
                 (long long)begin, (long long)end);
  if (gpt_dataset_build(&g, &x, begin, end, &o) != ERR_OK) {
    golden_compare(n, 0, "%s: %s", name, err_text());
    indexed_close(&x);
    return;
  }
  golden_compare(n, g.tokens_per_epoch == golden_int(c, "tokens_per_epoch"), "%s: %lld tokens an epoch", name,
                 (long long)g.tokens_per_epoch);
  golden_compare(n, g.epochs == golden_int(c, "epochs"), "%s: %lld epochs", name, (long long)g.epochs);
  golden_compare(n, g.samples == golden_int(c, "samples"), "%s: %lld samples", name, (long long)g.samples);
  golden_compare(n, g.last_separate == json_is_true(separate), "%s: last epoch separate", name);
  compare_arrays(n, name, &g);
  gpt_dataset_free(&g);
  indexed_close(&x);
}

void golden_data_gpt(GoldenCount *n) { golden_each_line(n, n->folder, gpt_line, NULL); }

static void cache_line(GoldenCount *n, const json_t *c, void *context) {
  (void)context;
  json_t *d = NULL;  // the parameters are those the description holds
  const char *want = golden_text(c, "description");
  if (!golden_ok(n, json_parse(&d, want, strlen(want), "description", false))) return;
  GptOptions o = {.samples = json_is_null(json_object_get(d, "num_samples")) ? ONE_EPOCH : golden_int(d, "num_samples"),
                  .T = golden_int(d, "sequence_length"),
                  .seed = (uint32_t)golden_int(d, "random_seed")};
  char *text = NULL, md5[MD5_HEX_BYTES] = "";
  Err err = gpt_cache_describe(golden_text(d, "dataset_path"), golden_text(d, "split"),
                               golden_part(golden_text(d, "index_split")), &o, &text, md5);
  golden_compare(n, err == ERR_OK && strcmp(text, want) == 0, "description is\n%s\nwant\n%s", text, want);
  golden_compare(n, strcmp(md5, golden_text(c, "md5")) == 0, "md5 %s", md5);
  free(text);
  json_decref(d);
}

void golden_data_cache_names(GoldenCount *n) { golden_each_line(n, n->folder, cache_line, NULL); }
