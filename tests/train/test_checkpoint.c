#include "train/checkpoint.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/half.h"
#include "base/log.h"
#include "test.h"

// A state of awkward sizes: an array over several shards and blocks, a short one, an empty one, integers, bytes.
enum { BIG = 700001, N_ARRAYS = 5 };
static const char identity[] = "model.layers: 2\nmodel.width: 64\n";

typedef struct {
  float big[BIG];
  uint16_t half[7];
  int64_t count[3];
  uint8_t byte;
} State;

typedef struct {
  State *state;
  CheckpointArray array[N_ARRAYS];
  void *staging;
  CheckpointOptions options;
} Fixture;

// The state at a step is a function of the step.
static void state_fill(State *s, int64_t step) {
  for (int i = 0; i < BIG; i++) s->big[i] = (float)(step * 1000003 + i);
  for (int i = 0; i < 7; i++) s->half[i] = (uint16_t)(step + i);
  for (int i = 0; i < 3; i++) s->count[i] = step << (10 * i);
  s->byte = (uint8_t)step;
}

static bool state_is(const State *s, int64_t step) {
  static State want;
  state_fill(&want, step);
  return memcmp(s->big, want.big, sizeof want.big) == 0 && memcmp(s->half, want.half, sizeof want.half) == 0 &&
         memcmp(s->count, want.count, sizeof want.count) == 0 && s->byte == want.byte;
}

static void fixture(Fixture *f, const char *folder) {
  f->state = test_memory(sizeof *f->state);
  CheckpointArray all[N_ARRAYS] = {{.name = "w/big", .type = ST_F32, .n_dims = 2, .dim = {BIG, 1}, .data = f->state->big},
                                   {.name = "w/half", .type = ST_BF16, .n_dims = 1, .dim = {7}, .data = f->state->half},
                                   {.name = "w/empty", .type = ST_F32, .n_dims = 2, .dim = {0, 5}, .data = f->state->half},
                                   {.name = "count", .type = ST_I64, .n_dims = 1, .dim = {3}, .data = f->state->count},
                                   {.name = "byte", .type = ST_U8, .n_dims = 0, .data = &f->state->byte}};
  memcpy(f->array, all, sizeof all);
  size_t bytes = checkpoint_staging_bytes(f->array, N_ARRAYS);
  f->staging = test_memory(bytes);
  memset(f->staging, 0xAA, bytes);
  f->options = (CheckpointOptions){.folder = folder,
                                   .identity = identity,
                                   .config = "train: {steps: 10}\n",
                                   .version = "test",
                                   .array = f->array,
                                   .n_arrays = N_ARRAYS,
                                   .staging = f->staging,
                                   .keep_last = 3,
                                   .shard_bytes = 1300000};
}

static json_t *scalars(int64_t step) {
  json_t *state = json_pack("{s:I, s:{s:I}}", "step", (json_int_t)step, "cursor", "sample", (json_int_t)(step * 8));
  ASSERT_OK(checkpoint_put_real(state, "loss", 1.0 / (double)(step + 3)));
  return state;
}

static void save(Checkpointer *c, Fixture *f, int64_t step) {
  state_fill(f->state, step);
  json_t *state = scalars(step);
  ASSERT_OK(checkpoint_save(c, step, state));
  json_decref(state);
  memset(f->state, 0x55, sizeof *f->state);  // training goes on at once
  checkpoint_wait(c);
  CheckpointReport r;
  ASSERT(checkpoint_finished(c, &r));
  ASSERT_MSG(r.error.kind == ERR_OK, "%s", r.error.text);
  ASSERT_INT(r.step, step);
  ASSERT(!checkpoint_finished(c, &r));
}

static void save_some(const char *folder, Fixture *f, int64_t first, int64_t last) {
  Checkpointer *c;
  fixture(f, folder);
  ASSERT_OK(checkpoint_open(&c, &f->options));
  for (int64_t step = first; step <= last; step++) save(c, f, step);
  ASSERT_OK(checkpoint_close(c));
}

