// Errors that return.
//
// An operating error (file, memory, peer, configuration) is an Err: ERR_OK or a kind. Its text and the trace of where it
// passed live in the calling thread, so nothing is allocated and nothing has to be freed. A programmer's error asserts.
//
//   Err file_open(File *f, const char *path) {
//     int fd = open(path, O_RDONLY);
//     CHECK(fd >= 0, ERR_IO, "%s: %s", path, strerror(errno));   // makes the error: what is wrong, and the way out
//     TRY(file_stat(f, fd));                                     // passes one on, adding a frame to the trace
//     return ERR_OK;
//   }
//
// Only cli/ prints errors (err_print) and exits. A thread that works for another hands its error over with err_take and
// err_give.
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

typedef enum {
  ERR_OK,
  ERR_ARG,      // an option or argument from the user
  ERR_CONFIG,   // a configuration that cannot be
  ERR_IO,       // the system refused: missing, unreadable, no space
  ERR_FORMAT,   // bytes that are not what they should be
  ERR_MEMORY,   // no memory
  ERR_SHAPE,    // sizes that do not fit each other
  ERR_NUMERIC,  // NaN, Inf, divergence
  ERR_STATE,    // not now: locked, already running, stopped
  ERR_KINDS
} Err;

enum { ERR_TEXT_BYTES = 2048, ERR_FRAMES = 16 };

typedef struct {
  Err kind;
  char text[ERR_TEXT_BYTES];
  int n_frames;
  struct {
    const char *function, *file;
    int line;
  } frame[ERR_FRAMES];
} ErrInfo;

// Sets this thread's error and returns `kind`. Use CHECK, FAIL or ERR_HERE. The arguments may hold err_text() itself.
Err err_set(Err kind, const char *function, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// Adds a frame to the trace of this thread's error and returns `kind`.
Err err_frame(Err kind, const char *function, const char *file, int line);

// What comes from a file goes to a terminal: control characters, and bytes that are not UTF-8, become '?'.
void text_plain(char *text);

const char *err_text(void);           // the message of this thread's last error, "" if none
const char *err_kind_name(Err kind);  // "io", "format", ...
void err_print(FILE *to, int trace);  // "error: message", and where it passed if `trace`
void err_take(ErrInfo *out);          // moves this thread's error into *out
Err err_give(const ErrInfo *in);      // makes *in this thread's error and returns its kind

// Sets the error and is its kind: the kind itself, not what a function hands back, so that compilers and analysers see an
// error.
#define ERR_HERE(kind, ...) ((void)err_set((kind), __func__, __FILE__, __LINE__, __VA_ARGS__), (Err)(kind))
#define FAIL(kind, ...) return ERR_HERE(kind, __VA_ARGS__)
#define CHECK(ok, kind, ...)            \
  do {                                  \
    if (!(ok)) FAIL(kind, __VA_ARGS__); \
  } while (0)
#define TRY(call)                                          \
  do {                                                     \
    Err err_ = (call);                                     \
    if (err_) {                                            \
      (void)err_frame(err_, __func__, __FILE__, __LINE__); \
      return err_;                                         \
    }                                                      \
  } while (0)
// TRY for a function that must clean up: sets `err` and goes to the label `out`.
#define TRY_OUT(call)                                     \
  do {                                                    \
    if ((err = (call)) != ERR_OK) {                       \
      (void)err_frame(err, __func__, __FILE__, __LINE__); \
      goto out;                                           \
    }                                                     \
  } while (0)
#define FAIL_OUT(kind, ...)            \
  do {                                 \
    err = ERR_HERE(kind, __VA_ARGS__); \
    goto out;                          \
  } while (0)
#define CHECK_OUT(ok, kind, ...)            \
  do {                                      \
    if (!(ok)) FAIL_OUT(kind, __VA_ARGS__); \
  } while (0)

#endif
