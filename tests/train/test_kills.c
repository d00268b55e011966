// The program, stopped and killed from outside.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "test.h"
#include "train/runs.h"
#include "train/tiny.h"

static pid_t start_program(const char *folder, const char *output) {
  char yaml[PATH_BYTES], option[PATH_BYTES + 32];
  ASSERT_OK(path_join(yaml, folder, "config.yaml"));
  snprintf(option, sizeof option, "--train.output=%s/%s", folder, output);
  pid_t pid = fork();
  ASSERT(pid >= 0);
  if (pid == 0) {
    ASSERT(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr));
    execl(test_program(), test_program(), "train", yaml, option, (char *)NULL);
    _exit(127);
  }
  return pid;
}

static int finish_program(pid_t pid) {
  int status;
  ASSERT(waitpid(pid, &status, 0) == pid);
  return status;
}

static void write_config(const char *folder, int64_t steps) {
  char *text;
  RunConfig *c = tiny_config_of(folder, "unused");
  c->train.steps = steps, c->checkpoint.every = 5, c->checkpoint.best = true, c->eval.every = 7, c->eval.batches = 1;
  ASSERT_OK(run_config_text(c, folder, &text));
  free(text);
  free(c);
}

static void out_of(char path[PATH_BYTES], const char *folder, const char *name) { ASSERT_OK(path_join(path, folder, name)); }

TEST(a_stop_signal_ends_after_the_step_with_a_checkpoint) {
  const char *folder = test_folder();
  char path[PATH_BYTES];
  tiny_data(folder);
  write_config(folder, 100000);
  pid_t pid = start_program(folder, "run");
  out_of(path, folder, "run/metrics.jsonl");
  FileMap lines = {0};
  bool begun = false;
  for (int i = 0; i < 1000 && !begun; i++) {  // until the first step is there
    usleep(10000);
    if (!file_exists(path)) continue;
    ASSERT_OK(file_map(&lines, path));
    begun = lines.size > 0;
    file_unmap(&lines);
  }
  kill(pid, SIGTERM);
  int status = finish_program(pid);
  ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  out_of(path, folder, "run");
  char *text = run_metrics(path);
  int64_t last = 0;
  for (char *p = text; (p = strstr(p, "{\"step\":")); p++) last = strtoll(p + 8, NULL, 10);
  free(text);
  ASSERT(last > 0);
  char name[64];
  snprintf(name, sizeof name, "run/checkpoints/step-%lld/manifest.json", (long long)last);
  out_of(path, folder, name);
  ASSERT_MSG(file_exists(path), "%s is missing", path);
}

// A step that a checkpoint holds is not made again: a kill takes none of them from the TensorBoard file.
TEST(a_kill_takes_no_step_of_a_checkpoint_from_the_tensorboard_file) {
  const char *folder = test_folder();
  char path[PATH_BYTES], **names, *text;
  size_t count, size;
  tiny_data(folder);
  write_config(folder, 100000);
  pid_t pid = start_program(folder, "run");
  out_of(path, folder, "run/checkpoints/step-15/manifest.json");
  for (int i = 0; i < 15000 && !file_exists(path); i++) usleep(2000);
  ASSERT_MSG(file_exists(path), "%s is missing", path);
  kill(pid, SIGKILL);
  finish_program(pid);
  out_of(path, folder, "run/tensorboard");
  ASSERT_OK(folder_list(path, &names, &count));
  ASSERT_INT(count, 1);
  char file[PATH_BYTES];
  out_of(file, path, names[0]);
  names_free(names, count);
  ASSERT_OK(file_read(file, 1 << 24, &text, &size));
  int64_t steps = 0;
  for (char *at = text; (at = memmem(at, size - (size_t)(at - text), "loss/total", 10)); at++) steps++;
  free(text);
  ASSERT_MSG(steps >= 15, "%lld steps", (long long)steps);
}

static size_t lines_bytes(const char *folder, const char *name) {
  char path[PATH_BYTES];
  struct stat st;
  out_of(path, folder, name);
  return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

// Fifty kills at any moment, the last start runs to the end: weights, moments, lines as of a run that nobody killed. The
// moments of one in four are spread over what a start takes, of the others over a 60th of the run after its first new line.
SLOW_TEST(fifty_kills_change_no_bit) {
  const char *folder = test_folder();
  char whole[PATH_BYTES], killed[PATH_BYTES];
  const int64_t steps = 1000;
  enum { KILLS = 50 };
  tiny_data(folder);
  write_config(folder, steps);
  double begin_s = clock_s(), start_s;
  pid_t pid = start_program(folder, "whole");
  while (lines_bytes(folder, "whole/metrics.jsonl") == 0 && clock_s() - begin_s < 60) usleep(1000);
  start_s = clock_s() - begin_s;
  ASSERT_INT(finish_program(pid), 0);
  double run_s = clock_s() - begin_s - start_s;
  Rng rng = rng_named(11, "moments to kill at");
  int in_midst = 0;
  for (uint64_t k = 0; k < KILLS; k++) {
    size_t before = lines_bytes(folder, "killed/metrics.jsonl");
    pid = start_program(folder, "killed");
    double share = rng_uniform(rng, 0, k);
    bool starting = k % 4 == 0;
    double last_s = clock_s() + (starting ? share * start_s : 60);
    while (clock_s() < last_s && (starting || lines_bytes(folder, "killed/metrics.jsonl") == before)) usleep(500);
    if (!starting) usleep((useconds_t)(1e6 * share * run_s / 60));
    kill(pid, SIGKILL);
    int status = finish_program(pid);
    in_midst += WIFSIGNALED(status) && lines_bytes(folder, "killed/metrics.jsonl") != before;
  }
  printf("     %d of %d kills came while it trained\n", in_midst, KILLS);
  fflush(stdout);
  ASSERT_MSG(in_midst >= KILLS / 2, "only %d of %d kills came while it trained: this shows too little", in_midst, KILLS);
  ASSERT_INT(finish_program(start_program(folder, "killed")), 0);
  out_of(whole, folder, "whole");
  out_of(killed, folder, "killed");
  runs_assert_same(whole, killed, steps);
}
