// The matrix tiles of a thread, all eight of 16 rows of 64 bytes. The system must have given leave (cpu/detect.c).
//
// They are made ready before a thread's part of a product and given back after it: whatever else the process does with them
// (another library, a fork, a new thread) is nothing to us, and a thread that waits has none for the system to save.
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

static inline void tiles_begin(void) { _tile_loadconfig(&tile_config); }
static inline void tiles_end(void) { _tile_release(); }

#endif
