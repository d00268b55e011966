// Segmentation by a unigram language model: the most likely sequence of pieces (Viterbi), and splitting into words.
//
// Source: Kudo 2018, "Subword regularization"; the order of sums, their precision and the choice among equals are those of
// SentencePiece's optimised encoder, so that equal scores give equal ids.
#ifndef TEXT_SPM_UNIGRAM_H
#define TEXT_SPM_UNIGRAM_H

#include "text/spm_model.h"

typedef struct {
  const SpmPieces *pieces;  // borrowed
  Trie trie;                // normal and user-defined pieces, value = id
  float *score;             // by id
  float unknown_score;
  size_t longest;  // bytes of the longest piece
} Unigram;

Err unigram_init(Unigram *u, const SpmPieces *pieces, const char *path);
void unigram_free(Unigram *u);

// The best way to reach a place of the text.
typedef struct {
  float score;
  int32_t id;
  uint32_t length;  // of the last piece, in bytes; 0: the place has not been reached
} UnigramStep;

typedef struct {
  UnigramStep *step;
  int32_t *back;  // ids of a stretch, last first; an unknown character is -length
  size_t capacity;
  float score;  // at the beginning of what is still to do
} UnigramWork;

void unigram_work_free(UnigramWork *w);

// As bpe_encode. w->score must be 0 at the beginning of a text.
Err unigram_encode(const Unigram *u, UnigramWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink);

// Words begin with U+2581; a word that is no piece is unknown. As bpe_encode.
void word_encode(const SpmPieces *pieces, const char *text, size_t size, bool last, size_t *used, SpmSink *sink);

#endif
