// The libraries in use, by the version that is loaded, not the one compiled against.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <hwloc.h>
#include <jansson.h>
#include <pcre2.h>
#include <stdio.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

#include "cli/machine.h"

int machine_libraries(Library *out, int room) {
  unsigned hwloc = hwloc_get_api_version(), xxhash = XXH_versionNumber();
  char hwloc_text[32], xxhash_text[32], pcre2_text[64] = "";
  snprintf(hwloc_text, sizeof hwloc_text, "%u.%u (interface)", hwloc >> 16, hwloc >> 8 & 0xFF);
  snprintf(xxhash_text, sizeof xxhash_text, "%u.%u.%u", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
  pcre2_config(PCRE2_CONFIG_VERSION, pcre2_text);
  const struct {
    const char *name, *version;
  } all[] = {
      {"hwloc", hwloc_text},
      {"jansson", jansson_version_str()},
      {"libyaml", yaml_get_version_string()},
      {"pcre2", pcre2_text},
      {"utf8proc", utf8proc_version()},
      {"zlib", zlibVersion()},
      {"zstd", ZSTD_versionString()},
      {"xxhash", xxhash_text},
  };
  int n = (int)(sizeof all / sizeof all[0]);
  if (n > room) n = room;
  for (int i = 0; i < n; i++) {
    out[i].name = all[i].name;
    snprintf(out[i].version, sizeof out[i].version, "%s", all[i].version);
  }
  return n;
}
