#include "text/gguf_tokenizer.h"

#include <stdlib.h>

#include "text/proto_write.h"
#include "text/spm_proto.h"

// Pieces and what is said of each.
typedef struct {
  const Gguf *g;
  const char *path;
  int64_t count;
  GgufText *text;          // owned
  const GgufValue *types;  // NULL: all normal
  const GgufValue *scores;
} Pieces;

static SpmPieceType type_of(const Pieces *p, int64_t i) {
  return p->types ? (SpmPieceType)gguf_array_int(p->types, i) : SPM_NORMAL;
}

static Err read_pieces(const Gguf *g, Pieces *p) {
  const GgufValue *tokens;
  *p = (Pieces){.g = g, .path = g->map.path};
  TRY(gguf_array(g, "tokenizer.ggml.tokens", true, GGUF_STRING, &tokens));
  TRY(gguf_array(g, "tokenizer.ggml.token_type", false, GGUF_I32, &p->types));
  TRY(gguf_array(g, "tokenizer.ggml.scores", false, GGUF_F32, &p->scores));
  CHECK(tokens->count > 0 && tokens->count < INT32_MAX / 2, ERR_FORMAT, "%s: \"tokenizer.ggml.tokens\" has %lld pieces",
        p->path, (long long)tokens->count);
  const GgufValue *others[] = {p->types, p->scores};
  for (int i = 0; i < 2; i++)
    CHECK(!others[i] || others[i]->count == tokens->count, ERR_FORMAT,
          "%s: \"%.*s\" has %lld items; one for each of the %lld tokens is wanted", p->path, (int)others[i]->key.size,
          others[i]->key.data, (long long)others[i]->count, (long long)tokens->count);
  p->text = calloc((size_t)tokens->count, sizeof *p->text);
  CHECK(p->text, ERR_MEMORY, "%s: no memory for %lld pieces", p->path, (long long)tokens->count);
  p->count = tokens->count;
  gguf_array_texts(tokens, p->text);
  for (int64_t i = 0; p->types && i < p->count; i++) {
    int64_t type = gguf_array_int(p->types, i);
    if (type >= SPM_NORMAL && type <= SPM_BYTE) continue;
    free(p->text);
    FAIL(ERR_FORMAT, "%s: \"tokenizer.ggml.token_type\" of token %lld is %lld; %d to %d is wanted", p->path, (long long)i,
         (long long)type, SPM_NORMAL, SPM_BYTE);
  }
  return ERR_OK;
}

static Err end_id(const Gguf *g, const char *name, int64_t count, int32_t *out) {
  char key[64];
  int64_t id = -1;
  snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
  TRY(gguf_int(g, key, false, &id));
  CHECK(id >= -1 && id < count, ERR_FORMAT, "%s: \"%s\" is %lld, but there are %lld tokens", g->map.path, key, (long long)id,
        (long long)count);
  *out = (int32_t)id;
  return ERR_OK;
}

Err gguf_tokenizer_ends(const Gguf *g, int32_t *bos, int32_t *eos, int32_t *pad) {
  const GgufValue *tokens;
  TRY(gguf_array(g, "tokenizer.ggml.tokens", true, GGUF_STRING, &tokens));
  TRY(end_id(g, "bos", tokens->count, bos));
  TRY(end_id(g, "eos", tokens->count, eos));
  return end_id(g, "padding", tokens->count, pad);
}

static Err find_pretoken(const Gguf *g, const GgufPretoken **out) {
  GgufText name = {NULL, 0};
  TRY(gguf_text(g, "tokenizer.ggml.pre", false, &name));
  CHECK(name.data, ERR_FORMAT,
        "%s: the key \"tokenizer.ggml.pre\" is missing, so how words are cut is not known; give the model's own tokenizer.json",
        g->map.path);
  *out = gguf_pretoken_named(name);
  CHECK(*out, ERR_FORMAT, "%s: \"tokenizer.ggml.pre\" is \"%.*s\", which is not read here; give the model's own tokenizer.json",
        g->map.path, (int)(name.size < 80 ? name.size : 80), name.data);
  return ERR_OK;
}

// Whether a text begins with the bos token where special tokens are added.
static Err adds_bos(const Gguf *g, bool fallback, bool *out) {
  *out = fallback;
  return gguf_bool(g, "tokenizer.ggml.add_bos_token", false, out);
}

// ---- tokenizer.json

static Err no_text(const Pieces *p, const char *what, int64_t i) {
  FAIL(ERR_FORMAT, "%s: %s %lld is not UTF-8 text", p->path, what, (long long)i);
}

static bool is_added(SpmPieceType type) { return type == SPM_CONTROL || type == SPM_USER_DEFINED || type == SPM_UNKNOWN; }

