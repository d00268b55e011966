// What a run says about itself, on stderr; results go to stdout, from cli/ only.
#ifndef BASE_LOG_H
#define BASE_LOG_H

typedef enum { LOG_QUIET, LOG_WARN, LOG_INFO, LOG_DEBUG } LogLevel;

void log_level(LogLevel level);  // default LOG_INFO; PLEIAD_LOG=quiet|warn|info|debug overrides it
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
