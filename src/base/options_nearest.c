// The nearest known name, for "did you mean".
#include <string.h>

#include "base/options.h"

enum { NAME_MAX_LETTERS = 64 };

static int least(int a, int b, int c) {
  int m = a < b ? a : b;
  return m < c ? m : c;
}

// Edits (insert, delete, change, swap of neighbours) that make b of a.
static int edit_distance(const char *a, const char *b) {
  int n = (int)strnlen(a, NAME_MAX_LETTERS), m = (int)strnlen(b, NAME_MAX_LETTERS);
  int row[3][NAME_MAX_LETTERS + 1];
  int *before = row[0], *above = row[1], *now = row[2];
  for (int j = 0; j <= m; j++) above[j] = j;
  for (int i = 1; i <= n; i++) {
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      now[j] = least(above[j] + 1, now[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
    }
    int *oldest = before;
    before = above, above = now, now = oldest;
  }
  return above[m];
}

const char *name_nearest(const char *name, const char *const *names) {
  const char *best = NULL;
  int length = (int)strnlen(name, NAME_MAX_LETTERS);
  int limit = length < 4 ? 2 : 1 + length / 3;  // distances from here on are another word, not a slip
  for (; *names; names++) {
    int d = edit_distance(name, *names);
    // "top_k" for "moe.top_k": the last part alone is near too
    const char *dot = strrchr(*names, '.');
    if (dot && strcmp(dot + 1, name) == 0) d = 0;
    if (d < limit) limit = d, best = *names;
    if (limit == 0 && best) break;
  }
  return best;
}
