#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The length of the whole lines up to the first whose step is greater than last_step.
static size_t lines_until(const char *text, size_t size, int64_t last_step) {
  static const char head[] = "{\"step\":";
  size_t at = 0;
  while (at < size) {
    const char *end = memchr(text + at, '\n', size - at);
    if (!end || size - at < sizeof head || memcmp(text + at, head, sizeof head - 1) != 0) break;
    int64_t step = 0;
    for (const char *p = text + at + sizeof head - 1; p < end && *p >= '0' && *p <= '9' && step < INT64_MAX / 16; p++)
      step = 10 * step + (*p - '0');
    if (step > last_step) break;
    at = (size_t)(end - text) + 1;
  }
  return at;
}

Err metrics_open(Metrics *m, const char *folder, const char *name, int64_t last_step, char *line, size_t room) {
  *m = (Metrics){.fd = -1, .line = line, .room = room};
  TRY(path_join(m->path, folder, name));
  m->fd = open(m->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  CHECK(m->fd >= 0, ERR_IO, "%s: cannot be opened to append: %s", m->path, strerror(errno));
  FileMap map;
  TRY(file_map(&map, m->path));
  size_t keep = lines_until((const char *)map.data, map.size, last_step), had = map.size;
  file_unmap(&map);
  if (keep < had) CHECK(ftruncate(m->fd, (off_t)keep) == 0, ERR_IO, "%s: cannot be cut back: %s", m->path, strerror(errno));
  return ERR_OK;
}

void metrics_close(Metrics *m) {
  if (m->fd >= 0) close(m->fd);
  m->fd = -1;
}

__attribute__((format(printf, 2, 3))) static void put(Metrics *m, const char *format, ...) {
  if (m->used >= m->room) return;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(m->line + m->used, m->room - m->used, format, args);
  va_end(args);
  m->used += (size_t)n;  // past the room when it did not fit: line_end refuses
}

static void put_key(Metrics *m, const char *key) {
  if (key) put(m, "%s\"%s\":", m->first ? "" : ",", key);
  else if (!m->first) put(m, ",");
  m->first = false;
}

void real_text(double value, char out[32]) {
  if (!isfinite(value)) {
    memcpy(out, "null", 5);
    return;
  }
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(out, 32, "%.*g", digits, value);
    if (strtod(out, NULL) == value) return;
  }
}

void line_begin(Metrics *m, int64_t step) {
  m->used = 0;
  put(m, "{\"step\":%lld", (long long)step);
  m->first = false;
}
void line_int(Metrics *m, const char *key, int64_t value) {
  put_key(m, key);
  put(m, "%lld", (long long)value);
}
void line_real(Metrics *m, const char *key, double value) {
  char text[32];
  real_text(value, text);
  put_key(m, key);
  put(m, "%s", text);
}
void line_text(Metrics *m, const char *key, const char *value) {
  put_key(m, key);
  put(m, "\"%s\"", value);
}
void line_ints(Metrics *m, const char *key, const int64_t *value, int64_t n) {
  line_open_list(m, key);
  for (int64_t i = 0; i < n; i++) line_int(m, NULL, value[i]);
  line_close_list(m);
}
void line_open(Metrics *m, const char *key) {
  put_key(m, key);
  put(m, "{");
  m->first = true;
}
void line_close(Metrics *m) {
  put(m, "}");
  m->first = false;
}
void line_open_list(Metrics *m, const char *key) {
  put_key(m, key);
  put(m, "[");
  m->first = true;
}
void line_close_list(Metrics *m) {
  put(m, "]");
  m->first = false;
}

Err line_end(Metrics *m) {
  put(m, "}\n");
  CHECK(m->used < m->room, ERR_STATE, "%s: a line of %zu bytes is longer than the %zu there is room for", m->path, m->used,
        m->room);
  for (size_t at = 0; at < m->used;) {
    ssize_t n = write(m->fd, m->line + at, m->used - at);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0, ERR_IO, "%s: cannot be written: %s", m->path, strerror(errno));
    at += (size_t)n;
  }
  return ERR_OK;
}
