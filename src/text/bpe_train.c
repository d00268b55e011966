#include "text/bpe_train.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/bpe_train_parts.h"

void train_defaults(TrainOptions *o, TrainFormat format) {
  bool spm = format == TRAIN_SENTENCEPIECE;
  *o = (TrainOptions){
      .format = format,
      .vocab = 8000,
      .unk = spm ? "<unk>" : NULL,
      .bos = spm ? "<s>" : NULL,
      .eos = spm ? "</s>" : NULL,
      .split_by_whitespace = true,
      .split_by_script = true,
      .split_by_number = true,
      .max_piece_length = 16,
      .max_sentence_bytes = 4192,
      .character_coverage = 0.9995,
  };
}

// ---- symbols

Err symbols_add(Symbols *s, const char *name, size_t size, int32_t chars, int32_t *symbol) {
  int64_t index;
  TRY(strmap_put(&s->name, name, size, 0, &index));
  if (index >= s->capacity) {
    int64_t capacity = s->capacity + s->capacity / 2 + 1024;
    int32_t *grown = realloc(s->chars, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld pieces", (long long)capacity);
    s->chars = grown;
    s->capacity = capacity;
  }
  s->chars[index] = chars;
  *symbol = (int32_t)index;
  return ERR_OK;
}

void symbols_free(Symbols *s) {
  strmap_free(&s->name);
  free(s->chars);
}

// ---- options

static Err check_name(StrMap *names, const char *name) {
  CHECK(*name && utf8_invalid_at(name, strlen(name)) == strlen(name), ERR_ARG,
        "a special piece must be valid UTF-8 and not empty");
  CHECK(strmap_find(names, name, strlen(name)) < 0, ERR_ARG, "the special piece \"%s\" is given twice", name);
  return strmap_put(names, name, strlen(name), 0, NULL);
}

static Err check_names(const TrainOptions *o) {
  StrMap names = {0};
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  Err err = ERR_OK;
  for (int i = 0; i < 4; i++)
    if (ends[i]) TRY_OUT(check_name(&names, ends[i]));
  for (int64_t i = 0; i < o->n_control; i++) TRY_OUT(check_name(&names, o->control[i]));
  for (int64_t i = 0; i < o->n_user; i++) TRY_OUT(check_name(&names, o->user[i]));
out:
  strmap_free(&names);
  return err;
}

int64_t train_specials(const TrainOptions *o) {
  return (o->unk != NULL) + (o->bos != NULL) + (o->eos != NULL) + (o->pad != NULL) + o->n_control + o->n_user +
         (o->byte_fallback ? 256 : 0);
}

static Err check_options(const TrainOptions *o) {
  CHECK(o->vocab > 0 && o->vocab < INT32_MAX / 2, ERR_ARG, "a vocabulary of %lld; 1 to %d is wanted", (long long)o->vocab,
        INT32_MAX / 2 - 1);
  TRY(check_names(o));
  if (o->format == TRAIN_HUGGINGFACE) return ERR_OK;
  CHECK(o->unk, ERR_ARG, "a SentencePiece model needs a name for the unknown piece");
  CHECK(o->max_piece_length >= 1 && o->max_piece_length <= 512, ERR_ARG, "a greatest piece length of %lld; 1 to 512 is wanted",
        (long long)o->max_piece_length);
  CHECK(o->max_sentence_bytes >= 10 && o->max_sentence_bytes <= 1 << 30, ERR_ARG,
        "a greatest sentence of %lld bytes; 10 to %d is wanted", (long long)o->max_sentence_bytes, 1 << 30);
  CHECK(o->character_coverage >= 0.98 && o->character_coverage <= 1.0, ERR_ARG,
        "a character coverage of %g; 0.98 to 1 is wanted", o->character_coverage);
  CHECK(train_specials(o) <= o->vocab, ERR_ARG, "a vocabulary of %lld cannot hold %lld special pieces", (long long)o->vocab,
        (long long)train_specials(o));
  return ERR_OK;
}

// ---- the trainer

Err bpe_trainer_open(BpeTrainer **out, const TrainOptions *o, Pool *pool) {
  TRY(check_options(o));
  BpeTrainer *t = calloc(1, sizeof *t);
  CHECK(t, ERR_MEMORY, "no memory to train with");
  t->o = *o;
  Err err = word_collector_open(&t->collector, o, pool);
  if (err) {
    free(t);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *out = t;
  return ERR_OK;
}

void bpe_trainer_close(BpeTrainer *t) {
  if (!t) return;
  word_collector_close(t->collector);
  word_counts_free(&t->words);
  symbols_free(&t->symbols);
  free(t->task.merge);
  free(t);
}

Err bpe_trainer_add(BpeTrainer *t, const char *text, size_t size) { return word_collector_add(t->collector, text, size); }

TrainCounts bpe_trainer_counts(const BpeTrainer *t) { return t->counts; }

static Err flat_take(const BpeTrainer *t, FlatWords *f) {
  uint64_t n = 2;
  for (int64_t i = 0; i < t->words.word.count; i++) n += t->words.word.item[i].size + 1;  // bytes: at least as many as symbols
  CHECK(n < UINT32_MAX, ERR_ARG, "the text has more than %u symbols in distinct words; take a sample of it", UINT32_MAX);
  f->symbol = malloc(n * sizeof *f->symbol);
  f->word = malloc(n * sizeof *f->word);
  CHECK(f->symbol && f->word, ERR_MEMORY, "no memory to train on %llu symbols; take a sample of the text",
        (unsigned long long)n);
  return ERR_OK;
}

static Err run(BpeTrainer *t, FlatWords *words, TrainProgress *progress, void *arg) {
  const TrainOptions *o = &t->o;
  bool spm = o->format == TRAIN_SENTENCEPIECE;
  TRY(flat_take(t, words));
  TRY(spm ? spm_train_alphabet(t, words) : hf_train_alphabet(t, words));
  t->counts.symbols = words->count - t->words.word.count - 1;
  t->counts.characters = t->n_alphabet;
  PieceRules rules = {0};
  if (spm) TRY(piece_rules_open(&rules, o, &t->symbols.name));
  t->task.symbols = &t->symbols;
  t->task.pieces_once = spm;
  t->task.rules = spm ? &rules : NULL;
  Err err = merge_words(&t->task, words, progress, arg);
  piece_rules_close(&rules);
  TRY(err);
  t->counts.merges = t->task.n_merges;
  int64_t possible = o->vocab - t->task.want;
  CHECK(t->task.want == 0 || !spm, ERR_ARG,
        "the text has merges for a vocabulary of %lld only, %lld is wanted; take a smaller one or more text",
        (long long)possible, (long long)o->vocab);
  return ERR_OK;
}

Err bpe_trainer_run(BpeTrainer *t, TrainProgress *progress, void *arg) {
  TRY(word_collector_finish(t->collector, &t->words, &t->counts));
  CHECK(t->words.word.count > 0, ERR_ARG, "no text to train on%s",
        t->counts.too_long ? ": every line is longer than the greatest sentence allowed" : "");
  FlatWords words = {0};
  Err err = run(t, &words, progress, arg);
  free(words.symbol);
  free(words.word);
  return err;
}

Err bpe_trainer_save(const BpeTrainer *t, const char *path) {
  return t->o.format == TRAIN_SENTENCEPIECE ? spm_train_save(t, path) : hf_train_save(t, path);
}
