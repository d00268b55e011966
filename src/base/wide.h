// A function whose loops compilers make vectors of, compiled for wide ones too: the version that the processor can run is
// chosen when the program starts. The bits are the same (nothing is contracted, sums stay in the order they are written). gcc
// only, and not with sanitizers, which are not ready that early; elsewhere the one version is that of the whole program.
#ifndef BASE_WIDE_H
#define BASE_WIDE_H

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define WIDE
#endif
// Part of such functions: it takes their width.
#define WIDE_PART static inline __attribute__((always_inline))
// Before a loop whose turns should follow each other without a branch.
#ifdef __clang__
#define UNROLL(n)
#else
#define UNROLL(n) UNROLL_PRAGMA(GCC unroll n)
#define UNROLL_PRAGMA(text) _Pragma(#text)
#endif

#endif
