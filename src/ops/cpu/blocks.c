#include "ops/cpu/blocks.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ops/cpu/gemm_product.h"
#include "ops/cpu/remember.h"

enum { KEY_BYTES = 64, NUMBERS = 3 };

GemmBlocks blocks_standard(const GemmKernel *k) { return (GemmBlocks){GEMM_ROWS_L2, k->block_cols, k->kc}; }

bool blocks_fit(const GemmKernel *k, GemmBlocks b) {
  if (b.rows < 1 || b.rows > BLOCK_ROWS_MAX || b.cols < BLOCK_STEP || b.cols > BLOCK_COLS_MAX || b.cols % BLOCK_STEP)
    return false;
  if (b.k < BLOCK_STEP || b.k > BLOCK_K_MAX || b.k % BLOCK_STEP) return false;
  const size_t bytes =
      (size_t)div_up(b.rows, k->mr) * panel_bytes(k, k->mr, b.k) + (size_t)(b.cols / k->nr) * panel_bytes(k, k->nr, b.k);
  return bytes <= GEMM_PANELS_BYTES;
}

static void key_of(const GemmKernel *k, char key[KEY_BYTES]) { snprintf(key, KEY_BYTES, "blocks, %s", k->name); }

bool blocks_remember(const GemmKernel *k, GemmBlocks b) {
  char key[KEY_BYTES];
  key_of(k, key);
  const int64_t numbers[NUMBERS] = {b.rows, b.cols, b.k};
  remember_numbers(key, numbers, NUMBERS);
  int64_t kept[NUMBERS];
  return remembered_numbers(key, kept, NUMBERS) == NUMBERS && memcmp(kept, numbers, sizeof kept) == 0;
}

// false: nothing (fitting) is remembered.
static bool recall(const GemmKernel *k, GemmBlocks *b) {
  static atomic_bool said;
  char key[KEY_BYTES];
  int64_t n[NUMBERS];
  key_of(k, key);
  const int found = remembered_numbers(key, n, NUMBERS);
  if (found < 0) return false;
  const GemmBlocks kept = {n[0], n[1], n[2]};
  if (found == NUMBERS && blocks_fit(k, kept)) {
    *b = kept;
    return true;
  }
  if (!atomic_exchange(&said, true))
    log_warn(
        "processors.json: \"%s\" of this processor are no block sizes (ROWS, COLUMNS, K) that fit; the standard ones are "
        "taken; "
        "`pleiad bench tune` writes them anew",
        key);
  return false;
}

static bool number_at(const char **at, int64_t *out) {
  char *end;
  if (**at < '0' || **at > '9') return false;
  *out = strtoll(*at, &end, 10);
  *at = end;
  return true;
}

static bool parse(const char *text, GemmBlocks *b) {
  return number_at(&text, &b->rows) && *text++ == ',' && number_at(&text, &b->cols) && *text++ == ',' &&
         number_at(&text, &b->k) && !*text;
}

Err blocks_choose(Dev *d) {
  const char *asked = getenv("PLEIAD_BLOCKS");
  for (int type = DT_F32; type <= DT_BF16; type++) {
    const GemmKernel *k = gemm_kernel(d, (Dtype)type);
    if (!k) continue;  // the reference has no blocks
    GemmBlocks *b = &d->blocks[type];
    *b = blocks_standard(k);
    d->blocks_from[type] = "standard";
    if (asked && *asked) {
      CHECK(parse(asked, b) && blocks_fit(k, *b), ERR_ARG,
            "PLEIAD_BLOCKS=%s: three numbers are wanted, rows,columns,k such as %lld,%lld,%lld: 1 to %d rows; columns up to %d "
            "and k's up to %d, multiples of %d; their panels in no more than %d bytes of working space (%s)",
            asked, (long long)GEMM_ROWS_L2, (long long)GEMM_COLS, (long long)k->kc, BLOCK_ROWS_MAX, BLOCK_COLS_MAX, BLOCK_K_MAX,
            BLOCK_STEP, (int)GEMM_PANELS_BYTES, k->name);
      d->blocks_from[type] = "PLEIAD_BLOCKS";
    } else if (recall(k, b)) {
      d->blocks_from[type] = "measured";
    }
  }
  return ERR_OK;
}
