// Golden cases: what others computed, taken from the files of a folder, never from a list in the code.
//
// A golden tree holds ops/, models/, text/ and data/ (tests/golden/cases is one). A *reader* takes one file or folder of it,
// runs every case that it finds there, and counts; golden_run.h finds the readers for a tree. A file that is broken, cut short
// or missing is a failure with a message. Readers are listed in golden_readers.inc.
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/json.h"

enum { GOLDEN_NAME_BYTES = 256 };

typedef struct GoldenRun GoldenRun;

typedef struct {
  char folder[GOLDEN_NAME_BYTES];  // or file, of the tree: "text/hf/gpt2", "ops/rmsnorm.safetensors"
  int64_t cases, comparisons, failed;
  GoldenRun *run;
} GoldenCount;

typedef void GoldenFn(GoldenCount *n);  // a reader of n->folder
#define READER(pattern, fn) GoldenFn fn;
#include "golden/golden_readers.inc"
#undef READER

// One comparison; if not ok it failed, and the message goes to stderr (the first few of a folder, then how many more).
void golden_compare(GoldenCount *n, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Whether a call went well; if not, its message is a failed comparison.
bool golden_ok(GoldenCount *n, Err err);
// A part of the folder that nothing reads yet, and what it would need: listed, not counted.
void golden_not_read(GoldenCount *n, const char *part, const char *needs);
// The path of a file of the tree into `out`, and a note that it is read. Returns out.
const char *golden_path(const GoldenCount *n, char out[PATH_BYTES], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *golden_tree(const GoldenCount *n);
// An empty folder to write to, gone when the run is closed.
const char *golden_scratch(const GoldenCount *n);
// A real tokenizer's model, which is not part of a tree: NAME/tokenizer.model below data/tokenizers beside the tree or in the
// shared folder beside the checkout. NULL if there is none.
const char *golden_tokenizer(const GoldenCount *n, char out[PATH_BYTES], const char *name);

// The SHA-256 of a file in hexadecimal, by coreutils; "" where it cannot be had.
enum { GOLDEN_HASH_BYTES = 65 };
void golden_sha256(const char *path, char out[GOLDEN_HASH_BYTES]);

// Runs fn on every line of FILE (of the tree), each a case; context is passed on.
typedef void GoldenLineFn(GoldenCount *n, const json_t *line, void *context);
void golden_each_line(GoldenCount *n, const char *file, GoldenLineFn *fn, void *context);

// Members of a line; 0, "" or false if missing. golden_array: a failure, too.
int64_t golden_int(const json_t *o, const char *key);
const char *golden_text(const json_t *o, const char *key);
bool golden_true(const json_t *o, const char *key);
int64_t golden_element(const json_t *array, size_t i);
const json_t *golden_array(GoldenCount *n, const json_t *o, const char *key);

#endif