static void expect_latest(const char *folder, Fixture *f, int64_t want) {
  int64_t step;
  json_t *state;
  memset(f->state, 0x55, sizeof *f->state);
  ASSERT_OK(checkpoint_load_latest(folder, identity, f->array, N_ARRAYS, &step, &state));
  ASSERT_INT(step, want);
  ASSERT(state_is(f->state, want));
  double loss;
  ASSERT_OK(checkpoint_get_real(state, "loss", "state", &loss));
  ASSERT(loss == 1.0 / (double)(want + 3));
  json_t *wanted = scalars(want);
  ASSERT(json_equal(state, wanted));
  json_decref(wanted);
  json_decref(state);
}

TEST(a_state_comes_back_to_the_bit) {
  Fixture f;
  save_some(test_folder(), &f, 4, 4);
  expect_latest(test_folder(), &f, 4);
  CheckpointInfo info;
  char path[PATH_BYTES];
  ASSERT_OK(checkpoint_path(path, test_folder(), 4));
  ASSERT_OK(checkpoint_info(path, &info));
  ASSERT_INT(info.n_arrays, N_ARRAYS);
  ASSERT_TEXT(info.identity, identity);
  ASSERT_INT(info.bytes, checkpoint_staging_bytes(f.array, N_ARRAYS));
  checkpoint_info_free(&info);
}

// A build of before a key of the model was known left checkpoints that are read as long as the key is as it was then.
TEST(a_checkpoint_of_an_older_build_is_read_where_nothing_differs) {
  static const char same[] = "model.layers: 2\nmodel.up_bias: false\nmodel.width: 64\n";
  static const char other[] = "model.layers: 2\nmodel.width: 64\nmodel.up_bias: true\n";
  Fixture f;
  char path[PATH_BYTES];
  save_some(test_folder(), &f, 4, 4);
  ASSERT_OK(checkpoint_path(path, test_folder(), 4));
  ASSERT_OK(checkpoint_load(path, same, f.array, N_ARRAYS, true, NULL));
  ASSERT_ERR(checkpoint_load(path, other, f.array, N_ARRAYS, true, NULL), ERR_CONFIG, "did not know");
  ASSERT_ERR(checkpoint_load(path, "model.layers: 2\n", f.array, N_ARRAYS, true, NULL), ERR_CONFIG, "newer build");
  ASSERT_ERR(checkpoint_load(path, "model.layers: 3\nmodel.width: 64\n", f.array, N_ARRAYS, true, NULL), ERR_CONFIG,
             "\"model.layers: 2\" there");
}

TEST(reals_come_back_to_the_bit) {
  const double values[] = {0.0, -0.0, 1.0 / 3, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY, 0.1 + 0.2};
  json_t *state = json_object();
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    double got;
    ASSERT_OK(checkpoint_put_real(state, "x", values[i]));
    ASSERT_OK(checkpoint_get_real(state, "x", "state", &got));
    ASSERT(memcmp(&got, &values[i], sizeof got) == 0);
  }
  double nan;
  ASSERT_OK(checkpoint_put_real(state, "x", NAN));
  ASSERT_OK(checkpoint_get_real(state, "x", "state", &nan));
  ASSERT(isnan(nan));
  json_object_set_new(state, "x", json_string("0x1p3 "));
  ASSERT_ERR(checkpoint_get_real(state, "x", "state", &nan), ERR_FORMAT, "not a number");
  json_decref(state);
}

