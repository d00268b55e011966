// Reading a tokenizer.json: the whole, added tokens, and what the post-processor puts around a text.
#include <stdlib.h>

#include "text/hf.h"

Err hf_type(const json_t *node, const char *where, const char **type) {
  CHECK(json_is_object(node), ERR_FORMAT, "%s: an object with \"type\" is wanted", where);
  return json_text(node, "type", where, type);
}

Err hf_read_text(const json_t *node, const char *key, const char *where, char **text, size_t *size) {
  const json_t *v = json_object_get(node, key);
  CHECK(json_is_string(v), ERR_FORMAT, "%s.%s: %s; a string is wanted", where, key, v ? "not a string" : "missing");
  *size = json_string_length(v);
  *text = malloc(*size + 1);
  CHECK(*text, ERR_MEMORY, "%s.%s: no memory for %zu bytes", where, key, *size);
  memcpy(*text, json_string_value(v), *size + 1);
  return ERR_OK;
}

Err hf_read_pattern(const json_t *node, const char *key, const char *where, HfRegex **regex) {
  char place[512];
  snprintf(place, sizeof place, "%.400s.%s", where, key);
  const json_t *pattern = json_object_get(node, key);
  const json_t *literal = json_object_get(pattern, "String"), *written = json_object_get(pattern, "Regex");
  const json_t *v = literal ? literal : written;
  CHECK(json_is_string(v), ERR_FORMAT, "%s: {\"String\": text} or {\"Regex\": text} is wanted", place);
  return hf_regex_open(regex, json_string_value(v), json_string_length(v), literal != NULL, place);
}

// ---- added tokens

static Err read_added_token(Hf *hf, const json_t *node, const char *where) {
  int64_t id;
  TRY(json_int(node, "id", where, &id));
  CHECK(id >= 0 && id < INT32_MAX / 2, ERR_FORMAT, "%s.id: %lld; 0 to %d is wanted", where, (long long)id, INT32_MAX / 2 - 1);
  HfAdded *a = &hf->added[hf->n_added];
  *a = (HfAdded){.id = (int32_t)id};
  TRY(hf_read_text(node, "content", where, &a->text, &a->size));
  hf->n_added++;
  a->decoded = a->text;
  a->decoded_size = a->size;
  TRY(json_bool_or(node, "special", where, false, &a->special));
  TRY(json_bool_or(node, "single_word", where, false, &a->single_word));
  TRY(json_bool_or(node, "lstrip", where, false, &a->lstrip));
  TRY(json_bool_or(node, "rstrip", where, false, &a->rstrip));
  TRY(json_bool_or(node, "normalized", where, !a->special, &a->normalized));
  const HfModel *m = &hf->model;
  int64_t item = id < hf->ids ? m->item_of[id] : -1;
  CHECK(item < 0 || strcmp(strmap_text(&m->vocab, item), a->text) == 0, ERR_FORMAT,
        "%s: \"%.100s\" has id %lld, which the vocabulary gives to \"%.100s\"", where, a->text, (long long)id,
        strmap_text(&m->vocab, item < 0 ? 0 : item));
  int32_t known = strmap_get(&m->vocab, a->text, a->size, (int32_t)id);
  CHECK(known == id, ERR_FORMAT, "%s: \"%.100s\" has id %lld, but id %d in the vocabulary", where, a->text, (long long)id,
        known);
  return ERR_OK;
}

static int by_id(const void *a, const void *b) {
  const HfAdded *x = *(const HfAdded *const *)a, *y = *(const HfAdded *const *)b;
  return (x->id > y->id) - (x->id < y->id);
}

static Err check_added_ids(const Hf *hf, const char *where) {
  const HfAdded **sorted = malloc(((size_t)hf->n_added + 1) * sizeof *sorted);
  CHECK(sorted, ERR_MEMORY, "%s: no memory for %lld added tokens", where, (long long)hf->n_added);
  for (int64_t i = 0; i < hf->n_added; i++) sorted[i] = &hf->added[i];
  qsort(sorted, (size_t)hf->n_added, sizeof *sorted, by_id);
  Err err = ERR_OK;
  for (int64_t i = 1; i < hf->n_added; i++) {
    CHECK_OUT(sorted[i]->id != sorted[i - 1]->id, ERR_FORMAT, "%s: id %d belongs to \"%.100s\" and to \"%.100s\"", where,
              sorted[i]->id, sorted[i - 1]->text, sorted[i]->text);
  }
  int64_t end = hf->n_added ? sorted[hf->n_added - 1]->id + 1 : 0;
  CHECK_OUT(end <= 16 * (hf->ids + hf->n_added) + (1 << 20), ERR_FORMAT, "%s: \"%.100s\" has id %lld, far from all others",
            where, sorted[hf->n_added - 1]->text, (long long)end - 1);
out:
  free(sorted);
  return err;
}

// The table of pieces by id reaches as far as the added tokens do.
static Err widen_ids(Hf *hf, const char *where) {
  int64_t ids = hf->ids;
  for (int64_t i = 0; i < hf->n_added; i++)
    if (hf->added[i].id >= ids) ids = hf->added[i].id + 1;
  int64_t *item_of = realloc(hf->model.item_of, ((size_t)ids + 1) * sizeof *item_of);
  CHECK(item_of, ERR_MEMORY, "%s: no memory for %lld ids", where, (long long)ids);
  for (int64_t i = hf->ids; i <= ids; i++) item_of[i] = -1;
  hf->model.item_of = item_of;
  hf->ids = ids;
  return ERR_OK;
}

