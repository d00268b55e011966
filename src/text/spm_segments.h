// Segments of a text, encoded whole by one look at a table.
//
// A border is a place between two characters that stand side by side in no token and in no user-defined piece. Nothing is
// joined or matched across it, so a segment, from one border to the next, is encoded as if it stood alone; five of six are one
// token. The table holds the texts whose encoding is one id, found when the model is read by encoding them the general way; a
// segment that it does not hold is encoded the general way. Whether a place is a border is asked of a filter that holds all
// pairs of characters that are none, and by chance a few more: these only make a segment longer.
#ifndef TEXT_SPM_SEGMENTS_H
#define TEXT_SPM_SEGMENTS_H

#include <emmintrin.h>
#include <string.h>

#include "base/arena.h"
#include "text/places.h"
#include "text/spm_model.h"
#include "text/strmap.h"

enum { SEGMENT_BYTES = 16, SEGMENT_BLOCK = 64 };

typedef struct {
  uint64_t text[2];  // zeros behind it
  uint32_t size;     // 0: no text
  int32_t id;
} Segment;

typedef struct {
  uint64_t *filter;  // two bits of one word for each pair of characters
  int filter_shift;
  Segment *segment;
  Places places;  // of segments
  Arena memory;   // of the segments, on large pages
  StrMap longer;  // the ids of texts of more than SEGMENT_BYTES
} Segments;

// Makes a filter for `pairs` pairs, with none in it. ERR_MEMORY.
Err segments_open(Segments *s, uint32_t pairs);
void segments_free(Segments *s);
// Puts into the filter all characters of a text of UTF-8 that stand side by side.
void segments_join(Segments *s, SpmText text);
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

// The bytes of the character at s, readable for four and as long as it announces; zeros behind them.
static inline uint32_t segment_character(const char *s) {
  static const uint32_t mask[] = {0xff, 0xff, 0xff, 0xff, 0xff,   0xff,   0xff,     0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xffff, 0xffff, 0xffffff, 0xffffffff};
  uint32_t word;
  memcpy(&word, s, sizeof word);
  return word & mask[(uint8_t)*s >> 4];
}

static inline uint64_t segment_pair_hash(uint32_t left, uint32_t right) {
  return ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
}

// 1 if the filter holds the two characters side by side, 0 if there is a border between them.
static inline uint64_t segments_joined(const Segments *s, uint32_t left, uint32_t right) {
  uint64_t hash = segment_pair_hash(left, right), word = s->filter[hash >> s->filter_shift];
  return word >> (hash >> 32 & 63) & word >> (hash >> 38 & 63) & 1;
}

// A bit for each of the 64 bytes at s that is greater than `least`, as signed numbers.
static inline uint64_t segment_greater(const char *s, char least) {
  uint64_t bits = 0;
  for (int i = 0; i < SEGMENT_BLOCK; i += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
    bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(least))) << i;
  }
  return bits;
}

// Which of `size` bytes at s begin a character, of the first 64; readable for 64. *open: bits of bytes that continue one, of
// the block before and then of this one, in the block behind. False: some character is not as long as it announces.
static inline bool segment_block(const char *s, size_t size, uint64_t *begins, uint64_t *open) {
  uint64_t all = size < SEGMENT_BLOCK ? ((uint64_t)1 << size) - 1 : UINT64_MAX;
  uint64_t first = segment_greater(s, (char)0xbf) & all, two = first & ~segment_greater(s, -1);
  uint64_t three = two & segment_greater(s, (char)0xdf), four = two & segment_greater(s, (char)0xef);
  uint64_t continued = *open | two << 1 | three << 2 | four << 3;
  *begins = first;
  *open = two >> 63 | three >> 62 | four >> 61;
  return (continued & all) == (~first & all);
}

#endif
