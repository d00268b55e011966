// Blocks of the matrix products: they change no bit, come from where they should, and no file or variable can harm.
#include "ops/cpu/blocks.h"

#include <stdlib.h>

#include "base/file.h"
#include "levels.h"
#include "ops/cpu/detect.h"
#include "ops/cpu/tune.h"
#include "test.h"

static bool alike(GemmBlocks a, GemmBlocks b) { return a.rows == b.rows && a.cols == b.cols && a.k == b.k; }

static uint32_t random_below(uint32_t n) {
  static uint32_t state = 7;
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % n;
}

static GemmBlocks random_blocks(const GemmKernel *k) {
  for (;;) {
    const GemmBlocks b = {1 + random_below(300), BLOCK_STEP * (1 + random_below(32)), BLOCK_STEP * (1 + random_below(64))};
    if (blocks_fit(k, b)) return b;
  }
}

typedef struct {
  int64_t M, N, K;
  bool a_t, b_t, add, packed;
} Form;

static void check_form(Dev *d, Dtype type, Form f) {
  Mat a = f.a_t ? random_matrix(f.K, f.M, type) : random_matrix(f.M, f.K, type);
  Mat b = f.b_t ? random_matrix(f.N, f.K, type) : random_matrix(f.K, f.N, type);
  Mat add = random_matrix(f.M, f.N, DT_F32), want = matrix(f.M, f.N, DT_F32), got = matrix(f.M, f.N, DT_F32);
  GemmArgs g = {.M = f.M, .N = f.N, .K = f.K, .c = want, .a = a, .b = b, .a_t = f.a_t, .b_t = f.b_t};
  if (f.add) g.add = add;
  if (f.packed) {
    void *packed = guarded(gemm_packed_bytes(d, f.N, f.K, type));
    d->op->gemm_pack(d, packed, b, f.b_t, f.N, f.K);
    g.b_packed = packed;
  }
  const GemmKernel *k = gemm_kernel(d, type);
  const Dtype of = k->ku == 1 ? DT_F32 : DT_BF16;
  d->blocks[of] = blocks_standard(k);
  d->op->gemm(d, &g);
  g.c = got;
  for (int i = 0; i < 4; i++) {
    const GemmBlocks blocks = d->blocks[of] = random_blocks(k);
    char what[120];
    snprintf(what, sizeof what, "%s, blocks %d,%d,%d of %dx%dx%d", k->name, (int)blocks.rows, (int)blocks.cols, (int)blocks.k,
             (int)f.M, (int)f.N, (int)f.K);
    d->op->gemm(d, &g);
    for (int64_t m = 0; m < f.M; m++) same_row(got, m, want, m, f.N, what);
    check_guards(got, f.M, f.N);
  }
}

TEST(blocks_change_no_bit) {
  static const Form forms[] = {{301, 333, 1100, false, false, false, false}, {260, 97, 700, true, false, true, false},
                               {301, 160, 1031, false, true, false, false},  {230, 333, 530, false, true, true, true},
                               {3, 96, 2100, false, true, false, true},      {40, 352, 2050, false, true, false, false}};
  EACH_LEVEL(isa)
  for (int threads = 1; threads <= 2; threads++) {
    Dev d = level_open(isa, threads);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
      check_form(&d, DT_F32, forms[i]);
      check_form(&d, DT_BF16, forms[i]);
    }
    dev_close(&d);
  }
}

static void expect_blocks(const char *from, GemmBlocks blocks) {
  Dev d;
  ASSERT_OK(dev_open(&d, 1));
  ASSERT_TEXT(d.blocks_from[DT_F32], from);
  ASSERT(alike(d.blocks[DT_F32], blocks));
  dev_close(&d);
}

static const GemmKernel *first_kernel(void) {
  Dev d;
  ASSERT(unsetenv("PLEIAD_BLOCKS") == 0);
  ASSERT(setenv("XDG_CACHE_HOME", test_folder(), 1) == 0);
  ASSERT_OK(dev_open(&d, 1));
  const GemmKernel *k = gemm_kernel(&d, DT_F32);
  dev_close(&d);
  return k;
}

TEST(blocks_are_remembered_or_asked_for) {
  const GemmKernel *k = first_kernel();
  if (!k) return;
  const GemmBlocks other = {96, 512, 256};
  expect_blocks("standard", blocks_standard(k));
  ASSERT(blocks_remember(k, other));
  expect_blocks("measured", other);
  ASSERT(setenv("PLEIAD_BLOCKS", "64,256,128", 1) == 0);
  expect_blocks("PLEIAD_BLOCKS", (GemmBlocks){64, 256, 128});
}

TEST(blocks_that_cannot_be_are_refused) {
  static const char *const texts[] = {
      "x",        "64",         "64,256",      "64,256,128,", "64,256,128,1", "-1,256,128",
      "0,32,32",  "64,255,128", "64,256,1000", "64,2048,128", "64,1024,2048", "1,2,99999999999999999999",
      " 1,32,32", "64 ,32,32",  "64,0,32",     "64,32,0"};
  if (!first_kernel()) return;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    Dev d;
    ASSERT(setenv("PLEIAD_BLOCKS", texts[i], 1) == 0);
    ASSERT_ERR(dev_open(&d, 1), ERR_ARG, "PLEIAD_BLOCKS");
  }
}

TEST(remembered_blocks_that_cannot_be_are_as_none) {
  static const char *const values[] = {"3",
                                       "null",
                                       "[]",
                                       "[128, 1024]",
                                       "[128, 1024, 512, 1]",
                                       "[1, 2, \"3\"]",
                                       "[0, 1024, 512]",
                                       "[128, -32, 512]",
                                       "[128, 1024, 9223372036854775807]",
                                       "{}"};
  const GemmKernel *k = first_kernel();
  if (!k) return;
  char name[CPU_KEY_BYTES], path[PATH_BYTES], text[512];
  cpu_key(name);
  snprintf(path, sizeof path, "%s/pleiad", getenv("XDG_CACHE_HOME"));
  ASSERT_OK(folder_make(path));
  snprintf(path, sizeof path, "%s/pleiad/processors.json", getenv("XDG_CACHE_HOME"));
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    const int n =
        snprintf(text, sizeof text, "{\"%s\": {\"bf16_dot_is_fast\": false, \"blocks, %s\": %s}}", name, k->name, values[i]);
    ASSERT_OK(file_replace(path, text, (size_t)n));
    expect_blocks("standard", blocks_standard(k));
  }
}

TEST(tuning_gives_blocks_that_fit) {
  Tuned t;
  if (level_best() >= ISA_AVX2) {
    Dev d = level_open(ISA_AVX2, 1);
    const GemmBlocks before = d.blocks[DT_F32];
    ASSERT_OK(gemm_tune(&d, DT_F32, 0.01, &t));
    ASSERT(blocks_fit(gemm_kernel(&d, DT_F32), t.best) && t.tried >= 2 && t.gain >= 0);
    ASSERT(alike(t.best, t.standard) == (t.gain == 0));
    ASSERT(alike(d.blocks[DT_F32], before));
    dev_close(&d);
  }
  Dev d = level_open(ISA_REF, 1);
  ASSERT_ERR(gemm_tune(&d, DT_F32, 0.01, &t), ERR_ARG, "nothing to tune");
  dev_close(&d);
}
