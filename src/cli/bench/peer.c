#include "cli/bench/peer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void Cblas(int order, int a_t, int b_t, int M, int N, int K, float alpha, const float *a, int lda, const float *b,
                   int ldb, float beta, float *c, int ldc);
typedef void Cblas64(int order, int a_t, int b_t, int64_t M, int64_t N, int64_t K, float alpha, const float *a, int64_t lda,
                     const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
typedef int Dnnl(char a_t, char b_t, int64_t M, int64_t N, int64_t K, float alpha, const float *a, int64_t lda, const float *b,
                 int64_t ldb, float beta, float *c, int64_t ldc);
typedef void SetThreads(int n);
typedef enum { CBLAS, CBLAS_64, DNNL } Kind;

enum { ROW_MAJOR = 101, NOT_TURNED = 111, TURNED = 112, FIRST_SIZE = 512 };

static const struct {
  const char *product;
  Kind kind;
} known[] = {{"cblas_sgemm", CBLAS}, {"cblas_sgemm64_", CBLAS_64}, {"scipy_cblas_sgemm64_", CBLAS_64}, {"dnnl_sgemm", DNNL}};
static const char *const thread_setters[] = {"openblas_set_num_threads", "openblas_set_num_threads64_",
                                             "scipy_openblas_set_num_threads64_"};

static void set_threads(void *library, int n) {
  for (size_t i = 0; i < sizeof thread_setters / sizeof *thread_setters; i++) {
    void *at = dlsym(library, thread_setters[i]);
    SetThreads *set;
    memcpy(&set, &at, sizeof set);
    if (set) set(n);
  }
}

// A product that is large enough for all threads: they are made by it at the latest. It tells whether what was found is a
// product as we call it, too.
static Err first_product(const Peer *p) {
  Arena a;
  TRY(arena_init(&a, "the peer's first product", 3 * sizeof(float) * FIRST_SIZE * FIRST_SIZE));
  Mat m[3];
  for (int i = 0; i < 3; i++) m[i] = mat_of(arena_take(&a, sizeof(float) * FIRST_SIZE * FIRST_SIZE), FIRST_SIZE, DT_F32);
  float *c = m[0].data;
  ((float *)m[1].data)[0] = 2, ((float *)m[2].data)[1] = 3;
  peer_gemm(p, &(GemmArgs){.M = FIRST_SIZE, .N = FIRST_SIZE, .K = FIRST_SIZE, .c = m[0], .a = m[1], .b = m[2]});
  const bool right = c[0] == 0 && c[1] == 6 && c[FIRST_SIZE] == 0;
  arena_free(&a);
  CHECK(right, ERR_ARG, "--peer: %s makes another product than was asked for", p->name);
  return ERR_OK;
}

Err peer_open(Peer *p, const char *path, int n_threads) {
  char threads[16];
  Pool *all;
  TRY(pool_open(&all, n_threads, false));
  n_threads = pool_threads(all);
  pool_close(all);
  *p = (Peer){.name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
  snprintf(threads, sizeof threads, "%d", n_threads);
  // Its threads must not spin on our cores while our product is timed.
  const bool set = setenv("OMP_NUM_THREADS", threads, 1) == 0 && setenv("OMP_WAIT_POLICY", "passive", 1) == 0 &&
                   setenv("OPENBLAS_THREAD_TIMEOUT", "4", 1) == 0;
  CHECK(set, ERR_MEMORY, "no memory for a variable of the environment");
  p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CHECK(p->library, ERR_ARG, "--peer: %s", dlerror());
  for (size_t i = 0; !p->product && i < sizeof known / sizeof *known; i++) {
    p->product = dlsym(p->library, known[i].product);
    p->kind = (int)known[i].kind;
  }
  if (!p->product) {
    peer_close(p);
    FAIL(ERR_ARG, "--peer: %s has neither cblas_sgemm nor dnnl_sgemm; OpenBLAS, BLIS, MKL or oneDNN is wanted", path);
  }
  set_threads(p->library, n_threads);
  Err err = first_product(p);
  if (err) peer_close(p);
  return err;
}

void peer_close(Peer *p) {
  if (p->library) dlclose(p->library);
  *p = (Peer){0};
}

bool peer_has(const Peer *p, const GemmArgs *g) {
  return p->library && g->a.type == DT_F32 && g->b.type == DT_F32 && g->c.type == DT_F32 && !g->a_row && !g->bias.data &&
         (!g->add.data || g->add.data == g->c.data);
}

void peer_gemm(const Peer *p, const GemmArgs *g) {
  const float beta = g->add.data ? 1 : 0;
  const int a_t = g->a_t ? TURNED : NOT_TURNED, b_t = g->b_t ? TURNED : NOT_TURNED;
  if (p->kind == CBLAS) {
    Cblas *f;
    memcpy(&f, &p->product, sizeof f);
    f(ROW_MAJOR, a_t, b_t, (int)g->M, (int)g->N, (int)g->K, 1, g->a.data, (int)g->a.ld, g->b.data, (int)g->b.ld, beta,
      g->c.data, (int)g->c.ld);
  } else if (p->kind == CBLAS_64) {
    Cblas64 *f;
    memcpy(&f, &p->product, sizeof f);
    f(ROW_MAJOR, a_t, b_t, g->M, g->N, g->K, 1, g->a.data, g->a.ld, g->b.data, g->b.ld, beta, g->c.data, g->c.ld);
  } else {
    Dnnl *f;
    memcpy(&f, &p->product, sizeof f);
    (void)f(g->a_t ? 'T' : 'N', g->b_t ? 'T' : 'N', g->M, g->N, g->K, 1, g->a.data, g->a.ld, g->b.data, g->b.ld, beta,
            g->c.data, g->c.ld);
  }
}
