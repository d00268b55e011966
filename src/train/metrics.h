// metrics.jsonl: a line of JSON a step. What a run computes comes first and is the same on every run; what depends on the
// machine is in the object "time" at the end of a line. Reals are written with the fewest digits that read back to the same
// bits; what is not finite as null.
//
// A resumed run cuts the file back to the step it resumes from, so the lines are those of a run that was never interrupted.
// A line is built in the caller's memory and written by one call; nothing is allocated.
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

typedef struct {
  int fd;
  char path[PATH_BYTES];
  char *line;  // borrowed
  size_t room, used;
  bool first;  // of the object or array that is open
} Metrics;

// Opens FOLDER/name to append and keeps only whole lines whose "step" is at most last_step. line: working memory; a longer line
// loses its end and is refused at line_end.
Err metrics_open(Metrics *m, const char *folder, const char *name, int64_t last_step, char *line, size_t room);
void metrics_close(Metrics *m);

// line_begin, members, line_end. Keys are known to the program and hold nothing that JSON would escape.
void line_begin(Metrics *m, int64_t step);
void line_int(Metrics *m, const char *key, int64_t value);
void line_real(Metrics *m, const char *key, double value);
void line_text(Metrics *m, const char *key, const char *value);  // no escapes: names of ours
void line_ints(Metrics *m, const char *key, const int64_t *value, int64_t n);
void line_open(Metrics *m, const char *key);  // an object, or with open_list a list
void line_close(Metrics *m);
void line_open_list(Metrics *m, const char *key);
void line_close_list(Metrics *m);
Err line_end(Metrics *m);

// The fewest digits that read back to the same bits; "null" when not finite.
void real_text(double value, char out[32]);

#endif
