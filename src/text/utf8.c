#include "text/utf8.h"

#include <string.h>

size_t utf8_valid_until(const char *s, size_t size) {
  size_t i = 0;
  while (i < size) {
    uint64_t word;
    if (i + sizeof word <= size) {
      memcpy(&word, s + i, sizeof word);
      if (!(word & 0x8080808080808080u)) {
        i += sizeof word;
        continue;
      }
    }
    uint32_t code;
    size_t n = utf8_char(s + i, size - i, &code);
    if (!n) return i;
    i += n;
  }
  return size;
}
