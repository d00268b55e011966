#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/attention.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/detect.h"
#include "ops/cpu/gemm.h"
#include "ops/cpu/peak_loops.h"
#include "ops/ops.h"

enum {
  SCRATCH_THREAD_BYTES =
      (int)GEMM_SCRATCH_BYTES > (int)ATTENTION_SCRATCH_BYTES ? (int)GEMM_SCRATCH_BYTES : (int)ATTENTION_SCRATCH_BYTES,
  LINE_BYTES = 64,
  ALIAS_BYTES = 4096
};

const char *const isa_names[ISA_LEVELS + 1] = {"ref", "avx2", "avx512", "avx512_bf16", "amx", NULL};
const char *const scoring_names[3] = {"sigmoid", "softmax", NULL};

Mat mat_take(Arena *a, int64_t rows, int64_t cols, Dtype type) {
  int64_t line = LINE_BYTES / (int64_t)dtype_bytes(type), ld = cols;
  if (type != DT_F64 && rows > 1) {
    ld = (cols + line - 1) / line * line;
    if ((size_t)ld * dtype_bytes(type) % ALIAS_BYTES == 0) ld += line;
  }
  Mat m = mat_of(arena_take(a, (size_t)(rows * ld) * dtype_bytes(type)), ld, type);
  if (type == DT_SPLIT) m.low = arena_take(a, (size_t)(rows * ld) * sizeof *m.low);
  return m;
}

size_t gemm_packed_bytes(const Dev *d, int64_t N, int64_t K, Dtype type) { return d->op->gemm_packed_bytes(N, K, type); }

// Every level up to `isa`, each over the one before.
static void table_fill(Ops *o, Isa isa) {
  ops_init_ref(o);
#if HAVE_ISA_AVX2
  if (isa >= ISA_AVX2) ops_init_avx2(o);
#endif
#if HAVE_ISA_AVX512
  if (isa >= ISA_AVX512) ops_init_avx512(o);
#endif
#if HAVE_ISA_AVX512_BF16
  if (isa >= ISA_AVX512_BF16) ops_init_avx512_bf16(o);
#endif
#if HAVE_ISA_AMX
  if (isa >= ISA_AMX) ops_init_amx(o);
#endif
  (void)isa;
}

static Isa isa_by_name(const char *name) {
  Isa isa = ISA_REF;
  while (isa < ISA_LEVELS && strcmp(name, isa_names[isa]) != 0) isa++;
  return isa;
}

static Isa isa_for_bf16(Isa isa) {
  if (isa == ISA_AMX && !cpu_amx_is_fast()) isa = ISA_AVX512_BF16;
  return isa == ISA_AVX512_BF16 && !peak_dot_is_fast() ? ISA_AVX512 : isa;
}

static Err isa_choose(Isa *isa) {
  *isa = cpu_isa();
  const char *cap = getenv("PLEIAD_ISA");
  if (!cap || !*cap) return ERR_OK;
  Isa wanted = isa_by_name(cap);
  CHECK(wanted < ISA_LEVELS, ERR_ARG, "PLEIAD_ISA=%s is not an instruction set; use ref, avx2, avx512, avx512_bf16 or amx",
        cap);
  CHECK(wanted <= *isa, ERR_ARG,
        "PLEIAD_ISA=%s: this machine and build have no more than %s; leave PLEIAD_ISA unset for the best", cap,
        isa_names[*isa]);
  *isa = wanted;
  return ERR_OK;
}

Err dev_open(Dev *d, int n_threads) {
  *d = (Dev){0};
  Err err = ERR_OK;
  TRY(isa_choose(&d->isa));
  d->bf16 = isa_for_bf16(d->isa);
  TRY(blocks_choose(d));
  TRY(pool_open(&d->pool, n_threads, true));
  d->scratch_thread_bytes = SCRATCH_THREAD_BYTES;
  TRY_OUT(arena_init(&d->scratch, "the operations' working space", (size_t)pool_threads(d->pool) * d->scratch_thread_bytes));
  d->table = calloc(1, sizeof *d->table);
  CHECK_OUT(d->table, ERR_MEMORY, "no memory for the table of operations");
  table_fill(d->table, d->isa);
  d->op = d->table;
  return ERR_OK;
out:
  dev_close(d);
  return err;
}

void dev_close(Dev *d) {
  pool_close(d->pool);
  arena_free(&d->scratch);
  free(d->table);
  *d = (Dev){0};
}

// Only of a level that the processor has: even what fills its table is compiled for it.
static const Ops *null_table(Isa isa) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static Ops table[ISA_LEVELS];
  static bool filled[ISA_LEVELS];
  pthread_mutex_lock(&lock);
  if (!filled[isa]) {
    table_fill(&table[isa], isa);  // what is not an operation (sizes) stays the level's own
    ops_init_null(&table[isa]);
    filled[isa] = true;
  }
  pthread_mutex_unlock(&lock);
  return &table[isa];
}

void dev_measure(Dev *d) {
  *d = (Dev){0};
  if (isa_choose(&d->isa) != ERR_OK) d->isa = cpu_isa();  // dev_open will say so
  d->bf16 = isa_for_bf16(d->isa);
  d->op = null_table(d->isa);
  arena_measure(&d->scratch, "the operations' working space");
  d->scratch_thread_bytes = SCRATCH_THREAD_BYTES;
}

bool dev_measuring(const Dev *d) { return d->table == NULL; }

void *dev_scratch(const Dev *d, int thread, size_t bytes) {
  assert(bytes <= d->scratch_thread_bytes);
  (void)bytes;
  return d->scratch.base ? d->scratch.base + (size_t)thread * d->scratch_thread_bytes : NULL;
}

void ops_describe(const Dev *d, FILE *to) {
  char name[64];
  cpu_name(name, sizeof name);
  const char *cap = getenv("PLEIAD_ISA");
  fprintf(to, "%s: up to %s here; %s in use%s\n", name, isa_names[cpu_isa()], isa_names[d->isa],
          cap && *cap ? " (PLEIAD_ISA)" : "");
  if (cpu_amx_fault()) fprintf(to, "AMX is not used: %s\n", cpu_amx_fault());
  fprintf(to, "bf16 products by %s", isa_names[d->bf16]);
  if (d->bf16 != d->isa) fprintf(to, ": %s was measured to be slower here", isa_names[d->isa]);
  fprintf(to, "\n");
  for (int type = DT_F32; type <= DT_BF16; type++)
    if (d->blocks_from[type])
      fprintf(to, "blocks of %s products: %lld rows, %lld columns, %lld k's (%s)\n", type == DT_BF16 ? "bf16" : "fp32",
              (long long)d->blocks[type].rows, (long long)d->blocks[type].cols, (long long)d->blocks[type].k,
              d->blocks_from[type]);
#define OP(name, params, tolerance) fprintf(to, "  %-28s %s\n", #name, d->op->name##_from);
#include "ops/ops.inc"
#undef OP
}