TEST(the_same_state_gives_the_same_bytes_with_any_threads) {
  char path[2][PATH_BYTES];
  for (int i = 0; i < 2; i++) {
    Fixture f;
    Checkpointer *c;
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%.1000s/%d", test_folder(), i);
    fixture(&f, folder);
    memset(f.staging, i, checkpoint_staging_bytes(f.array, N_ARRAYS));
    if (i) ASSERT_OK(pool_open(&f.options.pool, 3, false));
    ASSERT_OK(checkpoint_open(&c, &f.options));
    save(c, &f, 9);
    ASSERT_OK(checkpoint_close(c));
    if (i) pool_close(f.options.pool);
    ASSERT_OK(checkpoint_path(path[i], folder, 9));
  }
  const char *const files[] = {"manifest.json", "shard-0000.bin", "shard-0001.bin", "shard-0002.bin"};
  for (int i = 0; i < 4; i++) {
    FileMap a, b;
    char name[2][PATH_BYTES];
    for (int k = 0; k < 2; k++) ASSERT_OK(path_join(name[k], path[k], files[i]));
    ASSERT_OK(file_map(&a, name[0]));
    ASSERT_OK(file_map(&b, name[1]));
    ASSERT(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    file_unmap(&a);
    file_unmap(&b);
  }
}

static void expect_steps(const int64_t *want, int64_t count) {
  int64_t *steps, n;
  ASSERT_OK(checkpoint_steps(test_folder(), &steps, &n));
  ASSERT_INT(n, count);
  for (int64_t i = 0; i < n; i++) ASSERT_INT(steps[i], want[i]);
  free(steps);
}

TEST(the_last_n_and_every_mth_are_kept) {
  Fixture f;
  Checkpointer *c;
  fixture(&f, test_folder());
  f.options.keep_last = 2, f.options.keep_every = 4;
  ASSERT_OK(checkpoint_open(&c, &f.options));
  checkpoint_protect(c, 3);
  for (int64_t step = 1; step <= 10; step++) save(c, &f, step);
  ASSERT_OK(checkpoint_close(c));
  expect_steps((int64_t[]){3, 4, 8, 9, 10}, 5);
}

// The best so far is let go with the save of a better one, not before that is there.
TEST(a_better_one_takes_the_place_of_the_best_when_it_is_saved) {
  Fixture f;
  Checkpointer *c;
  fixture(&f, test_folder());
  f.options.keep_last = 1;
  ASSERT_OK(checkpoint_open(&c, &f.options));
  checkpoint_protect(c, 1);
  for (int64_t step = 1; step < 4; step++) save(c, &f, step);
  state_fill(f.state, 4);
  json_t *state = scalars(4);
  ASSERT_OK(checkpoint_save(c, 4, state));
  json_decref(state);
  checkpoint_protect(c, 5);  // while 4 is being written
  checkpoint_wait(c);
  expect_steps((int64_t[]){1, 4}, 2);
  CheckpointReport r;
  ASSERT(checkpoint_finished(c, &r));
  save(c, &f, 5);
  save(c, &f, 6);
  expect_steps((int64_t[]){5, 6}, 2);
  ASSERT_OK(checkpoint_close(c));
}

// A kill before the removal leaves a former best; a kill within it a folder of a temporary name. Only whole names of ours go.
TEST(what_a_kill_left_goes_and_what_is_not_ours_stays) {
  static const char *const others[] = {"step-03", "step-mine", "step-mine.tmp", "step-.tmp", "step-2.tmp.old", "xstep-2"};
  Fixture f;
  Checkpointer *c;
  char path[PATH_BYTES];
  fixture(&f, test_folder());
  f.options.keep_last = 9;
  ASSERT_OK(checkpoint_open(&c, &f.options));
  for (int64_t step = 1; step <= 6; step++) save(c, &f, step);
  ASSERT_OK(checkpoint_close(c));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf(path, sizeof path, "%.1000s/%s", test_folder(), others[i]);
    ASSERT_OK(folder_make(path));
    snprintf(path, sizeof path, "%.1000s/%s/manifest.json", test_folder(), others[i]);
    ASSERT_OK(file_replace(path, "{}", 2));
  }
  snprintf(path, sizeof path, "%.1000s/step-7.tmp", test_folder());
  ASSERT_OK(folder_make(path));
  f.options.keep_last = 1;
  ASSERT_OK(checkpoint_open(&c, &f.options));
  ASSERT(!file_exists(path));
  checkpoint_protect(c, 2);
  checkpoint_tidy(c, 5);
  expect_steps((int64_t[]){2, 5, 6}, 3);
  ASSERT_OK(checkpoint_close(c));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf(path, sizeof path, "%.1000s/%s/manifest.json", test_folder(), others[i]);
    ASSERT_MSG(file_exists(path), "%s is gone", path);
  }
}

