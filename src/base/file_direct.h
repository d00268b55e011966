// When files are read and written past the page cache. Internal to base.
//
// The cache costs processors a copy and a page for each 4 KiB, which is more than a fast disk takes; so long runs go past it,
// in whole units, from and to memory that begins at one. But a slow disk leaves processors time for the cache, and then it
// serves who reads the file next.
#ifndef BASE_FILE_DIRECT_H
#define BASE_FILE_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

enum { DIRECT_UNIT = 1 << 12, DIRECT_TRIAL_BYTES = 1 << 26 };

// Whether the first DIRECT_TRIAL_BYTES, which took this long, say that the disk is slow: below 300 MB/s.
static inline bool direct_is_slow(double trial_s) { return trial_s * 3e8 > DIRECT_TRIAL_BYTES; }

#endif
