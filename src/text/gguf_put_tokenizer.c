// A tokenizer as key-values of a GGUF file.
#include <stdlib.h>

#include "text/gguf_tokenizer.h"
#include "text/spm_proto.h"
#include "text/utf8.h"

// What is put: pieces by id, and what is said of each.
typedef struct {
  GgufWriter *w;
  const Tokenizer *t;
  const char *path;
  int64_t count;      // rows of the embedding
  Bytes letters;      // of pieces that the files do not hold as they are: added tokens, fillers
  GgufText *text;     // owned
  size_t *letter_at;  // owned; where a text lies in `letters`, SIZE_MAX: elsewhere
  int32_t *type;      // owned
  float *score;       // owned
} Put;

static Err own_text(Put *p, int64_t id, const char *text, size_t size) {
  p->letter_at[id] = p->letters.size;
  p->text[id].size = size;
  return bytes_append(&p->letters, text, size);
}

static Err put_open(Put *p) {
  size_t n = (size_t)p->count;
  p->text = calloc(n, sizeof *p->text);
  p->letter_at = malloc(n * sizeof *p->letter_at);
  p->type = calloc(n, sizeof *p->type);
  p->score = calloc(n, sizeof *p->score);
  CHECK(p->text && p->letter_at && p->type && p->score, ERR_MEMORY, "%s: no memory for %zu pieces", p->path, n);
  for (size_t i = 0; i < n; i++) p->letter_at[i] = SIZE_MAX;
  return ERR_OK;
}

static void put_free(Put *p) {
  bytes_free(&p->letters);
  free(p->text);
  free(p->letter_at);
  free(p->type);
  free(p->score);
}

// Rows of the embedding that no piece has are given one that no text meets.
static Err fill_holes(Put *p) {
  for (int64_t i = 0; i < p->count; i++) {
    if (p->type[i]) continue;
    char name[40];
    int n = snprintf(name, sizeof name, "[PAD%lld]", (long long)i);
    p->type[i] = SPM_UNUSED;
    TRY(own_text(p, i, name, (size_t)n));
  }
  return ERR_OK;
}

// Special tokens of the configuration beside a model: their names count, not those of the model's own pieces.
static Err take_specials(Put *p) {
  TokenizerWork *work = NULL;
  Bytes name = {0};
  Err err = ERR_OK;
  TRY(tokenizer_work_open(&work, p->t));
  for (int32_t i = 0; i < tokenizer_vocab(p->t); i++) {
    if (!tokenizer_is_special(p->t, i)) continue;
    name.size = 0;
    TRY_OUT(tokenizer_decode(p->t, work, &i, 1, true, &name));
    p->type[i] = p->type[i] == SPM_UNKNOWN ? SPM_UNKNOWN : SPM_CONTROL;
    TRY_OUT(own_text(p, i, name.data, name.size));
  }
out:
  tokenizer_work_close(work);
  bytes_free(&name);
  return err;
}

static Err put_pieces(Put *p, bool scores) {
  for (int64_t i = 0; i < p->count; i++)
    if (p->letter_at[i] != SIZE_MAX) p->text[i].data = p->letters.data + p->letter_at[i];
  TRY(gguf_put_texts(p->w, "tokenizer.ggml.tokens", p->text, p->count));
  if (scores) TRY(gguf_put_f32s(p->w, "tokenizer.ggml.scores", p->score, p->count));
  return gguf_put_i32s(p->w, "tokenizer.ggml.token_type", p->type, p->count);
}

// What the model's own encoding puts before a text, -1 if nothing: a tokenizer.json alone names its bos only so.
static Err find_first(const Tokenizer *t, int32_t *first) {
  TokenizerWork *work;
  Ids plain = {0}, ids = {0};
  *first = -1;
  TRY(tokenizer_work_open(&work, t));
  Err err = tokenizer_encode(t, work, "a", 1, SPECIAL_TEXT, &plain);
  if (!err) err = tokenizer_encode_special(t, work, "a", 1, SPECIAL_TEXT, &ids);
  if (!err && ids.count > plain.count && ids.id[0] != plain.id[0]) *first = ids.id[0];
  tokenizer_work_close(work);
  ids_free(&plain);
  ids_free(&ids);
  return err;
}

static Err put_ends(const Put *p, int32_t first, const int64_t fallback[3]) {
  const struct {
    const char *key;
    int32_t id;
  } ends[] = {{"tokenizer.ggml.bos_token_id", tokenizer_bos(p->t)},
              {"tokenizer.ggml.eos_token_id", tokenizer_eos(p->t)},
              {"tokenizer.ggml.padding_token_id", tokenizer_pad(p->t)}};
  for (int i = 0; i < 3; i++) {
    int64_t id = ends[i].id >= 0 ? ends[i].id : i == 0 && first >= 0 ? first : fallback[i];
    if (id >= 0) TRY(gguf_put_u32(p->w, ends[i].key, (uint32_t)id));
  }
  return ERR_OK;
}

