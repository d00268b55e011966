// What the processor can do at most, measured: the denominators of the benches and of MFU.
#ifndef OPS_PEAK_H
#define OPS_PEAK_H

#include "ops/ops.h"

// Floating-point operations a second in one type, on all the device's threads.
typedef struct {
  double peak;  // multiply and add, or bf16 dot products where the device computes bf16 with them, in registers alone
  double gemm;  // our matrix product of 1024^3 with operands packed beforehand
} Speed;

typedef struct {
  Speed fp32, bf16;
  double read_bytes;  // a second, from memory
  double copy_bytes;  // a second, read and written together, to memory
  double region_s;    // a region of the pool that does nothing, begin to end
} Peaks;

// A Speed's peak alone: what MFU is against. About `budget_s` seconds.
double peak_measure(Dev *dev, Dtype type, double budget_s);
// Both of a Speed, the product's the best of a few. About `budget_s` seconds, 16 MiB for the while. ERR_MEMORY.
Err speed_measure(Dev *dev, Dtype type, double budget_s, Speed *out);
// Both types and the memory, in about `budget_s` seconds; 256 MiB for the while: more than the caches. ERR_MEMORY.
Err peaks_measure(Dev *dev, double budget_s, Peaks *out);

// The memory's speed moves by a factor of two within seconds where others share it: what is set against it is measured in turn
// with it. Two buffers of 128 MiB, more than the caches: what ran before a pass finds them cold after it.
typedef struct {
  Arena arena;
  float *x, *y;
} MemoryProbe;
// ERR_MEMORY.
Err memory_probe_open(MemoryProbe *p);
void memory_probe_close(MemoryProbe *p);
// One pass of all threads over it: bytes a second, of reading, writing, or copying (read and written together).
double memory_probe_read(const MemoryProbe *p, Dev *dev);
double memory_probe_write(const MemoryProbe *p, Dev *dev);
double memory_probe_copy(const MemoryProbe *p, Dev *dev);
// One pass that reads `bytes` (a multiple of 1024 is read) of any memory: bytes a second.
double memory_read(Dev *dev, const void *data, size_t bytes);

#endif
