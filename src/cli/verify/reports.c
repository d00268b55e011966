// Reports of one model: against itself, against a trace.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/verify/activations.h"
#include "cli/verify/commands.h"
#include "cli/verify/self.h"
#include "cli/verify/trace.h"

// first: the line to begin with; NULL without one.
static Err print_json(const VerifyCase *v, const char *first) {
  json_t *report =
      json_pack("{s:s, s:b, s:I, s:I, s:s?, s:o}", "case", v->name, "passed", v->failed == 0, "compared",
                (json_int_t)v->compared, "failed", (json_int_t)v->failed, "first", first, "lines", verify_lines_json(v));
  return cli_json(report, "the report");
}

Err verify_self_command(const char *path, int threads, bool json) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", path);
  Err err = verify_self(v, path, threads);
  if (!err) {
    verify_sort(v);
    verify_print_case(v);
    if (json) err = print_json(v, v->failed ? v->line[0].what : NULL);
  }
  int64_t failed = v->failed;
  free(v);
  TRY(err);
  CHECK(failed == 0, ERR_NUMERIC, "%s: %lld comparisons with itself are beyond their tolerance", path, (long long)failed);
  return ERR_OK;
}

// The table in the order of computing, and what the first line beyond its tolerance means. *parted: whether there is one.
static Err print_way(const VerifyCase *v, bool json, bool *parted) {
  int first = verify_first(v);
  const char *what = first >= 0 ? v->line[first].what : NULL;
  *parted = what != NULL;
  verify_print_case(v);
  if (what) printf("  the first that differs is %s: what comes before it agrees, so look at %s\n", what, trace_meaning(what));
  return json ? print_json(v, what) : ERR_OK;
}

Err verify_trace_command(const char *trace, const char *path, int threads, bool json) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", path);
  bool parted = false;
  Err err = verify_trace(v, trace, path, threads);
  if (!err) err = print_way(v, json, &parted);
  free(v);
  TRY(err);
  CHECK(!parted, ERR_NUMERIC, "%s and %s part", trace, path);
  return ERR_OK;
}

Err verify_activations_command(const char *a, const char *b, int threads, bool json) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to compare %s", a);
  bool parted = false;
  Err err = verify_activations(v, a, b, threads);
  if (!err) {
    printf("A: %s\nB: %s\n", a, b);
    err = print_way(v, json, &parted);
  }
  free(v);
  TRY(err);
  CHECK(!parted, ERR_NUMERIC, "%s and %s differ", a, b);
  return ERR_OK;
}