TEST(a_step_written_again_replaces_the_bad_one) {
  Fixture f;
  save_some(test_folder(), &f, 1, 2);
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.1000s/step-2/shard-0001.bin", test_folder());
  ASSERT_INT(truncate(path, 100), 0);
  expect_latest(test_folder(), &f, 1);
  save_some(test_folder(), &f, 2, 2);
  expect_latest(test_folder(), &f, 2);
}

typedef struct {
  const char *file;
  double at;         // of its size: where it is cut, or where a bit flips
  const char *part;  // of the message
} Damage;

static void damage_path(char out[PATH_BYTES], const char *file) {
  snprintf(out, PATH_BYTES, "%.1000s/step-2/%s", test_folder(), file);
}

static void rewrite(const char *path, const uint8_t *bytes, size_t size) {
  FILE *out = fopen(path, "wb");
  ASSERT(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
}

TEST(a_file_cut_anywhere_is_refused_and_the_one_before_is_taken) {
  Fixture f;
  log_level(LOG_QUIET);
  save_some(test_folder(), &f, 1, 2);
  const char *const files[] = {"manifest.json", "shard-0000.bin", "shard-0002.bin"};
  for (int k = 0; k < 3; k++) {
    char path[PATH_BYTES], *bytes;
    size_t size;
    damage_path(path, files[k]);
    ASSERT_OK(file_read(path, 1 << 24, &bytes, &size));
    const size_t cuts[] = {0, 1, 8, 63, 64, 65, size / 3, size / 2, size - 9, size - 8, size - 3, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
      if (k == 0 && cuts[i] == size - 1) continue;  // only the newline after the manifest
      ASSERT_INT(truncate(path, (off_t)cuts[i]), 0);
      expect_latest(test_folder(), &f, 1);
      rewrite(path, (uint8_t *)bytes, size);
    }
    rewrite(path, (uint8_t *)bytes, size);
    ASSERT_INT(chmod(path, 0666), 0);
    expect_latest(test_folder(), &f, 2);
    free(bytes);
  }
}

TEST(a_flipped_bit_anywhere_is_noticed) {
  Fixture f;
  log_level(LOG_QUIET);
  save_some(test_folder(), &f, 1, 2);
  const char *const files[] = {"manifest.json", "shard-0000.bin", "shard-0001.bin"};
  for (int k = 0; k < 3; k++) {
    char path[PATH_BYTES], *bytes;
    size_t size;
    damage_path(path, files[k]);
    ASSERT_OK(file_read(path, 1 << 24, &bytes, &size));
    for (int i = 0; i < 40; i++) {
      size_t at = size * (size_t)i / 40 + (size_t)i % 3;
      uint8_t was = (uint8_t)bytes[at];
      if (was == ' ' || was == '\n') continue;  // a manifest's layout is not its content
      bytes[at] = (char)(was ^ (1 << (i % 7)));
      rewrite(path, (uint8_t *)bytes, size);
      bytes[at] = (char)was;
      expect_latest(test_folder(), &f, 1);
    }
    rewrite(path, (uint8_t *)bytes, size);
    free(bytes);
  }
  expect_latest(test_folder(), &f, 2);
}

static void swap_files(const char *a, const char *b) {
  char from[PATH_BYTES], to[PATH_BYTES], temp[PATH_BYTES];
  snprintf(from, sizeof from, "%.1000s/%s", test_folder(), a);
  snprintf(to, sizeof to, "%.1000s/%s", test_folder(), b);
  snprintf(temp, sizeof temp, "%.1000s/swap", test_folder());
  ASSERT(rename(from, temp) == 0 && rename(to, from) == 0 && rename(temp, to) == 0);
}

TEST(missing_swapped_and_foreign_shards_are_refused) {
  Fixture f;
  log_level(LOG_QUIET);
  save_some(test_folder(), &f, 1, 3);
  char path[PATH_BYTES], step3[PATH_BYTES];
  ASSERT_OK(checkpoint_path(step3, test_folder(), 3));
  snprintf(path, sizeof path, "%.1000s/step-3/shard-0001.bin", test_folder());
  swap_files("step-3/shard-0000.bin", "step-3/shard-0001.bin");
  ASSERT_ERR(checkpoint_load(step3, identity, f.array, N_ARRAYS, true, NULL), ERR_FORMAT, "of another checkpoint, place");
  swap_files("step-3/shard-0000.bin", "step-3/shard-0001.bin");
  swap_files("step-3/shard-0001.bin", "step-2/shard-0001.bin");
  ASSERT_ERR(checkpoint_load(step3, identity, f.array, N_ARRAYS, true, NULL), ERR_FORMAT, "of another checkpoint");
  rewrite(path, (const uint8_t *)"not a shard", 11);
  ASSERT_ERR(checkpoint_load(step3, identity, f.array, N_ARRAYS, true, NULL), ERR_FORMAT, "torn");
  ASSERT_INT(unlink(path), 0);
  ASSERT_ERR(checkpoint_load(step3, identity, f.array, N_ARRAYS, true, NULL), ERR_IO, "shard-0001.bin");
  expect_latest(test_folder(), &f, 1);  // 2 has a shard of 3
  ASSERT_ERR(checkpoint_load("/nonexistent", identity, f.array, N_ARRAYS, true, NULL), ERR_IO, "no such folder");
}

TEST(a_checkpoint_of_another_model_is_refused) {
  Fixture f;
  save_some(test_folder(), &f, 1, 1);
  char path[PATH_BYTES];
  int64_t step;
  ASSERT_OK(checkpoint_path(path, test_folder(), 1));
  ASSERT_ERR(checkpoint_load_latest(test_folder(), "model.layers: 2\nmodel.width: 65\n", f.array, N_ARRAYS, &step, NULL),
             ERR_CONFIG, "\"model.width: 64\" there, \"model.width: 65\" here");
  ASSERT_ERR(checkpoint_load(path, "model.layers: 2\n", f.array, N_ARRAYS, true, NULL), ERR_CONFIG, "model.width: 64");
  ASSERT_OK(checkpoint_load(path, NULL, f.array, 2, false, NULL));  // a part of it
  ASSERT_ERR(checkpoint_load(path, NULL, f.array, N_ARRAYS - 1, true, NULL), ERR_CONFIG, "\"byte\"");
  CheckpointArray other = f.array[0];
  other.dim[0]--;
  ASSERT_ERR(checkpoint_load(path, NULL, &other, 1, false, NULL), ERR_FORMAT, "F32 [700001, 1] there and F32 [700000, 1] here");
  snprintf(other.name, sizeof other.name, "w/none");
  ASSERT_ERR(checkpoint_load(path, NULL, &other, 1, false, NULL), ERR_FORMAT, "w/none");
}

TEST(an_empty_or_missing_folder_has_no_checkpoint) {
  Fixture f;
  fixture(&f, test_folder());
  int64_t step;
  ASSERT_OK(checkpoint_load_latest(test_folder(), identity, f.array, N_ARRAYS, &step, NULL));
  ASSERT_INT(step, -1);
  ASSERT_OK(checkpoint_load_latest("/nonexistent/run", identity, f.array, N_ARRAYS, &step, NULL));
  ASSERT_INT(step, -1);
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.1000s/step-5", test_folder());
  ASSERT_OK(folder_make(path));
  snprintf(path, sizeof path, "%.1000s/step-5/manifest.json", test_folder());
  log_level(LOG_QUIET);
  rewrite(path, (const uint8_t *)"{}", 2);
  ASSERT_ERR(checkpoint_load_latest(test_folder(), identity, f.array, N_ARRAYS, &step, NULL), ERR_FORMAT,
             "none of its 1 checkpoints is good");
}

TEST(a_full_disk_costs_the_checkpoint_and_not_the_run) {
  Fixture f;
  save_some(test_folder(), &f, 1, 1);
  Checkpointer *c;
  json_t *state = scalars(2);
  CheckpointReport r;
  ASSERT_OK(checkpoint_open(&c, &f.options));
  struct rlimit was, small;
  ASSERT_INT(getrlimit(RLIMIT_FSIZE, &was), 0);
  small = was;
  small.rlim_cur = 500000;  // no file may grow further: what a full disk does to a write
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
  state_fill(f.state, 2);
  ASSERT_OK(checkpoint_save(c, 2, state));
  checkpoint_wait(c);
  ASSERT(checkpoint_finished(c, &r) && r.step == 2);
  ASSERT(r.error.kind == ERR_IO && strstr(r.error.text, "no space left"));
  ASSERT_OK(checkpoint_save(c, 3, state));  // its failure is not asked for: the next call tells, once, and goes on
  checkpoint_wait(c);
  ASSERT_INT(setrlimit(RLIMIT_FSIZE, &was), 0);
  state_fill(f.state, 4);
  json_t *four = scalars(4);
  ASSERT_ERR(checkpoint_save(c, 4, four), ERR_IO, "no space left");
  ASSERT_OK(checkpoint_close(c));
  char **names;
  size_t n;
  ASSERT_OK(folder_list(test_folder(), &names, &n));
  ASSERT_INT(n, 2);  // step-1 and step-4: nothing half-written
  expect_latest(test_folder(), &f, 4);
  json_decref(state);
  json_decref(four);
  names_free(names, n);
}

TEST(a_folder_that_cannot_be_written_is_an_error_at_once) {
  Fixture f;
  Checkpointer *c;
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.1000s/file", test_folder());
  rewrite(path, (const uint8_t *)"x", 1);
  fixture(&f, path);
  ASSERT_ERR(checkpoint_open(&c, &f.options), ERR_IO, "file");
}

// A child writes checkpoint after checkpoint and says in `done` which are finished; it is killed at a random moment.
static void write_until_killed(const char *folder, int64_t first, int done) {
  Fixture f;
  Checkpointer *c;
  save_some(folder, &f, first, first);
  if (write(done, &first, sizeof first) != sizeof first) _exit(1);
  ASSERT_OK(checkpoint_open(&c, &f.options));
  for (int64_t step = first + 1;; step++) {
    save(c, &f, step);
    if (write(done, &step, sizeof step) != sizeof step) _exit(1);
  }
}

SLOW_TEST(fifty_kills_never_lose_the_last_good_checkpoint) {
  Fixture f;
  fixture(&f, test_folder());
  int64_t newest = 0;
  unsigned seed = 12345;
  for (int kill_n = 0; kill_n < 50; kill_n++) {
    int pipe_fd[2];
    ASSERT_INT(pipe(pipe_fd), 0);
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
      close(pipe_fd[0]);
      write_until_killed(test_folder(), newest + 1, pipe_fd[1]);
    }
    close(pipe_fd[1]);
    int64_t said = 0, step;
    if (kill_n % 5 != 0) ASSERT(read(pipe_fd[0], &said, sizeof said) == sizeof said);  // else perhaps within its first
    usleep((useconds_t)(rand_r(&seed) % 40000));
    ASSERT_INT(kill(pid, SIGKILL), 0);
    ASSERT(waitpid(pid, NULL, 0) == pid);
    while (read(pipe_fd[0], &step, sizeof step) == sizeof step) said = step;
    close(pipe_fd[0]);
    if (said < newest) said = newest;
    ASSERT_OK(checkpoint_load_latest(test_folder(), identity, f.array, N_ARRAYS, &step, NULL));
    if (step < 0) step = 0;  // killed before there was any
    ASSERT_MSG(step == said || step == said + 1, "kill %d: said %lld, found %lld", kill_n, (long long)said, (long long)step);
    if (step > 0) ASSERT(state_is(f.state, step));
    newest = step;
  }
  ASSERT(newest >= 40);
}

