#include "base/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_CELLS = 24, LINE_BYTES = 400 };
static const double DRAW_GAP_S = 0.1, PLAIN_GAP_S = 5;

static int columns(void) {
  struct winsize w;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void format_time(char *out, size_t size, double s) {
  if (!(s >= 0) || s > 360000) snprintf(out, size, "--");
  else if (s < 60) snprintf(out, size, "%.0f s", s);
  else if (s < 3600) snprintf(out, size, "%d:%02d min", (int)(s / 60), (int)s % 60);
  else snprintf(out, size, "%d:%02d h", (int)(s / 3600), (int)(s / 60) % 60);
}

static void format_count(char *out, size_t size, double x) {
  if (fabs(x) < 10) snprintf(out, size, "%.2f", x);
  else if (fabs(x) < 1000) snprintf(out, size, "%.1f", x);
  else snprintf(out, size, "%.0f", x);
}

// "tokenize [=====>    ] 52 % 12.3/24.0 MB, 4.1 MB/s, 3 s left, note"
static void compose(const Progress *p, double now, bool with_bar, char line[LINE_BYTES]) {
  double elapsed = now - p->started_s, rate = elapsed > 0 ? (p->done - p->first) / elapsed : 0;
  char bar[BAR_CELLS + 8] = "", done[32], total[32], speed[32], time[32];
  format_count(done, sizeof done, p->done);
  format_count(total, sizeof total, p->total);
  format_count(speed, sizeof speed, rate);
  const char *gap = p->note[0] ? ", " : "";
  if (p->total <= 0) {
    format_time(time, sizeof time, elapsed);
    snprintf(line, LINE_BYTES, "%s %s %s, %s %s/s, %s%s%s", p->what, done, p->unit, speed, p->unit, time, gap, p->note);
    return;
  }
  double share = p->done / p->total;
  share = share < 0 ? 0 : share > 1 ? 1 : share;
  format_time(time, sizeof time, p->ended ? elapsed : rate > 0 ? (p->total - p->done) / rate : -1);
  if (with_bar) {
    int cells = (int)(share * BAR_CELLS);
    bar[0] = '[';
    memset(bar + 1, '=', (size_t)cells);
    memset(bar + 1 + cells, ' ', (size_t)(BAR_CELLS - cells));
    if (cells < BAR_CELLS) bar[1 + cells] = '>';
    memcpy(bar + 1 + BAR_CELLS, "] ", 3);
  }
  snprintf(line, LINE_BYTES, "%s %s%3.0f %% %s/%s %s, %s %s/s, %s%s%s%s", p->what, bar, 100 * share, done, total, p->unit,
           speed, p->unit, time, p->ended ? "" : " left", gap, p->note);
}

static void draw(Progress *p, double now) {
  char line[LINE_BYTES];
  p->drawn_s = now;
  compose(p, now, p->terminal, line);
  if (!p->terminal) {
    fprintf(stderr, "%s\n", line);
    return;
  }
  size_t room = (size_t)columns() - 1, n = strlen(line);
  if (n > room) {
    n = room;
    while (n > 0 && ((unsigned char)line[n] & 0xC0) == 0x80) n--;  // not within a letter
  }
  fprintf(stderr, "\r%.*s\033[K", (int)n, line);
  fflush(stderr);
}

void progress_start(Progress *p, const char *what, const char *unit, double total, double first) {
  double now = clock_s();
  const char *term = getenv("TERM");
  *p = (Progress){.what = what, .unit = unit, .total = total, .first = first, .done = first, .started_s = now};
  p->terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
  p->drawn_s = p->terminal ? now - DRAW_GAP_S : now;  // short work off a terminal says one line, at its end
}

void progress_update(Progress *p, double done) {
  p->done = done;
  double now = clock_s();
  if (!p->ended && now - p->drawn_s >= (p->terminal ? DRAW_GAP_S : PLAIN_GAP_S)) draw(p, now);
}

void progress_note(Progress *p, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(p->note, sizeof p->note, format, args);
  va_end(args);
}

void progress_end(Progress *p) {
  if (p->ended) return;
  p->ended = true;
  draw(p, clock_s());
  if (p->terminal) fputc('\n', stderr);
}

void progress_clear(Progress *p) {
  if (!p->terminal || p->ended) return;
  fputs("\r\033[K", stderr);
  p->drawn_s = 0;  // the next update draws again
}
