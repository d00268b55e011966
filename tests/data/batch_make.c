#include "data/batch_make.h"

#include <stdlib.h>

Batch batch_make(int64_t B, int64_t T) {
  size_t n = (size_t)(B * T) + (B * T == 0);
  return (Batch){.B = B,
                 .T = T,
                 .ids = calloc(n, sizeof(int32_t)),
                 .labels = calloc(n, sizeof(int32_t)),
                 .mask = calloc(n, sizeof(float)),
                 .position = calloc(n, sizeof(int32_t)),
                 .doc_start = calloc(n, sizeof(int32_t))};
}

void batch_end(Batch *b) { free(b->ids), free(b->labels), free(b->mask), free(b->position), free(b->doc_start); }
