#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static LogLevel chosen = LOG_INFO;  // set before threads start
static LogLevel from_environment;
static bool overridden;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_environment(void) {
  static const char *const names[] = {"quiet", "warn", "info", "debug"};
  const char *given = getenv("PLEIAD_LOG");
  for (int i = 0; given && i < 4; i++)
    if (strcmp(given, names[i]) == 0) from_environment = (LogLevel)i, overridden = true;
}

void log_level(LogLevel level) { chosen = level; }

// One write a line, so that lines of several threads and processes do not mix.
static void say(LogLevel level, const char *mark, const char *format, va_list args) {
  pthread_once(&once, read_environment);
  if (level > (overridden ? from_environment : chosen)) return;
  char line[2048];
  int n = snprintf(line, sizeof line, "%s", mark);
  int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
  if (m < 0) return;
  text_plain(line);
  size_t size = strlen(line);
  line[size++] = '\n';
  fwrite(line, 1, size, stderr);
}

#define SAY(level, mark)          \
  va_list args;                   \
  va_start(args, format);         \
  say(level, mark, format, args); \
  va_end(args)

void log_warn(const char *format, ...) { SAY(LOG_WARN, "warning: "); }
void log_info(const char *format, ...) { SAY(LOG_INFO, ""); }
void log_debug(const char *format, ...) { SAY(LOG_DEBUG, "debug: "); }
