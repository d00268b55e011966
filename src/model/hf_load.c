// A Hugging Face folder as a source of weights.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "model/family.h"
#include "model/hf_config.h"
#include "model/hf_files.h"
#include "model/hf_names.h"
#include "model/hf_piece.h"
#include "model/hf_stored.h"

enum { FILE_NAME_BYTES = PARAM_NAME_BYTES + 16 };

typedef struct {
  char name[FILE_NAME_BYTES], of[PARAM_NAME_BYTES];
  Piece piece;
} Copy;

typedef struct {
  HfFolder folder;
  Piece *piece;  // one for each tensor of the source, in the order of the parameters
  Copy *copy;    // tensors that may repeat a parameter
  int64_t n_copies, copy_capacity;
  int64_t mtp_layer;  // index of the multi-token-prediction layer in the files
  HfStored stored;
  bool other_names;  // some are Megatron's or MindFormers'
} HfSource;

// The parameter's name in the files: the number of the multi-token-prediction layer may differ, and older files may have other
// names.
static void file_name(const HfSource *h, const ModelConfig *c, const char *name, char out[FILE_NAME_BYTES]) {
  char prefix[40], older[PARAM_NAME_BYTES];
  int n = snprintf(prefix, sizeof prefix, "model.layers.%lld.", (long long)c->model.layers);
  if (strncmp(name, prefix, (size_t)n) == 0)
    snprintf(out, FILE_NAME_BYTES, "model.layers.%lld.%s", (long long)h->mtp_layer, name + n);
  else snprintf(out, FILE_NAME_BYTES, "%s", name);
  snprintf(older, sizeof older, "%s", name);
  param_rename(family_of(c)->older, older);
  if (!hf_has(&h->folder, out) && hf_has(&h->folder, older)) snprintf(out, FILE_NAME_BYTES, "%s", older);
}

static int64_t find_mtp_layer(const HfFolder *h, const ModelConfig *c) {
  for (int64_t i = c->model.layers; i <= c->model.layers + 1; i++) {
    char name[PARAM_NAME_BYTES];
    snprintf(name, sizeof name, "model.layers.%lld.eh_proj.weight", (long long)i);
    if (hf_has(h, name)) return i;
  }
  return c->model.layers;
}

static bool has_shape(const StTensor *t, int n_dims, const int64_t *dim) {
  bool same = t->n_dims == n_dims;
  for (int i = 0; same && i < n_dims; i++) same = t->dim[i] == dim[i];
  return same;
}

// The scales of a tensor of 8-bit codes.
static Err find_scale(WeightSource *s, Piece *p) {
  HfSource *h = s->own;
  char name[FILE_NAME_BYTES + 16], got[DIMS_TEXT_BYTES], want[DIMS_TEXT_BYTES];
  snprintf(name, sizeof name, "%s_scale_inv", p->tensor->name);
  p->scale = hf_take(&h->folder, name, &p->scale_file);
  if (!p->scale) return h->stored.scaled ? weights_fault(s->missing, "%s", name) : ERR_OK;
  const int64_t *b = h->stored.scale_block, dims[2] = {(p->rows + b[0] - 1) / b[0], (p->cols + b[1] - 1) / b[1]};
  memcpy(p->block, b, sizeof p->block);
  if (p->scale->type == ST_F32 && has_shape(p->scale, 2, dims)) return ERR_OK;
  dims_text(p->scale->n_dims, p->scale->dim, got);
  dims_text(2, dims, want);
  return weights_fault(s->other, "%s is %s %s, blocks of %lld x %lld want F32 %s", name, st_type_name(p->scale->type), got,
                       (long long)b[0], (long long)b[1], want);
}

static Err wrong_tensor(const WeightSource *s, const StTensor *t, int n_dims, const int64_t *dim) {
  char got[DIMS_TEXT_BYTES], want[DIMS_TEXT_BYTES];
  dims_text(t->n_dims, t->dim, got);
  dims_text(n_dims, dim, want);
  return weights_fault(s->other, "%s is %s %s, the configuration wants %s", t->name, st_type_name(t->type), got, want);
}

// A tensor by its name in the files; faults are noted.
static Err find_piece(WeightSource *s, const char *name, int n_dims, const int64_t *dim, Piece *p) {
  HfSource *h = s->own;
  const SafeTensors *file = NULL;
  const StTensor *t = hf_take(&h->folder, name, &file);
  if (!t) return weights_fault(s->missing, "%s", name);
  *p = piece_whole(file, t);
  if (!has_shape(t, n_dims, dim) || !st_is_float(t->type)) return wrong_tensor(s, t, n_dims, dim);
  return st_is_code(t->type) && n_dims == 2 ? find_scale(s, p) : ERR_OK;
}

