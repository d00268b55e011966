// Reading a text: its characters, which of them nothing is joined across, and the user-defined pieces among them.
#include <emmintrin.h>
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

enum { BLOCK = 64 };  // bytes that are looked at together

static Err reserve(BpeWork *w, size_t count) {
  if (w->placed && count <= w->room) return ERR_OK;
  if (count < 2 * (size_t)w->room) count = 2 * (size_t)w->room;
  w->room = 0;
  uint32_t **array[] = {&w->at, &w->near, &w->segment, &w->symbol};
  for (size_t i = 0; i < sizeof array / sizeof array[0]; i++) {
    free(*array[i]);
    *array[i] = malloc((count + 2) * sizeof **array[i]);
  }
  free(w->placed);
  w->placed = malloc((count + 1) * sizeof *w->placed);
  CHECK(w->at && w->near && w->segment && w->symbol && w->placed, ERR_MEMORY, "no memory to encode a run of %zu bytes", count);
  w->room = (uint32_t)count;
  return ERR_OK;
}

typedef struct {
  const Bpe *b;
  uint32_t *at, *near, *segment;
  uint32_t items, segments;
  uint64_t left;  // the character before; 0: nothing is joined to it
} Reading;

// An item that nothing is joined to where it begins; `left` is its character, 0: nor where it ends.
static void put_apart(Reading *r, size_t at, uint32_t left) {
  r->at[r->items] = (uint32_t)at;
  r->near[r->items] = 0;
  r->segment[r->segments++] = r->items++;
  r->left = left;
}

// The characters of a block, by bits. All that the loop needs is in registers, and no branch hangs on what is found.
static void put_characters(Reading *r, const char *block, size_t block_at, uint64_t bits) {
  if (bits && !r->left) {
    int i = __builtin_ctzll(bits);
    put_apart(r, block_at + (size_t)i, utf8_word(block + i));
    bits &= bits - 1;
  }
  const uint32_t *cell = r->b->near_cell;
  const Places places = r->b->near_places;
  uint32_t *restrict at = r->at, *restrict near = r->near, *restrict segment = r->segment;
  uint32_t items = r->items, segments = r->segments;
  uint64_t left = r->left;
  for (; bits; bits &= bits - 1) {
    size_t i = (size_t)__builtin_ctzll(bits);
    uint64_t right = utf8_word(block + i), hash = bpe_near_hash(left << 32 | right);
    uint32_t found = bpe_near_guess(cell[places_at(&places, hash)], hash);
    at[items] = (uint32_t)(block_at + i);
    near[items] = found;
    segment[segments] = items++;
    segments += found == 0;
    left = right;
  }
  r->items = items;
  r->segments = segments;
  r->left = left;
}

static bool is_user(const Bpe *b, const char *text, size_t size, size_t *length) {
  return trie_longest(&b->pieces->user, text, size, length) >= 0;
}

// A bit for each of the BLOCK bytes at s that is `byte`.
static inline uint64_t bytes_equal(const char *s, char byte) {
  uint64_t bits = 0;
#pragma GCC unroll 4
  for (int i = 0; i < BLOCK; i += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
    bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte))) << i;
  }
  return bits;
}

// A bit for each of 16 bytes that is greater than `least`, as signed numbers.
static inline uint64_t bytes_greater(__m128i bytes, char least) {
  return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(least)));
}

// Which of `size` bytes at s begin a character, of the first BLOCK; readable for as many. *open: bits of bytes that continue
// one, of the block before and then of this one, in the block behind. False: some character is not as long as it announces.
static inline bool find_begins(const char *s, size_t size, uint64_t *begins, uint64_t *open) {
  uint64_t all = size < BLOCK ? ((uint64_t)1 << size) - 1 : UINT64_MAX;
  uint64_t first = 0, ascii = 0, three = 0, four = 0;
#pragma GCC unroll 4
  for (int i = 0; i < BLOCK; i += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
    first |= bytes_greater(bytes, (char)0xbf) << i;
    ascii |= bytes_greater(bytes, -1) << i;
    three |= bytes_greater(bytes, (char)0xdf) << i;
    four |= bytes_greater(bytes, (char)0xef) << i;
  }
  first &= all;
  uint64_t two = first & ~ascii, continued = *open | two << 1 | (three & two) << 2 | (four & two) << 3;
  *begins = first;
  *open = two >> 63 | (three & two) >> 62 | (four & two) >> 61;
  return (continued & all) == (~first & all);
}

// Which of a block's characters may begin a user-defined piece of more than one.
static inline uint64_t find_starters(const Bpe *b, const char *block, uint64_t begins) {
  if (b->starter_count > BPE_STARTERS) return begins;
  uint64_t bits = 0;
  for (uint32_t k = 0; k < b->starter_count; k++) bits |= bytes_equal(block, (char)b->starter[k]);
  return bits & begins;
}

