#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/family.h"
#include "model/hf_files.h"

// ---- the folder

static Err open_one(HfFolder *h, const char *name) {
  char path[PATH_BYTES];
  TRY(path_join(path, h->folder, name));
  SafeTensors *s = &h->file[h->n_files];
  TRY(safetensors_open(s, path));
  h->used[h->n_files] = calloc((size_t)s->count + 1, sizeof **h->used);
  h->n_files++;
  CHECK(h->used[h->n_files - 1], ERR_MEMORY, "%s: no memory for %lld tensors", path, (long long)s->count);
  return ERR_OK;
}

static Err room_for(HfFolder *h, size_t n) {
  h->file = calloc(n + 1, sizeof *h->file);
  h->used = calloc(n + 1, sizeof *h->used);
  CHECK(h->file && h->used, ERR_MEMORY, "%s: no memory for %zu files", h->folder, n);
  return ERR_OK;
}

// The index says which file has which tensor; each file is opened once, and each tensor must be where it is said to be.
static Err open_indexed(HfFolder *h, const json_t *index, const char *path) {
  const json_t *map = json_object_get(index, "weight_map");
  CHECK(json_is_object(map), ERR_FORMAT, "%s: \"weight_map\" is missing", path);
  json_t *at = json_object();  // file name -> its number
  Err err = ERR_OK;
  CHECK_OUT(at, ERR_MEMORY, "%s: no memory", path);
  TRY_OUT(room_for(h, json_object_size(map)));
  const char *tensor;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
    const char *name = json_string_value(value);
    CHECK_OUT(name && *name && *name != '.' && !strchr(name, '/'), ERR_FORMAT,
              "%s: the file of \"%.120s\" is not a plain file name", path, tensor);
    if (!json_object_get(at, name)) {
      json_object_set_new(at, name, json_integer(h->n_files));
      TRY_OUT(open_one(h, name));
    }
    int64_t i = json_integer_value(json_object_get(at, name));
    CHECK_OUT(safetensors_find(&h->file[i], tensor), ERR_FORMAT, "%s: \"%.120s\" is not in %s", path, tensor, name);
  }
out:
  json_decref(at);
  return err;
}

static Err open_files(HfFolder *h, const char *folder) {
  h->folder = strdup(folder);
  CHECK(h->folder, ERR_MEMORY, "%s: no memory", folder);
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "model.safetensors.index.json"));
  if (!file_exists(path)) {
    TRY(room_for(h, 1));
    return open_one(h, "model.safetensors");
  }
  json_t *index;
  TRY(json_read(&index, path, true));
  Err err = open_indexed(h, index, path);
  json_decref(index);
  return err;
}

Err hf_open(HfFolder *h, const char *folder) {
  *h = (HfFolder){0};
  CHECK(file_is_folder(folder), ERR_IO, "%s: no such folder of a Hugging Face model", folder);
  Err err = open_files(h, folder);
  if (err) hf_close(h);
  return err;
}

void hf_close(HfFolder *h) {
  for (int64_t i = 0; i < h->n_files; i++) {
    safetensors_close(&h->file[i]);
    free(h->used[i]);
  }
  free(h->file);
  free(h->used);
  free(h->folder);
  *h = (HfFolder){0};
}

const StTensor *hf_take(const HfFolder *h, const char *name) {
  for (int64_t i = 0; i < h->n_files; i++) {
    const StTensor *t = safetensors_find(&h->file[i], name);
    if (!t) continue;
    h->used[i][t - h->file[i].tensor] = true;
    return t;
  }
  return NULL;
}

// ---- what is wrong with it, all at once: the first few names of each kind

enum { NAMED_MAX = 6 };

typedef struct {
  const char *what;
  int64_t count;
  char text[600];
} Fault;

static void fault_add(Fault *f, const char *name) {
  if (f->count++ >= NAMED_MAX) return;
  size_t n = strlen(f->text);
  snprintf(f->text + n, sizeof f->text - n, "%s%s", n ? ", " : "", name);
}

static Err faults_report(const char *folder, const Fault *fault, int n) {
  char text[1900] = "";
  for (int i = 0; i < n; i++) {
    if (!fault[i].count) continue;
    size_t at = strlen(text);
    snprintf(text + at, sizeof text - at, "%s%lld %s: %s%s", at ? "; " : "", (long long)fault[i].count, fault[i].what,
             fault[i].text, fault[i].count > NAMED_MAX ? ", ..." : "");
  }
  CHECK(!*text, ERR_FORMAT, "%s: %s", folder, text);
  return ERR_OK;
}

