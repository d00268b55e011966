// From ids back to text, as SentencePiece does it.
#ifndef TEXT_SPM_DECODE_H
#define TEXT_SPM_DECODE_H

#include "text/spm_model.h"
#include "text/spm_normalizer.h"

typedef struct {
  const SpmPieces *pieces;    // borrowed
  Bytes texts;                // what the pieces stand for, one after the other
  size_t *begin;              // of id i in texts; begin[count] is the end
  uint8_t *kind;              // SpmPieceType after the look-up by text that the reference does
  uint8_t *byte;              // of byte pieces
  bool strip_one, strip_all;  // leading space symbols at the begin of a text
  bool denormalize;
  SpmNormalizer denormalizer;
} SpmDecoder;

Err spm_decoder_init(SpmDecoder *d, const SpmPieces *pieces, const SpmProto *proto, const char *path);
void spm_decoder_free(SpmDecoder *d);
// Appends the text of the ids, which are in range.
Err spm_decode_run(const SpmDecoder *d, const int32_t *id, int64_t count, Bytes *scratch, Bytes *out);

#endif
