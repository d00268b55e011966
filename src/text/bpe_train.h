// Training byte pair encoding on text: the same merges as the SentencePiece trainer (BPE, identity normalizer) or as the
// Hugging Face BpeTrainer (byte level) make of the same text.
//
// Use: open, add texts in any number of calls, run, save, close. The result depends on the texts only, not on their order, on
// how they were cut into calls, or on the number of threads. Limits: 2^32 - 2 symbols in distinct words. Memory: some 40 bytes
// a symbol of distinct words. Cost: 20 MB of Chinese and English to a vocabulary of 32768 in a few seconds. Where the
// references leave a tie open (two ways to join the same string, equally often) the pair that was seen first in the sorted
// words wins. A pair that does not occur is never made a piece: where SentencePiece would fill the vocabulary with such, it is
// an error. Source: SentencePiece 0.2.3 (trainer, BPE), Hugging Face tokenizers 0.23.3 (BpeTrainer).
#ifndef TEXT_BPE_TRAIN_H
#define TEXT_BPE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/thread.h"

typedef enum { TRAIN_SENTENCEPIECE, TRAIN_HUGGINGFACE } TrainFormat;

typedef struct {
  TrainFormat format;
  int64_t vocab;  // pieces in all
  // Pieces before all others, in this order; they never meet their text. SentencePiece: unk, bos, eos, pad (NULL: none; unk is
  // a must), then control, then user-defined ones. Hugging Face: the same that are not NULL; user-defined ones as not special.
  const char *unk, *bos, *eos, *pad;
  const char *const *control;
  int64_t n_control;
  const char *const *user;
  int64_t n_user;
  bool split_digits;  // each digit is a piece of its own
  // SentencePiece only.
  bool byte_fallback;          // 256 byte pieces, for characters left out
  bool allow_whitespace_only;  // pieces of spaces only
  bool split_by_whitespace, split_by_script, split_by_number;
  int64_t max_piece_length;    // characters
  int64_t max_sentence_bytes;  // longer lines are left out and counted
  double character_coverage;   // share of the text that the characters kept make up
} TrainOptions;

// The reference's defaults for the format; unk "<unk>", bos "<s>", eos "</s>" for SentencePiece, none for Hugging Face.
void train_defaults(TrainOptions *o, TrainFormat format);

typedef struct {
  int64_t texts, bytes;        // taken
  int64_t too_long, reserved;  // left out: longer than max_sentence_bytes; with U+2585, which the trainer needs for itself
  int64_t words, symbols;      // distinct words, and their characters (SentencePiece) or bytes
  int64_t characters, merges;  // the alphabet; merges made
} TrainCounts;

typedef struct BpeTrainer BpeTrainer;
// Called now and then, from the calling thread, with merges made and wanted.
typedef void TrainProgress(void *arg, int64_t done, int64_t total);

// The options are copied but for what they point to. ERR_ARG names what cannot be. `pool` is used by add and run.
Err bpe_trainer_open(BpeTrainer **t, const TrainOptions *o, Pool *pool);
void bpe_trainer_close(BpeTrainer *t);

// One sentence (SentencePiece: a line without its end) or text (Hugging Face: as it is to be tokenised, a line with its end or
// a document). Copied. Broken UTF-8 becomes U+FFFD.
Err bpe_trainer_add(BpeTrainer *t, const char *text, size_t size);

// ERR_ARG if the vocabulary cannot hold the alphabet, or (SentencePiece) the text cannot fill it: says how far it goes. A
// Hugging Face vocabulary is then smaller, as the reference's is.
Err bpe_trainer_run(BpeTrainer *t, TrainProgress *progress, void *arg);
TrainCounts bpe_trainer_counts(const BpeTrainer *t);

// Writes tokenizer.model (SentencePiece's ModelProto) or tokenizer.json to `path`, aside and renamed. After run.
Err bpe_trainer_save(const BpeTrainer *t, const char *path);

#endif