// A parameter by its own name, else by what Megatron-LM or MindFormers call it.
static Err find_param(WeightSource *s, const WeightTensor *t, Piece *p) {
  HfSource *h = s->own;
  char name[FILE_NAME_BYTES];
  OtherName other;
  int64_t row = 0, want[2];
  file_name(h, &s->config, t->name, name);
  if (hf_has(&h->folder, name)) return find_piece(s, name, t->n_dims, t->dim, p);
  while (other_name(&s->config, t->name, &row, &other)) {
    if (!hf_has(&h->folder, other.name)) continue;
    int n_dims = join_shape(&s->config, &other, t->n_dims, t->dim, want);
    h->other_names = true;
    if (other.join == JOIN_NONE) return find_piece(s, other.name, n_dims, want, p);
    const SafeTensors *file = NULL;
    const StTensor *tensor = hf_take(&h->folder, other.name, &file);
    *p = piece_whole(file, tensor);
    if (!has_shape(tensor, n_dims, want) || !st_is_float(tensor->type) || st_is_code(tensor->type))
      return wrong_tensor(s, tensor, n_dims, want);
    join_piece(&s->config, &other, t->n_dims, t->dim, p);
    return ERR_OK;
  }
  return weights_fault(s->missing, "%s", name);
}

static Err find_tensors(WeightSource *s) {
  HfSource *h = s->own;
  h->piece = calloc((size_t)s->count + 1, sizeof *h->piece);
  CHECK(h->piece, ERR_MEMORY, "%s: no memory for %lld tensors", s->path, (long long)s->count);
  for (int64_t i = 0; i < s->count; i++) {
    WeightTensor *t = &s->tensor[i];
    Piece *p = t->own = &h->piece[i];
    TRY(find_param(s, t, p));
    if (p->tensor && h->stored.logit_factor != 1 && strcmp(t->name, "model.norm.weight") == 0)
      p->factor = h->stored.logit_factor;
    if (p->tensor && st_is_float(p->tensor->type)) t->type = piece_type(p);
  }
  return ERR_OK;
}

// ---- tensors that repeat a parameter

