// UTF-8, one character at a time.
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The length in bytes (1 .. 4) of the valid character at s[0, size), size > 0, and its code point; 0 where the bytes are not
// valid: a lone or missing continuation byte, an overlong form, a surrogate, above U+10FFFF.
static inline size_t utf8_char(const char *s, size_t size, uint32_t *code) {
  const uint8_t *u = (const uint8_t *)s;
  if (u[0] < 0x80) {
    *code = u[0];
    return 1;
  }
  if (u[0] < 0xc2) return 0;
  if (u[0] < 0xe0) {
    if (size < 2 || (u[1] & 0xc0) != 0x80) return 0;
    *code = (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
    return 2;
  }
  if (u[0] < 0xf0) {
    if (size < 3 || (u[1] & 0xc0) != 0x80 || (u[2] & 0xc0) != 0x80) return 0;
    uint32_t c = (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    if (c < 0x800 || (c >= 0xd800 && c < 0xe000)) return 0;
    *code = c;
    return 3;
  }
  if (u[0] > 0xf4 || size < 4 || (u[1] & 0xc0) != 0x80 || (u[2] & 0xc0) != 0x80 || (u[3] & 0xc0) != 0x80) return 0;
  uint32_t c = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 | (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
  if (c < 0x10000 || c > 0x10ffff) return 0;
  *code = c;
  return 4;
}

// The length that the first byte of a character announces, valid or not.
static inline size_t utf8_announced(char first) {
  uint8_t u = (uint8_t)first;
  return u < 0xc0 ? 1 : u < 0xe0 ? 2 : u < 0xf0 ? 3 : 4;
}

// The bytes of the character at s, the first the lowest, zeros above; s is readable for four and the character as long as it
// announces.
static inline uint32_t utf8_word(const char *s) {
  static const uint32_t mask[] = {0xff, 0xff, 0xff, 0xff, 0xff,   0xff,   0xff,     0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xffff, 0xffff, 0xffffff, 0xffffffff};
  uint32_t word;
  memcpy(&word, s, sizeof word);
  return word & mask[(uint8_t)*s >> 4];
}

#endif
