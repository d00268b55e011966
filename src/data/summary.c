#include "data/summary.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static int bucket_of(int64_t length) { return length > 1 ? 63 - __builtin_clzll((unsigned long long)length) : 0; }

Err summary_lengths(const Indexed *x, Summary *s) {
  *s = (Summary){.sequences = x->sequences, .documents = x->documents, .tokens = x->tokens};
  for (int64_t d = 0; d < x->documents; d++) s->empty_documents += indexed_document(x, d) == indexed_document(x, d + 1);
  s->unused_bytes = (int64_t)x->bin.size - x->tokens * (int64_t)token_type_bytes(x->type);
  if (x->sequences == 0) return ERR_OK;
  int32_t *length = malloc((size_t)x->sequences * sizeof *length);
  CHECK(length, ERR_MEMORY, "%s: no memory for the lengths of %lld sequences", x->prefix, (long long)x->sequences);
  for (int64_t i = 0; i < x->sequences; i++) {
    length[i] = (int32_t)indexed_length(x, i);
    s->empty_sequences += length[i] == 0;
    s->count[bucket_of(length[i])]++;
    s->bucket_tokens[bucket_of(length[i])] += length[i];
  }
  qsort(length, (size_t)x->sequences, sizeof *length, by_value);
  int64_t last = x->sequences - 1;
  s->shortest = length[0];
  s->median = length[last / 2];
  s->p90 = length[(int64_t)((double)last * 0.9)];
  s->p99 = length[(int64_t)((double)last * 0.99)];
  s->longest = length[last];
  s->mean = (double)x->tokens / (double)x->sequences;
  free(length);
  return ERR_OK;
}

Err summary_tokens(const Indexed *x, int64_t vocab, int32_t eod, Summary *s) {
  enum { PIECE = 4096 };
  int32_t id[PIECE];
  s->least_id = INT32_MAX;
  s->greatest_id = -1;
  for (int64_t d = 0; d < x->documents; d++) {
    int32_t last = -1;
    for (int64_t q = indexed_document(x, d); q < indexed_document(x, d + 1); q++) {
      int64_t length = indexed_length(x, q);
      for (int64_t at = 0; at < length; at += PIECE) {
        int64_t n = length - at < PIECE ? length - at : PIECE;
        TRY(indexed_read(x, q, at, n, vocab, id));
        for (int64_t i = 0; i < n; i++) {
          if (id[i] < s->least_id) s->least_id = id[i];
          if (id[i] > s->greatest_id) s->greatest_id = id[i];
          s->eod_tokens += id[i] == eod;
        }
        last = id[n - 1];
      }
    }
    s->eod_documents += eod >= 0 && last == eod;
  }
  return ERR_OK;
}
