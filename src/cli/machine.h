// What this machine is, as the system tells: for pleiad info, and for reports that say where they were measured.
#ifndef CLI_MACHINE_H
#define CLI_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { CACHE_LEVELS = 4 };

typedef struct {
  char processor[128];                    // "AMD EPYC 9654"
  char isa[512];                          // of the instruction sets that matter here, those it has: "avx2 fma f16c avx512f ..."
  int sockets, cores, threads, nodes;     // of the whole machine
  int allowed;                            // threads that this process may run on
  double quota;                           // cores that its control group may use at a time; 0: no limit
  int64_t cache_bytes[CACHE_LEVELS + 1];  // of one cache of level 1 (data), 2, 3, 4; 0: none
  int cache_shared[CACHE_LEVELS + 1];     // cores that share it
  int64_t memory_bytes, available_bytes;  // available: free or reclaimable now
  int64_t memory_limit_bytes;             // of the control group; 0: no limit
  char system[256];                       // kernel and C library
  char huge_pages[64];                    // transparent huge pages: "always", "madvise", "never"
} Machine;

// Nothing is required of the system: what it does not tell stays empty or 0. ERR_MEMORY.
Err machine_read(Machine *m);

// Name and version of each library in use, at most `room`; returns their number.
typedef struct {
  const char *name;
  char version[64];
} Library;
int machine_libraries(Library *out, int room);

#endif
