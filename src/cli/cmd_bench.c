// pleiad bench
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"

typedef struct {
  const char *name, *about;
  char *full_name;
  Err (*run)(int argc, char **argv);
} Bench;

static const Bench benches[] = {
#define BENCH(name, about) {#name, about, "bench " #name, bench_##name},
#include "cli/bench/benches.inc"
#undef BENCH
};
enum { N_BENCHES = sizeof benches / sizeof benches[0] };

static Err list_benches(bool json) {
  if (!json) {
    printf("pleiad bench NAME ... [--json]\n\nMeasures on this machine; pleiad bench NAME --help says what and how.\n\n");
    for (int i = 0; i < N_BENCHES; i++) printf("  %-10s %s\n", benches[i].name, benches[i].about);
    return ERR_OK;
  }
  json_t *list = json_object();
  for (int i = 0; i < N_BENCHES; i++) (void)json_object_set_new(list, benches[i].name, json_string(benches[i].about));
  return cli_json(json_pack("{s:o}", "benches", list), "the list of benches");
}

Err cmd_bench(int argc, char **argv) {
  const char *names[N_BENCHES + 1] = {0};
  for (int i = 0; i < N_BENCHES; i++) names[i] = benches[i].name;
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
    return list_benches(cli_flag(&argc, argv, "--json"));
  for (int i = 0; i < N_BENCHES; i++) {
    if (strcmp(argv[1], benches[i].name) != 0) continue;
    argv[1] = benches[i].full_name;
    return benches[i].run(argc - 1, argv + 1);
  }
  const char *near = name_nearest(argv[1], names);
  if (near) FAIL(ERR_ARG, "no bench \"%s\"; did you mean %s?", argv[1], near);
  FAIL(ERR_ARG, "no bench \"%s\"; see pleiad bench --help", argv[1]);
}
