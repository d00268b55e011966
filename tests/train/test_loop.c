#include "train/checkpoint.h"
#include "train/loop.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "test.h"
#include "train/tiny.h"

static char *text_of(const char *folder, const char *name) {
  char path[PATH_BYTES], *text;
  size_t size;
  ASSERT_OK(path_join(path, folder, name));
  ASSERT_OK(file_read(path, 1 << 24, &text, &size));
  return text;
}

// metrics.jsonl without what depends on the machine.
static char *metrics_of(const char *folder) {
  char *text = text_of(folder, "metrics.jsonl"), *to = text;
  for (const char *p = text; *p;) {
    const char *end = strchr(p, '\n'), *time = strstr(p, ",\"time\"");
    ASSERT(end && time && time < end);
    memmove(to, p, (size_t)(time - p));
    to += time - p;
    *to++ = '\n';
    p = end + 1;
  }
  *to = '\0';
  return text;
}

static void assert_same(const char *a, const char *b, int64_t step) {
  char shard[64], pa[PATH_BYTES], pb[PATH_BYTES];
  char *x = metrics_of(a), *y = metrics_of(b);
  ASSERT_TEXT(y, x);
  free(x);
  free(y);
  x = text_of(a, "experts.jsonl"), y = text_of(b, "experts.jsonl");
  ASSERT_TEXT(y, x);
  free(x);
  free(y);
  snprintf(shard, sizeof shard, "checkpoints/step-%lld/shard-0000.bin", (long long)step);
  ASSERT_OK(path_join(pa, a, shard));
  ASSERT_OK(path_join(pb, b, shard));
  FileMap fa, fb;
  ASSERT_OK(file_map(&fa, pa));
  ASSERT_OK(file_map(&fb, pb));
  ASSERT_INT(fb.size, fa.size);
  ASSERT(memcmp(fa.data, fb.data, fa.size) == 0);
  file_unmap(&fa);
  file_unmap(&fb);
}

static RunConfig *config_of(const char *folder, const char *output) {
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  tiny_config(c, folder);
  snprintf(c->train.output, sizeof c->train.output, "%.900s/%s", folder, output);
  return c;
}

// The steps of a run that is told to end after `steps` of them: as a stop would, without changing the schedule.
static void run_until(RunConfig *c, int64_t steps, TrainSummary *s) {
  int64_t all = c->train.steps;
  if (!c->lr.steps) c->lr.steps = all;
  c->train.steps = steps;
  ASSERT_OK(tiny_run(c, s));
  c->train.steps = all;
}

static bool under_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return false;
}

TEST(a_run_leaves_what_it_promises_and_learns) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = config_of(folder, "run");
  c->train.steps = 30, c->eval.every = 10, c->eval.batches = 4, c->checkpoint.best = true, c->checkpoint.average = 2,
  c->checkpoint.every = 10;
  TrainSummary s;
  ASSERT_OK(tiny_run(c, &s));
  ASSERT_INT(s.step, 30);
  ASSERT_INT(s.tokens, 30 * 64);
  ASSERT(s.eval_loss < 4.1 && s.eval_loss > 0.5);
  ASSERT(s.best_loss <= s.eval_loss && s.best_step > 0);
  ASSERT(isfinite(s.averaged_loss) && s.averaged_loss < 4.2);
  if (under_sanitizer()) printf("     not looked at: the process's memory, of which the sanitizer takes a part\n");
  else
    ASSERT_MSG((double)s.process_bytes < 1.05 * (double)s.announced_bytes, "%zu bytes used, %zu announced",
               (size_t)s.process_bytes, (size_t)s.announced_bytes);
  static const char *const left[] = {"config.yaml",
                                     "run.json",
                                     "metrics.jsonl",
                                     "experts.jsonl",
                                     "tensorboard",
                                     "checkpoints/step-30/manifest.json",
                                     "averaged/step-30/manifest.json"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    char path[PATH_BYTES];
    ASSERT_OK(path_join(path, c->train.output, left[i]));
    ASSERT_MSG(file_exists(path), "%s is missing", path);
  }
  ASSERT_OK(tiny_run(c, &s));  // finished: nothing is done again
  ASSERT(isnan(s.loss) && isnan(s.averaged_loss));
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, c->train.output, "averaged/step-30/manifest.json"));
  ASSERT(remove(path) == 0);
  ASSERT_OK(tiny_run(c, &s));  // but for what a kill prevented
  ASSERT(isnan(s.loss) && isfinite(s.averaged_loss));
  c->checkpoint.average = 0, c->checkpoint.keep_last = 1, c->checkpoint.best = false;
  ASSERT_OK(tiny_run(c, &s));  // and for the checkpoints that no rule keeps
  ASSERT_OK(path_join(path, c->train.output, "checkpoints"));
  int64_t *steps, n;
  ASSERT_OK(checkpoint_steps(path, &steps, &n));
  ASSERT(n == 1 && steps[0] == 30);
  free(steps);
  free(c);
}