// ---- SentencePiece

static Err take_spm(Put *p, const SpmProto *proto) {
  CHECK(proto->type == SPM_BPE || proto->type == SPM_UNIGRAM, ERR_CONFIG,
        "%s: a SentencePiece model of words or characters has no form in GGUF; give --tokenizer none", p->path);
  CHECK(!proto->treat_whitespace_as_suffix, ERR_CONFIG,
        "%s: a SentencePiece model with spaces behind words has no form in GGUF; give --tokenizer none", p->path);
  for (int64_t i = 0; i < proto->count; i++) {
    p->text[i] = (GgufText){proto->piece[i].text.data, proto->piece[i].text.size};
    p->type[i] = (int32_t)proto->piece[i].type;
    p->score[i] = proto->piece[i].score;
  }
  return take_specials(p);
}

// The code of a text of one character; UINT32_MAX of any other.
static uint32_t only_character(SpmText t) {
  uint32_t code;
  return t.size && utf8_char(t.data, t.size, &code) == t.size ? code : UINT32_MAX;
}

// Marks the characters of pieces that pairs are joined to.
static void mark_joined(const SpmProto *proto, uint8_t *joined) {
  for (int64_t i = 0; i < proto->count; i++) {
    const SpmPiece *piece = &proto->piece[i];
    if ((piece->type != SPM_NORMAL && piece->type != SPM_UNUSED) || only_character(piece->text) != UINT32_MAX) continue;
    for (size_t at = 0, length; at < piece->text.size; at += length ? length : 1) {
      uint32_t code;
      length = utf8_char(piece->text.data + at, piece->text.size - at, &code);
      if (length) joined[code >> 3] |= (uint8_t)(1 << (code & 7));
    }
  }
}

// A character that is a user-defined piece and in no piece that is joined is the same as a normal one, where nothing is mapped.
// As such it is written: llama.cpp puts a space behind each user-defined piece, so behind each digit of TeleChat's models.
static Err plain_characters(Put *p, const SpmProto *proto) {
  enum { SPACE = ' ', SPACE_SYMBOL = 0x2581 };
  if (proto->type != SPM_BPE || proto->normalizer.charsmap.size) return ERR_OK;
  uint8_t *joined = calloc(0x110000 / 8, 1);
  CHECK(joined, ERR_MEMORY, "%s: no memory for a set of characters", p->path);
  mark_joined(proto, joined);
  for (int64_t i = 0; i < proto->count; i++) {
    uint32_t code = p->type[i] == SPM_USER_DEFINED ? only_character(proto->piece[i].text) : UINT32_MAX;
    if (code == UINT32_MAX || code == SPACE || code == SPACE_SYMBOL) continue;
    if (!(joined[code >> 3] >> (code & 7) & 1)) p->type[i] = SPM_NORMAL;
  }
  free(joined);
  return ERR_OK;
}

static Err put_spm(Put *p, const SpmProto *proto) {
  const SpmNormalizerSpec *n = &proto->normalizer;
  TRY(take_spm(p, proto));
  TRY(plain_characters(p, proto));
  TRY(fill_holes(p));
  bool bpe = proto->type == SPM_BPE;
  TRY(gguf_put_text(p->w, "tokenizer.ggml.model", bpe ? "llama" : "t5", bpe ? 5 : 2));
  TRY(gguf_put_text(p->w, "tokenizer.ggml.pre", "default", 7));
  TRY(put_pieces(p, true));
  for (int64_t i = 0; i < proto->count; i++)
    if (proto->piece[i].type == SPM_UNKNOWN) TRY(gguf_put_u32(p->w, "tokenizer.ggml.unknown_token_id", (uint32_t)i));
  TRY(gguf_put_bool(p->w, "tokenizer.ggml.add_space_prefix", n->add_dummy_prefix));
  TRY(gguf_put_bool(p->w, "tokenizer.ggml.remove_extra_whitespaces", n->remove_extra_whitespaces));
  return n->charsmap.size ? gguf_put_u8s(p->w, "tokenizer.ggml.precompiled_charsmap", n->charsmap.data, n->charsmap.size)
                          : ERR_OK;
}

static Err spm_file(Put *p, const char *path) {
  FileMap f;
  SpmProto proto = {0};
  TRY(file_map(&f, path));
  Err err = spm_proto_parse(&proto, path, f.data, f.size);
  if (!err) err = put_spm(p, &proto);
  spm_proto_free(&proto);
  file_unmap(&f);
  return err;
}

// ---- tokenizer.json

