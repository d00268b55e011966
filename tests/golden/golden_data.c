#include "golden/golden_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/batch.h"
#include "data/blend.h"
#include "data/gpt_cache.h"
#include "data/gpt_dataset.h"
#include "data/npy.h"
#include "data/random_state.h"
#include "data/split.h"
#include "golden/golden_count.h"

// ---- gpt/
static void random_state_line(GoldenCount *n, const char *data, json_t *line) {
  (void)data;
  RandomState r;
  random_state_init(&r, (uint32_t)golden_int(line, "seed"));
  const json_t *first = json_object_get(line, "first_uint32");
  for (size_t i = 0; i < json_array_size(first); i++)
    golden_compare(n, random_state_next(&r) == golden_element(first, i), "output %zu", i);
  random_state_init(&r, (uint32_t)golden_int(line, "seed"));
  size_t at;
  json_t *shuffle;
  json_array_foreach(json_object_get(line, "shuffles_one_state"), at, shuffle) {
    uint32_t a[1024];
    int64_t count = golden_int(shuffle, "n");
    if (count > 1024) count = 0;
    for (int64_t i = 0; i < count; i++) a[i] = (uint32_t)i;
    random_state_shuffle(&r, a, count);
    const json_t *want = json_object_get(shuffle, "shuffled");
    for (int64_t i = 0; i < count; i++)
      golden_compare(n, a[i] == golden_element(want, (size_t)i), "shuffle of %lld, place %lld", (long long)count, (long long)i);
  }
}

static void split_line(GoldenCount *n, const char *data, json_t *line) {
  (void)data;
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

// compare_array: every element of a golden .npy against ours
static void compare_array(GoldenCount *n, const char *data, const char *name, const char *array, const void *ours, size_t bytes,
                          char kind, int size) {
  char path[PATH_BYTES];
  Npy a;
  snprintf(path, sizeof path, "%s/%s%s.npy", data, name, array);
  if (npy_open(&a, path) != ERR_OK) {
    golden_compare(n, 0, "%s", err_text());
    return;
  }
  bool same = a.kind == kind && a.size == size && (size_t)(a.count * a.size) == bytes;
  golden_compare(n, same, "%s: our array has %zu bytes", path, bytes);
  for (int64_t i = 0; same && i < a.count; i++) {
    const char *p = (const char *)ours + i * size;
    golden_compare(n, memcmp(p, (const char *)a.data + i * size, (size_t)size) == 0, "%s: element %lld", path, (long long)i);
  }
  npy_close(&a);
}

static Err open_case(const char *data, const json_t *c, Indexed *x, Split *s, GptOptions *o) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", data, golden_text(c, "dataset"));
  *o = (GptOptions){.samples = json_is_null(json_object_get(c, "num_samples")) ? ONE_EPOCH : golden_int(c, "num_samples"),
                    .T = golden_int(c, "seq_length"),
                    .seed = (uint32_t)golden_int(c, "seed"),
                    .keep_partial = !golden_true(c, "drop_last_partial"),
                    .no_extra = !golden_true(c, "add_extra_token")};
  TRY(split_parse(s, golden_text(c, "split")));
  return indexed_open(x, path);
}

static SplitPart part_named(const char *name) {
  SplitPart p = SPLIT_TRAIN;
  while (p < SPLIT_TEST && strcmp(split_name(p), name) != 0) p++;
  return p;
}

static void compare_tokens(GoldenCount *n, const char *data, const char *folder, const GptDataset *g) {
  int64_t row = gpt_dataset_row(g), rows = g->samples < 50 ? g->samples : 50;
  int32_t *tokens = malloc((size_t)(rows * row) * sizeof *tokens);
  for (int64_t i = 0; i < rows; i++) {
    int64_t cut = i * 7 % row;  // in two reads, cut anywhere
    golden_compare(n,
                   gpt_dataset_read(g, i, 0, cut, INT32_MAX, tokens + i * row) == ERR_OK &&
                       gpt_dataset_read(g, i, cut, row - cut, INT32_MAX, tokens + i * row + cut) == ERR_OK,
                   "%s sample %lld: %s", folder, (long long)i, err_text());
  }
  compare_array(n, data, folder, "tokens", tokens, (size_t)(rows * row) * 4, 'i', 4);
  free(tokens);
}