// ---- tensors

typedef struct {
  const HfFolder *folder;
  const ModelConfig *config;
  int64_t mtp_layer;  // index of the multi-token-prediction layer in the files
  Fault missing, shape, left;
} Loader;

static bool is_there(const HfFolder *h, const char *name) {
  for (int64_t i = 0; i < h->n_files; i++)
    if (safetensors_find(&h->file[i], name)) return true;
  return false;
}

// The parameter's name in the files: the number of the multi-token-prediction layer may differ, and older files may have other
// names.
static void file_name(const Loader *l, const char *name, char out[PARAM_NAME_BYTES + 16]) {
  char prefix[40];
  int n = snprintf(prefix, sizeof prefix, "model.layers.%lld.", (long long)l->config->model.layers);
  if (strncmp(name, prefix, (size_t)n) == 0)
    snprintf(out, PARAM_NAME_BYTES + 16, "model.layers.%lld.%s", (long long)l->mtp_layer, name + n);
  else snprintf(out, PARAM_NAME_BYTES + 16, "%s", name);
  char older[PARAM_NAME_BYTES];
  snprintf(older, sizeof older, "%s", name);
  param_rename(family_of(l->config)->older, older);
  if (!is_there(l->folder, out) && is_there(l->folder, older)) snprintf(out, PARAM_NAME_BYTES + 16, "%s", older);
}

static int64_t find_mtp_layer(const HfFolder *h, const ModelConfig *c) {
  for (int64_t i = c->model.layers; i <= c->model.layers + 1; i++) {
    char name[PARAM_NAME_BYTES];
    snprintf(name, sizeof name, "model.layers.%lld.eh_proj.weight", (long long)i);
    if (is_there(h, name)) return i;
  }
  return c->model.layers;
}

static void dims_text(int n, const int64_t *dim, char out[96]) {
  int at = snprintf(out, 96, "[");
  for (int i = 0; i < n && at < 80; i++) at += snprintf(out + at, 96 - (size_t)at, "%s%lld", i ? ", " : "", (long long)dim[i]);
  snprintf(out + at, 96 - (size_t)at, "]");
}

static bool readable(StType t) { return t == ST_F32 || t == ST_BF16 || t == ST_F16 || t == ST_F64; }

// The tensor for a parameter, or NULL with the fault noted.
static const StTensor *tensor_for(Loader *l, const char *name, int n_dims, const int64_t *dim) {
  const StTensor *t = hf_take(l->folder, name);
  if (!t) {
    fault_add(&l->missing, name);
    return NULL;
  }
  bool same = t->n_dims == n_dims && readable(t->type);
  for (int i = 0; same && i < n_dims; i++) same = t->dim[i] == dim[i];
  if (same) return t;
  char got[96], want[96], text[400];
  dims_text(t->n_dims, t->dim, got);
  dims_text(n_dims, dim, want);
  snprintf(text, sizeof text, "%.120s is %s %s, the configuration wants %s", name, st_type_name(t->type), got, want);
  fault_add(&l->shape, text);
  return NULL;
}

static Err read_param(Loader *l, const Param *p) {
  char name[PARAM_NAME_BYTES + 16];
  file_name(l, p->name, name);
  const StTensor *t = tensor_for(l, name, p->n_dims, p->dim);
  return t ? st_read_f32(t, 0, p->n, p->w) : ERR_OK;
}

// A tensor that repeats a parameter must equal it, so that dropping it loses nothing.
static Err check_copy(Loader *l, const char *own_name, const Param *p) {
  enum { CHUNK = 4096 };
  float chunk[CHUNK];
  char name[PARAM_NAME_BYTES + 16];
  file_name(l, own_name, name);
  const StTensor *t = is_there(l->folder, name) ? tensor_for(l, name, p->n_dims, p->dim) : NULL;
  for (int64_t i = 0; t && i < p->n; i += CHUNK) {
    int64_t n = p->n - i < CHUNK ? p->n - i : CHUNK;
    TRY(st_read_f32(t, i, n, chunk));
    for (int64_t k = 0; k < n; k++)
      CHECK(memcmp(&chunk[k], &p->w[i + k], sizeof chunk[k]) == 0, ERR_FORMAT,
            "%s: %s is not equal to %s at [%lld, %lld] (%g and %g); a copy of its own cannot be read", l->folder->folder, name,
            p->name, (long long)((i + k) / p->dim[1]), (long long)((i + k) % p->dim[1]), (double)chunk[k], (double)p->w[i + k]);
  }
  return ERR_OK;
}

