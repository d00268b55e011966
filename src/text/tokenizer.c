#include "text/tokenizer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer_backend.h"

struct Tokenizer {
  const TokenizerBackend *backend;
  void *model;
  int32_t bos, eos, pad;
};

struct TokenizerWork {
  const TokenizerBackend *backend;
  void *work;
};

void ids_free(Ids *ids) {
  free(ids->id);
  *ids = (Ids){0};
}

void bytes_free(Bytes *b) {
  free(b->data);
  *b = (Bytes){0};
}

Err ids_reserve(Ids *ids, int64_t more) {
  if (ids->capacity - ids->count >= more) return ERR_OK;
  int64_t want = ids->count + more, grown = ids->capacity + ids->capacity / 2 + 64;
  if (want < grown) want = grown;
  int32_t *id = realloc(ids->id, (size_t)want * sizeof *id);
  CHECK(id, ERR_MEMORY, "no memory for %lld token ids (%lld bytes)", (long long)want, (long long)want * 4);
  ids->id = id;
  ids->capacity = want;
  return ERR_OK;
}

Err bytes_reserve(Bytes *b, size_t more) {
  if (b->capacity - b->size >= more) return ERR_OK;
  size_t want = b->size + more, grown = b->capacity + b->capacity / 2 + 256;
  if (want < grown) want = grown;
  char *data = realloc(b->data, want);
  CHECK(data, ERR_MEMORY, "no memory for %zu bytes of text", want);
  b->data = data;
  b->capacity = want;
  return ERR_OK;
}

// A Hugging Face file is a JSON object; a protobuf message cannot begin like one ('{' would be field 15 with wire type 3).
static bool is_json(const FileMap *f) {
  size_t at = f->size >= 3 && memcmp(f->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  while (at < f->size && strchr(" \t\r\n", f->data[at]) && f->data[at]) at++;
  return at < f->size && f->data[at] == '{';
}

// The key-values of a GGUF hold a file of one of the two formats.
static Err open_gguf(Tokenizer *t, const char *path) {
  Gguf g;
  Bytes file = {0};
  const char *name = NULL;
  TRY(gguf_open(&g, path));
  Err err = ERR_OK;
  TRY_OUT(gguf_tokenizer_file(&g, &file, &name));
  bool json = strcmp(name, "tokenizer.json") == 0;
  TRY_OUT((json ? hf_tokenizer_open : spm_open)(&t->backend, &t->model, path, file.data, file.size));
  TRY_OUT(gguf_tokenizer_ends(&g, &t->bos, &t->eos, &t->pad));
out:
  bytes_free(&file);
  gguf_close(&g);
  return err;
}

static Err open_file(Tokenizer *t, const char *path) {
  if (gguf_is(path)) return open_gguf(t, path);
  FileMap f;
  TRY(file_map(&f, path));
  Err err = (is_json(&f) ? hf_tokenizer_open : spm_open)(&t->backend, &t->model, path, f.data, f.size);
  file_unmap(&f);
  if (err) return err_frame(err, __func__, __FILE__, __LINE__);
  t->backend->ends(t->model, &t->bos, &t->eos, &t->pad);
  return ERR_OK;
}

// A token in a configuration is its text, or an object with the text as "content".
static void read_end(const Tokenizer *t, const json_t *config, const char *key, int32_t *id) {
  const json_t *value = json_object_get(config, key);
  if (json_is_object(value)) value = json_object_get(value, "content");
  if (!json_is_string(value)) return;
  int32_t found = t->backend->find(t->model, json_string_value(value), json_string_length(value));
  if (found >= 0) *id = found;
}

// generation_config.json gives ids, or lists of them of which the first counts.
static void read_end_id(const Tokenizer *t, const json_t *config, const char *key, int32_t *id) {
  const json_t *value = json_object_get(config, key);
  if (json_is_array(value)) value = json_array_get(value, 0);
  if (!json_is_integer(value)) return;
  json_int_t found = json_integer_value(value);
  if (found >= 0 && found < t->backend->vocab(t->model)) *id = (int32_t)found;
}

// added_tokens_decoder of tokenizer_config.json: {"9": {"content": "<think>", "special": true}, ...}. It overrides what the
// model file says, since ids are the embedding's rows and the configuration was published with the weights.
static Err read_added(Tokenizer *t, const json_t *config, const char *where) {
  const json_t *added = json_object_get(config, "added_tokens_decoder");
  if (!json_is_object(added) || json_object_size(added) == 0) return ERR_OK;
  size_t n = json_object_size(added), count = 0;
  const char **names = calloc(n, sizeof *names);
  int32_t *ids = calloc(n, sizeof *ids);
  Err err = ERR_OK;
  CHECK_OUT(names && ids, ERR_MEMORY, "%s: no memory for %zu added tokens", where, n);
  const char *key;
  json_t *token;
  json_object_foreach((json_t *)(uintptr_t)added, key, token) {
    char *end;
    long long id = strtoll(key, &end, 10);
    const json_t *content = json_object_get(token, "content");
    CHECK_OUT(*key && !*end && id >= 0 && json_is_string(content), ERR_FORMAT,
              "%s: added_tokens_decoder \"%s\": wanted an id and an object with \"content\"", where, key);
    if (!json_is_true(json_object_get(token, "special"))) continue;
    CHECK_OUT(id < t->backend->vocab(t->model), ERR_FORMAT, "%s: added token \"%s\" has id %lld, the model's ids end at %lld",
              where, json_string_value(content), id, (long long)t->backend->vocab(t->model) - 1);
    names[count] = json_string_value(content);
    ids[count++] = (int32_t)id;
  }
  if (count) err = t->backend->set_specials(t->model, names, ids, (int64_t)count);
out:
  free(names);
  free(ids);
  return err;
}

static Err read_config(Tokenizer *t, const char *folder, bool added) {
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "tokenizer_config.json"));
  json_t *config = NULL;
  if (file_exists(path)) {
    TRY(json_read(&config, path, false));
    Err err = added ? read_added(t, config, path) : ERR_OK;
    if (!err) {
      read_end(t, config, "bos_token", &t->bos);
      read_end(t, config, "eos_token", &t->eos);
      read_end(t, config, "pad_token", &t->pad);
    }
    json_decref(config);
    TRY(err);
  }
  TRY(path_join(path, folder, "generation_config.json"));
  if (!file_exists(path)) return ERR_OK;
  TRY(json_read(&config, path, false));
  read_end_id(t, config, "bos_token_id", &t->bos);
  read_end_id(t, config, "eos_token_id", &t->eos);
  read_end_id(t, config, "pad_token_id", &t->pad);
  json_decref(config);
  return ERR_OK;
}

