// Code points: reading and writing UTF-8, and the classes that tokenizers ask for.
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The code point at text[*at] of valid UTF-8 (programmer's error if not); *at moves past it.
static inline uint32_t utf8_next(const char *text, size_t *at) {
  const uint8_t *b = (const uint8_t *)text + *at;
  if (b[0] < 0x80) {
    *at += 1;
    return b[0];
  }
  if (b[0] < 0xE0) {
    *at += 2;
    return (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu);
  }
  if (b[0] < 0xF0) {
    *at += 3;
    return (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
  }
  *at += 4;
  return (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu);
}

// Bytes of the character that begins with this byte of valid UTF-8.
static inline size_t utf8_size(char first) {
  uint8_t b = (uint8_t)first;
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

// The beginning of the character before text[at], at > 0.
static inline size_t utf8_back(const char *text, size_t at) {
  do at--;
  while (at > 0 && ((uint8_t)text[at] & 0xC0) == 0x80);
  return at;
}

// Writes a code point, returns its bytes (1 to 4).
size_t utf8_write(char out[4], uint32_t code);

// Unicode's White_Space property.
bool unicode_is_space(uint32_t code);
// A letter of a word: Alphabetic, Mark, Decimal_Number, Connector_Punctuation or Join_Control (Unicode UTS 18, annex C).
bool unicode_is_word(uint32_t code);

// What the GPT-2 family's patterns tell apart.
typedef enum { CLASS_OTHER, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE } UnicodeClass;
UnicodeClass unicode_class(uint32_t code);  // \p{L}, \p{N}, \s, or none of them

#endif