// A layer that borrows its attention's projections may repeat them.
static Err check_shared(Loader *l, const ParamList *list) {
  static const char *const shared[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
  for (int64_t i = 0; i < l->config->model.layers; i++) {
    int64_t lender = config_attention_layer(l->config, i);
    for (int k = 0; k < 4 && lender != i; k++) {
      char own[PARAM_NAME_BYTES], lent[PARAM_NAME_BYTES];
      snprintf(own, sizeof own, "model.layers.%lld.self_attn.%s.weight", (long long)i, shared[k]);
      snprintf(lent, sizeof lent, "model.layers.%lld.self_attn.%s.weight", (long long)lender, shared[k]);
      const Param *p = params_find(list, lent);
      if (p) TRY(check_copy(l, own, p));
    }
  }
  return ERR_OK;
}

static Err check_copies(Loader *l, const ParamList *list) {
  const ModelConfig *c = l->config;
  const Param *embedding = params_role(list, PARAM_EMBEDDING);
  const Param *head = c->model.tied ? embedding : params_role(list, PARAM_HEAD);
  char name[PARAM_NAME_BYTES];
  if (c->model.tied) TRY(check_copy(l, "lm_head.weight", embedding));
  TRY(check_shared(l, list));
  if (c->mtp.layers == 0) return ERR_OK;
  snprintf(name, sizeof name, "model.layers.%lld.embed_tokens.weight", (long long)l->mtp_layer);
  TRY(check_copy(l, name, embedding));
  snprintf(name, sizeof name, "model.layers.%lld.shared_head.head.weight", (long long)l->mtp_layer);
  return check_copy(l, name, head);
}

// Tables that older files hold and that follow from the configuration.
static bool without_effect(const char *name) {
  const char *end = ".rotary_emb.inv_freq";
  size_t n = strlen(name), k = strlen(end);
  return n >= k && strcmp(name + n - k, end) == 0;
}

static void find_left_over(Loader *l) {
  for (int64_t i = 0; i < l->folder->n_files; i++)
    for (int64_t k = 0; k < l->folder->file[i].count; k++) {
      const char *name = l->folder->file[i].tensor[k].name;
      if (!l->folder->used[i][k] && !without_effect(name)) fault_add(&l->left, name);
    }
}

Err hf_load(const char *folder, const ModelConfig *c, const ParamList *list, bool allow_nan) {
  HfFolder h;
  TRY(hf_open(&h, folder));
  Loader *l = calloc(1, sizeof *l);
  Err err = ERR_OK;
  CHECK_OUT(l, ERR_MEMORY, "%s: no memory", folder);
  *l = (Loader){.folder = &h,
                .config = c,
                .mtp_layer = find_mtp_layer(&h, c),
                .missing.what = "tensors missing",
                .shape.what = "tensors of another shape or type",
                .left.what = "tensors left over that the configuration has no place for"};
  for (int64_t i = 0; i < list->count; i++) TRY_OUT(read_param(l, &list->param[i]));
  TRY_OUT(check_copies(l, list));
  find_left_over(l);
  Fault all[] = {l->missing, l->shape, l->left};
  TRY_OUT(faults_report(folder, all, 3));
  if (!allow_nan) TRY_OUT(params_check_finite(list, folder));
out:
  free(l);
  hf_close(&h);
  return err;
}

// A sum of exponents' all-ones would do, but a plain scan is as fast as memory.
static int64_t first_not_finite(const float *w, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(w[i])) return i;
  return -1;
}

Err params_check_finite(const ParamList *list, const char *where) {
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    int64_t at = first_not_finite(p->w, p->n);
    if (at < 0) continue;
    int64_t index[2] = {p->n_dims == 2 ? at / p->dim[1] : at, p->n_dims == 2 ? at % p->dim[1] : 0};
    char place[96];
    dims_text(p->n_dims, index, place);
    FAIL(ERR_NUMERIC, "%s: weight %s%s is %g; allow it by option, or use a checkpoint from before", where, p->name, place,
         (double)p->w[at]);
  }
  return ERR_OK;
}
