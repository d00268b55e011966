// Packed samples of dialogs, by both recipes, as the released scripts make them and as ours do.
#include <stdlib.h>
#include <string.h>

#include "data/packed.h"
#include "data/sft_pack.h"
#include "golden/golden.h"

typedef struct {
  int32_t *id;
  uint8_t *mask;
  int64_t *dialog;
  int64_t tokens, dialogs;
} Kept;

typedef struct {
  Kept *sample;
  int64_t count;
} Samples;

static Err keep_sample(void *context, const SftSample *s) {
  Samples *all = context;
  all->sample = realloc(all->sample, (size_t)(all->count + 1) * sizeof *all->sample);
  Kept *k = &all->sample[all->count++];
  *k = (Kept){calloc((size_t)s->tokens + 1, sizeof *k->id), calloc((size_t)s->tokens + 1, 1),
              calloc((size_t)s->dialogs + 1, sizeof *k->dialog), s->tokens, s->dialogs};
  memcpy(k->id, s->id, (size_t)s->tokens * sizeof *k->id);
  memcpy(k->mask, s->mask, (size_t)s->tokens);
  memcpy(k->dialog, s->dialog, (size_t)s->dialogs * sizeof *k->dialog);
  return ERR_OK;
}

static void free_samples(Samples *all) {
  for (int64_t i = 0; i < all->count; i++) free(all->sample[i].id), free(all->sample[i].mask), free(all->sample[i].dialog);
  free(all->sample);
  *all = (Samples){0};
}

static bool pack_lines(GoldenCount *n, SftPacker *p, const char *file) {
  char path[PATH_BYTES], *text = NULL;
  size_t size;
  SftDialog d = {0};
  int64_t number = 0;
  bool ok = golden_ok(n, file_read(golden_path(n, path, "%s", file), 1 << 26, &text, &size));
  for (char *at = text; ok && at < text + size; number++) {
    char *end = memchr(at, '\n', (size_t)(text + size - at));
    if (!end) end = text + size;
    ok = golden_ok(n, sft_dialog_read(&d, at, (size_t)(end - at))) && golden_ok(n, sft_packer_add(p, &d, number));
    at = end + 1;
  }
  sft_dialog_free(&d);
  free(text);
  return ok;
}

// All samples of one recipe over dialogs.jsonl or messages.jsonl.
static bool pack(GoldenCount *n, SftRecipe recipe, int64_t length, bool original, const char *file, Samples *out) {
  static const char *const names[] = {"telechat2-115b", "telechat3"};
  char path[PATH_BYTES], spill[PATH_BYTES];
  Tokenizer *t = NULL;
  SftPacker *p = NULL;
  SftCounts counts;
  snprintf(spill, sizeof spill, "%.4000s/dialogs", golden_scratch(n));
  SftOptions o = {
      .recipe = recipe, .length = length, .original = original, .spill = spill, .take = keep_sample, .context = out};
  bool ok = golden_ok(n, tokenizer_open(&t, golden_tokenizer(n, path, names[recipe])));
  o.tokenizer = t;
  ok = ok && golden_ok(n, sft_packer_open(&p, &o)) && pack_lines(n, p, file) && golden_ok(n, sft_packer_finish(p, &counts));
  sft_packer_close(p);
  tokenizer_close(t);
  return ok;
}

// Our mask is of tokens as labels; theirs of positions (telechat2), or labels one place before (mindformers), padded.
static void compare_sample(GoldenCount *n, const json_t *line, const Kept *k, SftRecipe recipe, int64_t index) {
  const json_t *dialogs = golden_array(n, line, "dialogs"), *ids = golden_array(n, line, "input_ids"),
               *mask = json_object_get(line, "loss_mask"), *labels = json_object_get(line, "labels");
  long long at = (long long)index;
  golden_compare(n, (int64_t)json_array_size(dialogs) == k->dialogs, "sample %lld has %lld dialogs", at, (long long)k->dialogs);
  for (size_t i = 0; i < json_array_size(dialogs) && (int64_t)i < k->dialogs; i++)
    golden_compare(n, golden_element(dialogs, i) == k->dialog[i], "sample %lld: dialog %zu is %lld", at, i,
                   (long long)k->dialog[i]);
  int64_t size = (int64_t)json_array_size(ids), tokens = k->tokens;
  golden_compare(n, recipe == SFT_MINDFORMERS ? tokens <= size : tokens == size, "sample %lld has %lld tokens", at,
                 (long long)tokens);
  for (int64_t i = 0; i < size; i++) {
    int64_t want = golden_element(ids, (size_t)i), id = i < tokens ? k->id[i] : 3;
    golden_compare(n, want == id, "sample %lld: token %lld is %lld, want %lld", at, (long long)i, (long long)id,
                   (long long)want);
    if (mask)
      golden_compare(n, i < tokens && golden_element(mask, (size_t)i) == k->mask[i], "sample %lld: mask %lld", at,
                     (long long)i);
    if (!labels) continue;
    int64_t label = i + 1 < tokens && k->mask[i + 1] ? k->id[i + 1] : -100;
    golden_compare(n, golden_element(labels, (size_t)i) == label, "sample %lld: label %lld is %lld", at, (long long)i,
                   (long long)label);
  }
}

typedef struct {
  const Samples *samples;
  SftRecipe recipe;
  int64_t index;
} Compare;

static void sample_line(GoldenCount *n, const json_t *line, void *context) {
  Compare *c = context;
  golden_compare(n, c->index < c->samples->count, "sample %lld is missing", (long long)c->index);
  if (c->index < c->samples->count) compare_sample(n, line, &c->samples->sample[c->index], c->recipe, c->index);
  c->index++;
}