static void gpt_line(GoldenCount *n, const char *data, json_t *c) {
  const char *name = golden_text(c, "name");
  Indexed x;
  Split s;
  GptOptions o;
  GptDataset g;
  int64_t begin, end;
  if (open_case(data, c, &x, &s, &o) != ERR_OK) {
    golden_compare(n, 0, "%s", err_text());
    return;
  }
  split_range(&s, part_named(golden_text(c, "which")), x.sequences, &begin, &end);
  const json_t *range = json_object_get(c, "sequences"), *separate = json_object_get(c, "last_epoch_separate");
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
  char folder[256];
  snprintf(folder, sizeof folder, "gpt/%.200s/", name);
  compare_array(n, data, folder, "document_index", g.document_index, (size_t)g.entries * 4, 'i', 4);
  compare_array(n, data, folder, "sample_index", g.sample_index, (size_t)(g.samples + 1) * 16, 'i', 8);
  compare_array(n, data, folder, "shuffle_index", g.shuffle_index, (size_t)g.samples * 4, 'u', 4);
  compare_tokens(n, data, folder, &g);
  gpt_dataset_free(&g);
  indexed_close(&x);
}

// Whether row i of the attention mask ("1": masked) is "from the document's begin to i".
static bool mask_row_is(const char *row, int64_t T, int64_t i, int32_t start) {
  for (int64_t j = 0; j < T; j++) {
    bool sees = j >= start && j <= i;
    if (row[j] != (sees ? '0' : '1')) return false;
  }
  return true;
}

// The ends of documents are where doc_start changes, then the length for ever.
static void compare_ends(GoldenCount *n, const json_t *ends, const int32_t *doc_start, int64_t T) {
  int32_t start = 0;
  for (size_t i = 0; i < json_array_size(ends); i++) {
    int64_t next = start;
    while (next < T && doc_start[next] == start) next++;
    golden_compare(n, golden_element(ends, i) == next, "document end %zu is %lld", i, (long long)next);
    start = (int32_t)next;
  }
}

static int64_t compare_mask_fields(GoldenCount *n, const json_t *c, int64_t T, const float *mask, const int32_t *position,
                                   const int32_t *doc_start) {
  const json_t *masks = json_object_get(c, "loss_mask"), *positions = json_object_get(c, "position_ids"),
               *rows = json_object_get(c, "attention_mask_rows");
  if (!rows) rows = json_object_get(c, "attention_mask");
  for (int64_t i = 0; i < T; i++) {
    golden_compare(n, mask[i] == (float)golden_element(masks, (size_t)i), "loss_mask %lld", (long long)i);
    golden_compare(n, position[i] == golden_element(positions, (size_t)i), "position %lld", (long long)i);
    const char *row = json_string_value(json_array_get(rows, (size_t)i));
    if (row) golden_compare(n, mask_row_is(row, T, i, doc_start[i]), "attention row %lld", (long long)i);
  }
  return T;
}

static void mask_line(GoldenCount *n, const char *data, json_t *c) {
  (void)data;
  enum { MOST = 4096 };
  static int32_t ids[MOST], position[MOST], doc_start[MOST];
  static float mask[MOST];
  const json_t *tokens = json_object_get(c, "tokens");
  int64_t T = (int64_t)json_array_size(tokens);
  golden_compare(n, T <= MOST, "%lld tokens", (long long)T);
  if (T > MOST) return;
  for (int64_t i = 0; i < T; i++) ids[i] = (int32_t)golden_element(tokens, (size_t)i);
  DataOptions o = {.eod = (int32_t)golden_int(c, "eod"),
                   .eod_mask_loss = golden_true(c, "eod_mask_loss"),
                   .reset_positions = golden_true(c, "reset_position_ids"),
                   .reset_attention = golden_true(c, "reset_attention_mask")};
  batch_masks(ids, T, &o, mask, position, doc_start);
  compare_mask_fields(n, c, T, mask, position, doc_start);
  const char *length;
  json_t *ends;
  json_object_foreach(json_object_get(c, "actual_seq_len"), length, ends) {
    int64_t documents = 1;
    for (int64_t i = 1; i < T; i++) documents += doc_start[i] != doc_start[i - 1];
    if (documents <= (int64_t)json_array_size(ends)) compare_ends(n, ends, doc_start, T);  // longer lists are cut there
  }
}