// A line's end in a pattern may be the character or its escape: DeepSeek-V3's own file has had both.
static void escape_line_ends(json_t *pattern) {
  const char *text = json_string_value(json_object_get(pattern, "Regex"));
  Bytes out = {0};
  Err err = ERR_OK;
  for (; text && *text && !err; text++) {
    bool end = *text == '\r' || *text == '\n';
    err = end ? bytes_append(&out, *text == '\r' ? "\\r" : "\\n", 2) : bytes_append(&out, text, 1);
  }
  if (out.size && !err) json_object_set_new(pattern, "Regex", json_stringn(out.data, out.size));
  bytes_free(&out);
}

static void plain_step(json_t *step) {
  json_object_del(step, "trim_offsets");  // offsets do not matter to ids
  escape_line_ends(json_object_get(step, "pattern"));
}

// One spelling of what makes the same ids.
static json_t *plain_form(const json_t *node) {
  json_t *copy = json_deep_copy(node);
  size_t i;
  json_t *step;
  plain_step(copy);
  json_array_foreach(json_object_get(copy, "pretokenizers"), i, step) plain_step(step);
  return copy;
}

// A normaliser of no steps is none.
static bool is_nothing(const json_t *node) {
  const json_t *steps = json_object_get(node, "normalizers");
  return !node || json_is_null(node) || (json_is_array(steps) && json_array_size(steps) == 0);
}

static bool same_json(const json_t *node, const char *text) {
  json_t *want = json_loads(text, JSON_DECODE_ANY, NULL), *a = plain_form(node), *b = plain_form(want);
  bool same = json_is_null(want) ? is_nothing(node) : node && json_equal(a, b);
  json_decref(want);
  json_decref(a);
  json_decref(b);
  return same;
}

static Err find_pretoken(const json_t *root, const char *path, const GgufPretoken **out) {
  const json_t *normalizer = json_object_get(root, "normalizer"), *pre = json_object_get(root, "pre_tokenizer");
  bool ignore = json_is_true(json_object_get(json_object_get(root, "model"), "ignore_merges"));
  for (*out = gguf_pretokens; (*out)->names; ++*out)
    if ((*out)->ignore_merges == ignore && same_json(normalizer, (*out)->normalizer) && same_json(pre, (*out)->pretokenizer))
      return ERR_OK;
  FAIL(ERR_CONFIG,
       "%s: its normalizer, pre_tokenizer and ignore_merges together have no name in GGUF that is known here; give "
       "--tokenizer none",
       path);
}

static Err take_json(Put *p, const json_t *root) {
  const char *piece;
  json_t *id;
  json_object_foreach((json_t *)(uintptr_t)json_object_get(json_object_get(root, "model"), "vocab"), piece, id) {
    int64_t i = json_integer_value(id);
    p->text[i] = (GgufText){piece, strlen(piece)};
    p->type[i] = SPM_NORMAL;
  }
  size_t k;
  json_t *token;
  json_array_foreach((json_t *)(uintptr_t)json_object_get(root, "added_tokens"), k, token) {
    const json_t *content = json_object_get(token, "content");
    int64_t i = json_integer_value(json_object_get(token, "id"));
    p->text[i] = (GgufText){json_string_value(content), json_string_length(content)};
    p->type[i] = json_is_true(json_object_get(token, "special")) ? SPM_CONTROL : SPM_USER_DEFINED;
  }
  return fill_holes(p);
}

// A pair is two strings, or one with a space between.
static Err put_merges(const Put *p, const json_t *merges) {
  size_t n = json_array_size(merges), size = 0;
  GgufText *text = calloc(n + 1, sizeof *text);
  Bytes all = {0};
  CHECK(text, ERR_MEMORY, "%s: no memory for %zu merges", p->path, n);
  Err err = ERR_OK;
  for (size_t i = 0; i < n && !err; i++) {
    const json_t *m = json_array_get(merges, i), *left = json_is_array(m) ? json_array_get(m, 0) : m;
    size_t from = all.size;
    err = bytes_append(&all, json_string_value(left), json_string_length(left));
    if (!err && json_is_array(m)) err = bytes_append(&all, " ", 1);
    if (!err && json_is_array(m))
      err = bytes_append(&all, json_string_value(json_array_get(m, 1)), json_string_length(json_array_get(m, 1)));
    if (!err) text[i].size = all.size - from;
  }
  for (size_t i = 0; i < n && !err; size += text[i++].size) text[i].data = all.data + size;
  if (!err) err = gguf_put_texts(p->w, "tokenizer.ggml.merges", text, (int64_t)n);
  bytes_free(&all);
  free(text);
  return err;
}