// Added tokens after the last other one were never in the model's vocabulary.
static Err read_vocab(const Pieces *p, json_t *vocab, json_t *added) {
  int64_t words = p->count;
  while (words > 0 && is_added(type_of(p, words - 1))) words--;
  for (int64_t i = 0; i < p->count; i++) {
    GgufText t = p->text[i];
    SpmPieceType type = type_of(p, i);
    bool nul = memchr(t.data, 0, t.size) != NULL;
    if (nul || (i < words && json_object_setn_new(vocab, t.data, t.size, json_integer(i)) != 0)) return no_text(p, "token", i);
    if (!is_added(type)) continue;
    json_t *token = json_pack("{s:I, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", t.data, t.size,
                              "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", type != SPM_USER_DEFINED);
    if (json_array_append_new(added, token) != 0) return no_text(p, "token", i);
  }
  CHECK((int64_t)json_object_size(vocab) == words, ERR_FORMAT, "%s: \"tokenizer.ggml.tokens\" holds a piece twice", p->path);
  return ERR_OK;
}

static Err read_merges(const Pieces *p, json_t *merges) {
  const GgufValue *v;
  TRY(gguf_array(p->g, "tokenizer.ggml.merges", true, GGUF_STRING, &v));
  GgufText *text = calloc((size_t)v->count + 1, sizeof *text);
  CHECK(text, ERR_MEMORY, "%s: no memory for %lld merges", p->path, (long long)v->count);
  gguf_array_texts(v, text);
  Err err = ERR_OK;
  for (int64_t i = 0; i < v->count && !err; i++)
    if (json_array_append_new(merges, json_stringn(text[i].data, text[i].size)) != 0) err = no_text(p, "merge", i);
  free(text);
  return err;
}

static json_t *begin_with(const Pieces *p, int32_t bos) {
  GgufText t = p->text[bos];
  json_t *name = json_stringn(t.data, t.size), *tokens = json_object();
  json_object_setn_new(tokens, t.data, t.size, json_pack("{s:O, s:[i], s:[O]}", "id", name, "ids", (int)bos, "tokens", name));
  return json_pack("{s:s, s:[{s:{s:o, s:i}}, {s:{s:s, s:i}}], s:[], s:o}", "type", "TemplateProcessing", "single",
                   "SpecialToken", "id", name, "type_id", 0, "Sequence", "id", "A", "type_id", 0, "pair", "special_tokens",
                   tokens);
}

static Err write_json(const Pieces *p, Bytes *out) {
  Err err = ERR_OK;
  const GgufPretoken *pre;
  int32_t bos;
  bool add_bos;
  TRY(find_pretoken(p->g, &pre));
  TRY(adds_bos(p->g, pre->add_bos, &add_bos));
  TRY(end_id(p->g, "bos", p->count, &bos));
  json_t *vocab = json_object(), *merges = json_array(), *added = json_array(), *root = NULL;
  TRY_OUT(read_vocab(p, vocab, added));
  TRY_OUT(read_merges(p, merges));
  root = json_pack(
      "{s:s, s:n, s:n, s:O, s:o, s:o, s:o, s:{s:s, s:b, s:b, s:b}, s:{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}}",
      "version", "1.0", "truncation", "padding", "added_tokens", added, "normalizer",
      json_loads(pre->normalizer, JSON_DECODE_ANY, NULL), "pre_tokenizer", json_loads(pre->pretokenizer, 0, NULL),
      "post_processor", add_bos && bos >= 0 ? begin_with(p, bos) : json_null(), "decoder", "type", "ByteLevel",
      "add_prefix_space", 1, "trim_offsets", 1, "use_regex", 1, "model", "type", "BPE", "dropout", "unk_token",
      "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges", pre->ignore_merges,
      "vocab", vocab, "merges", merges);
  char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
  CHECK_OUT(text, ERR_MEMORY, "%s: no memory for its tokenizer", p->path);
  err = bytes_append(out, text, strlen(text));
  free(text);
out:
  json_decref(root);
  json_decref(vocab);
  json_decref(merges);
  json_decref(added);
  return err;
}

// ---- SentencePiece

static Err put_piece(const Pieces *p, int64_t i, Bytes *part, Bytes *out) {
  SpmPieceType type = type_of(p, i);
  part->size = 0;
  TRY(proto_put_bytes(part, 1, p->text[i].data, p->text[i].size));
  TRY(proto_put_float(part, 2, p->scores ? gguf_array_f32(p->scores, i) : 0));
  if (type != SPM_NORMAL) TRY(proto_put_int(part, 3, (int64_t)type));
  return proto_put_bytes(out, 1, part->data, part->size);
}

static Err put_trainer(const Pieces *p, SpmModelType type, Bytes *part, Bytes *out) {
  static const char *const ends[] = {"unknown", "bos", "eos", "padding"};
  bool bytes = false;
  for (int64_t i = 0; i < p->count; i++) bytes |= type_of(p, i) == SPM_BYTE;
  part->size = 0;
  TRY(proto_put_int(part, 3, (int64_t)type));
  TRY(proto_put_int(part, 4, p->count));
  TRY(proto_put_int(part, 35, bytes));
  for (unsigned i = 0; i < 4; i++) {
    int32_t id;
    TRY(end_id(p->g, ends[i], p->count, &id));
    TRY(proto_put_int(part, 40 + i, id));
    if (id >= 0) TRY(proto_put_bytes(part, 45 + i, p->text[id].data, p->text[id].size));
  }
  return proto_put_bytes(out, 2, part->data, part->size);
}

