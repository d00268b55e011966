#include "text/spm_segments.h"

#include <stdlib.h>

#include "text/utf8.h"

enum { FILTER_BITS = 32 };  // of the filter for each pair

Err segments_open(Segments *s, uint32_t pairs) {
  int bits = 1;
  while ((uint64_t)64 << bits < (uint64_t)pairs * FILTER_BITS) bits++;
  *s = (Segments){.filter = calloc((size_t)1 << bits, sizeof *s->filter), .filter_shift = 64 - bits};
  CHECK(s->filter, ERR_MEMORY, "no memory for a filter of %u pairs of characters", pairs);
  return ERR_OK;
}

void segments_free(Segments *s) {
  free(s->filter);
  places_free(&s->places);
  arena_free(&s->memory);
  strmap_free(&s->longer);
  *s = (Segments){0};
}

void segments_join(Segments *s, SpmText text) {
  uint32_t left = 0;
  for (size_t i = 0, n; i < text.size; i += n) {
    char padded[4] = {0};
    n = utf8_announced(text.data[i]);
    memcpy(padded, text.data + i, n < text.size - i ? n : text.size - i);
    uint32_t right = segment_character(padded);
    uint64_t hash = segment_pair_hash(left, right);
    if (i) s->filter[hash >> s->filter_shift] |= (uint64_t)1 << (hash >> 32 & 63) | (uint64_t)1 << (hash >> 38 & 63);
    left = right;
  }
}

static Err hold(Segments *s, const Segment *segment, uint32_t count, uint64_t *hash, uint32_t *place, bool *placed) {
  CHECK(hash && place, ERR_MEMORY, "no memory to place %u segments", count);
  for (uint32_t k = 0; k < count; k++) hash[k] = segment_hash(segment[k]);
  TRY(places_init(&s->places, hash, count, place, placed));
  if (!*placed) return ERR_OK;
  TRY(arena_init(&s->memory, "segments", s->places.size * sizeof *s->segment));
  s->segment = arena_take(&s->memory, s->places.size * sizeof *s->segment);
  for (uint32_t k = 0; k < count; k++) s->segment[place[k]] = segment[k];
  return ERR_OK;
}

Err segments_hold(Segments *s, const Segment *segment, uint32_t count, bool *placed) {
  uint64_t *hash = malloc((count + 1) * sizeof *hash);
  uint32_t *place = malloc((count + 1) * sizeof *place);
  Err err = hold(s, segment, count, hash, place, placed);
  free(hash);
  free(place);
  return err;
}