static Err put_json(Put *p, const json_t *root, const char *path) {
  const GgufPretoken *pre;
  TRY(find_pretoken(root, path, &pre));
  TRY(take_json(p, root));
  TRY(gguf_put_text(p->w, "tokenizer.ggml.model", "gpt2", 4));
  TRY(gguf_put_text(p->w, "tokenizer.ggml.pre", pre->names, strcspn(pre->names, " ")));
  TRY(put_pieces(p, false));
  return put_merges(p, json_object_get(json_object_get(root, "model"), "merges"));
}

static Err json_file(Put *p, const char *path) {
  json_t *root;
  TRY(json_read(&root, path, false));
  Err err = put_json(p, root, path);
  json_decref(root);
  return err;
}

// ---- what lies beside it

static Err put_template(Put *p, const char *folder, const json_t *config) {
  enum { TEMPLATE_BYTES_MAX = 1 << 20 };
  static const char key[] = "tokenizer.chat_template";
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  TRY(path_join(path, folder, "chat_template.jinja"));
  if (file_exists(path)) {
    TRY(file_read(path, TEMPLATE_BYTES_MAX, &text, &size));
    Err err = gguf_put_text(p->w, key, text, size);
    free(text);
    return err;
  }
  const json_t *v = json_object_get(config, "chat_template");
  if (json_is_array(v)) {  // named ones: the default is the one that counts
    const json_t *all = v;
    v = NULL;
    for (size_t i = 0; i < json_array_size(all); i++) {
      const char *name = json_string_value(json_object_get(json_array_get(all, i), "name"));
      if (name && strcmp(name, "default") == 0) v = json_object_get(json_array_get(all, i), "template");
    }
  }
  return json_is_string(v) ? gguf_put_text(p->w, key, json_string_value(v), json_string_length(v)) : ERR_OK;
}

static Err put_beside(Put *p, const char *folder, bool add_bos) {
  char path[PATH_BYTES];
  json_t *config = NULL;
  TRY(path_join(path, folder, "tokenizer_config.json"));
  if (file_exists(path)) TRY(json_read(&config, path, false));
  const json_t *add = json_object_get(config, "add_bos_token");
  Err err = gguf_put_bool(p->w, "tokenizer.ggml.add_bos_token", json_is_boolean(add) ? json_is_true(add) : add_bos);
  if (!err) err = put_template(p, folder, config);
  json_decref(config);
  return err;
}

// ----

static Err put_file(Put *p, const int64_t ends[3]) {
  char file[PATH_BYTES], folder[PATH_BYTES];
  bool is_folder = file_is_folder(p->path);
  snprintf(file, sizeof file, "%s", p->path);
  snprintf(folder, sizeof folder, "%s", p->path);
  if (is_folder) {
    TRY(path_join(file, p->path, "tokenizer.json"));
    if (!file_exists(file)) TRY(path_join(file, p->path, "tokenizer.model"));
  } else {
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash : folder, 2, "%s", slash ? "" : ".");
  }
  bool json = strncmp(tokenizer_kind(p->t), "huggingface", 11) == 0;
  TRY(json ? json_file(p, file) : spm_file(p, file));
  int32_t first;
  TRY(find_first(p->t, &first));
  TRY(put_ends(p, first, ends));
  return put_beside(p, *folder ? folder : "/", first >= 0);
}

// The key-values of another GGUF file, as they are.
static Err copy_values(GgufWriter *w, const char *path, int64_t rows) {
  Gguf g;
  const GgufValue *tokens;
  TRY(gguf_open(&g, path));
  Err err = gguf_array(&g, "tokenizer.ggml.tokens", true, GGUF_STRING, &tokens);
  if (!err && tokens->count != rows)
    err =
        ERR_HERE(ERR_CONFIG, "%s: %lld tokens for an embedding of %lld rows", path, (long long)tokens->count, (long long)rows);
  for (int64_t i = 0; i < g.n_values && !err; i++) {
    GgufText key = g.value[i].key;
    if (key.size > 10 && memcmp(key.data, "tokenizer.", 10) == 0) err = gguf_put_value(w, &g.value[i]);
  }
  gguf_close(&g);
  return err;
}

Err gguf_put_tokenizer(GgufWriter *w, const char *path, int64_t rows, const int64_t ends[3]) {
  if (gguf_is(path)) return copy_values(w, path, rows);
  Tokenizer *t;
  TRY(tokenizer_open(&t, path));
  Put p = {.w = w, .t = t, .path = path, .count = rows};
  Err err = ERR_OK;
  CHECK_OUT(tokenizer_vocab(t) <= rows, ERR_CONFIG, "%s: %lld tokens for an embedding of %lld rows", path,
            (long long)tokenizer_vocab(t), (long long)rows);
  TRY_OUT(put_open(&p));
  TRY_OUT(put_file(&p, ends));
out:
  put_free(&p);
  tokenizer_close(t);
  return err;
}
