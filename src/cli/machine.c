#include "cli/machine.h"

#include <gnu/libc-version.h>
#include <hwloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"

enum { TEXT_BYTES_MAX = 1 << 24 };

// The text of a small system file, "" where there is none. free() it.
static char *system_text(const char *path) {
  char *text = NULL;
  size_t size = 0;
  return file_read(path, TEXT_BYTES_MAX, &text, &size) ? strdup("") : text;
}

static void read_processor(Machine *m) {
  static const char *const wanted[] = {"sse4_2",      "avx",         "f16c",        "fma",         "avx2",       "avx512f",
                                       "avx512bw",    "avx512dq",    "avx512vl",    "avx512_vbmi", "avx512vbmi", "avx_vnni",
                                       "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",    "amx_bf16",   "amx_int8",
                                       "asimd",       "sve",         "sve2",        "bf16",        NULL};
  char *text = system_text("/proc/cpuinfo"), *name = strstr(text, "model name"), *flags = strstr(text, "\nflags");
  if (name && (name = strchr(name, ':')))
    snprintf(m->processor, sizeof m->processor, "%.*s", (int)strcspn(name + 2, "\n"), name + 2);
  if (flags) flags[1 + strcspn(flags + 1, "\n")] = '\0';
  for (char *rest = flags ? strchr(flags, ':') + 1 : NULL, *word; (word = strsep(&rest, " ")) != NULL;)
    for (int i = 0; wanted[i]; i++)
      if (strcmp(word, wanted[i]) == 0) {
        size_t n = strlen(m->isa);
        snprintf(m->isa + n, sizeof m->isa - n, "%s%s", n ? " " : "", word);
      }
  free(text);
}

static int count_of(hwloc_topology_t t, hwloc_obj_type_t type) {
  int n = hwloc_get_nbobjs_by_type(t, type);
  return n > 0 ? n : 0;
}

static Err read_topology(Machine *m) {
  static const hwloc_obj_type_t caches[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE};
  hwloc_topology_t t;
  CHECK(hwloc_topology_init(&t) == 0, ERR_MEMORY, "no memory to look at the machine");
  if (hwloc_topology_load(t) == 0) {
    m->sockets = count_of(t, HWLOC_OBJ_PACKAGE);
    m->cores = count_of(t, HWLOC_OBJ_CORE);
    m->threads = count_of(t, HWLOC_OBJ_PU);
    m->nodes = count_of(t, HWLOC_OBJ_NUMANODE);
    for (int i = 0; i < CACHE_LEVELS; i++) {
      hwloc_obj_t cache = hwloc_get_obj_by_type(t, caches[i], 0);
      if (!cache) continue;
      m->cache_bytes[i + 1] = (int64_t)cache->attr->cache.size;
      m->cache_shared[i + 1] = hwloc_get_nbobjs_inside_cpuset_by_type(t, cache->cpuset, HWLOC_OBJ_CORE);
    }
  }
  hwloc_topology_destroy(t);
  cpu_set_t allowed;
  m->allowed = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : m->threads;
  return ERR_OK;
}

static int64_t meminfo_bytes(const char *text, const char *key) {
  const char *at = strstr(text, key);
  return at ? 1024 * strtoll(at + strlen(key), NULL, 10) : 0;
}

// The limits of this process's control group and those around it (version 2 of the interface): the least counts.
static void read_limits(Machine *m) {
  char *self = system_text("/proc/self/cgroup"), *group = strstr(self, "0::/");
  char folder[PATH_BYTES] = "/sys/fs/cgroup", path[PATH_BYTES + 32];
  if (group)
    snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/%.*s", (int)strcspn(group + 4, "\n"), group + 4);
  for (char *slash; strncmp(folder, "/sys/fs/cgroup", 14) == 0; *slash = '\0') {
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    char *cpu = system_text(path), *second = cpu;
    quota = strtoll(cpu, &second, 10);  // "max" is no limit
    period = strtoll(second, NULL, 10);
    if (quota > 0 && period > 0 && (m->quota == 0 || (double)quota / (double)period < m->quota))
      m->quota = (double)quota / (double)period;
    free(cpu);
    snprintf(path, sizeof path, "%s/memory.max", folder);
    char *memory = system_text(path);
    int64_t limit = strtoll(memory, NULL, 10);  // "max" gives 0
    if (limit > 0 && (m->memory_limit_bytes == 0 || limit < m->memory_limit_bytes)) m->memory_limit_bytes = limit;
    free(memory);
    slash = strrchr(folder, '/');
  }
  free(self);
}

static void read_memory(Machine *m) {
  char *text = system_text("/proc/meminfo"), *huge = system_text("/sys/kernel/mm/transparent_hugepage/enabled");
  m->memory_bytes = meminfo_bytes(text, "MemTotal:");
  m->available_bytes = meminfo_bytes(text, "MemAvailable:");
  const char *chosen = strchr(huge, '[');
  if (chosen) snprintf(m->huge_pages, sizeof m->huge_pages, "%.*s", (int)strcspn(chosen + 1, "]"), chosen + 1);
  free(text);
  free(huge);
}

Err machine_read(Machine *m) {
  *m = (Machine){0};
  read_processor(m);
  TRY(read_topology(m));
  read_limits(m);
  read_memory(m);
  struct utsname u;
  if (uname(&u) == 0) snprintf(m->system, sizeof m->system, "%s %s, glibc %s", u.sysname, u.release, gnu_get_libc_version());
  return ERR_OK;
}
