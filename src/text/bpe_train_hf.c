// Hugging Face's side of training: the alphabet of bytes, and the tokenizer.json.
#include <stdlib.h>

#include "base/json.h"
#include "text/bpe.h"
#include "text/bpe_train_parts.h"
#include "text/byte_level.h"
#include "text/unicode.h"

static Err add_special(BpeTrainer *t, const char *name) {
  int32_t symbol;
  return name ? symbols_add(&t->symbols, name, strlen(name), 0, &symbol) : ERR_OK;
}

// Pieces are in byte-level characters. The alphabet is all 256, in the order of the characters.
Err hf_train_alphabet(BpeTrainer *t, FlatWords *f) {
  const TrainOptions *o = &t->o;
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  int32_t of_byte[256];
  for (int i = 0; i < 4; i++) TRY(add_special(t, ends[i]));
  for (int64_t i = 0; i < o->n_control; i++) TRY(add_special(t, o->control[i]));
  for (int64_t i = 0; i < o->n_user; i++) TRY(add_special(t, o->user[i]));
  for (uint32_t c = 0; c < 0x200; c++) {
    int byte = byte_level_byte(c);
    if (byte < 0) continue;
    char text[4];
    TRY(symbols_add(&t->symbols, text, utf8_write(text, c), 1, &of_byte[byte]));
    t->n_alphabet++;
  }
  CHECK(t->symbols.name.count <= o->vocab, ERR_ARG, "a vocabulary of %lld cannot hold %lld special tokens and 256 bytes",
        (long long)o->vocab, (long long)t->symbols.name.count - 256);
  t->task.want = o->vocab - t->symbols.name.count;
  const WordCounts *w = &t->words;
  uint32_t n = 0;
  f->symbol[n] = -1;
  f->word[n++] = 0;
  for (int64_t i = 0; i < w->word.count; i++) {
    const char *text = strmap_text(&w->word, i);
    for (size_t at = 0; at <= w->word.item[i].size; at++) {
      f->symbol[n] = at < w->word.item[i].size ? of_byte[(uint8_t)text[at]] : -1;
      f->word[n++] = (uint32_t)i;
    }
  }
  f->count = n;
  f->times = w->times;
  return ERR_OK;
}

// ---- tokenizer.json

static json_t *text_of(const Symbols *s, int32_t symbol) {
  return json_stringn(strmap_text(&s->name, symbol), s->name.item[symbol].size);
}

static void add_token(const BpeTrainer *t, json_t *list, const char *name, bool special) {
  if (!name) return;
  int32_t id = (int32_t)strmap_find(&t->symbols.name, name, strlen(name));
  json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", name, "single_word", 0,
                                        "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special));
}

static json_t *added_tokens(const BpeTrainer *t) {
  const TrainOptions *o = &t->o;
  json_t *list = json_array();
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  for (int i = 0; i < 4; i++) add_token(t, list, ends[i], true);
  for (int64_t i = 0; i < o->n_control; i++) add_token(t, list, o->control[i], true);
  for (int64_t i = 0; i < o->n_user; i++) add_token(t, list, o->user[i], false);
  return list;
}

static json_t *byte_level(bool add_space) {
  return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", add_space, "trim_offsets", 1, "use_regex",
                   1);
}

static json_t *pre_tokenizer(const TrainOptions *o) {
  if (!o->split_digits) return byte_level(false);
  return json_pack("{s:s, s:[{s:s, s:b}, o]}", "type", "Sequence", "pretokenizers", "type", "Digits", "individual_digits", 1,
                   byte_level(false));
}

// A pair that was merged more than once has the rank of the last time, as the reference's table has it.
static json_t *merges(const BpeTrainer *t) {
  const MergeTask *task = &t->task;
  BpeTable last = {0};
  if (bpe_table_init(&last, task->n_merges)) return NULL;
  json_t *list = json_array();
  for (int64_t i = 0; i < task->n_merges; i++)
    if (bpe_table_add(&last, task->merge[i].left, task->merge[i].right, (int32_t)i, 0)) goto out;
  for (int64_t i = 0; i < task->n_merges; i++) {
    const TrainMerge *m = &task->merge[i];
    if (bpe_find(&last, m->left, m->right)->rank != i) continue;
    json_array_append_new(list, json_pack("[o, o]", text_of(&t->symbols, m->left), text_of(&t->symbols, m->right)));
  }
out:
  bpe_table_free(&last);
  return list;
}

Err hf_train_save(const BpeTrainer *t, const char *path) {
  json_t *vocab = json_object();
  for (int64_t i = 0; i < t->symbols.name.count; i++)
    json_object_set_new(vocab, strmap_text(&t->symbols.name, i), json_integer(i));
  json_t *root = json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:o, s:{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}}",
                           "version", "1.0", "truncation", "padding", "added_tokens", added_tokens(t), "normalizer",
                           "pre_tokenizer", pre_tokenizer(&t->o), "post_processor", "decoder", byte_level(true), "model",
                           "type", "BPE", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                           0, "byte_fallback", 0, "ignore_merges", 0, "vocab", vocab, "merges", merges(t));
  CHECK(root, ERR_MEMORY, "%s: no memory to write a vocabulary of %lld", path, (long long)t->symbols.name.count);
  Err err = json_write(root, path);
  json_decref(root);
  return err;
}