// Weights of several blocks of a shard, so that whatever is taken to write and read them is taken whole.
static void announced(bool best, int64_t average) {
  const char *folder = test_folder();
  if (under_sanitizer()) test_skip("the process's memory, of which the sanitizer takes a part");
  tiny_data(folder);
  RunConfig *c = config_of(folder, "run");
  c->model.model.vocab = 16384, c->model.model.width = 64;
  snprintf(c->data.valid, sizeof c->data.valid, "%s", c->data.train);
  c->train.steps = 4, c->eval.every = 2, c->eval.batches = 1;
  c->checkpoint.every = 1, c->checkpoint.best = best, c->checkpoint.average = average;
  TrainSummary s;
  ASSERT_OK(tiny_run(c, &s));
  double more = (double)s.process_bytes / (double)s.announced_bytes - 1;
  ASSERT_MSG(fabs(more) < 0.02, "%zu bytes used, %zu announced: %+.1f %%", s.process_bytes, s.announced_bytes, 100 * more);
  free(c);
}

TEST(memory_is_announced) { announced(false, 0); }
TEST(memory_is_announced_with_the_best_kept) { announced(true, 0); }
TEST(memory_is_announced_with_an_average) { announced(false, 2); }
TEST(memory_is_announced_with_both) { announced(true, 2); }

static void resumed(int optimizer, int dtype) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *whole = config_of(folder, "whole"), *parts = config_of(folder, "parts");
  whole->optimizer.kind = parts->optimizer.kind = optimizer;
  whole->train.dtype = parts->train.dtype = dtype;
  whole->eval.every = parts->eval.every = 3;
  whole->eval.batches = parts->eval.batches = 1;
  run_until(whole, 8, &s);
  parts->eval.every = 3;
  run_until(parts, 3, &s);
  parts->train.threads = 2;  // threads change no bit either
  run_until(parts, 6, &s);
  run_until(parts, 8, &s);
  assert_same(whole->train.output, parts->train.output, 8);
  free(whole);
  free(parts);
}

TEST(a_resumed_run_is_the_same_to_the_bit) { resumed(OPTIMIZER_ADAMW, DT_F32); }
TEST(a_resumed_run_of_muon_is_the_same_to_the_bit) { resumed(OPTIMIZER_MUON, DT_F32); }
TEST(a_resumed_run_in_bf16_is_the_same_to_the_bit) { resumed(OPTIMIZER_ADAMW, DT_BF16); }
TEST(a_resumed_run_of_muon_in_bf16_is_the_same_to_the_bit) { resumed(OPTIMIZER_MUON, DT_BF16); }

TEST(growing_stages_resume_too) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  for (int part = 0; part < 2; part++) {
    RunConfig *c = config_of(folder, part ? "parts" : "whole");
    c->train.steps = 0, c->n_stages = 2, c->checkpoint.every = 1, c->checkpoint.keep_last = 9;
    c->stages[0] = (StageConfig){.name = "grow", .steps = 4, .batch_from = 2, .seq_length_from = 8, .grow = 3};
    c->stages[1] = (StageConfig){.name = "long", .steps = 3, .seq_length = 32};
    ASSERT_OK(tiny_run(c, &s));
    if (part) {
      char path[PATH_BYTES];
      for (int step = 4; step <= 7; step++) {  // back to step 3, in the midst of growing
        char name[32];
        snprintf(name, sizeof name, "checkpoints/step-%d", step);
        ASSERT_OK(path_join(path, c->train.output, name));
        ASSERT_OK(folder_remove(path));
      }
      ASSERT_OK(tiny_run(c, &s));
    }
    ASSERT_INT(s.tokens, 2 * 8 + 2 * 8 + 2 * 8 + 4 * 16 + 3 * 4 * 32);
    free(c);
  }
  char a[PATH_BYTES], b[PATH_BYTES];
  ASSERT_OK(path_join(a, folder, "whole"));
  ASSERT_OK(path_join(b, folder, "parts"));
  assert_same(a, b, 7);
}

