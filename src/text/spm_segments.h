// Segments of a text, encoded whole by one look at a table.
//
// A border is a place between two characters that are joined across in no token, or an end of a user-defined piece. Nothing is
// joined or matched across it, so a segment, from one border to the next, is encoded as if it stood alone; five of six are one
// token. The table holds the texts whose encoding is one id; a segment that it does not hold is encoded item by item.
#ifndef TEXT_SPM_SEGMENTS_H
#define TEXT_SPM_SEGMENTS_H

#include <string.h>

#include "base/arena.h"
#include "text/places.h"
#include "text/spm_model.h"
#include "text/strmap.h"

enum { SEGMENT_BYTES = 16 };

typedef struct {
  uint64_t text[2];  // zeros behind it
  uint32_t size;     // 0: no text
  int32_t id;
} Segment;

typedef struct {
  Segment *segment;
  Places places;  // of segments
  Arena memory;   // of the segments, on large pages
  StrMap longer;  // the ids of texts of more than SEGMENT_BYTES
} Segments;

void segments_free(Segments *s);
// Makes the table of `count` different texts. *placed false: they cannot be placed. ERR_MEMORY.
Err segments_hold(Segments *s, const Segment *segment, uint32_t count, bool *placed);

// ---- for the encoder

// A text of 1 to SEGMENT_BYTES bytes, readable for that many.
static inline Segment segment_of(const char *text, size_t size) {
  static const uint64_t ones[] = {UINT64_MAX, UINT64_MAX, 0, 0};
  Segment s = {.size = (uint32_t)size};
  uint64_t mask[2];
  memcpy(mask, (const char *)ones + SEGMENT_BYTES - size, sizeof mask);
  memcpy(s.text, text, sizeof s.text);
  s.text[0] &= mask[0];
  s.text[1] &= mask[1];
  return s;
}

static inline uint64_t segment_hash(Segment s) {
  unsigned __int128 product = (unsigned __int128)(s.text[0] ^ 0x9e3779b97f4a7c15u) * (s.text[1] ^ 0xbf58476d1ce4e5b9u);
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// The one place where a text may stand; of a longer one some place.
static inline const Segment *segments_place(const Segments *s, const char *text, size_t size) {
  return &s->segment[places_at(&s->places, segment_hash(segment_of(text, size < SEGMENT_BYTES ? size : SEGMENT_BYTES)))];
}

// Whether it is the text, of any size, that stands there.
static inline bool segment_is(const Segment *s, const char *text, size_t size) {
  Segment wanted = segment_of(text, size < SEGMENT_BYTES ? size : SEGMENT_BYTES);
  return ((s->text[0] ^ wanted.text[0]) | (s->text[1] ^ wanted.text[1]) | (s->size ^ size)) == 0;
}

#endif
