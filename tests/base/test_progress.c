#include "base/progress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "test.h"

// What fn writes to stderr.
static char *captured(void (*fn)(void)) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  ASSERT_OK(path_join(path, test_folder(), "stderr"));
  int saved = dup(STDERR_FILENO), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ASSERT(saved >= 0 && to >= 0);
  fflush(stderr);
  dup2(to, STDERR_FILENO);
  fn();
  fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(to);
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  return text;
}

static void short_work(void) {
  Progress p;
  progress_start(&p, "tokenize", "MB", 1000, 0);
  progress_note(&p, "%d bad", 3);
  for (int i = 0; i <= 100000; i++) progress_update(&p, i / 100.0);
  progress_clear(&p);
  progress_end(&p);
  progress_end(&p);
}

TEST(off_a_terminal_short_work_says_one_line) {
  char *text = captured(short_work);
  ASSERT(strstr(text, "tokenize 100 % 1000/1000 MB, ") == text);
  ASSERT(strstr(text, ", 3 bad\n"));
  ASSERT(strchr(text, '\n') == text + strlen(text) - 1);
  ASSERT(!strchr(text, '\r') && !strchr(text, '\033'));
  free(text);
}

static void unknown_total(void) {
  Progress p;
  progress_start(&p, "read", "lines", 0, 0);
  progress_update(&p, 12);
  progress_end(&p);
}

TEST(without_a_total_there_is_no_share) {
  char *text = captured(unknown_total);
  ASSERT(strstr(text, "read 12.0 lines, ") == text);
  ASSERT(!strchr(text, '%'));
  free(text);
}

static void say_all(void) {
  log_warn("w%d", 1);
  log_info("i%d", 2);
  log_debug("d%d", 3);
}

TEST(logs_keep_their_level) {
  unsetenv("PLEIAD_LOG");
  char *text = captured(say_all);
  ASSERT_TEXT(text, "warning: w1\ni2\n");
  free(text);
  log_level(LOG_QUIET);
  text = captured(say_all);
  ASSERT_TEXT(text, "");
  free(text);
}

TEST(the_environment_overrides_the_level) {
  setenv("PLEIAD_LOG", "debug", 1);
  log_level(LOG_QUIET);
  char *text = captured(say_all);
  ASSERT_TEXT(text, "warning: w1\ni2\ndebug: d3\n");
  free(text);
}