// ---- the guard
static Err diverge(RunConfig *c, Policy policy, TrainSummary *s) {
  c->guard.nan = c->guard.spike = (int)policy;
  c->guard.window = 2, c->guard.factor = 3;
  c->optimizer.clip = 0;
  c->lr.peak = 1000, c->lr.low = 1000, c->lr.warmup = 6;
  return tiny_run(c, s);
}

TEST(a_diverging_run_stops_skips_or_goes_on_as_told) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *c = config_of(folder, "stop");
  ASSERT_ERR(diverge(c, POLICY_STOP, &s), ERR_NUMERIC, "the run stops as guard.");
  free(c);
  c = config_of(folder, "skip");
  ASSERT_OK(diverge(c, POLICY_SKIP, &s));
  ASSERT_INT(s.step, 8);
  char *text = text_of(c->train.output, "metrics.jsonl");
  ASSERT(strstr(text, "\"guard\":\"spike\"") || strstr(text, "\"guard\":\"nan\""));
  free(text);
  free(c);
  c = config_of(folder, "go_on");
  ASSERT_OK(diverge(c, POLICY_GO_ON, &s));
  ASSERT_INT(s.step, 8);
  free(c);
}

// What the guard stopped goes on from the step before, to the same bits as a run that was not stopped.
TEST(a_run_the_guard_stopped_goes_on_from_there) {
  const char *folder = test_folder();
  tiny_data(folder);
  TrainSummary s;
  RunConfig *whole = config_of(folder, "whole"), *stopped = config_of(folder, "stopped");
  whole->checkpoint.every = stopped->checkpoint.every = 0;
  ASSERT_OK(diverge(whole, POLICY_SKIP, &s));
  ASSERT_ERR(diverge(stopped, POLICY_STOP, &s), ERR_NUMERIC, " skip (without this step)");
  ASSERT(s.step > 0 && s.step < 8);
  char name[64], path[PATH_BYTES];
  snprintf(name, sizeof name, "checkpoints/step-%lld/manifest.json", (long long)s.step);
  ASSERT_OK(path_join(path, stopped->train.output, name));
  ASSERT_MSG(file_exists(path), "%s is missing", path);
  ASSERT_OK(diverge(stopped, POLICY_SKIP, &s));
  assert_same(whole->train.output, stopped->train.output, 8);
  free(whole);
  free(stopped);
}

// ---- what stands in the way
TEST(two_runs_in_one_folder_are_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = config_of(folder, "run");
  int lock = -1;
  ASSERT_OK(folder_make(c->train.output));
  pid_t other = fork();
  ASSERT(other >= 0);
  if (other == 0) {
    if (folder_lock(&lock, c->train.output) != ERR_OK) _exit(1);
    pause();
    _exit(0);
  }
  Err err = ERR_OK;
  for (int i = 0; i < 200 && err != ERR_STATE; i++) {  // until the other has it
    char path[PATH_BYTES];
    usleep(5000);
    ASSERT_OK(path_join(path, c->train.output, "lock"));
    if (file_exists(path)) err = tiny_run(c, NULL);
  }
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  ASSERT_INT(err, ERR_STATE);
  free(c);
}

TEST(a_checkpoint_of_another_model_is_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = config_of(folder, "run");
  c->train.steps = 2, c->lr.warmup = 0;
  ASSERT_OK(tiny_run(c, NULL));
  c->model.model.width = 24;
  ASSERT_ERR(tiny_run(c, NULL), ERR_CONFIG, "model.width");
  free(c);
}

TEST(data_that_does_not_fit_is_refused_before_the_first_step) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = config_of(folder, "run");
  char path[PATH_BYTES];
  c->model.model.vocab = 40;
  ASSERT_ERR(tiny_run(c, NULL), ERR_FORMAT, "not in the vocabulary of 40");
  ASSERT_OK(path_join(path, c->train.output, "metrics.jsonl"));
  ASSERT(!file_exists(path));
  snprintf(c->data.train, sizeof c->data.train, "%.900s/nothing", folder);
  ASSERT_ERR(tiny_run(c, NULL), ERR_IO, "nothing.idx");
  free(c);
}

TEST(an_output_that_cannot_be_written_is_refused) {
  const char *folder = test_folder();
  tiny_data(folder);
  RunConfig *c = config_of(folder, "toy.bin/run");
  ASSERT_ERR(tiny_run(c, NULL), ERR_IO, "toy.bin");
  free(c);
}

// ---- kills
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
  RunConfig *c = config_of(folder, "unused");
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
  char *text = metrics_of(path);
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
  assert_same(whole, killed, steps);
}