static Err put_normalizer(const Pieces *p, Bytes *part, Bytes *out) {
  bool prefix = true, squeeze = false;
  const GgufValue *map = gguf_value(p->g, "tokenizer.ggml.precompiled_charsmap");
  TRY(gguf_bool(p->g, "tokenizer.ggml.add_space_prefix", false, &prefix));
  TRY(gguf_bool(p->g, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze));
  CHECK(!map || (map->is_array && (map->type == GGUF_U8 || map->type == GGUF_I8)), ERR_FORMAT,
        "%s: \"tokenizer.ggml.precompiled_charsmap\" is no array of bytes", p->path);
  part->size = 0;
  TRY(proto_put_bytes(part, 1, map ? "user_defined" : "identity", map ? 12 : 8));
  if (map) TRY(proto_put_bytes(part, 2, map->data, map->size));
  TRY(proto_put_int(part, 3, prefix));
  TRY(proto_put_int(part, 4, squeeze));
  TRY(proto_put_int(part, 5, 1));  // spaces as U+2581
  return proto_put_bytes(out, 3, part->data, part->size);
}

static Err write_spm(const Pieces *p, SpmModelType type, Bytes *out) {
  Bytes part = {0};
  Err err = ERR_OK;
  CHECK(p->scores, ERR_FORMAT, "%s: the key \"tokenizer.ggml.scores\" is missing", p->path);
  for (int64_t i = 0; i < p->count && !err; i++) err = put_piece(p, i, &part, out);
  if (!err) err = put_trainer(p, type, &part, out);
  if (!err) err = put_normalizer(p, &part, out);
  bytes_free(&part);
  return err;
}

// ----

static bool is(GgufText t, const char *name) { return t.size == strlen(name) && memcmp(t.data, name, t.size) == 0; }

Err gguf_tokenizer_file(const Gguf *g, Bytes *out, const char **name) {
  GgufText model;
  Pieces p;
  TRY(gguf_text(g, "tokenizer.ggml.model", true, &model));
  bool json = is(model, "gpt2");
  CHECK(json || is(model, "llama") || is(model, "t5"), ERR_FORMAT,
        "%s: \"tokenizer.ggml.model\" is \"%.*s\"; gpt2, llama and t5 are read", g->map.path,
        (int)(model.size < 80 ? model.size : 80), model.data);
  TRY(read_pieces(g, &p));
  *name = json ? "tokenizer.json" : "tokenizer.model";
  Err err = json ? write_json(&p, out) : write_spm(&p, is(model, "t5") ? SPM_UNIGRAM : SPM_BPE, out);
  free(p.text);
  return err;
}

Err gguf_tokenizer_config(const Gguf *g, json_t **config) {
  static const struct {
    const char *gguf, *hf;
  } ends[] = {{"bos", "bos_token"}, {"eos", "eos_token"}, {"unknown", "unk_token"}, {"padding", "pad_token"}};
  Pieces p;
  GgufText template = {NULL, 0};
  bool add_bos, fallback;
  *config = NULL;
  GgufText model;
  TRY(gguf_text(g, "tokenizer.ggml.model", true, &model));
  fallback = is(model, "llama");
  if (is(model, "gpt2")) {
    const GgufPretoken *pre;
    TRY(find_pretoken(g, &pre));
    fallback = pre->add_bos;
  }
  TRY(adds_bos(g, fallback, &add_bos));
  TRY(gguf_text(g, "tokenizer.chat_template", false, &template));
  TRY(read_pieces(g, &p));
  json_t *root = json_pack("{s:b}", "add_bos_token", add_bos);
  Err err = ERR_OK;
  for (int i = 0; i < 4; i++) {
    int32_t id = -1;
    TRY_OUT(end_id(g, ends[i].gguf, p.count, &id));
    if (id >= 0) json_object_set_new(root, ends[i].hf, json_stringn(p.text[id].data, p.text[id].size));
  }
  if (template.data)
    CHECK_OUT(json_object_set_new(root, "chat_template", json_stringn(template.data, template.size)) == 0, ERR_FORMAT,
              "%s: \"tokenizer.chat_template\" is not UTF-8 text", g->map.path);
out:
  free(p.text);
  if (err) json_decref(root);
  else *config = root;
  return err;
}

Err gguf_tokenizer_write(const char *path, const char *folder) {
  Gguf g;
  Bytes file = {0};
  const char *name = NULL;
  char to[PATH_BYTES];
  json_t *config = NULL;
  TRY(gguf_open(&g, path));
  Err err = ERR_OK;
  TRY_OUT(gguf_tokenizer_file(&g, &file, &name));
  TRY_OUT(path_join(to, folder, name));
  TRY_OUT(file_replace(to, file.data, file.size));
  TRY_OUT(gguf_tokenizer_config(&g, &config));
  TRY_OUT(path_join(to, folder, "tokenizer_config.json"));
  TRY_OUT(json_write(config, to));
out:
  json_decref(config);
  bytes_free(&file);
  gguf_close(&g);
  return err;
}
