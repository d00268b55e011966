// One walk over a golden tree: which reader takes what, each in a process of its own, so that what crashes or hangs a reader is
// a failure of its folder and not the end of the run.
#ifndef TESTS_GOLDEN_GOLDEN_RUN_H
#define TESTS_GOLDEN_GOLDEN_RUN_H

#include "golden/golden.h"

enum {
  GOLDEN_FOLDERS_MAX = 1024,
  GOLDEN_NOTES_MAX = 1024,
  GOLDEN_FILES_MAX = 16384,
  GOLDEN_DEPTH_MAX = 8,
  GOLDEN_SECONDS_MAX = 900  // a reader that takes longer hangs
};

// Files that nothing reads, and why: what = "data/gguf (81 files)".
typedef struct {
  char what[GOLDEN_NAME_BYTES + 64], needs[160];
} GoldenNote;

typedef struct {
  char path[GOLDEN_NAME_BYTES];
  bool folder, read;  // by a reader
  bool said;          // in a note
} GoldenEntry;
int golden_by_path(const void *a, const void *b);  // the order of the entries

struct GoldenRun {
  char tree[PATH_BYTES], scratch[PATH_BYTES];
  GoldenCount count[GOLDEN_FOLDERS_MAX];  // a line a folder or file that has a reader
  GoldenNote note[GOLDEN_NOTES_MAX];
  GoldenEntry entry[GOLDEN_FILES_MAX];  // all of the tree, sorted
  int n_counts, n_notes, n_entries;
};

// Reads all of the tree, or what lies below `only` ("ops", "text/hf"; NULL: all). ERR_IO if there is no such folder; what
// fails within is counted. Every file is read by a reader or named in a note, but README.md, which is for people.
Err golden_run(GoldenRun **out, const char *tree, const char *only);
void golden_run_close(GoldenRun *r);
// Sums over the lines whose folder begins with `below`.
GoldenCount golden_total(const GoldenRun *r, const char *below);

#endif
