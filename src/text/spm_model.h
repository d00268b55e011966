// What the parts of the SentencePiece reader share: the pieces by text, and how tokens are written.
#ifndef TEXT_SPM_MODEL_H
#define TEXT_SPM_MODEL_H

#include "text/spm_proto.h"
#include "text/strmap.h"
#include "text/tokenizer_backend.h"
#include "text/trie.h"

// Texts to encode must be readable for this many bytes past their end.
enum { SPM_PADDING = 64 };

// What becomes of a text that no id stands for.
enum { EMIT_UNKNOWN = -1 };

typedef struct {
  char *texts;      // of all pieces, owned; NUL after each
  SpmPiece *piece;  // by id; text points into texts
  int64_t count;
  StrMap normal;        // normal, user-defined and unused pieces
  StrMap reserved;      // control, unknown and byte pieces: they win where both have a text
  Trie user;            // user-defined pieces, value = id
  size_t user_longest;  // bytes
  int32_t unk_id;       // -1: none, which only byte fallback allows
  bool byte_fallback;
  int32_t byte_id[256];
} SpmPieces;

// Copies the pieces and checks that they make a model. ERR_FORMAT names the path and the piece.
Err spm_pieces_init(SpmPieces *s, const SpmProto *proto, const char *path);
void spm_pieces_free(SpmPieces *s);
// The id of a text, -1 if it is no piece.
int32_t spm_pieces_find(const SpmPieces *s, const char *text, size_t size);
// What is written for a text: the id of a normal or user-defined piece, else EMIT_UNKNOWN. Reserved and unused pieces never
// come from text.
int32_t spm_pieces_emit(const SpmPieces *s, const char *text, size_t size);

// Where tokens go. Runs of unknown characters are one token, unless they become bytes.
typedef struct {
  const SpmPieces *pieces;
  Ids *ids;  // has room: the caller reserves an id for each byte to encode, and SPM_PADDING more
  bool after_unknown;
} SpmSink;

static inline void spm_emit_id(SpmSink *sink, int32_t id) {
  sink->ids->id[sink->ids->count++] = id;
  sink->after_unknown = false;
}

static inline void spm_emit_unknown(SpmSink *sink, const char *text, size_t size) {
  if (sink->pieces->byte_fallback) {
    for (size_t i = 0; i < size; i++) sink->ids->id[sink->ids->count++] = sink->pieces->byte_id[(uint8_t)text[i]];
  } else {
    if (!sink->after_unknown) sink->ids->id[sink->ids->count++] = sink->pieces->unk_id;
    sink->after_unknown = true;
  }
}

// Writes what spm_pieces_emit gave for the text.
static inline void spm_emit(SpmSink *sink, int32_t emit, const char *text, size_t size) {
  if (emit >= 0) spm_emit_id(sink, emit);
  else spm_emit_unknown(sink, text, size);
}

#endif
