// The backend of tokenizer.json files: opening, encoding, the set of special tokens.
#include <stdlib.h>

#include "base/utf8.h"
#include "text/hf.h"
#include "text/unicode.h"

// ---- a thread's work

static void work_close(void *work) {
  HfWork *w = work;
  if (!w) return;
  hf_match_close(w->match);
  bpe_work_free(&w->bpe);
  bytes_free(&w->valid);
  for (int i = 0; i < 2; i++) {
    bytes_free(&w->normal[i]);
    bytes_free(&w->list[i]);
    free(w->ends[i].end);
  }
  for (int i = 0; i < HF_STEPS_MAX; i++) bytes_free(&w->step[i]);
  ids_free(&w->first);
  free(w->cache);
  free(w->codes);
  free(w);
}

static Err work_open(const void *model, void **work) {
  (void)model;
  HfWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory to tokenise with");
  Err err = hf_match_open(&w->match);
  if (!err) err = hf_cache_open(&w->cache);
  if (err) {
    work_close(w);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *work = w;
  return ERR_OK;
}

// ---- encoding

typedef struct {
  const Hf *hf;
  HfWork *w;
  bool skip_special;
  Ids *out;
} Encode;

// Text in which no raw added token stands: normalise it, cut out the added tokens that want normalised text, tokenise the rest.
static Err encode_between(const Encode *e, const char *raw, size_t raw_size, bool first) {
  const char *text;
  size_t size, taken = 0, from = 0, begin, end;
  TRY(hf_normalize(e->hf, e->w, raw, raw_size, &text, &size));
  for (int64_t added;; taken = end) {
    hf_added_next(e->hf, &e->hf->normalized, e->skip_special, text, size, taken, &from, &added, &begin, &end);
    if (added < 0) break;
    if (begin > taken) TRY(hf_pretokenize(e->hf, e->w, text + taken, begin - taken, first && taken == 0, e->out));
    TRY(ids_push(e->out, e->hf->added[added].id));
  }
  return hf_pretokenize(e->hf, e->w, text + taken, size - taken, first && taken == 0, e->out);
}

// Broken UTF-8 becomes U+FFFD, one a byte.
static Err mend(HfWork *w, const char **text, size_t *size) {
  size_t good = utf8_invalid_at(*text, *size);
  if (good == *size) return ERR_OK;
  w->valid.size = 0;
  for (size_t at = 0; at < *size;) {
    good = utf8_invalid_at(*text + at, *size - at);
    TRY(bytes_append(&w->valid, *text + at, good));
    at += good;
    if (at == *size) break;
    TRY(bytes_append(&w->valid, "\xEF\xBF\xBD", 3));
    at++;
  }
  *text = w->valid.data;
  *size = w->valid.size;
  return ERR_OK;
}

static Err encode(const void *model, void *work, const char *text, size_t size, SpecialPolicy special, Ids *out) {
  const Hf *hf = model;
  Encode e = {hf, work, special == SPECIAL_TEXT, out};
  TRY(mend(work, &text, &size));
  size_t taken = 0, from = 0, begin, end;
  for (int64_t added;; taken = end) {
    hf_added_next(hf, &hf->raw, e.skip_special, text, size, taken, &from, &added, &begin, &end);
    if (added < 0) break;
    if (begin > taken) TRY(encode_between(&e, text + taken, begin - taken, taken == 0));
    TRY(ids_push(out, hf->added[added].id));
  }
  return taken < size ? encode_between(&e, text + taken, size - taken, taken == 0) : ERR_OK;
}

static Err encode_special(const void *model, void *work, const char *text, size_t size, SpecialPolicy special, Ids *out) {
  const HfTemplate *t = &((const Hf *)model)->template;
  for (int64_t i = 0; i < t->n_before; i++) TRY(ids_push(out, t->before[i]));
  TRY(encode(model, work, text, size, special, out));
  for (int64_t i = 0; i < t->n_after; i++) TRY(ids_push(out, t->after[i]));
  return ERR_OK;
}

// ---- facts

static const char *kind(const void *model) {
  (void)model;
  return "huggingface bpe";
}

static int64_t vocab(const void *model) { return ((const Hf *)model)->ids; }

static int32_t find(const void *model, const char *name, size_t size) {
  const Hf *hf = model;
  for (int64_t i = 0; i < hf->n_added; i++)
    if (hf->added[i].size == size && memcmp(hf->added[i].text, name, size) == 0) return hf->added[i].id;
  return strmap_get(&hf->model.vocab, name, size, -1);
}

static const char *piece(const void *model, int32_t id) {
  const Hf *hf = model;
  if (id < 0 || id >= hf->ids) return NULL;
  if (hf->added_of[id] >= 0) return hf->added[hf->added_of[id]].text;
  int64_t item = hf->model.item_of[id];
  return item < 0 ? NULL : strmap_text(&hf->model.vocab, item);
}

static bool is_special(const void *model, int32_t id) {
  const Hf *hf = model;
  return id >= 0 && id < hf->ids && hf->added_of[id] >= 0 && hf->added[hf->added_of[id]].special;
}

static void ends(const void *model, int32_t *bos, int32_t *eos, int32_t *pad) {
  (void)model;
  *bos = *eos = *pad = -1;  // tokenizer_config.json names them, this file does not
}

// ---- another set of special tokens

static Err keep_added(HfAdded *to, const char *name, int32_t id, const Hf *old) {
  for (int64_t i = 0; i < old->n_added; i++) {
    const HfAdded *a = &old->added[i];
    if (a->id == id && strcmp(a->text, name) == 0) *to = *a;  // its rules of stripping stay
  }
  to->size = strlen(name);
  to->text = to->decoded = strdup(name);
  to->decoded_size = to->size;
  to->id = id;
  to->special = true;
  CHECK(to->text, ERR_MEMORY, "no memory for the special token \"%s\"", name);
  return ERR_OK;
}

// Added tokens that were not special stay; special ones not in the new set become text.
static Err set_specials(void *model, const char *const *names, const int32_t *ids, int64_t count) {
  Hf *hf = model;
  HfAdded *added = calloc((size_t)(count + hf->n_added) + 1, sizeof *added);
  CHECK(added, ERR_MEMORY, "no memory for %lld special tokens", (long long)count);
  Hf next = {.added = added};
  Err err = ERR_OK;
  for (int64_t i = 0; i < count; i++) {
    CHECK_OUT(ids[i] >= 0 && ids[i] < hf->ids, ERR_ARG, "special token \"%s\": id %d is not in 0 .. %lld", names[i], ids[i],
              (long long)hf->ids - 1);
    TRY_OUT(keep_added(&added[next.n_added++], names[i], ids[i], hf));
  }
  for (int64_t i = 0; i < hf->n_added; i++) {
    bool named = hf->added[i].special;
    for (int64_t j = 0; j < count && !named; j++) named = ids[j] == hf->added[i].id;
    if (named) continue;
    HfAdded *a = &added[next.n_added++];
    *a = hf->added[i];
    a->text = a->decoded = malloc(a->size + 1);
    CHECK_OUT(a->text, ERR_MEMORY, "no memory for an added token of %zu bytes", a->size);
    memcpy(a->text, hf->added[i].text, a->size + 1);
    a->decoded_size = a->size;
  }
  void *w = NULL;
  TRY_OUT(work_open(hf, &w));
  hf_added_free(hf);
  hf->added = added;
  hf->n_added = next.n_added;
  hf->added_of = NULL;
  err = hf_added_prepare(hf, w);
  work_close(w);
  return err;
out:
  hf_added_free(&next);
  return err;
}

static void close_model(void *model) { hf_free(model); }

// ---- opening

static Err read_root(Hf *hf, const json_t *root, const char *path) {
  CHECK(json_is_object(root), ERR_FORMAT, "%s: not a tokenizer.json: an object is wanted", path);
  typedef Err Reader(Hf *, const json_t *, const char *);
  const struct {
    const char *key;
    Reader *read;
  } parts[] = {
      // the model needs to know its pre-tokenizer, added tokens the model, the template both
      {"normalizer", hf_read_normalizer}, {"pre_tokenizer", hf_read_pretokenizer}, {"model", hf_read_model},
      {"added_tokens", hf_read_added},    {"post_processor", hf_read_template},    {"decoder", hf_read_decoder},
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    char where[1024];
    snprintf(where, sizeof where, "%.900s: %s", path, parts[i].key);
    TRY(parts[i].read(hf, json_object_get(root, parts[i].key), where));
  }
  void *w;
  TRY(work_open(hf, &w));
  Err err = hf_added_prepare(hf, w);
  work_close(w);
  return err;
}

Err hf_tokenizer_open(const TokenizerBackend **backend, void **model, const char *path, const void *data, size_t size) {
  static const TokenizerBackend table = {
      .kind = kind,
      .vocab = vocab,
      .find = find,
      .piece = piece,
      .is_special = is_special,
      .ends = ends,
      .set_specials = set_specials,
      .work_open = work_open,
      .work_close = work_close,
      .encode = encode,
      .encode_special = encode_special,
      .decode = hf_decode,
      .close = close_model,
  };
  *model = NULL;
  json_t *root;
  TRY(json_parse(&root, data, size, path, false));
  Hf *hf = calloc(1, sizeof *hf);
  Err err = hf ? read_root(hf, root, path) : ERR_HERE(ERR_MEMORY, "%s: no memory", path);
  json_decref(root);
  if (err) {
    if (hf) hf_free(hf);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *backend = &table;
  *model = hf;
  return ERR_OK;
}