// ---- arrays in halves

enum { SPLIT_ROWS = 37, SPLIT_COLS = 61, SPLIT_LD = 64 };

static float split_value(int64_t i) {
  return (float)((i * 2654435761u & 0xffffffu) | 1) * 0x1p-25F;  // 24 bits, the last of them set: no tie
}

static CheckpointArray array_in_halves(StType type, Mat split, void *data) {
  return (CheckpointArray){
      .name = "w", .type = type, .n_dims = 2, .dim = {SPLIT_ROWS, SPLIT_COLS}, .split = split, .data = data};
}

// A shard ends within an element; the bytes are those of the fp32 array; and it is read into halves, and from bf16.
TEST(halves_are_written_and_read_as_fp32) {
  enum { N = SPLIT_ROWS * SPLIT_COLS };
  const char *folder = test_folder();
  static float x[N], back[N];
  static uint16_t high[2][SPLIT_ROWS * SPLIT_LD], low[2][SPLIT_ROWS * SPLIT_LD], bf16[N];
  Mat split[2];
  char path[2][PATH_BYTES], name[PATH_BYTES];
  for (int i = 0; i < N; i++) x[i] = split_value(i), bf16[i] = (uint16_t)(0x3f80 + i % 77);
  for (int k = 0; k < 2; k++) {
    split[k] = mat_of(high[k], SPLIT_LD, DT_SPLIT);
    split[k].low = low[k];
  }
  mat_write(split[0], SPLIT_COLS, 0, N, x);
  const CheckpointArray kinds[] = {array_in_halves(ST_F32, mat_none(), x), array_in_halves(ST_F32, split[0], NULL),
                                   array_in_halves(ST_BF16, mat_none(), bf16)};
  json_t *state = json_object();
  for (int k = 0; k < 3; k++) {
    Checkpointer *c;
    snprintf(name, sizeof name, "%.900s/kind-%d", folder, k);
    CheckpointOptions o = {.folder = name,
                           .identity = identity,
                           .config = "",
                           .version = "test",
                           .array = &kinds[k],
                           .n_arrays = 1,
                           .staging = test_memory(checkpoint_staging_bytes(&kinds[k], 1)),
                           .keep_last = 1,
                           .shard_bytes = 1003};
    ASSERT_OK(checkpoint_open(&c, &o));
    ASSERT_OK(checkpoint_save(c, 1, state));
    ASSERT_OK(checkpoint_close(c));
    CheckpointArray into = array_in_halves(ST_F32, split[1], NULL);
    snprintf(path[k == 1], PATH_BYTES, "%.900s/kind-%d/step-1", folder, k);
    ASSERT_OK(checkpoint_load(path[k == 1], identity, &into, 1, true, NULL));
    mat_read(split[1], SPLIT_COLS, 0, N, back);
    for (int i = 0; i < N; i++) ASSERT(back[i] == (k == 2 ? bf16_to_f32(bf16[i]) : x[i]));
    if (k != 1) continue;
    for (int shard = 0; shard < 10; shard++) {
      char *text[2];
      size_t size[2];
      for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%.1000s/shard-%04d.bin", path[i], shard);
        ASSERT_OK(file_read(name, 1 << 20, &text[i], &size[i]));
      }
      ASSERT(size[0] == size[1] && memcmp(text[0], text[1], size[0]) == 0);
      free(text[0]);
      free(text[1]);
    }
  }
  json_decref(state);
}
