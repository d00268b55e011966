// AMX: the choice of it, and that its instructions run as the manual says (on other processors the trap stands for them).
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/half.h"
#include "ops/amx_trap.h"
#include "ops/cpu/amx/tiles.h"
#include "ops/cpu/detect.h"
#include "ops/levels.h"
#include "test.h"

static bool no(void) { return false; }

// The words of `pleiad info` about the chosen device.
static const char *description(void) {
  static char text[8192];
  Dev d;
  unsetenv("PLEIAD_ISA");
  ASSERT_OK(dev_open(&d, 1));
  FILE *to = fmemopen(text, sizeof text, "w");
  ops_describe(&d, to);
  fclose(to);
  dev_close(&d);
  return text;
}

static void need_amx(void) {
  if (!amx_emulate()) test_skip("no AVX-512 for bf16 here");
}

TEST(amx_is_the_default_where_all_is_well) {
  need_amx();
  ASSERT_INT(cpu_isa(), ISA_AMX);
  ASSERT(cpu_amx_fault() == NULL);
  const char *said = description();
  ASSERT_MSG(strstr(said, "bf16 products by amx\n"), "%s", said);
  ASSERT(!strstr(said, "not used"));
}

static void refused(const char *why) {
  ASSERT_INT(cpu_isa(), ISA_AVX512_BF16);
  const char *said = description();
  ASSERT_MSG(strstr(said, "AMX is not used: ") && strstr(said, why), "%s", said);
  setenv("PLEIAD_ISA", "amx", 1);
  Dev d;
  ASSERT_ERR(dev_open(&d, 1), ERR_ARG, "no more than avx512_bf16");
}

TEST(a_system_that_does_not_save_tiles_has_no_amx) {
  need_amx();
  cpu_amx.saves = no;
  refused("does not save");
}

TEST(a_system_that_gives_no_leave_has_no_amx) {
  need_amx();
  cpu_amx.grants = no;
  refused("arch_prctl");
}

TEST(a_processor_that_multiplies_wrong_has_no_amx) {
  need_amx();
  cpu_amx.multiplies = no;
  refused("came out wrong");
}

TEST(slow_amx_is_not_used_for_products) {
  need_amx();
  cpu_amx.is_fast = no;
  const char *said = description();
  ASSERT_MSG(strstr(said, "amx was measured to be slower here"), "%s", said);
}

TEST(levels_below_amx_need_none_of_it) {
  need_amx();
  for (int isa = ISA_REF; isa < ISA_AMX; isa++) {
    Dev d = level_open(isa, 2);
    ASSERT_INT(d.isa, isa);
    dev_close(&d);
  }
}

// One product of 2 x 2 whole tiles and more, on a thread or process of its own.
static void *multiply(void *out) {
  const int64_t n = 40;
  Mat a = mat_of(test_memory((size_t)(n * n) * 2), n, DT_BF16), c = mat_of(out, n, DT_F32);
  for (int64_t i = 0; i < n * n; i++) ((Bf16 *)a.data)[i] = bf16_from_f32((float)(i % 15 - 7));
  Dev d = level_open(ISA_AMX, 1);
  d.op->gemm(&d, &(GemmArgs){.M = n, .N = n, .K = n, .c = c, .a = a, .b = a});
  dev_close(&d);
  return NULL;
}

TEST(amx_works_on_in_threads_and_forks_and_after_others_took_the_tiles) {
  static float want[1600], got[1600];
  need_amx();
  multiply(want);
  ASSERT(want[1] != 0);
  _tile_loadconfig(&(const TileConfig){0});  // as another library would leave them
  multiply(got);
  ASSERT(memcmp(got, want, sizeof want) == 0);
  pthread_t thread;
  memset(got, 0, sizeof got);
  ASSERT(pthread_create(&thread, NULL, multiply, got) == 0 && pthread_join(thread, NULL) == 0);
  ASSERT(memcmp(got, want, sizeof want) == 0);
  memset(got, 0, sizeof got);
  pid_t pid = fork();
  if (pid == 0) {
    multiply(got);
    _exit(memcmp(got, want, sizeof want) != 0);
  }
  int status = 1;
  ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
}

// What the kernel does not use: smaller tiles, of unlike shapes, loaded past the caches, and a configuration read back.
TEST(amx_keeps_to_the_configuration) {
  need_amx();
  static TileConfig config = {.palette = 1, .row_bytes = {8, 12, 8}, .rows = {2, 2, 3}}, kept;
  static const Bf16 one = 0x3f80, two = 0x4000, tiny = 0x0001;
  const Bf16 a[2][6] = {{one, two, one, one, two, two}, {tiny, tiny, one, one, one, one}};
  const Bf16 b[3][4] = {{one, one, two, one}, {two, one, one, one}, {one, tiny, one, two}};
  float c[3][4] = {{1, 2, 100, 100}, {3, 4, 100, 100}, {100, 100, 100, 100}};
  _tile_loadconfig(&config);
  _tile_storeconfig(&kept);
  ASSERT(memcmp(&kept, &config, sizeof config) == 0);
  _tile_stream_loadd(0, c, sizeof c[0]);
  _tile_loadd(1, a, sizeof a[0]);
  _tile_loadd(2, b, sizeof b[0]);
  _tile_dpbf16ps(0, 1, 2);
  _tile_stored(0, c, sizeof c[0]);
  __asm__ volatile("" ::: "memory");
  _tile_release();
  const float want[3][4] = {
      {1 + 3 + 3 + 2, 2 + 4 + 2 + 6, 100, 100}, {3 + 0 + 3 + 1, 4 + 0 + 2 + 3, 100, 100}, {100, 100, 100, 100}};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 4; j++) ASSERT_NEAR(c[i][j], want[i][j], 0);
}

static void unconfigured(void) { _tile_zero(3); }
static void no_palette(void) {
  static const TileConfig config = {.palette = 2};
  _tile_loadconfig(&config);
}
static void shapes_that_do_not_fit(void) {
  static const TileConfig config = {.palette = 1, .row_bytes = {64, 64, 64}, .rows = {16, 16, 8}};
  _tile_loadconfig(&config);
  _tile_dpbf16ps(0, 1, 2);
}
static void not_ours(void) { __asm__ volatile("ud2"); }

TEST(amx_refuses_what_is_wrong) {
  need_amx();
  void (*const wrong[])(void) = {unconfigured, no_palette, shapes_that_do_not_fit, not_ours};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
      fclose(stderr);
      wrong[i]();
      _exit(0);
    }
    int status = 0;
    ASSERT(waitpid(pid, &status, 0) == pid);
    ASSERT_MSG(status != 0, "%d was let through", (int)i);
  }
}
