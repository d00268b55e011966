#include "base/err.h"

#include <string.h>

#include "base/utf8.h"

static _Thread_local ErrInfo last;

static const char *const kind_names[ERR_KINDS] = {"ok",     "argument", "configuration", "io",   "format",
                                                  "memory", "shape",    "numeric",       "state"};

void text_plain(char *text) {
  const size_t size = strlen(text);
  for (size_t i = 0; i < size; i++)
    if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f) text[i] = '?';
  for (size_t at = 0; (at += utf8_invalid_at(text + at, size - at)) < size; at++) text[at] = '?';
}

Err err_set(Err kind, const char *function, const char *file, int line, const char *format, ...) {
  char text[ERR_TEXT_BYTES];  // built apart: the arguments may point into last.text
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  text_plain(text);
  va_end(args);
  memcpy(last.text, text, sizeof text);
  last.kind = kind;
  last.n_frames = 0;
  return err_frame(kind, function, file, line);
}

Err err_frame(Err kind, const char *function, const char *file, int line) {
  if (last.n_frames < ERR_FRAMES) {
    last.frame[last.n_frames].function = function;
    last.frame[last.n_frames].file = file;
    last.frame[last.n_frames].line = line;
    last.n_frames++;
  }
  return kind;
}

const char *err_text(void) { return last.text; }

const char *err_kind_name(Err kind) { return kind < ERR_KINDS ? kind_names[kind] : "unknown"; }

void err_print(FILE *to, int trace) {
  fprintf(to, "error: %s\n", last.text);
  for (int i = 0; trace && i < last.n_frames; i++)
    fprintf(to, "  at %s (%s:%d)\n", last.frame[i].function, last.frame[i].file, last.frame[i].line);
}

void err_take(ErrInfo *out) {
  *out = last;
  last.kind = ERR_OK;
  last.text[0] = '\0';
  last.n_frames = 0;
}

Err err_give(const ErrInfo *in) {
  last = *in;
  return last.kind;
}
