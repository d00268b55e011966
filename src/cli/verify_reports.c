// Reports of one model: against itself, against a trace.
#include <stdio.h>
#include <stdlib.h>

#include "cli/verify_commands.h"
#include "cli/verify_self.h"
#include "cli/verify_trace.h"

static void print_table(const VerifyCase *v) {
  printf("%s: %s\n", v->name, v->failed ? "FAILED" : "passed");
  verify_print_lines(v->line, v->n_lines);
  printf("  %lld numbers compared, %lld failed\n", (long long)v->compared, (long long)v->failed);
}

// first: the line to begin with; NULL without one.
static Err print_json(const VerifyCase *v, const char *first) {
  json_t *report = json_pack("{s:s, s:b, s:I, s:I, s:s?, s:o}", "case", v->name, "passed", v->failed == 0, "compared",
                             (json_int_t)v->compared, "failed", (json_int_t)v->failed, "first", first, "lines",
                             verify_lines_json(v->line, v->n_lines));
  char *text = report ? json_dumps(report, JSON_COMPACT) : NULL;
  CHECK(text, ERR_MEMORY, "no memory for the report");
  puts(text);
  free(text);
  json_decref(report);
  return ERR_OK;
}

Err verify_self_command(const char *path, int threads, bool json) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", path);
  Err err = verify_self(v, path, threads);
  if (!err) {
    verify_sort(v);
    print_table(v);
    if (json) err = print_json(v, v->failed ? v->line[0].what : NULL);
  }
  int64_t failed = v->failed;
  free(v);
  TRY(err);
  CHECK(failed == 0, ERR_NUMERIC, "%s: %lld comparisons with itself are beyond their tolerance", path, (long long)failed);
  return ERR_OK;
}

Err verify_trace_command(const char *trace, const char *path, int threads, bool json) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", path);
  int first;
  char where[VERIFY_NAME_BYTES] = "";
  Err err = verify_trace(v, &first, trace, path, threads);
  if (!err) {
    print_table(v);
    if (first >= 0) {
      snprintf(where, sizeof where, "%s", v->line[first].what);
      printf("  the first that differs is %s: what comes before it agrees, so look at %s\n", where, trace_meaning(where));
    }
    if (json) err = print_json(v, *where ? where : NULL);
  }
  free(v);
  TRY(err);
  CHECK(!*where, ERR_NUMERIC, "%s and %s part at %s", trace, path, where);
  return ERR_OK;
}
