#include "ops/cpu/amx/tiles.h"
#include "ops/cpu/peak_loops.h"

double peak_dot_amx(int64_t rounds) {
  tiles_begin();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(6);
  const int64_t dots = rounds / 16;  // a dot here is some dozens of the other loops' instructions
  for (int64_t r = 0; r < dots; r++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 6);
  }
  tiles_end();
  return 4 * 2.0 * 16 * 16 * 32 * (double)dots;
}
