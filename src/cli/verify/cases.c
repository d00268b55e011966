// Case folders: the report, for people and as JSON.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/verify/commands.h"
#include "cli/verify/verify.h"

typedef struct {
  int threads;
  Dtype type;
  int64_t cases, compared, failed, broken;
  json_t *report;  // of the cases; NULL without --json
} Totals;

void verify_print_case(const VerifyCase *v) {
  printf("%s: %s\n", v->name, v->failed ? "FAILED" : "passed");
  printf("  %-42s %10s %10s %9s  %s\n", "", "error", "tolerance", "numbers", "worst at");
  for (int i = 0; i < v->n_lines; i++) {
    const VerifyLine *l = &v->line[i];
    printf("  %-42s %10.3g %10.3g %9lld  %s%s\n", l->what, l->error, l->tolerance, (long long)l->compared,
           l->failed ? "FAILED " : "", l->error > 0 ? l->place : "");
  }
  printf("  %lld numbers compared, %lld failed\n", (long long)v->compared, (long long)v->failed);
}

static json_t *line_json(const VerifyLine *l) {
  json_t *error = isfinite(l->error) ? json_real(l->error) : json_null();
  return json_pack("{s:s, s:o, s:f, s:I, s:I, s:s}", "what", l->what, "error", error, "tolerance", l->tolerance, "compared",
                   (json_int_t)l->compared, "failed", (json_int_t)l->failed, "place", l->place);
}

json_t *verify_lines_json(const VerifyCase *v) {
  json_t *lines = json_array();
  for (int i = 0; i < v->n_lines; i++) json_array_append_new(lines, line_json(&v->line[i]));
  return lines;
}

static json_t *case_json(const VerifyCase *v) {
  json_t *lines = verify_lines_json(v);
  return json_pack("{s:s, s:b, s:I, s:I, s:o}", "case", v->name, "passed", !v->failed, "compared", (json_int_t)v->compared,
                   "failed", (json_int_t)v->failed, "lines", lines);
}

// A case that cannot be read is one that failed; the others are run all the same.
static void add_broken(Totals *t, const char *folder) {
  printf("%s: FAILED\n  %s\n\n", folder, err_text());
  if (t->report)
    json_array_append_new(t->report, json_pack("{s:s, s:b, s:s}", "case", folder, "passed", false, "error", err_text()));
  t->cases++;
  t->broken++;
}

static Err run_case(Totals *t, const char *folder) {
  VerifyCase *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to verify %s", folder);
  Err err = verify_run(v, folder, t->threads, t->type);
  if (err && err != ERR_MEMORY) {
    add_broken(t, folder);
    err = ERR_OK;
  } else if (!err) {
    verify_sort(v);
    verify_print_case(v);
    printf("\n");
    if (t->report) json_array_append_new(t->report, case_json(v));
    t->cases++;
    t->compared += v->compared;
    t->failed += v->failed;
  }
  free(v);
  return err;
}

// A case, or every case in a folder.
static Err run_folder(Totals *t, const char *folder) {
  if (verify_is_case(folder)) return run_case(t, folder);
  char **names, path[PATH_BYTES];
  size_t n;
  int64_t before = t->cases;
  TRY(folder_list(folder, &names, &n));
  Err err = ERR_OK;
  for (size_t i = 0; i < n && !err; i++) {
    err = path_join(path, folder, names[i]);
    if (!err && verify_is_case(path)) err = run_case(t, path);
  }
  names_free(names, n);
  TRY(err);
  CHECK(t->cases > before, ERR_ARG,
        "%s: neither a case nor a folder of cases (config.json and cases.safetensors are wanted); two runs, checkpoints or "
        "models "
        "are compared with each other",
        folder);
  return ERR_OK;
}

static Err print_totals(const Totals *t) {
  printf("%lld cases, %lld numbers compared, %lld failed, %lld cases could not be read\n", (long long)t->cases,
         (long long)t->compared, (long long)t->failed, (long long)t->broken);
  if (!t->report) return ERR_OK;
  json_t *all = json_pack("{s:b, s:I, s:I, s:I, s:I, s:O}", "passed", !t->failed && !t->broken, "cases", (json_int_t)t->cases,
                          "compared", (json_int_t)t->compared, "failed", (json_int_t)t->failed, "broken", (json_int_t)t->broken,
                          "results", t->report);
  return cli_json(all, "the report");
}

Err verify_cases_command(int n, char **folders, int threads, Dtype type, bool json) {
  Totals t = {.threads = threads, .type = type, .report = json ? json_array() : NULL};
  Err err = ERR_OK;
  for (int i = 0; i < n && !err; i++) err = run_folder(&t, folders[i]);
  if (!err) err = print_totals(&t);
  json_decref(t.report);
  TRY(err);
  CHECK(t.broken == 0, ERR_FORMAT, "%lld of %lld cases could not be read", (long long)t.broken, (long long)t.cases);
  CHECK(t.failed == 0, ERR_NUMERIC, "%lld of %lld numbers are beyond their tolerance", (long long)t.failed,
        (long long)t.compared);
  return ERR_OK;
}
