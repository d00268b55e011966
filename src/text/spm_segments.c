#include "text/spm_segments.h"

#include <stdlib.h>

void segments_free(Segments *s) {
  places_free(&s->places);
  arena_free(&s->memory);
  strmap_free(&s->longer);
  *s = (Segments){0};
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