static Err open_folder(Tokenizer *t, const char *folder) {
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "tokenizer.json"));
  bool json = file_exists(path);
  if (!json) {
    TRY(path_join(path, folder, "tokenizer.model"));
    CHECK(file_exists(path), ERR_IO, "%s: the folder holds neither tokenizer.json nor tokenizer.model", folder);
  }
  TRY(open_file(t, path));
  return read_config(t, folder, !json);  // a tokenizer.json has its added tokens itself
}

Err tokenizer_open(Tokenizer **out, const char *path) {
  *out = NULL;
  Tokenizer *t = calloc(1, sizeof *t);
  CHECK(t, ERR_MEMORY, "%s: no memory for a tokenizer", path);
  t->bos = t->eos = t->pad = -1;
  Err err = file_is_folder(path) ? open_folder(t, path) : open_file(t, path);
  if (err) {
    tokenizer_close(t);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *out = t;
  return ERR_OK;
}

void tokenizer_close(Tokenizer *t) {
  if (!t) return;
  if (t->model) t->backend->close(t->model);
  free(t);
}

const char *tokenizer_kind(const Tokenizer *t) { return t->backend->kind(t->model); }
int64_t tokenizer_vocab(const Tokenizer *t) { return t->backend->vocab(t->model); }
int32_t tokenizer_bos(const Tokenizer *t) { return t->bos; }
int32_t tokenizer_eos(const Tokenizer *t) { return t->eos; }
int32_t tokenizer_pad(const Tokenizer *t) { return t->pad; }
int32_t tokenizer_id(const Tokenizer *t, const char *name) { return t->backend->find(t->model, name, strlen(name)); }
const char *tokenizer_piece(const Tokenizer *t, int32_t id) { return t->backend->piece(t->model, id); }
bool tokenizer_is_special(const Tokenizer *t, int32_t id) { return t->backend->is_special(t->model, id); }

Err tokenizer_set_specials(Tokenizer *t, const char *const *names, const int32_t *ids, int64_t count) {
  return t->backend->set_specials(t->model, names, ids, count);
}

Err tokenizer_work_open(TokenizerWork **out, const Tokenizer *t) {
  *out = NULL;
  TokenizerWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  w->backend = t->backend;
  Err err = t->backend->work_open(t->model, &w->work);
  if (err) {
    free(w);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *out = w;
  return ERR_OK;
}

void tokenizer_work_close(TokenizerWork *w) {
  if (!w) return;
  w->backend->work_close(w->work);
  free(w);
}

Err tokenizer_encode(const Tokenizer *t, TokenizerWork *w, const char *text, size_t size, SpecialPolicy special, Ids *out) {
  assert(w->backend == t->backend);
  return t->backend->encode(t->model, w->work, text, size, special, out);
}

Err tokenizer_encode_special(const Tokenizer *t, TokenizerWork *w, const char *text, size_t size, SpecialPolicy special,
                             Ids *out) {
  assert(w->backend == t->backend);
  return t->backend->encode_special(t->model, w->work, text, size, special, out);
}

Err tokenizer_normalize(const Tokenizer *t, const char *text, size_t size, Bytes *out) {
  CHECK(t->backend->normalize, ERR_ARG, "a tokenizer of kind %s has no normal form to show", tokenizer_kind(t));
  return t->backend->normalize(t->model, text, size, out);
}

Err tokenizer_decode(const Tokenizer *t, TokenizerWork *w, const int32_t *id, int64_t count, bool keep_special, Bytes *out) {
  assert(w->backend == t->backend);
  return t->backend->decode(t->model, w->work, id, count, keep_special, out);
}
