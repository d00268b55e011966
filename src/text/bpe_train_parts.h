// The parts of the trainer. Internal to text/.
#ifndef TEXT_BPE_TRAIN_PARTS_H
#define TEXT_BPE_TRAIN_PARTS_H

#include "text/bpe_train.h"
#include "text/strmap.h"
#include "text/tokenizer_backend.h"
#include "text/trie.h"

// ---- distinct words and how often each is there
typedef struct {
  StrMap word;
  int64_t *times;  // of each word
  int64_t capacity;
  int64_t marks;  // names of pieces that stood between words (SentencePiece)
} WordCounts;

Err word_counts_add(WordCounts *c, const char *text, size_t size, int64_t times);
void word_counts_free(WordCounts *c);

typedef struct WordCollector WordCollector;
Err word_collector_open(WordCollector **c, const TrainOptions *o, Pool *pool);
void word_collector_close(WordCollector *c);
Err word_collector_add(WordCollector *c, const char *text, size_t size);
// All words so far into *out (starts as {0}), and the counts of texts.
Err word_collector_finish(WordCollector *c, WordCounts *out, TrainCounts *counts);

// ---- words cut at what never is within a piece: SentencePiece's view of a sentence, one thread's
typedef struct {
  const TrainOptions *o;
  Trie metas;  // names that are pieces already; NULL-sized where there are none
  Bytes text, mended;
} SpmWords;
Err spm_words_open(SpmWords *s, const TrainOptions *o);
void spm_words_close(SpmWords *s);
Err spm_words_add(SpmWords *s, const char *text, size_t size, WordCounts *out);
Err hf_words_add(bool split_digits, Bytes *mended, const char *text, size_t size, WordCounts *out);

// ---- symbols
typedef struct {
  StrMap name;     // the symbols' strings; the item's index is the symbol
  int32_t *chars;  // characters of each (SentencePiece)
  int64_t capacity;
} Symbols;
Err symbols_add(Symbols *s, const char *name, size_t size, int32_t chars, int32_t *symbol);
void symbols_free(Symbols *s);

// Whether a string may become a piece (SentencePiece).
typedef struct {
  const TrainOptions *o;
  uint8_t *script;  // of each code point
} PieceRules;
Err piece_rules_open(PieceRules *r, const TrainOptions *o, const StrMap *alphabet);
void piece_rules_close(PieceRules *r);
bool piece_rules_allow(const PieceRules *r, const char *text, size_t size, int64_t chars);

// ---- merging
typedef struct {
  int32_t left, right, merged;
} TrainMerge;

typedef struct {
  bool pieces_once;         // SentencePiece: a string becomes a piece once, other ways to it are left out
  const PieceRules *rules;  // NULL: every pair may be joined
  Symbols *symbols;
  int64_t want;       // new symbols
  TrainMerge *merge;  // made
  int64_t n_merges, merges_capacity;
} MergeTask;

// Flat words: symbols one after the other, -1 before, between and after words.
typedef struct {
  int32_t *symbol;
  uint32_t *word;  // of each place
  int64_t *times;  // of each word
  uint32_t count;
} FlatWords;
Err merge_words(MergeTask *task, FlatWords *words, TrainProgress *progress, void *arg);

// ---- the trainer
struct BpeTrainer {
  TrainOptions o;
  WordCollector *collector;
  WordCounts words;
  TrainCounts counts;
  Symbols symbols;
  int32_t *alphabet;  // symbols in the order in which they are pieces
  int64_t n_alphabet;
  MergeTask task;
};
Err spm_train_alphabet(BpeTrainer *t, FlatWords *words);
Err hf_train_alphabet(BpeTrainer *t, FlatWords *words);
int64_t train_specials(const TrainOptions *o);  // pieces before all others, byte pieces included
Err spm_train_save(const BpeTrainer *t, const char *path);
Err hf_train_save(const BpeTrainer *t, const char *path);

#endif
