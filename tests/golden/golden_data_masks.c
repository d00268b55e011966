// Masks, positions and documents of a sample, alone and through the whole of data set and batch.
#include <string.h>

#include "data/batch_make.h"
#include "data/dataset.h"
#include "golden/golden_data.h"

// Whether row i of the attention mask ("1": masked) is "from the document's begin to i".
static bool mask_row_is(const char *row, int64_t T, int64_t i, int32_t start) {
  if ((int64_t)strlen(row) != T) return false;
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

static void compare_fields(GoldenCount *n, const json_t *c, const Batch *b) {
  const json_t *masks = golden_array(n, c, "loss_mask"), *positions = golden_array(n, c, "position_ids"),
               *rows = json_object_get(c, "attention_mask_rows");
  if (!rows) rows = json_object_get(c, "attention_mask");
  for (int64_t i = 0; i < b->T; i++) {
    golden_compare(n, b->mask[i] == (float)golden_element(masks, (size_t)i), "loss_mask %lld", (long long)i);
    golden_compare(n, b->position[i] == golden_element(positions, (size_t)i), "position %lld", (long long)i);
    const char *row = json_string_value(json_array_get(rows, (size_t)i));
    if (row) golden_compare(n, mask_row_is(row, b->T, i, b->doc_start[i]), "attention row %lld", (long long)i);
  }
}

static void mask_line(GoldenCount *n, const json_t *c, void *context) {
  (void)context;
  const json_t *tokens = golden_array(n, c, "tokens");
  Batch b = batch_make(1, (int64_t)json_array_size(tokens));
  for (int64_t i = 0; i < b.T; i++) b.ids[i] = (int32_t)golden_element(tokens, (size_t)i);
  DataOptions o = {.eod = (int32_t)golden_int(c, "eod"),
                   .eod_mask_loss = golden_true(c, "eod_mask_loss"),
                   .reset_positions = golden_true(c, "reset_position_ids"),
                   .reset_attention = golden_true(c, "reset_attention_mask")};
  batch_masks(b.ids, b.T, &o, b.mask, b.position, b.doc_start);
  compare_fields(n, c, &b);
  const char *length;
  json_t *ends;
  json_object_foreach(json_object_get(c, "actual_seq_len"), length, ends) {
    int64_t documents = 1;
    for (int64_t i = 1; i < b.T; i++) documents += b.doc_start[i] != b.doc_start[i - 1];
    if (documents <= (int64_t)json_array_size(ends)) compare_ends(n, ends, b.doc_start, b.T);  // longer lists are cut there
  }
  batch_end(&b);
}
void golden_data_masks(GoldenCount *n) { golden_each_line(n, n->folder, mask_line, NULL); }

// Items speak of one case of cases.jsonl, whose name they do not give: the one with samples of their length, one epoch, the
// last part kept.
typedef struct {
  int64_t T;
  json_t *found;
} ItemCase;

static void find_case(GoldenCount *n, const json_t *c, void *context) {
  ItemCase *want = context;
  n->cases--;  // cases.jsonl counts them
  bool fits = golden_int(c, "seq_length") == want->T && json_is_null(json_object_get(c, "num_samples")) &&
              json_is_false(json_object_get(c, "drop_last_partial"));
  if (fits && !want->found) want->found = json_deep_copy(c);
}

static void compare_item(GoldenCount *n, const json_t *item, const json_t *c) {
  char path[PATH_BYTES];
  golden_pair(n, path, c);
  const json_t *option = json_object_get(item, "options");
  DataSource source = {path, 1};
  DataOptions o = {
      .source = &source,
      .sources = 1,
      .split = golden_text(c, "split"),
      .part = golden_part(golden_text(c, "which")),
      .samples = ONE_EPOCH,
      .T = golden_int(c, "seq_length"),
      .vocab = INT32_MAX,
      .seed = (uint32_t)golden_int(c, "seed"),
      .keep_partial = true,
      .eod = 2,
      .eod_mask_loss = golden_true(option, "eod_mask_loss"),
      .reset_positions = golden_true(option, "reset_position_ids"),
      .reset_attention = golden_true(option, "reset_attention_mask") || golden_true(option, "create_compressed_eod_mask")};
  const json_t *tokens = golden_array(n, item, "tokens"), *labels = golden_array(n, item, "labels");
  Dataset *d = NULL;
  Batch b = batch_make(1, o.T);
  if (golden_ok(n, dataset_open(&d, &o)) && golden_ok(n, data_batch(d, golden_int(item, "index"), &b))) {
    for (int64_t i = 0; i < o.T; i++) {
      golden_compare(n, b.ids[i] == golden_element(tokens, (size_t)i), "item token %lld", (long long)i);
      golden_compare(n, b.labels[i] == golden_element(labels, (size_t)i), "item label %lld", (long long)i);
    }
    compare_fields(n, item, &b);
    if (json_object_get(item, "actual_seq_len")) compare_ends(n, json_object_get(item, "actual_seq_len"), b.doc_start, o.T);
  }
  dataset_close(d);
  batch_end(&b);
}

static void item_line(GoldenCount *n, const json_t *item, void *context) {
  (void)context;
  ItemCase c = {.T = (int64_t)json_array_size(golden_array(n, item, "tokens"))};
  golden_each_line(n, "data/gpt/cases.jsonl", find_case, &c);
  golden_compare(n, c.found != NULL, "cases.jsonl has no case of one epoch in samples of %lld with the last part kept",
                 (long long)c.T);
  if (c.found) compare_item(n, item, c.found);
  json_decref(c.found);
}
void golden_data_items(GoldenCount *n) { golden_each_line(n, n->folder, item_line, NULL); }
