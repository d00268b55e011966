// pleiad_golden: runs every case found in trees of golden files (tests/golden/golden.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden_run.h"

static const char help[] =
    "usage: pleiad_golden [--golden DIR]... [--only PART] [--json]\n"
    "\n"
    "Compares the program with what reference programs computed. DIR holds ops/, models/, text/ and data/; without one, the\n"
    "project's own tests/golden/cases is read, and golden/ of the folder `shared` beside the checkout when it is there.\n"
    "Every case that is found is run; what differs is said on stderr; what has no reader is listed as not read yet, with what\n"
    "it would need. README.md files are for people.\n"
    "\n"
    "  --golden DIR  a tree to read instead; may be given more than once\n"
    "  --only PART   of each tree only what lies below PART: models, text/hf, data/gpt/cases.jsonl\n"
    "  --json        one JSON object as the last line\n"
    "\n"
    "Exit code: 0 all that was read is right; 1 something differs or is broken, or nothing was found; 2 called wrongly.\n";

enum { TREES_MAX = 16 };

typedef struct {
  const char *tree[TREES_MAX], *only;
  int n_trees;
  bool json;
} Wish;

// Whether argv[*i] is `name`; its value into *value.
static bool takes(int argc, char **argv, int *i, const char *name, const char **value) {
  if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc) return false;
  *value = argv[++*i];
  return true;
}

static bool read_wish(Wish *w, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0) w->json = true;
    else if (w->n_trees < TREES_MAX && takes(argc, argv, &i, "--golden", &w->tree[w->n_trees])) w->n_trees++;
    else if (!takes(argc, argv, &i, "--only", &w->only)) {
      fprintf(stderr, "error: %s: not an option, or its value is missing; see --help\n", argv[i]);
      return false;
    }
  }
  return true;
}

static void add_default_trees(Wish *w) {
  static char shared[PATH_BYTES];
  const char *given = getenv("PLEIAD_SHARED");
  snprintf(shared, sizeof shared, "%s/golden", given ? given : PLEIAD_ROOT "/../shared");
  w->tree[w->n_trees++] = PLEIAD_ROOT "/tests/golden/cases";
  if (file_is_folder(shared)) w->tree[w->n_trees++] = shared;
  else printf("no folder %s: only the project's own cases are run\n", shared);
}

static void print_count(const char *indent, const GoldenCount *n) {
  printf("%s%-*s %9lld %12lld %8lld\n", indent, 44 - (int)strlen(indent), n->folder, (long long)n->cases,
         (long long)n->comparisons, (long long)n->failed);
}

// A line a folder at the top of the tree, and below it one a folder or file with a reader.
static void print_run(const GoldenRun *r) {
  printf("%s\n%-44s %9s %12s %8s\n", r->tree, "", "cases", "comparisons", "failed");
  char top[GOLDEN_NAME_BYTES] = "";
  for (int i = 0; i < r->n_counts; i++) {
    char now[GOLDEN_NAME_BYTES];
    snprintf(now, sizeof now, "%.*s", (int)strcspn(r->count[i].folder, "/"), r->count[i].folder);
    if (strcmp(now, top) != 0) {
      GoldenCount sum = golden_total(r, now);
      print_count("", &sum);
    }
    memcpy(top, now, sizeof top);
    print_count("  ", &r->count[i]);
  }
  if (r->n_notes) puts("not read yet:");
  for (int i = 0; i < r->n_notes; i++) printf("  %s: needs %s\n", r->note[i].what, r->note[i].needs);
  putchar('\n');
}

static json_t *count_json(const GoldenCount *n) {
  return json_pack("{s:s, s:I, s:I, s:I}", "folder", n->folder, "cases", (json_int_t)n->cases, "comparisons",
                   (json_int_t)n->comparisons, "failed", (json_int_t)n->failed);
}

static json_t *run_json(const GoldenRun *r) {
  json_t *folders = json_array(), *notes = json_array();
  for (int i = 0; i < r->n_counts; i++) json_array_append_new(folders, count_json(&r->count[i]));
  for (int i = 0; i < r->n_notes; i++)
    json_array_append_new(notes, json_pack("{s:s, s:s}", "what", r->note[i].what, "needs", r->note[i].needs));
  return json_pack("{s:s, s:o, s:o}", "tree", r->tree, "folders", folders, "not_read", notes);
}

static void print_json(const GoldenCount *sum, bool passed, json_t *trees) {
  json_t *all = json_pack("{s:b, s:I, s:I, s:I, s:O}", "passed", passed, "cases", (json_int_t)sum->cases, "comparisons",
                          (json_int_t)sum->comparisons, "failed", (json_int_t)sum->failed, "trees", trees);
  char *text = json_dumps(all, JSON_COMPACT);
  if (text) puts(text);
  free(text);
  json_decref(all);
}

int main(int argc, char **argv) {
  Wish w = {0};
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      fputs(help, stdout);
      return 0;
    }
  if (!read_wish(&w, argc, argv)) return 2;
  if (w.n_trees == 0) add_default_trees(&w);
  GoldenCount sum = {0};
  json_t *trees = json_array();
  for (int i = 0; i < w.n_trees; i++) {
    GoldenRun *r;
    if (golden_run(&r, w.tree[i], w.only) != ERR_OK) {
      err_print(stderr, 0);
      sum.failed++;
      continue;
    }
    GoldenCount n = golden_total(r, "");
    print_run(r);
    json_array_append_new(trees, run_json(r));
    if (n.comparisons == 0) fprintf(stderr, "error: %s: no case found\n", w.tree[i]);
    sum.cases += n.cases, sum.comparisons += n.comparisons;
    sum.failed += n.failed + (n.comparisons == 0);
    golden_run_close(r);
  }
  printf("%lld cases, %lld comparisons, %lld failed\n", (long long)sum.cases, (long long)sum.comparisons,
         (long long)sum.failed);
  if (w.json) print_json(&sum, sum.failed == 0, trees);
  json_decref(trees);
  return sum.failed != 0;
}
