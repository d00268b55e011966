// The logs of two runs, line by line, up to the first that differs.
#include <stdlib.h>
#include <string.h>

#include "cli/verify/pair.h"

typedef struct {
  char path[PATH_BYTES], *text, *at, *end;
  int64_t line, step;
  json_t *now;  // NULL at the end
} LogReader;

// A torn last line is not there yet.
static Err log_next(LogReader *r) {
  json_decref(r->now);
  r->now = NULL;
  char *end = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;
  if (!end) return ERR_OK;
  char name[PATH_BYTES + 32];
  snprintf(name, sizeof name, "%s:%lld", r->path, (long long)++r->line);
  TRY(json_parse(&r->now, r->at, (size_t)(end - r->at), name, true));
  r->at = end + 1;
  return json_int(r->now, "step", name, &r->step);
}

static Err log_open(LogReader *r, const char *folder, const char *file) {
  enum { BYTES_MAX = 1 << 30 };
  size_t size;
  *r = (LogReader){.step = -1};
  TRY(path_join(r->path, folder, file));
  TRY(file_read(r->path, BYTES_MAX, &r->text, &size));
  r->at = r->text;
  r->end = r->text + size;
  return log_next(r);
}

static void log_close(LogReader *r) {
  json_decref(r->now);
  free(r->text);
}

static Err last_step(LogReader *r, int64_t *step) {
  *step = r->step;
  while (r->now) {
    TRY(log_next(r));
    *step = r->step;
  }
  return ERR_OK;
}

static Err compare(PairLog *l, LogReader *a, LogReader *b) {
  while (a->now && b->now) {
    pair_compare_json(a->now, b->now, "time", l->text, l->difference, &l->n_texts);
    if (l->n_texts) {
      l->step = a->step < b->step ? a->step : b->step;
      break;
    }
    l->lines++;
    TRY(log_next(a));
    TRY(log_next(b));
  }
  TRY(last_step(a, &l->last_a));
  return last_step(b, &l->last_b);
}

Err pair_compare_log(PairLog *l, const char *a, const char *b, const char *file) {
  LogReader x = {0}, y = {0};
  *l = (PairLog){.file = file, .step = -1, .last_a = -1, .last_b = -1};
  Err err = log_open(&x, a, file);
  if (!err) err = log_open(&y, b, file);
  if (!err) err = compare(l, &x, &y);
  log_close(&x);
  log_close(&y);
  return err;
}
