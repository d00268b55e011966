// Lines of the standard input, each made into something on the standard output: on all threads, in their order, with bounded
// memory.
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "base/thread.h"
#include "text/tokenizer.h"

// Appends what a line (without its newline) becomes. `thread` is 0 .. pool_threads - 1, for what a thread has of its own.
typedef Err LineFn(void *context, int thread, const char *line, size_t size, Bytes *out);

// Runs fn on every line. Memory: a few MiB a thread, or some of the longest lines if that is more. Reading and writing go on
// while lines are worked on. What is there is worked on as soon as no more is waiting, and an error ends the run at once:
// neither an answer nor a message waits for the end of the input. The first error, by line, is the one; it names the line, and
// all lines before it have been written. Which thread takes a line changes nothing.
Err lines_run(Pool *pool, LineFn *fn, void *context);

#endif
