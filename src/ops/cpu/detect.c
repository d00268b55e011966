#include "ops/cpu/detect.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/peak_loops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000 };

typedef struct {
  unsigned a, b, c, d;
} Cpuid;

static Cpuid cpuid(unsigned leaf, unsigned sub) {
  Cpuid r = {0};
  if (!__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d)) r = (Cpuid){0};
  return r;
}

static bool has(unsigned word, int bit) { return word >> bit & 1; }

// The register states that the system saves on a switch (XCR0).
static uint64_t saved_states(void) {
  if (!has(cpuid(1, 0).c, 27)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static bool saves(uint64_t states) { return (saved_states() & states) == states; }

static bool has_avx2(void) {
  Cpuid one = cpuid(1, 0), seven = cpuid(7, 0);
  return has(one.c, 12) && has(one.c, 28) && has(one.c, 29) && has(seven.b, 5) && saves(XCR0_AVX);  // FMA, AVX, F16C, AVX2
}

static bool has_avx512(void) {
  Cpuid seven = cpuid(7, 0);  // F, DQ, BW, VL, VBMI
  return has(seven.b, 16) && has(seven.b, 17) && has(seven.b, 30) && has(seven.b, 31) && has(seven.c, 1) && saves(XCR0_AVX512);
}

// With the dots of bytes (VNNI), which every processor with those of bf16 has.
static bool has_avx512_bf16(void) { return has(cpuid(7, 1).a, 5) && has(cpuid(7, 0).c, 11); }

static bool amx_claims(void) {
  const Cpuid seven = cpuid(7, 0);  // bf16, tile
  return has(seven.d, 22) && has(seven.d, 24);
}

static bool amx_saves(void) { return saves(XCR0_AMX); }

static bool amx_grants(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }

#if !HAVE_ISA_AMX
bool amx_product_is_right(void) { return false; }
#endif

CpuAmx cpu_amx = {.claims = amx_claims,
                  .saves = amx_saves,
                  .grants = amx_grants,
                  .multiplies = amx_product_is_right,
                  .is_fast = peak_amx_is_fast};

static const char *amx_fault;
static bool amx_usable;

static void try_amx(void) {
  if (!HAVE_ISA_AMX || !cpu_amx.claims()) return;
  if (!cpu_amx.saves()) amx_fault = "the system does not save its registers (XCR0)";
  else if (!cpu_amx.grants()) amx_fault = "the system refused its registers (arch_prctl)";
  else if (!cpu_amx.multiplies()) amx_fault = "a product came out wrong";
  else amx_usable = true;
}

static bool has_amx(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, try_amx);
  return amx_usable;
}

bool cpu_amx_is_fast(void) { return cpu_amx.is_fast(); }

const char *cpu_amx_fault(void) { return amx_fault; }

Isa cpu_isa(void) {
  if (!HAVE_ISA_AVX2 || !has_avx2()) return ISA_REF;
  if (!HAVE_ISA_AVX512 || !has_avx512()) return ISA_AVX2;
  if (!HAVE_ISA_AVX512_BF16 || !has_avx512_bf16()) return ISA_AVX512;
  if (!HAVE_ISA_AMX || !has_amx()) return ISA_AVX512_BF16;
  return ISA_AMX;
}

void cpu_name(char *text, size_t size) {
  unsigned name[12] = {0};
  for (unsigned i = 0; i < 3; i++) {
    Cpuid r = cpuid(0x80000002u + i, 0);
    memcpy(&name[4 * i], &r, sizeof r);
  }
  char all[sizeof name + 1] = "";
  memcpy(all, name, sizeof name);
  const char *start = all;
  while (*start == ' ') start++;
  size_t n = strlen(start);
  while (n > 0 && start[n - 1] == ' ') n--;
  if (size == 0) return;
  if (n > size - 1) n = size - 1;
  memcpy(text, start, n);
  text[n] = '\0';
}

void cpu_key(char text[CPU_KEY_BYTES]) {
  char name[64];
  cpu_name(name, sizeof name);
  snprintf(text, CPU_KEY_BYTES, "%s [%x]", name, cpuid(1, 0).a);
}

#else

void cpu_key(char text[CPU_KEY_BYTES]) { cpu_name(text, CPU_KEY_BYTES); }
Isa cpu_isa(void) { return ISA_REF; }
const char *cpu_amx_fault(void) { return NULL; }
bool cpu_amx_is_fast(void) { return false; }
void cpu_name(char *text, size_t size) {
  static const char unknown[] = "unknown processor";
  if (size == 0) return;
  size_t n = sizeof unknown - 1 < size - 1 ? sizeof unknown - 1 : size - 1;
  memcpy(text, unknown, n);
  text[n] = '\0';
}

#endif