// items.jsonl speaks of one case of cases.jsonl; its samples are read through the whole of dataset and batch.
static json_t *item_case;
static void find_item_case(GoldenCount *n, const char *data, json_t *c) {
  (void)data;
  n->cases--;  // counted as a case of its own already
  if (strcmp(golden_text(c, "name"), "valid_keep_partial") == 0) item_case = json_incref(c);
}

static void item_line(GoldenCount *n, const char *data, json_t *c) {
  char path[PATH_BYTES];
  const json_t *option = json_object_get(c, "options");
  snprintf(path, sizeof path, "%s/%s", data, golden_text(item_case, "dataset"));
  DataSource source = {path, 1};
  DataOptions o = {
      .source = &source,
      .sources = 1,
      .split = golden_text(item_case, "split"),
      .part = part_named(golden_text(item_case, "which")),
      .samples = ONE_EPOCH,
      .T = golden_int(item_case, "seq_length"),
      .vocab = INT32_MAX,
      .seed = (uint32_t)golden_int(item_case, "seed"),
      .keep_partial = true,
      .eod = 2,
      .eod_mask_loss = golden_true(option, "eod_mask_loss"),
      .reset_positions = golden_true(option, "reset_position_ids"),
      .reset_attention = golden_true(option, "reset_attention_mask") || golden_true(option, "create_compressed_eod_mask")};
  Dataset *d = NULL;
  enum { MOST = 256 };
  int32_t ids[MOST], labels[MOST], position[MOST], doc_start[MOST];
  float mask[MOST];
  Batch b = {.B = 1, .T = o.T, .ids = ids, .labels = labels, .mask = mask, .position = position, .doc_start = doc_start};
  bool fits = o.T <= MOST && dataset_open(&d, &o) == ERR_OK && data_batch(d, golden_int(c, "index"), &b) == ERR_OK;
  golden_compare(n, fits, "item: %s", err_text());
  for (int64_t i = 0; fits && i < o.T; i++) {
    golden_compare(n, ids[i] == golden_element(json_object_get(c, "tokens"), (size_t)i), "item token %lld", (long long)i);
    golden_compare(n, labels[i] == golden_element(json_object_get(c, "labels"), (size_t)i), "item label %lld", (long long)i);
  }
  if (fits) {
    compare_mask_fields(n, c, o.T, mask, position, doc_start);
    if (json_object_get(c, "actual_seq_len")) compare_ends(n, json_object_get(c, "actual_seq_len"), doc_start, o.T);
  }
  dataset_close(d);
}

static void cache_line(GoldenCount *n, const char *data, json_t *c) {
  (void)data;
  json_t *d = NULL;  // the parameters are those the description holds
  const char *want = golden_text(c, "description");
  if (json_parse(&d, want, strlen(want), "description", false) != ERR_OK) {
    golden_compare(n, 0, "%s", err_text());
    return;
  }
  GptOptions o = {.samples = json_is_null(json_object_get(d, "num_samples")) ? ONE_EPOCH : golden_int(d, "num_samples"),
                  .T = golden_int(d, "sequence_length"),
                  .seed = (uint32_t)golden_int(d, "random_seed")};
  char *text = NULL, md5[MD5_HEX_BYTES] = "";
  Err err = gpt_cache_describe(golden_text(d, "dataset_path"), golden_text(d, "split"),
                               part_named(golden_text(d, "index_split")), &o, &text, md5);
  golden_compare(n, err == ERR_OK && strcmp(text, want) == 0, "description is\n%s\nwant\n%s", text, want);
  golden_compare(n, strcmp(md5, golden_text(c, "md5")) == 0, "md5 %s", md5);
  free(text);
  json_decref(d);
}