// If the files have it, it is taken, so that it is not left over; of another shape it is a fault.
static Err add_copy(WeightSource *s, const WeightTensor *of, const char *format, ...) __attribute__((format(printf, 3, 4)));
static Err add_copy(WeightSource *s, const WeightTensor *of, const char *format, ...) {
  HfSource *h = s->own;
  char own[PARAM_NAME_BYTES], name[FILE_NAME_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(own, sizeof own, format, args);
  va_end(args);
  file_name(h, &s->config, own, name);
  if (!of || !hf_has(&h->folder, name)) return ERR_OK;
  if (h->n_copies == h->copy_capacity) {
    int64_t wanted = h->copy_capacity ? 2 * h->copy_capacity : 16;
    Copy *grown = realloc(h->copy, (size_t)wanted * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "%s: no memory for a list of tensors", s->path);
    h->copy = grown;
    h->copy_capacity = wanted;
  }
  Copy *c = &h->copy[h->n_copies++];
  memcpy(c->name, name, sizeof c->name);
  memcpy(c->of, of->name, sizeof c->of);
  return find_piece(s, c->name, of->n_dims, of->dim, &c->piece);
}

// A layer that borrows its attention's projections may repeat them.
static Err list_shared(WeightSource *s) {
  static const char *const shared[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
  for (int64_t i = 0; i < s->config.model.layers; i++) {
    int64_t lender = config_attention_layer(&s->config, i);
    for (int k = 0; k < 4 && lender != i; k++) {
      char lent[PARAM_NAME_BYTES];
      snprintf(lent, sizeof lent, "model.layers.%lld.self_attn.%s.weight", (long long)lender, shared[k]);
      TRY(add_copy(s, weights_find(s, lent), "model.layers.%lld.self_attn.%s.weight", (long long)i, shared[k]));
    }
  }
  return ERR_OK;
}

static Err list_copies(WeightSource *s) {
  const ModelConfig *c = &s->config;
  const WeightTensor *embedding = weights_role(s, PARAM_EMBEDDING);
  const WeightTensor *head = c->model.tied ? embedding : weights_role(s, PARAM_HEAD);
  if (c->model.tied) TRY(add_copy(s, embedding, "lm_head.weight"));
  TRY(list_shared(s));
  if (c->mtp.layers == 0) return ERR_OK;
  TRY(add_copy(s, embedding, "model.layers.%lld.embed_tokens.weight", (long long)c->model.layers));
  return add_copy(s, head, "model.layers.%lld.shared_head.head.weight", (long long)c->model.layers);
}

// A tensor that repeats a parameter must equal it, so that dropping it loses nothing.
static Err check_copy(const WeightSource *s, Piece *copy, const WeightTensor *t) {
  enum { CHUNK = 4096 };
  uint8_t raw[CHUNK * sizeof(double)];
  float a[CHUNK], b[CHUNK];
  for (int64_t i = 0; i < t->n; i += CHUNK) {
    int64_t n = t->n - i < CHUNK ? t->n - i : CHUNK;
    TRY(piece_read(copy, i, n, raw));
    st_to_f32(piece_type(copy), raw, n, a);
    TRY(piece_read(t->own, i, n, raw));
    st_to_f32(t->type, raw, n, b);
    for (int64_t k = 0; k < n; k++)
      CHECK(memcmp(&a[k], &b[k], sizeof a[k]) == 0, ERR_FORMAT,
            "%s: %s is not equal to %s at [%lld, %lld] (%g and %g); a copy of its own cannot be read", s->path,
            copy->tensor->name, t->name, (long long)((i + k) / t->dim[1]), (long long)((i + k) % t->dim[1]), (double)a[k],
            (double)b[k]);
  }
  return ERR_OK;
}

static Err check_copies(WeightSource *s) {
  HfSource *h = s->own;
  for (int64_t i = 0; i < h->n_copies; i++) {
    Copy *c = &h->copy[i];
    TRY(check_copy(s, &c->piece, weights_find(s, c->of)));
  }
  return ERR_OK;
}

// Tables that older files hold and that follow from the configuration.
static bool without_effect(const char *name) {
  static const char *const ends[] = {".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias"};  // the last two: TeleChat-52B
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
    if (path_ends(name, ends[i])) return true;
  return false;
}

static Err find_left_over(WeightSource *s) {
  HfSource *h = s->own;
  for (int64_t i = 0; i < h->folder.n_files; i++)
    for (int64_t k = 0; k < h->folder.file[i].count; k++) {
      const char *name = h->folder.file[i].tensor[k].name;
      if (!h->folder.used[i][k] && !without_effect(name)) TRY(weights_fault(s->left, "%s", name));
    }
  return ERR_OK;
}

// ---- the order of the files

static int by_place(const void *a, const void *b) {
  const WeightTensor *x = a, *y = b;
  const Piece *p = x->own, *q = y->own;
  if (p->file != q->file) return p->file < q->file ? -1 : 1;
  if (!p->file) return 0;
  if (p->tensor->offset != q->tensor->offset) return p->tensor->offset < q->tensor->offset ? -1 : 1;
  return strcmp(x->name, y->name);
}

// file -> [name, ...] where a name that is not the parameter's is [name, parameter].
static Err note_layout(WeightSource *s) {
  HfSource *h = s->own;
  json_t *of = json_object();  // name in the files -> parameter
  int bad = of == NULL;
  s->layout = json_object();
  for (int64_t i = 0; i < s->count && !bad; i++) {
    const Piece *p = s->tensor[i].own;
    if (p->tensor) bad |= json_object_set_new(of, p->tensor->name, json_string(s->tensor[i].name));
  }
  for (int64_t i = 0; i < h->n_copies && !bad; i++) bad |= json_object_set_new(of, h->copy[i].name, json_string(h->copy[i].of));
  for (int64_t i = 0; i < h->folder.n_files && !bad; i++) {
    const SafeTensors *f = &h->folder.file[i];
    json_t *names = json_array();
    bad |= json_object_set_new(s->layout, path_name(f->map.path), names);
    for (int64_t k = 0; k < f->count && !bad; k++) {
      const char *name = f->tensor[k].name, *param = json_string_value(json_object_get(of, name));
      if (!param) continue;
      json_t *entry = strcmp(name, param) == 0 ? json_string(name) : json_pack("[s, s]", name, param);
      bad |= json_array_append_new(names, entry);
    }
  }
  json_decref(of);
  CHECK(!bad, ERR_MEMORY, "%s: no memory for the list of its tensors", s->path);
  return ERR_OK;
}

// ---- the source

static Err read_tensor(WeightSource *s, int64_t i, int64_t first, int64_t n, void *out) {
  return piece_read(s->tensor[i].own, first, n, out);
}

static void describe(const WeightSource *s, int64_t i, char *out, size_t size) {
  const Piece *p = s->tensor[i].own;
  if (!p->tensor) {
    snprintf(out, size, "nothing");
    return;
  }
  char times[40] = "";
  if (p->factor > 0) snprintf(times, sizeof times, " times %g", p->factor);
  snprintf(out, size, "%s %s%s%s in %s", p->tensor->name, st_type_name(p->tensor->type), p->scale ? " with scales" : "", times,
           path_name(p->file->map.path));
}

static void close_source(WeightSource *s) {
  HfSource *h = s->own;
  if (!h) return;
  hf_close(&h->folder);
  for (int64_t i = 0; h->piece && i < s->count; i++) free(h->piece[i].held);
  free(h->piece);
  free(h->copy);
  free(h);
}

static Err fill(WeightSource *s, HfSource *h) {
  s->own = h;
  s->close = close_source;
  h->mtp_layer = find_mtp_layer(&h->folder, &s->config);
  TRY(find_tensors(s));
  TRY(list_copies(s));
  TRY(find_left_over(s));
  if (!h->other_names) TRY(note_layout(s));
  qsort(s->tensor, (size_t)s->count, sizeof *s->tensor, by_place);
  s->type = weights_mostly_bf16(s) ? DT_BF16 : DT_F32;
  s->read = read_tensor;
  s->describe = describe;
  s->check = check_copies;
  if (hf_has_tokenizer(s->path)) memcpy(s->tokenizer, s->path, sizeof s->tokenizer);
  return ERR_OK;
}

static bool has_prediction(const HfFolder *h, const ModelConfig *c) {
  for (int64_t i = 0; i < h->n_files; i++)
    for (int64_t k = 0; k < h->file[i].count; k++) {
      const char *name = h->file[i].tensor[k].name;
      int64_t layer;
      if (number_take(&name, "model.layers.", &layer) && layer >= c->model.layers) return true;
      if (strncmp(name, "mtp.", 4) == 0 || strstr(name, ".eh_proj.") || strstr(name, ".enorm.")) return true;
    }
  return false;
}

// transformers saves no prediction layer, and a config.json that promises one all the same.
static void forget_prediction(const HfFolder *h, const char *folder, ModelConfig *c) {
  if (c->mtp.layers == 0 || has_prediction(h, c)) return;
  c->mtp.layers = 0;
  log_warn(
      "%s: config.json has a layer of multi-token prediction (num_nextn_predict_layers), the files have none of its tensors; "
      "read without it",
      folder);
}

// known: the configuration is the caller's; else it is the folder's own, and may promise a prediction layer that is not there.
static Err open_as(WeightSource **out, const char *folder, ModelConfig config, bool known, HfStored stored) {
  HfSource *h = calloc(1, sizeof *h);
  CHECK(h, ERR_MEMORY, "%s: no memory", folder);
  h->stored = stored;
  Err err = hf_open(&h->folder, folder);
  if (!err && !known) forget_prediction(&h->folder, folder, &config);
  if (!err) err = weights_want_room(&config, hf_bytes(&h->folder), folder);
  if (!err) err = weights_new(out, "Hugging Face folder", folder, &config);
  if (err) {
    hf_close(&h->folder);
    free(h);
    return err;
  }
  err = fill(*out, h);
  if (!err) return ERR_OK;
  weights_close(*out);
  *out = NULL;
  return err;
}

Err hf_source_open(WeightSource **out, const char *folder) {
  char path[PATH_BYTES];
  json_t *hf;
  ModelConfig config;
  HfStored stored;
  TRY(path_join(path, folder, "config.json"));
  TRY(json_read(&hf, path, true));
  Err err = hf_stored_read(hf, path, &stored);
  if (!err) err = hf_config_read(hf, path, &config);
  json_decref(hf);
  return err ? err : open_as(out, folder, config, false, stored);
}

Err hf_source_open_as(WeightSource **out, const char *folder, const ModelConfig *config) {
  char path[PATH_BYTES];
  json_t *hf;
  HfStored stored;
  TRY(path_join(path, folder, "config.json"));
  if (!file_exists(path)) return open_as(out, folder, *config, true, hf_stored_usual());
  TRY(json_read(&hf, path, true));
  Err err = hf_stored_read(hf, path, &stored);
  json_decref(hf);
  return err ? err : open_as(out, folder, *config, true, stored);
}

Err hf_load(const char *folder, const ModelConfig *config, const ParamList *list, bool allow_nan) {
  WeightSource *s;
  TRY(hf_source_open_as(&s, folder, config));
  Err err = weights_load(s, list, allow_nan);
  weights_close(s);
  return err;
}
