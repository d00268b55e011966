// pleiad verify --self: a right model passes, and an operation that is broken is found and named.
#include "cli/verify/self.h"

#include <stdlib.h>

#include "cli/program.h"
#include "test.h"

static const char *own_case(const char *name) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/tests/golden/cases/models/%s", test_root(), name);
  return path;
}

TEST(every_kind_of_model_agrees_with_itself) {
  static const char *const names[] = {"moe_mla_mtp",  "moe_mla_groups", "dense_gqa",
                                      "dense_shared", "telechat2",      "telechat2_moe"};
  VerifyCase *v = calloc(1, sizeof *v);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    ASSERT_OK(verify_self(v, own_case(names[i]), 1));
    verify_sort(v);
    ASSERT_MSG(v->failed == 0, "%s: %s: %g, at %s", names[i], v->line[0].what, v->line[0].error, v->line[0].place);
    ASSERT(v->compared > 100000 && v->n_lines >= 8);
  }
  free(v);
}

TEST(a_run_file_is_a_model_too) {
  char path[PATH_BYTES], args[2 * PATH_BYTES];
  static const char text[] =
      "model: {layers: 2, width: 16, ffn: 24, vocab: 64, max_length: 32}\nattention: {heads: 2}\n"
      "mla: {q_rank: 8, kv_rank: 8, nope: 8, rope: 4, v: 8}\nmoe: {experts: 4, top_k: 2, ffn: 8}\n";
  ASSERT_OK(path_join(path, test_folder(), "run.yaml"));
  ASSERT_OK(file_replace(path, text, sizeof text - 1));
  snprintf(args, sizeof args, "verify --self '%s' --threads 1 --json", path);
  program_expect(args, 0, "\"passed\":true");
  program_expect(args, 0, "gradients are the slopes of the loss");
  snprintf(args, sizeof args, "verify --self '%s.nothing'", path);
  program_expect(args, 1, "run.yaml.nothing");
}

// ---- broken operations: the link lets this stand before ops_init_avx2
#if HAVE_ISA_AVX2
void __real_ops_init_avx2(Ops *o);
void __wrap_ops_init_avx2(Ops *o);

static const char *broken;  // its name
static Ops null_ops;

static swiglu_forward_fn *right_swiglu;
static void wrong_swiglu(Dev *dev, Mat y, Mat gate, Mat up, Mat weight, int64_t N, int64_t F) {
  right_swiglu(dev, y, gate, up, weight, N, F);
  for (int64_t i = 0; i < N && y.type == DT_F32; i++) ((float *)mat_at(y, i, 0).data)[F - 1] *= 1.001f;
}

void __wrap_ops_init_avx2(Ops *o) {
  __real_ops_init_avx2(o);
  if (!broken) return;
  ops_init_null(&null_ops);
#define OP(name, params, tolerance) \
  if (strcmp(broken, #name) == 0) o->name = null_ops.name;
#include "ops/ops.inc"
#undef OP
  if (strcmp(broken, "swiglu by 0.1 %") != 0) return;
  right_swiglu = o->swiglu_forward;
  o->swiglu_forward = wrong_swiglu;
}

static bool has_avx2(void) {
  Dev d;
  ASSERT_OK(dev_open(&d, 1));
  bool has = d.isa >= ISA_AVX2;
  dev_close(&d);
  return has;
}

// Exactly the line "operation NAME by avx2" and no other operation.
static void expect_blame(const char *how, const char *name) {
  VerifyCase *v = calloc(1, sizeof *v);
  char what[VERIFY_NAME_BYTES];
  int blamed = 0;
  snprintf(what, sizeof what, "operation %s by avx2", name);
  broken = how;
  setenv("PLEIAD_ISA", "avx2", 1);
  Err err = verify_self(v, own_case("moe_mla_mtp"), 1);
  broken = NULL;
  ASSERT_MSG(err == ERR_OK, "%s: %s", how, err_text());
  for (int i = 0; i < v->n_lines; i++) {
    if (strncmp(v->line[i].what, "operation ", 10) != 0) continue;
    ASSERT_MSG(strcmp(v->line[i].what, what) == 0, "%s is broken, and \"%s\" is blamed", how, v->line[i].what);
    blamed++;
  }
  ASSERT_MSG(blamed == 1 && v->failed > 0, "%s is broken and was not found", how);
  free(v);
}

TEST(an_operation_off_by_a_thousandth_is_named) {
  if (!has_avx2()) test_skip("no AVX2 here");
  expect_blame("swiglu by 0.1 %", "swiglu_forward");
}

// Those that do nothing. (What chooses experts and sorts them is not among them: nothing would be indices into nowhere.)
SLOW_TEST(an_operation_that_does_nothing_is_named) {
  static const char *const names[] = {"rms_norm_forward",
                                      "rms_norm_backward_input",
                                      "rms_norm_backward_weight",
                                      "embedding_forward",
                                      "embedding_backward",
                                      "rope",
                                      "swiglu_backward",
                                      "gemm",
                                      "gemm_grouped",
                                      "attention_forward",
                                      "attention_backward",
                                      "gemm_grouped_weight",
                                      "moe_combine",
                                      "router_backward",
                                      "cross_entropy",
                                      "sum_squares",
                                      "adamw"};
  if (!has_avx2()) test_skip("no AVX2 here");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) expect_blame(names[i], names[i]);
}
#endif