GoldenCount golden_data_gpt(const char *data) {
  GoldenCount n = {.folder = "data/gpt"};
  golden_each_line(&n, data, "gpt/random_state.jsonl", random_state_line);
  golden_each_line(&n, data, "gpt/splits.jsonl", split_line);
  golden_each_line(&n, data, "gpt/cases.jsonl", gpt_line);
  golden_each_line(&n, data, "gpt/masks.jsonl", mask_line);
  golden_each_line(&n, data, "gpt/cases.jsonl", find_item_case);
  golden_compare(&n, item_case != NULL, "no case valid_keep_partial for the items");
  if (item_case) golden_each_line(&n, data, "gpt/items.jsonl", item_line);
  json_decref(item_case);
  item_case = NULL;
  golden_each_line(&n, data, "gpt/cache_names.jsonl", cache_line);
  return n;
}

// ---- blend/
static void blend_line(GoldenCount *n, const char *data, json_t *c) {
  const json_t *weights = json_object_get(c, "weights"), *sizes = json_object_get(c, "sizes"),
               *normal = json_object_get(c, "normalised");
  int64_t sets = (int64_t)json_array_size(weights ? weights : sizes), size = golden_int(c, "size");
  double *weight = calloc((size_t)sets, sizeof *weight);
  int64_t *each = calloc((size_t)sets, sizeof *each), *sample = calloc((size_t)size, sizeof *sample);
  int16_t *set = calloc((size_t)size, sizeof *set);
  for (size_t i = 0; i < (size_t)sets; i++) {
    weight[i] = json_number_value(json_array_get(weights, i));
    each[i] = golden_element(sizes, i);
  }
  Err err = ERR_OK;
  if (weights) err = blend_normalise(weight, sets, weight);
  for (size_t i = 0; i < json_array_size(normal); i++)
    golden_compare(n, weight[i] == json_number_value(json_array_get(normal, i)), "%s: weight %zu is %.17g",
                   golden_text(c, "name"), i, weight[i]);
  if (!err) err = weights ? blend_build(weight, sets, size, set, sample) : blend_exhaustive(each, sets, set, sample);
  golden_compare(n, err == ERR_OK, "%s: %s", golden_text(c, "name"), err_text());
  char name[256];
  snprintf(name, sizeof name, "blend/%.200s.", golden_text(c, "name"));
  compare_array(n, data, name, "dataset_index", set, (size_t)size * 2, 'i', 2);
  compare_array(n, data, name, "dataset_sample_index", sample, (size_t)size * 8, 'i', 8);
  free(weight);
  free(each);
  free(sample);
  free(set);
}

static void build_size_line(GoldenCount *n, const char *data, json_t *c) {
  (void)data;
  size_t i;
  json_t *weight;
  json_array_foreach(json_object_get(c, "weights"), i, weight) {
    double w = json_number_value(weight);
    int64_t target = golden_int(c, "target");
    golden_compare(n, blend_size_mindformers(w, target) == golden_element(json_object_get(c, "mindformers"), i),
                   "size %zu of %lld, MindFormers", i, (long long)target);
    golden_compare(n, blend_size_megatron(w, target) == golden_element(json_object_get(c, "megatron_0_15"), i),
                   "size %zu of %lld, Megatron", i, (long long)target);
  }
}

GoldenCount golden_data_blend(const char *data) {
  GoldenCount n = {.folder = "data/blend"};
  golden_each_line(&n, data, "blend/cases.jsonl", blend_line);
  golden_each_line(&n, data, "blend/build_sizes.jsonl", build_size_line);
  return n;
}
