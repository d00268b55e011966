// AMX's arithmetic in AVX-512, to the manual's letter.
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "base/half.h"
#include "ops/cpu/avx512/simd.h"
#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

typedef struct {
  Vf row[16];
} Tile;
static _Thread_local Tile tiles[8];
static _Thread_local unsigned kept_mode;

// As the instruction does: subnormals are zeros, results are rounded to nearest.
static inline void tiles_begin(void) {
  kept_mode = _mm_getcsr();
  _mm_setcsr(_MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON | _MM_ROUND_NEAREST | _MM_MASK_MASK);
}
static inline void tiles_end(void) { _mm_setcsr(kept_mode); }

static void tile_load(Tile *t, const void *at, int64_t stride_bytes) {
  for (int i = 0; i < 16; i++) t->row[i] = _mm512_loadu_ps((const char *)at + i * stride_bytes);
}

static void tile_store(const Tile *t, void *at, int64_t stride_bytes) {
  for (int i = 0; i < 16; i++) _mm512_storeu_ps((char *)at + i * stride_bytes, t->row[i]);
}

static void tile_dot(Tile *c, const Tile *a, const Tile *b) {
  for (int i = 0; i < 16; i++) {
    Vf even = vf_set(0), odd = vf_set(0);
    for (int k = 0; k < 16; k++) {
      Vf pair = _mm512_castsi512_ps(_mm512_set1_epi32(((const int32_t *)&a->row[i])[k]));
      even = vf_fma(vf_low_half(pair), vf_low_half(b->row[k]), even);
      odd = vf_fma(vf_high_half(pair), vf_high_half(b->row[k]), odd);
    }
    c->row[i] = vf_add(c->row[i], vf_add(even, odd));
  }
}

#define TILE_ZERO(c) (tiles[c] = (Tile){{vf_set(0)}})
#define TILE_LOAD(t, at, stride_bytes) tile_load(&tiles[t], at, stride_bytes)
#define TILE_STORE(c, at, stride_bytes) tile_store(&tiles[c], at, stride_bytes)
#define TILE_DOT(c, a, b) tile_dot(&tiles[c], &tiles[a], &tiles[b])
#include "ops/cpu/amx/gemm_bf16_32x32.inc"

const GemmKernel gemm_bf16_amx_emulated = TILE_KERNEL("bf16 32x32, AMX emulated");
