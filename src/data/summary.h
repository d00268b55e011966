// What a token file holds, in numbers: for people who look at it.
#ifndef DATA_SUMMARY_H
#define DATA_SUMMARY_H

#include <stdint.h>

#include "base/err.h"
#include "data/indexed.h"

enum { SUMMARY_BUCKETS = 32 };

typedef struct {
  int64_t sequences, documents, tokens;
  int64_t empty_documents, empty_sequences;
  int64_t shortest, median, p90, p99, longest;  // lengths of sequences
  double mean;
  int64_t count[SUMMARY_BUCKETS];          // sequences of [2^k, 2^(k+1)) tokens; those of none in bucket 0 with those of 1
  int64_t bucket_tokens[SUMMARY_BUCKETS];  // their tokens
  int64_t unused_bytes;                    // of the .bin, in no sequence (negative: sequences share bytes)
  // with tokens read:
  int32_t least_id, greatest_id;
  int64_t eod_tokens, eod_documents;  // eod anywhere; documents that end with it
} Summary;

// From the index alone. Memory: 4 bytes a sequence.
Err summary_lengths(const Indexed *x, Summary *s);
// From every token: ids must lie in [0, vocab). Reads the whole .bin. eod -1: not counted.
Err summary_tokens(const Indexed *x, int64_t vocab, int32_t eod, Summary *s);

#endif
