#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

// Bytes of the sequence at p, or 0 if it is not valid. The second byte's range depends on the first; the others are 80..BF.
static size_t sequence_bytes(const uint8_t *p, size_t left) {
  uint8_t a = p[0], low = 0x80, high = 0xBF;
  if (a < 0x80) return 1;
  size_t n = a >= 0xC2 && a <= 0xDF ? 2 : a >= 0xE0 && a <= 0xEF ? 3 : a >= 0xF0 && a <= 0xF4 ? 4 : 0;
  if (n == 0 || n > left) return 0;
  if (a == 0xE0) low = 0xA0;
  if (a == 0xED) high = 0x9F;
  if (a == 0xF0) low = 0x90;
  if (a == 0xF4) high = 0x8F;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return n;
}

size_t utf8_invalid_at(const char *text, size_t size) {
  const uint8_t *p = (const uint8_t *)text;
  size_t i = 0;
  while (i < size) {
    uint64_t eight;
    if (size - i >= sizeof eight) {  // most text is ASCII most of the time
      memcpy(&eight, p + i, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    size_t n = sequence_bytes(p + i, size - i);
    if (n == 0) return i;
    i += n;
  }
  return size;
}
