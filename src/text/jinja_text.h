// Python's methods of str, as the filters and methods of templates share them.
#ifndef TEXT_JINJA_TEXT_H
#define TEXT_JINJA_TEXT_H

#include "text/value.h"

typedef enum { STRIP_LEFT = 1, STRIP_RIGHT = 2, STRIP_BOTH = 3 } StripSides;
// Without the characters of `set` (VALUE_NONE: white space) at its ends. Borrows from v.
Err text_strip(Workspace *w, Value v, Value set, StripSides sides, Value *out);
// sep VALUE_NONE: runs of white space. limit < 0: none.
Err text_split(Workspace *w, Value v, Value sep, int64_t limit, bool from_right, Value *out);
Err text_split_lines(Workspace *w, Value v, bool keep_ends, Value *out);
// limit < 0: all.
Err text_replace(Workspace *w, Value v, Value old, Value by, int64_t limit, Value *out);
typedef enum { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE } TextCase;
// ERR_FORMAT for the few characters whose case is more than one character or depends on their place.
Err text_case(Workspace *w, Value v, TextCase to, Value *out);

#endif