// data/sft/telechat2_256_keep.jsonl and so on: the name says recipe, length and whose rules.
static void read_packs(GoldenCount *n, SftRecipe recipe) {
  static const char *const files[] = {"data/sft/dialogs.jsonl", "data/sft/messages.jsonl"};
  const char *name = strrchr(n->folder, '/') + 1 + strlen(sft_recipe_names[recipe]);
  int64_t length = 0;
  char tail[32] = "", path[PATH_BYTES];
  sscanf(name, "_%ld%31s", &length, tail);
  bool original = strcmp(tail, ".jsonl") == 0;
  golden_compare(n, length > 0 && (original || strcmp(tail, "_keep.jsonl") == 0), "a name without length or with another tail");
  if (!golden_tokenizer(n, path, recipe == SFT_TELECHAT2 ? "telechat2-115b" : "telechat3")) {
    golden_not_read(n, "", "the real tokenizer");
    return;
  }
  for (int f = 0; f < 2; f++) {
    Samples all = {0};
    if (pack(n, recipe, length, original, files[f], &all)) {
      Compare c = {&all, recipe, 0};
      golden_each_line(n, n->folder, sample_line, &c);
      golden_compare(n, c.index == all.count, "%s: %lld samples, want %lld", files[f], (long long)all.count,
                     (long long)c.index);
    }
    free_samples(&all);
  }
}

void golden_data_sft_telechat2(GoldenCount *n) { read_packs(n, SFT_TELECHAT2); }
void golden_data_sft_mindformers(GoldenCount *n) { read_packs(n, SFT_MINDFORMERS); }

// ---- the collator: rows of one length, cut and filled
// The masks of what the collator cut off are not told: they are 0 here.
static bool write_set(GoldenCount *n, const json_t *samples, const json_t *masks, const char *prefix) {
  char mask_prefix[PATH_BYTES];
  IndexedWriter ids, mask;
  snprintf(mask_prefix, sizeof mask_prefix, "%.4000s.mask", prefix);
  bool ok = golden_ok(n, indexed_create(&ids, prefix, TOKENS_I32, NULL)) &&
            golden_ok(n, indexed_create(&mask, mask_prefix, TOKENS_U8, NULL));
  for (size_t i = 0; ok && i < json_array_size(samples); i++) {
    const json_t *sample = json_array_get(samples, i), *learnt = json_array_get(masks, i);
    for (size_t t = 0; ok && t < json_array_size(sample); t++) {
      int32_t id = (int32_t)golden_element(sample, t), one = (int32_t)golden_element(learnt, t);
      ok = golden_ok(n, indexed_add(&ids, &id, 1)) && golden_ok(n, indexed_add(&mask, &one, 1));
    }
    ok = ok && golden_ok(n, indexed_end_document(&ids)) && golden_ok(n, indexed_end_document(&mask));
  }
  return ok && golden_ok(n, indexed_commit(&mask)) && golden_ok(n, indexed_commit(&ids));
}

static void compare_row(GoldenCount *n, const json_t *c, const Packed *p, size_t row, int64_t T) {
  int32_t *id = calloc((size_t)(4 * T), sizeof *id), *label = id + T, *position = label + T, *start = position + T;
  float *mask = calloc((size_t)T, sizeof *mask);
  PackedRow o = {T, INT32_MAX, (int32_t)golden_int(c, "pad_id"), false, false};
  int64_t index = 0;
  while (index < p->samples && p->order[index] != row) index++;
  const json_t *ids = json_array_get(json_object_get(c, "input_ids"), row),
               *labels = json_array_get(json_object_get(c, "labels"), row),
               *masks = json_array_get(json_object_get(c, "loss_mask"), row);
  golden_compare(n, (int64_t)json_array_size(ids) == T, "row %zu has not %lld tokens", row, (long long)T);
  if (golden_ok(n, packed_read(p, index, &o, id, label, mask, position, start)))
    for (int64_t i = 0; i < T; i++) {
      int64_t learnt = i + 1 < T ? golden_element(masks, (size_t)i + 1) : 0;  // theirs is of tokens, ours of their labels
      golden_compare(n, id[i] == golden_element(ids, (size_t)i), "row %zu: token %lld is %d", row, (long long)i, id[i]);
      golden_compare(n, mask[i] == (float)learnt, "row %zu: mask %lld", row, (long long)i);
      if (learnt)
        golden_compare(n, label[i] == golden_element(labels, (size_t)i + 1), "row %zu: label %lld", row, (long long)i);
    }
  free(id);
  free(mask);
}

void golden_data_sft_batch(GoldenCount *n) {
  char path[PATH_BYTES];
  json_t *c = NULL;
  if (!golden_ok(n, json_read(&c, golden_path(n, path, "%s", n->folder), false))) return;
  const json_t *samples = golden_array(n, c, "samples"), *masks = golden_array(n, c, "loss_mask");
  Indexed x = {0};
  Packed p = {0};
  snprintf(path, sizeof path, "%.4000s/batch", golden_scratch(n));
  int64_t T = (int64_t)json_array_size(json_array_get(golden_array(n, c, "input_ids"), 0));
  if (write_set(n, samples, masks, path) && golden_ok(n, indexed_open(&x, path)) &&
      golden_ok(n, packed_open(&p, &x, 0, x.documents, -1, T, 7)))
    for (size_t row = 0; row < json_array_size(samples); row++, n->cases++) compare_row(n, c, &p, row, T);
  packed_close(&p);
  indexed_close(&x);
  json_decref(c);
}
