#include "base/sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// From `from` to `to` by one byte, equal ones in their order.
static void sort_by_byte(const uint64_t *from, uint64_t *to, size_t count, int shift) {
  size_t end[257] = {0};
  for (size_t i = 0; i < count; i++) end[(from[i] >> shift & 0xff) + 1]++;
  for (int c = 1; c < 257; c++) end[c] += end[c - 1];
  for (size_t i = 0; i < count; i++) to[end[from[i] >> shift & 0xff]++] = from[i];
}

Err sort_u64(uint64_t *key, size_t count) {
  bool sorted = true;
  uint64_t differ = 0;
  for (size_t i = 1; i < count; i++) {
    differ |= key[i] ^ key[0];
    sorted &= key[i - 1] <= key[i];
  }
  if (sorted) return ERR_OK;
  uint64_t *other = malloc(count * sizeof *other), *from = key, *to = other;
  CHECK(other, ERR_MEMORY, "no memory to sort %zu numbers", count);
  for (int shift = 0; shift < 64; shift += 8) {
    if (!(differ >> shift & 0xff)) continue;
    sort_by_byte(from, to, count, shift);
    uint64_t *sorted_so_far = to;
    to = from;
    from = sorted_so_far;
  }
  if (from != key) memcpy(key, from, count * sizeof *key);
  free(other);
  return ERR_OK;
}