// The bits of a block's bytes from the text's `next` on.
static inline uint64_t bits_from(uint64_t bits, size_t block, size_t next) {
  if (next <= block) return bits;
  return next - block < BLOCK ? bits >> (next - block) << (next - block) : 0;
}

// Reads the characters that begin in a block, but for those within a user-defined piece; the next item begins at *next at the
// earliest. False: at *next more must be there to go on.
static bool read_block(Reading *r, const char *text, size_t size, bool last, size_t block, uint64_t begins, size_t *next) {
  begins = bits_from(begins, block, *next);
  uint64_t starters = find_starters(r->b, text + block, begins);
  for (; starters; starters &= begins) {
    uint64_t first = starters & -starters;
    size_t at = block + (size_t)__builtin_ctzll(first), length;
    put_characters(r, text + block, block, begins & (first - 1));
    begins &= ~(first | (first - 1));
    if (!last && size - at < r->b->pieces->user_longest) {
      *next = at;
      return false;
    }
    if (!is_user(r->b, text + at, size - at, &length)) {
      put_characters(r, text + block, block, first);
      continue;
    }
    put_apart(r, at, 0);
    *next = at + length;
    begins = bits_from(begins, block, *next);
  }
  put_characters(r, text + block, block, begins);
  return true;
}

// The same for a text that is not all UTF-8: bytes that are no character are one of the announced length.
static size_t read_bytes(Reading *r, const char *text, size_t size, bool last) {
  size_t at = 0, length, user, wanted = r->b->pieces->user_longest > 4 ? r->b->pieces->user_longest : 4;
  for (; at < size; at += length) {
    uint32_t code;
    if (!last && size - at < wanted) break;
    length = utf8_char(text + at, size - at, &code);
    if (is_user(r->b, text + at, size - at, &user)) {
      length = user;
      put_apart(r, at, 0);
    } else if (length) {
      put_characters(r, text + at, at, 1);
    } else {
      length = utf8_announced(text[at]) < size - at ? utf8_announced(text[at]) : size - at;
      put_apart(r, at, 0);
    }
  }
  return at;
}

// Reads a text of UTF-8 and returns where what was read ends; SIZE_MAX: it is not.
static size_t read_characters(Reading *r, const char *text, size_t size, bool last) {
  uint64_t begins, open = 0;
  size_t next = 0;
  for (size_t block = 0; block < size; block += BLOCK) {
    if (!find_begins(text + block, size - block, &begins, &open)) return SIZE_MAX;
    if (!read_block(r, text, size, last, block, begins, &next)) return next;
  }
  if (!r->items || next >= size) return size;
  uint32_t at = r->at[r->items - 1];
  if (size - at >= utf8_announced(text[at])) return size;
  if (last) return SIZE_MAX;
  r->segments -= r->near[--r->items] == 0;
  return at;
}

Err bpe_read(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last) {
  TRY(reserve(w, size));
  const Reading begin = {.b = b, .at = w->at, .near = w->near, .segment = w->segment};
  Reading r = begin;
  size_t end = read_characters(&r, text, size, last);
  if (end == SIZE_MAX) {
    r = begin;
    end = read_bytes(&r, text, size, last);
  }
  w->items = r.items;
  w->segments = r.segments;
  w->at[w->items] = (uint32_t)end;
  w->near[w->items] = 0;
  w->segment[w->segments] = w->items;
  return ERR_OK;
}

static uint32_t symbol_at(const Bpe *b, const char *text, size_t size) {
  size_t length;
  uint32_t cell = bpe_cell(b, text, size, &length);
  if (length == size && !(cell & BPE_USER)) return cell;
  int32_t id = trie_longest(&b->pieces->user, text, size, &length);
  return id >= 0 && length == size ? BPE_FROZEN | (uint32_t)id : cell & ~BPE_USER;
}

// The same, quicker for most; `word` is its first character.
static inline uint32_t symbol_of(const Bpe *b, const char *text, size_t size, uint32_t word) {
  if (size == 1 && word < 0x80 && !(b->ascii[word] & BPE_USER)) return b->ascii[word];
  uint32_t page = (word & 0xf) << 6 | (word >> 8 & 0x3f);
  if (size != 3 || (word & 0xc0c0f0) != 0x8080e0 || page < 0x800 >> 6) return symbol_at(b, text, size);
  uint32_t cell = b->cell[(uint32_t)b->page[page] << 6 | (word >> 16 & 0x3f)];
  return cell & BPE_USER ? symbol_at(b, text, size) : cell;
}

void bpe_spell(const Bpe *b, BpeWork *w, const char *text, uint32_t from, uint32_t to) {
  const uint32_t *at = w->at;
  uint32_t *restrict near = w->near, *restrict symbol = w->symbol;
  for (uint64_t i = from, left = 0, right; i < to; i++, left = right) {
    right = utf8_word(text + at[i]);
    symbol[i] = symbol_of(b, text + at[i], at[i + 1] - at[i], (uint32_t)right);
    if (i > from && b->near[near[i]].pair != (left << 32 | right)) near[i] = 0;
  }
}