Err hf_read_added(Hf *hf, const json_t *node, const char *where) {
  if (!node || json_is_null(node)) return ERR_OK;
  CHECK(json_is_array(node), ERR_FORMAT, "%s: an array is wanted", where);
  hf->added = calloc(json_array_size(node) + 1, sizeof *hf->added);
  CHECK(hf->added, ERR_MEMORY, "%s: no memory for %zu added tokens", where, json_array_size(node));
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)node, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s[%zu]", where, i);
    TRY(read_added_token(hf, item, place));
  }
  TRY(check_added_ids(hf, where));
  return widen_ids(hf, where);
}

// ---- post-processor

static Err add_ids(const Hf *hf, const json_t *ids, const char *where, int32_t **list, int64_t *count) {
  size_t n = json_array_size(ids);
  CHECK(n > 0, ERR_FORMAT, "%s: a list of ids is wanted", where);
  int32_t *grown = realloc(*list, ((size_t)*count + n) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "%s: no memory", where);
  *list = grown;
  for (size_t i = 0; i < n; i++) {
    const json_t *v = json_array_get(ids, i);
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    CHECK(id >= 0 && id < hf->ids, ERR_FORMAT, "%s: an id of 0 to %lld is wanted", where, (long long)hf->ids - 1);
    (*list)[(*count)++] = (int32_t)id;
  }
  return ERR_OK;
}

// One processor goes around what the ones before it made.
static Err read_single(Hf *hf, const json_t *node, const char *where) {
  const json_t *single = json_object_get(node, "single"), *specials = json_object_get(node, "special_tokens");
  CHECK(json_is_array(single), ERR_FORMAT, "%s.single: an array is wanted", where);
  HfTemplate *t = &hf->template;
  int32_t *before = NULL;
  int64_t n_before = 0;
  bool seen = false;
  Err err = ERR_OK;
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)single, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s.single[%zu]", where, i);
    const json_t *special = json_object_get(item, "SpecialToken"), *text = json_object_get(item, "Sequence");
    const char *id = json_string_value(json_object_get(special ? special : text, "id"));
    CHECK_OUT(id, ERR_FORMAT, "%s: {\"SpecialToken\": {\"id\": name}} or {\"Sequence\": {\"id\": \"A\"}} is wanted", place);
    if (!special) {
      CHECK_OUT(strcmp(id, "A") == 0 && !seen, ERR_FORMAT, "%s: the sequence \"%s\"; only \"A\", once, can be in a single text",
                place, id);
      seen = true;
      continue;
    }
    const json_t *ids = json_object_get(json_object_get(specials, id), "ids");
    TRY_OUT(seen ? add_ids(hf, ids, place, &t->after, &t->n_after) : add_ids(hf, ids, place, &before, &n_before));
  }
  CHECK_OUT(seen, ERR_FORMAT, "%s.single: the sequence \"A\" is missing", where);
  int32_t *all = realloc(before, (size_t)(n_before + t->n_before + 1) * sizeof *all);
  CHECK_OUT(all, ERR_MEMORY, "%s: no memory", where);
  before = all;
  if (t->n_before) memcpy(before + n_before, t->before, (size_t)t->n_before * sizeof *before);
  free(t->before);
  t->before = before;
  t->n_before += n_before;
  return ERR_OK;
out:
  free(before);
  return err;
}

Err hf_read_template(Hf *hf, const json_t *node, const char *where) {
  if (!node || json_is_null(node)) return ERR_OK;
  const char *type;
  TRY(hf_type(node, where, &type));
  if (strcmp(type, "ByteLevel") == 0) return ERR_OK;  // it only moves offsets
  if (strcmp(type, "TemplateProcessing") == 0) return read_single(hf, node, where);
  CHECK(strcmp(type, "Sequence") == 0, ERR_FORMAT,
        "%s.type: \"%s\" is not supported (TemplateProcessing, ByteLevel, Sequence are)", where, type);
  const json_t *list = json_object_get(node, "processors");
  CHECK(json_is_array(list), ERR_FORMAT, "%s.processors: an array is wanted", where);
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)list, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s.processors[%zu]", where, i);
    CHECK(!json_is_null(item), ERR_FORMAT, "%s: null; a post-processor is wanted", place);
    TRY(hf_read_template(hf, item, place));
  }
  return ERR_OK;
}

void hf_free(Hf *hf) {
  for (int i = 0; i < hf->n_normalizers; i++) hf_normalizer_free(&hf->normalizer[i]);
  for (int i = 0; i < hf->n_pretokens; i++) hf_regex_close(hf->pretoken[i].regex);
  for (int i = 0; i < hf->n_decoders; i++) hf_decoder_free(&hf->decoder[i]);
  hf_added_free(hf);
  hf_model_free(&hf->model);
  free(hf->template.before);
  free(hf->template.after);
  free(hf->path);
  free(hf);
}
