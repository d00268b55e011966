#include "base/number.h"

#include <string.h>

bool number_take(const char **text, const char *prefix, int64_t *out) {
  size_t n = strlen(prefix);
  if (strncmp(*text, prefix, n) != 0) return false;
  const char *digits = *text + n, *p = digits;
  int64_t number = 0;
  for (; *p >= '0' && *p <= '9'; p++)
    if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *p - '0', &number)) return false;
  if (p == digits) return false;
  *text = p;
  *out = number;
  return true;
}
