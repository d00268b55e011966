// SentencePiece's side of training: the alphabet by coverage, and the model file.
#include <stdlib.h>

#include "base/file.h"
#include "text/bpe_train_parts.h"
#include "text/proto_write.h"
#include "text/unicode.h"

enum { CODES = 0x110000, MARK = 0 };  // MARK: no letter, what the reference puts where a name of a piece stood

// ---- the alphabet

typedef struct {
  uint32_t code;
  int64_t times;
} Letter;

static int by_times(const void *a, const void *b) {
  const Letter *x = a, *y = b;
  if (x->times != y->times) return x->times > y->times ? -1 : 1;
  return (x->code > y->code) - (x->code < y->code);
}

// The most frequent characters, until they make up the share of the text that is wanted. Shares are floats, as the reference
// has them.
static Err take_letters(BpeTrainer *t, const int64_t *times) {
  Letter *letter = malloc(CODES * sizeof *letter);
  CHECK(letter, ERR_MEMORY, "no memory for the alphabet");
  int64_t n = 0, all = t->words.marks, covered = 0;
  if (t->words.marks) letter[n++] = (Letter){MARK, t->words.marks};
  for (uint32_t c = 1; c < CODES; c++) {
    if (!times[c]) continue;
    letter[n++] = (Letter){c, times[c]};
    all += times[c];
  }
  qsort(letter, (size_t)n, sizeof *letter, by_times);
  Err err = ERR_OK;
  for (int64_t i = 0; i < n; i++) {
    float share = (float)(1.0 * (double)covered / (double)all);
    if (share >= (float)t->o.character_coverage) break;
    covered += letter[i].times;
    if (letter[i].code == MARK) continue;
    char text[4];
    size_t size = utf8_write(text, letter[i].code);
    int32_t symbol;
    TRY_OUT(symbols_add(&t->symbols, text, size, 1, &symbol));
    t->n_alphabet++;
  }
out:
  free(letter);
  return err;
}

static Err count_letters(const WordCounts *w, int64_t *times) {
  for (int64_t i = 0; i < w->word.count; i++) {
    const char *text = strmap_text(&w->word, i);
    for (size_t at = 0; at < w->word.item[i].size;) times[utf8_next(text, &at)] += w->times[i];
  }
  return ERR_OK;
}

// Characters left out end words.
static Err flatten(const BpeTrainer *t, FlatWords *f) {
  const WordCounts *w = &t->words;
  uint32_t n = 0;
  f->symbol[n] = -1;
  f->word[n++] = 0;
  for (int64_t i = 0; i < w->word.count; i++) {
    const char *text = strmap_text(&w->word, i);
    for (size_t at = 0; at < w->word.item[i].size;) {
      size_t from = at;
      (void)utf8_next(text, &at);
      f->symbol[n] = (int32_t)strmap_find(&t->symbols.name, text + from, at - from);
      f->word[n++] = (uint32_t)i;
    }
    f->symbol[n] = -1;
    f->word[n++] = (uint32_t)i;
  }
  f->count = n;
  f->times = w->times;
  return ERR_OK;
}

Err spm_train_alphabet(BpeTrainer *t, FlatWords *words) {
  int64_t *times = calloc(CODES, sizeof *times);
  CHECK(times, ERR_MEMORY, "no memory to count characters");
  Err err = count_letters(&t->words, times);
  if (!err) err = take_letters(t, times);
  free(times);
  TRY(err);
  int64_t specials = train_specials(&t->o), taken = specials + t->n_alphabet;
  CHECK(taken <= t->o.vocab, ERR_ARG,
        "a vocabulary of %lld cannot hold %lld special pieces and the text's %lld characters; take a larger one, or a smaller "
        "character coverage (now %g)",
        (long long)t->o.vocab, (long long)specials, (long long)t->n_alphabet, t->o.character_coverage);
  t->task.want = t->o.vocab - taken;
  return flatten(t, words);
}

// ---- the model file (protocol buffers, sentencepiece_model.proto)

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6 };

static Err put_text(Bytes *b, unsigned field, const char *text) { return proto_put_bytes(b, field, text, strlen(text)); }

