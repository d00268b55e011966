// The matrix tiles of a thread, all eight of 16 rows of 64 bytes. The system must have given leave (cpu/detect.c).
#ifndef OPS_CPU_AMX_TILES_H
#define OPS_CPU_AMX_TILES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} TileConfig;

// Static, so that no compiler drops the stores that fill it.
static const TileConfig tile_config __attribute__((aligned(64))) = {
    .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

// Once a thread: its tiles stay configured.
static inline void tiles_begin(void) {
  static _Thread_local bool ready;
  if (!ready) _tile_loadconfig(&tile_config);
  ready = true;
}
static inline void tiles_end(void) {}

#endif
