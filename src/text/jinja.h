// Chat templates: the part of Jinja2 that they use, rendered as Hugging Face's transformers renders it, byte for byte.
//
// The environment is theirs: trim_blocks, lstrip_blocks, break and continue, {% generation %}, an immutable sandbox, tojson as
// Python's json.dumps without escapes for HTML, raise_exception and strftime_now. docs/chat-templates.md lists what is
// supported. A template that names anything else is refused by jinja_open with line and column (columns count characters); what
// only shows when rendering (a method of a type that lacks it here) is an error then. Nothing is silently different.
//
// A Jinja is read once and never changes: any number of threads may render it.
#ifndef TEXT_JINJA_H
#define TEXT_JINJA_H

#include <jansson.h>
#include <time.h>

#include "text/tokenizer.h"

enum {
  JINJA_SOURCE_BYTES_MAX = 1 << 20,
  JINJA_OUTPUT_BYTES_MAX = 64 << 20,
  JINJA_MEMORY_BYTES_MAX = 256 << 20,  // of one rendering, which frees nothing before its end
  JINJA_STEPS_MAX = 20000000,          // parts of expressions, statements, items; work in proportion to a size counts by it
  JINJA_TREE_DEPTH_MAX = 300,          // of a template's nesting
  JINJA_CALL_DEPTH_MAX = 1500          // of macros that call each other, in levels of the tree
};

typedef struct Jinja Jinja;

// Parses a template (any bytes; name is for messages, copied). ERR_FORMAT with NAME:LINE:COLUMN.
Err jinja_open(Jinja **t, const char *name, const char *text, size_t size);
void jinja_close(Jinja *t);
// Whether it has {% generation %} blocks.
bool jinja_has_generation(const Jinja *t);
const char *jinja_source(const Jinja *t, size_t *size);

typedef struct {
  int64_t begin, end;  // [begin, end), in characters (code points)
  size_t from, to;     // the same in bytes
} JinjaSpan;

typedef struct {
  int64_t index;      // of the item in the tracked list
  size_t begin, end;  // bytes
} JinjaTurn;

// Starts as {0}; free with jinja_output_free. Rendering again reuses it.
typedef struct {
  Bytes text;
  JinjaSpan *span;  // what {% generation %} blocks wrote, in the order they ended
  int64_t n_spans;
  JinjaTurn *turn;  // what was written while a loop stood at an item of the tracked list, in order; outermost loops only
  int64_t n_turns;
} JinjaOutput;
void jinja_output_free(JinjaOutput *o);

// `variables` is an object: its members are the template's variables (a missing one is undefined), keys in their order,
// borrowed. track: the name of the variable whose items' loops are recorded, or NULL. now: what strftime_now says; NULL: the
// local time. ERR_ARG where the template itself refused (raise_exception): the message ends with the template's own words.
// ERR_FORMAT for what Python would call undefined or a wrong type; ERR_MEMORY, ERR_STATE past a limit. Each names
// NAME:LINE:COLUMN. Deterministic. Cost: linear in what the template does; memory as above.
Err jinja_render(const Jinja *t, const json_t *variables, const char *track, const struct tm *now, JinjaOutput *out);

#endif