typedef struct {
  Bytes file, part;
} ModelWriter;

static Err put_piece(ModelWriter *w, const char *text, size_t size, float score, int type) {
  w->part.size = 0;
  TRY(proto_put_bytes(&w->part, 1, text, size));
  TRY(proto_put_float(&w->part, 2, score));
  if (type != NORMAL) TRY(proto_put_int(&w->part, 3, type));
  return proto_put_bytes(&w->file, 1, w->part.data, w->part.size);
}

static Err put_pieces(ModelWriter *w, const BpeTrainer *t) {
  const TrainOptions *o = &t->o;
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  for (int i = 0; i < 4; i++)
    if (ends[i]) TRY(put_piece(w, ends[i], strlen(ends[i]), 0, i ? CONTROL : UNKNOWN));
  for (int64_t i = 0; i < o->n_control; i++) TRY(put_piece(w, o->control[i], strlen(o->control[i]), 0, CONTROL));
  for (int64_t i = 0; i < o->n_user; i++) TRY(put_piece(w, o->user[i], strlen(o->user[i]), 0, USER_DEFINED));
  for (int b = 0; o->byte_fallback && b < 256; b++) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", b);
    TRY(put_piece(w, name, 6, 0, BYTE));
  }
  const StrMap *name = &t->symbols.name;
  int64_t made = name->count - t->n_alphabet;
  for (int64_t i = 0; i < name->count; i++) {  // what was merged first, then the alphabet
    int64_t symbol = i < made ? t->n_alphabet + i : i - made;
    TRY(put_piece(w, strmap_text(name, symbol), name->item[symbol].size, -(float)i, NORMAL));
  }
  return ERR_OK;
}

static Err put_specs(ModelWriter *w, const BpeTrainer *t) {
  const TrainOptions *o = &t->o;
  Bytes *b = &w->part;
  b->size = 0;
  TRY(proto_put_int(b, 3, 2));  // BPE
  TRY(proto_put_int(b, 4, o->vocab));
  TRY(proto_put_float(b, 10, (float)o->character_coverage));
  TRY(proto_put_int(b, 18, o->max_sentence_bytes));
  TRY(proto_put_int(b, 20, o->max_piece_length));
  TRY(proto_put_int(b, 21, o->split_by_script));
  TRY(proto_put_int(b, 22, o->split_by_whitespace));
  TRY(proto_put_int(b, 23, o->split_by_number));
  TRY(proto_put_int(b, 25, o->split_digits));
  TRY(proto_put_int(b, 26, o->allow_whitespace_only));
  for (int64_t i = 0; i < o->n_control; i++) TRY(put_text(b, 30, o->control[i]));
  for (int64_t i = 0; i < o->n_user; i++) TRY(put_text(b, 31, o->user[i]));
  TRY(proto_put_int(b, 35, o->byte_fallback));
  const char *ends[] = {o->unk, o->bos, o->eos, o->pad};
  for (unsigned i = 0, id = 0; i < 4; i++) {
    TRY(proto_put_int(b, 40 + i, ends[i] ? (int64_t)id++ : -1));
    if (ends[i]) TRY(put_text(b, 45 + i, ends[i]));
  }
  TRY(proto_put_bytes(&w->file, 2, b->data, b->size));
  b->size = 0;
  TRY(put_text(b, 1, "identity"));
  TRY(proto_put_bytes(b, 2, "", 0));
  TRY(proto_put_int(b, 3, 1));  // a space before the text
  TRY(proto_put_int(b, 4, 0));  // no space removed
  TRY(proto_put_int(b, 5, 1));  // spaces as U+2581
  return proto_put_bytes(&w->file, 3, b->data, b->size);
}

Err spm_train_save(const BpeTrainer *t, const char *path) {
  ModelWriter w = {0};
  Err err = put_pieces(&w, t);
  if (!err) err = put_specs(&w, t);
  if (!err) err = file_replace(path, w.file.data, w.file.size);
  bytes_free(&w.file);
  bytes_free(&w.part);
  return err;
}
