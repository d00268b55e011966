// Progress of long work: on a terminal one line that redraws (bar, share, rate, time left), elsewhere a plain line every
// few seconds. Writes to stderr and never more than ten times a second, so a caller may report every item.
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  const char *what, *unit;  // "tokenize", "MB"
  double total;             // in units; 0: not known, then no bar and no time left
  double done, started_s, drawn_s, first;
  bool terminal, ended;
  char note[160];  // shown after the rate
} Progress;

// `first` units were done before (a resumed run): they count in the share, not in the rate.
void progress_start(Progress *p, const char *what, const char *unit, double total, double first);
void progress_update(Progress *p, double done);
void progress_note(Progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Draws the last state and ends the line. A log line that must be printed in between: progress_clear first.
void progress_end(Progress *p);
void progress_clear(Progress *p);

#endif
