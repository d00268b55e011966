// Options: one table says a struct member's name, type, default, range and help; the YAML key, the command-line option and
// the member are the same name. `moe.top_k` is `moe: {top_k: 4}` in a file, `--moe.top_k 4` on the command line, cfg->moe.top_k
// in C. Unknown keys are refused with the nearest known one.
//
//   typedef struct { struct { int64_t experts, top_k; } moe; } ModelConfig;
//   static const Field model_fields[] = {
//       FIELD_INT(ModelConfig, moe.top_k, 4, 1, 1024, "experts a token goes to"), ... {0}};
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum { OPTION_TEXT_BYTES = 1024 };

typedef enum { FIELD_END, FIELD_IS_INT, FIELD_IS_REAL, FIELD_IS_BOOL, FIELD_IS_TEXT, FIELD_IS_ENUM, FIELD_IS_LIST } FieldType;

typedef struct Field {
  const char *key;  // "moe.top_k"
  FieldType type;
  size_t offset;     // of int64_t, double, bool, char[OPTION_TEXT_BYTES], int (enum), or the first element of a list
  double low, high;  // range of numbers, ends included
  int64_t int_default;
  double real_default;
  const char *text_default;
  const char *const *names;        // of an enum's values 0, 1, ...; NULL at the end
  const struct Field *item;        // of a list: the fields of an element (keys below "list.N.")
  size_t item_size, count_offset;  // of a list: size of an element; offset of the int64_t that counts them
  int64_t count_max;
  const char *help;
} Field;

#define FIELD_INT(S, member, default_, low_, high_, help_)                                                                 \
  {                                                                                                                        \
    .key = #member, .type = FIELD_IS_INT, .offset = offsetof(S, member), .int_default = (default_), .low = (double)(low_), \
    .high = (double)(high_), .help = (help_)                                                                               \
  }
#define FIELD_REAL(S, member, default_, low_, high_, help_)                                                          \
  {                                                                                                                  \
    .key = #member, .type = FIELD_IS_REAL, .offset = offsetof(S, member), .real_default = (default_), .low = (low_), \
    .high = (high_), .help = (help_)                                                                                 \
  }
#define FIELD_BOOL(S, member, default_, help_) \
  { .key = #member, .type = FIELD_IS_BOOL, .offset = offsetof(S, member), .int_default = (default_), .help = (help_) }
// member: char[OPTION_TEXT_BYTES]
#define FIELD_TEXT(S, member, default_, help_) \
  { .key = #member, .type = FIELD_IS_TEXT, .offset = offsetof(S, member), .text_default = (default_), .help = (help_) }
// member: int, an index into names
#define FIELD_ENUM(S, member, default_, names_, help_)                                                                  \
  {                                                                                                                     \
    .key = #member, .type = FIELD_IS_ENUM, .offset = offsetof(S, member), .int_default = (default_), .names = (names_), \
    .help = (help_)                                                                                                     \
  }
// member: array of structs; `count`: the int64_t member that counts
#define FIELD_LIST(S, member, count, max_, item_fields, help_)                                                         \
  {                                                                                                                    \
    .key = #member, .type = FIELD_IS_LIST, .offset = offsetof(S, member), .item = (item_fields),                       \
    .item_size = sizeof(((S *)0)->member[0]), .count_offset = offsetof(S, count), .count_max = (max_), .help = (help_) \
  }

// A set of structs that share one name space (a run file has the model's, the data's, the training's).
typedef struct {
  struct {
    const Field *fields;
    void *base;
  } part[8];
  int n_parts;
} Options;

void options_bind(Options *o, const Field *fields, void *base);
// Sets every field to its default; lists become empty.
void options_defaults(const Options *o);
// One value from text, as on the command line ("stages.0.lr" for lists; an index one past the end makes a new element). `where`
// names its place ("--moe.top_k", "run.yaml:12").
Err options_set(const Options *o, const char *key, const char *value, const char *where);
// A YAML file of maps, lists of maps and scalars. Duplicate keys, tags, aliases, tabs, nesting beyond 64 are refused with file
// and line. A list in the file replaces the list that was. At most 4 MiB.
Err options_load(const Options *o, const char *path);
// The same from memory; `name` stands for the file in messages.
Err options_parse(const Options *o, const char *text, size_t size, const char *name);
// Takes every "--key value" and "--key=value" (a bool may stand alone) that it knows out of argv, in order; *argc shrinks to
// what is left. Any other argument that begins with "--" and is not in `others` (NULL at the end; NULL: none) is refused with
// the nearest known name.
Err options_args(const Options *o, int *argc, char **argv, const char *const *others);
// Writes all values as YAML that options_load reads back to the same bits, with the help as comments if `help`.
Err options_write(const Options *o, const char *path, bool help);
// Prints key, type, default, range and help, for --help.
void options_help(const Options *o, FILE *to);
// The known name nearest to `name` by edit distance, or NULL if none is near. names: NULL at the end.
const char *name_nearest(const char *name, const char *const *names);

#endif
