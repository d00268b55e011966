// Another library's fp32 matrix product, loaded when it is asked for, to be set beside ours in `pleiad bench ops`.
#ifndef CLI_BENCH_PEER_H
#define CLI_BENCH_PEER_H

#include "ops/ops.h"

typedef struct {
  void *library;  // NULL: there is none
  const char *name;
  void *product;
  int kind;
} Peer;

// Loads `path` (a shared library, or its name where the system looks for them) and has it make its threads, `n_threads` (0: all
// cores): before any device is open, since threads inherit the core that a device pins its first to. Known are CBLAS
// (cblas_sgemm; OpenBLAS, MKL, BLIS; also OpenBLAS's with 64-bit numbers, under its names) and oneDNN (dnnl_sgemm). ERR_ARG:
// not there, or none of these.
Err peer_open(Peer *p, const char *path, int n_threads);
void peer_close(Peer *p);
// Whether it has this product: fp32 operands and sums, rows in their order, no bias, nothing added but C itself.
bool peer_has(const Peer *p, const GemmArgs *g);
void peer_gemm(const Peer *p, const GemmArgs *g);

#endif
