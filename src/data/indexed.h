// Token files in Megatron's indexed format: PREFIX.bin holds the tokens of all sequences, PREFIX.idx says where each begins.
//
//   .idx, little-endian:  "MMIDIDX\0\0" · u64 version 1 · u8 type · u64 S sequences · u64 D document indices ·
//                         i32 length[S] · i64 byte offset into .bin[S] · i64 document index[D] · optionally i8 mode[S]
//
// Document d is the sequences [document[d], document[d + 1]); it may have none (an empty text). Source: Megatron Core
// IndexedDataset (version 1), which MindFormers shares.
#ifndef DATA_INDEXED_H
#define DATA_INDEXED_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"

typedef enum {
  TOKENS_U8 = 1,
  TOKENS_I8,
  TOKENS_I16,
  TOKENS_I32,
  TOKENS_I64,
  TOKENS_F64,
  TOKENS_F32,
  TOKENS_U16,
} TokenType;

enum { INDEXED_HEADER_BYTES = 34, TOKENS_U16_VOCAB = 65500 };

size_t token_type_bytes(TokenType type);
const char *token_type_name(TokenType type);
// What Megatron chooses: u16 for a vocabulary below 65500, else i32.
TokenType token_type_for(int64_t vocab);

// ---- reading: both files are mapped, nothing is copied; safe to share between threads.
typedef struct {
  char prefix[PATH_BYTES];
  FileMap index, bin;
  TokenType type;
  int64_t sequences, documents, tokens;
  const uint8_t *length, *offset, *document, *mode;  // the arrays in the map, not aligned; mode NULL if there is none
} Indexed;

// Opens PREFIX.idx and PREFIX.bin; a prefix that ends in ".idx" or ".bin" is taken without it. Every field is checked (one pass
// over the index, ~20 ns a sequence): ERR_FORMAT names the file, the field or the sequence, what was found and wanted.
Err indexed_open(Indexed *x, const char *prefix);
void indexed_close(Indexed *x);

// O(1). s in [0, sequences).
static inline int64_t indexed_length(const Indexed *x, int64_t s) {
  int32_t v;
  memcpy(&v, x->length + 4 * s, sizeof v);
  return v;
}
static inline int64_t indexed_offset(const Indexed *x, int64_t s) {
  int64_t v;
  memcpy(&v, x->offset + 8 * s, sizeof v);
  return v;
}
// First sequence of document d in [0, documents]; the last entry is the number of sequences.
static inline int64_t indexed_document(const Indexed *x, int64_t d) {
  int64_t v;
  memcpy(&v, x->document + 8 * d, sizeof v);
  return v;
}
static inline int indexed_mode(const Indexed *x, int64_t s) { return x->mode ? (int8_t)x->mode[s] : 0; }

// out[i] = token first + i of sequence s, i in [0, n), which must lie within it. ERR_FORMAT names file, sequence, place and
// id if one is not in [0, vocab).
Err indexed_read(const Indexed *x, int64_t s, int64_t first, int64_t n, int64_t vocab, int32_t *out);

// ---- writing: a stream in constant memory. Until the commit there are only PREFIX.bin.part and PREFIX.idx.part.
typedef struct {  // how much is safely in the .part files: enough to go on from
  int64_t tokens, sequences, documents;
  int64_t records;  // of PREFIX.idx.part
} IndexedMark;

typedef struct {
  int fd;  // -1: closed
  char path[PATH_BYTES];
  uint8_t *buffer;
  size_t used;
} PartFile;

typedef struct {
  char prefix[PATH_BYTES];
  TokenType type;
  PartFile bin, index;
  IndexedMark at;
} IndexedWriter;

// Starts afresh, or at `from` (a mark of an earlier writer; ERR_STATE if the .part files hold less). ERR_STATE if another
// process is writing to this prefix; ERR_ARG for a type that holds no ids (floats).
Err indexed_create(IndexedWriter *w, const char *prefix, TokenType type, const IndexedMark *from);
// Appends a sequence. ERR_FORMAT if an id does not fit the type.
Err indexed_add(IndexedWriter *w, const int32_t *id, int64_t n);
Err indexed_end_document(IndexedWriter *w);
// Everything so far reaches the disk; *mark may then be kept. Only between documents.
Err indexed_sync(IndexedWriter *w, IndexedMark *mark);
// Writes PREFIX.idx and gives both files their names, the .idx last. A pair of that name is replaced.
Err indexed_commit(IndexedWriter *w);
// Closes; the .part files stay if `keep`. Safe after a commit and on a zeroed or failed writer.
void indexed_abandon(IndexedWriter *w, bool keep);

#endif
