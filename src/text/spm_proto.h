// The parts of a SentencePiece ModelProto that encoding and decoding need.
//
// Source: the published sentencepiece_model.proto (proto2 wire format). Unknown fields are passed over, a scalar given twice
// counts as given last, a message given twice is merged, as protocol buffers ask.
#ifndef TEXT_SPM_PROTO_H
#define TEXT_SPM_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
  SPM_PIECE_BYTES_MAX = 7999,
  SPM_PIECES_MAX = 900000,  // with all characters of Unicode they still are numbers of 21 bits
};

typedef enum { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER_DEFINED, SPM_UNUSED, SPM_BYTE } SpmPieceType;
typedef enum { SPM_UNIGRAM = 1, SPM_BPE, SPM_WORD, SPM_CHAR } SpmModelType;

typedef struct {
  const char *data;  // into the file's bytes
  size_t size;
} SpmText;

typedef struct {
  SpmText text;
  float score;
  SpmPieceType type;
} SpmPiece;

typedef struct {
  bool present;
  SpmText charsmap;  // precompiled_charsmap
  bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
} SpmNormalizerSpec;

typedef struct {
  SpmPiece *piece;
  int64_t count, capacity;
  SpmModelType type;
  bool treat_whitespace_as_suffix, byte_fallback;
  SpmText bos_piece, eos_piece, pad_piece;
  bool has_unk_surface;
  SpmText unk_surface;
  SpmNormalizerSpec normalizer, denormalizer;
} SpmProto;

// Reads the message [data, data + size); texts point into it. What is checked: the wire format, every piece (not empty, valid
// UTF-8, at most SPM_PIECE_BYTES_MAX bytes, a finite score, a known type), at least one piece. ERR_FORMAT names `path`, the
// byte offset, what was wanted and what is left. Memory is proportional to the file, never to what a field claims.
Err spm_proto_parse(SpmProto *p, const char *path, const void *data, size_t size);
void spm_proto_free(SpmProto *p);

#endif
