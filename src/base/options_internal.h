// Shared by the options_*.c files only.
#ifndef BASE_OPTIONS_INTERNAL_H
#define BASE_OPTIONS_INTERNAL_H

#include "base/options.h"

// A field in the struct that holds it.
typedef struct {
  const Field *field;  // NULL: no such key
  void *base;
} FieldAt;

// Finds "moe.top_k" or "stages.0.steps"; an index one past the end makes a new element. An unknown key gives out->field NULL;
// ERR_ARG only for a list's index that is out of range.
Err field_find(const Options *o, const char *key, const char *where, FieldAt *out);
// Whether `prefix` is a group: some key goes on after "prefix.".
bool group_known(const Options *o, const char *prefix);
// Refuses `key` and names the nearest known one; `others` (may be NULL) are known names too, with their dashes.
Err key_unknown(const Options *o, const char *key, const char *where, const char *const *others);

int64_t *list_count(const Field *f, void *base);
void *list_item(const Field *f, void *base, int64_t i);
// A new last element, of defaults. The caller has checked count_max.
void list_append(const Field *f, void *base);

// Sets one value from text. `quoted`: the text stood in quotes, so it is text and nothing else. ERR_ARG for the wrong type or
// range.
Err value_set(FieldAt at, const char *key, const char *text, bool quoted, const char *where);
// "an integer", "one of cosine, linear": what the field wants, for messages.
void value_wanted(const Field *f, char *out, size_t size);
// "1 to 1024", "at least 0", "" if all numbers are in range.
void range_text(const Field *f, char *out, size_t size);

#endif
