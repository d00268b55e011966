// Sums by keys of attention's backward: dk, dv and dk_shared of a tile of keys are the gradients (or probabilities) of its
// scores, in rows, times the queries' rows of q and dout, in panels of nr columns. Queries come in chunks, so that the sums are
// long enough for the tiles.
#ifndef OPS_CPU_ATTENTION_SUMS_H
#define OPS_CPU_ATTENTION_SUMS_H

#include "ops/cpu/attention.h"

enum { ATTENTION_QUERIES = 128 };

// Columns of a chunk of queries: panels of [ATTENTION_QUERIES][nr], and one more for room.
typedef struct {
  char *data;
  float *room;
  size_t panel_bytes;
  int64_t width;
  bool finite;
} Columns;

// A chunk: queries [i0, i0 + n) of sequence b.
typedef struct {
  int64_t b, i0, n;
} QueryChunk;

Columns columns_take(const AttentionJob *job, Arena *space, int64_t width);
// The chunk's rows of m (which begins at the sequence's first row).
void columns_pack(const AttentionJob *job, Columns *c, const QueryChunk *chunk, Mat m);
// Floats of a sum [ATTENTION_KEYS][width], in blocks of nr columns.
int64_t columns_floats(const AttentionJob *job, int64_t width);
// sum += rows . columns, where rows [ATTENTION_KEYS][ATTENTION_QUERIES] hold zeros, or anything, for queries outside [from, to)
// of the chunk, and zeros where a query inside does not see the key: key t0 + j of [line, line + n).
void columns_add(const AttentionJob *job, const Columns *c, const QueryChunk *chunk, const void *rows, int64_t t0, int64_t line,
                 int64_t n, int64_t from, int64_t to, float *sum);
// The sum of the first `rows` keys to m.
void columns_write(const AttentionJob *job, const float *sum, int64_t width, Mat m, int64_t rows);

#endif
