#include <string.h>

#include "base/half.h"
#include "ops/cpu/amx/tiles.h"
#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

#define TILE_ZERO(c) _tile_zero(c)
#define TILE_LOAD(t, at, stride_bytes) _tile_loadd(t, at, stride_bytes)
#define TILE_STORE(c, at, stride_bytes) _tile_stored(c, at, stride_bytes)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#include "ops/cpu/amx/gemm_bf16_32x32.inc"

bool amx_product_is_right(void) {
  _Alignas(64) static Bf16 a[MR * BLOCK], b[NR * BLOCK];
  _Alignas(64) static float out[MR * NR];
  for (int i = 0; i < MR; i++)
    for (int k = 0; k < BLOCK; k++) {
      a[i * BLOCK + k] = bf16_from_f32((float)((i * 7 + k * 3) % 16 - 8));
      b[k / 2 * NR * 2 + i * 2 + k % 2] = bf16_from_f32((float)((i * 5 + k * 11) % 16 - 8));
    }
  tile(BLOCK, a, b, MR, NR, NULL, out, NR);
  for (int i = 0; i < MR; i++)
    for (int j = 0; j < NR; j++) {
      float sum = 0;
      for (int k = 0; k < BLOCK; k++) sum += (float)(((i * 7 + k * 3) % 16 - 8) * ((j * 5 + k * 11) % 16 - 8));
      if (out[i * NR + j] != sum) return false;
    }
  return true;
}

const GemmKernel gemm_bf16_amx = TILE_KERNEL("bf16 32x32, AMX");
