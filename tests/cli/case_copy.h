// A copy of one of the project's golden models, to change.
#ifndef TESTS_CLI_CASE_COPY_H
#define TESTS_CLI_CASE_COPY_H

#include <stdint.h>

enum { CASE_FILES = 7 };
extern const char *const case_files[CASE_FILES];

// The folder, in the test's own; always the same, made anew.
const char *case_copy(const char *name);
// Puts `with` in the place of the first `text` after `mark` in a file, of the same length.
void case_put_text(const char *folder, const char *file, const char *mark, const char *text, const char *with);
// Adds `by` to one element of a float tensor.
void case_add_to(const char *folder, const char *file, const char *tensor, int64_t element, float by);

#endif
