#include "ops/amx_trap.h"

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "ops/cpu/avx512/simd.h"
#include "ops/cpu/detect.h"
#include "test.h"

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, CONFIG_NAMES = 16 };

// As ldtilecfg reads and sttilecfg writes it.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[CONFIG_NAMES];
  uint8_t rows[CONFIG_NAMES];
} Config;

typedef struct {
  Vf row[ROWS];
} Tile;

static _Thread_local Tile tiles[TILES];
static _Thread_local Config config;  // palette 0: not configured

// An instruction: ModRM's and VEX's fields, and the address of its operand in memory.
typedef struct {
  unsigned prefix, opcode;  // VEX.pp
  int reg, rm, third;       // third: VEX.vvvv
  bool memory, sib;
  char *at;
  int64_t stride;
  int length;
} Instruction;

enum { PP_NONE, PP_66, PP_F3, PP_F2 };

static int64_t gpr(const ucontext_t *c, int number) {
  static const int greg[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return c->uc_mcontext.gregs[greg[number]];
}

// The operand in memory, whose bytes begin at ModRM; returns how many they are.
static int decode_address(const ucontext_t *c, const uint8_t *modrm, bool x, bool b, int64_t next_rip, Instruction *in) {
  const int mod = modrm[0] >> 6, rm = modrm[0] & 7;
  int n = 1, base = rm;
  int64_t at = 0;
  in->sib = rm == 4;
  if (in->sib) {
    const int index = (modrm[1] >> 3 & 7) | x << 3;
    base = modrm[1] & 7;
    n++;
    if (index != 4) in->stride = (int64_t)((uint64_t)gpr(c, index) << (modrm[1] >> 6));
  }
  int32_t wide = 0;
  if (mod == 2 || (mod == 0 && base == 5)) {
    memcpy(&wide, modrm + n, 4);
    n += 4;
  } else if (mod == 1) {
    wide = (int8_t)modrm[n++];
  }
  if (mod == 0 && base == 5) at = in->sib ? 0 : next_rip + n;
  else at = gpr(c, base | b << 3);
  in->at = (char *)(at + wide);  // NOLINT(performance-no-int-to-ptr): an address of the program's
  return n;
}

// false: no VEX instruction of the map that AMX is in.
static bool decode(const ucontext_t *c, const uint8_t *code, Instruction *in) {
  *in = (Instruction){0};
  if (code[0] != 0xc4 || (code[1] & 31) != 2 || code[2] & 0x84) return false;  // map 0F38, W0, 128 bits
  const bool r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
  in->prefix = code[2] & 3;
  in->third = ~code[2] >> 3 & 15;
  in->opcode = code[3];
  in->reg = (code[4] >> 3 & 7) | r << 3;
  in->rm = (code[4] & 7) | b << 3;
  in->memory = code[4] >> 6 != 3;
  in->length = 4 + (in->memory ? decode_address(c, code + 4, x, b, (int64_t)code + 4, in) : 1);
  return true;
}

#define REFUSE_IF(wrong, ...) ASSERT_MSG(!(wrong), "AMX: " __VA_ARGS__)

static void load_config(const Instruction *in) {
  Config c;
  memcpy(&c, in->at, sizeof c);
  memset(tiles, 0, sizeof tiles);
  config = (Config){0};
  if (c.palette == 0) return;
  REFUSE_IF(c.palette != 1, "ldtilecfg: palette %d is none", c.palette);
  for (size_t i = 0; i < sizeof c.reserved; i++) REFUSE_IF(c.reserved[i], "ldtilecfg: reserved byte %d is not 0", (int)i);
  for (int i = 0; i < CONFIG_NAMES; i++) {
    REFUSE_IF(i >= TILES && (c.rows[i] || c.row_bytes[i]), "ldtilecfg: there is no tile %d", i);
    REFUSE_IF(c.rows[i] > ROWS || c.row_bytes[i] > ROW_BYTES, "ldtilecfg: tile %d of %d x %d bytes", i, c.rows[i],
              c.row_bytes[i]);
    REFUSE_IF(!c.rows[i] != !c.row_bytes[i], "ldtilecfg: tile %d of %d x %d bytes", i, c.rows[i], c.row_bytes[i]);
  }
  REFUSE_IF(c.start_row, "ldtilecfg: begins at row %d", c.start_row);
  config = c;
}

static void check_tile(int t, const char *name) {
  REFUSE_IF(config.palette == 0, "%s: this thread's tiles are not configured", name);
  REFUSE_IF(t >= TILES || !config.rows[t], "%s: tile %d is not configured", name, t);
}

static void load_tile(const Instruction *in) {
  check_tile(in->reg, "tileloadd");
  memset(&tiles[in->reg], 0, sizeof tiles[in->reg]);
  for (int i = 0; i < config.rows[in->reg]; i++)
    memcpy(&tiles[in->reg].row[i], in->at + i * in->stride, config.row_bytes[in->reg]);
}

static void store_tile(const Instruction *in) {
  check_tile(in->reg, "tilestored");
  for (int i = 0; i < config.rows[in->reg]; i++)
    memcpy(in->at + i * in->stride, &tiles[in->reg].row[i], config.row_bytes[in->reg]);
}

// c += a b: even and odd k's have sums of their own, of fused multiply-adds from 0 on, whose sum is added to c. Subnormals are
// zeros and all is rounded to nearest, whatever the program's mode.
static void dot_tiles(const Instruction *in) {
  const int c = in->reg, a = in->rm, b = in->third;
  check_tile(c, "tdpbf16ps"), check_tile(a, "tdpbf16ps"), check_tile(b, "tdpbf16ps");
  REFUSE_IF(c == a || c == b || a == b, "tdpbf16ps: tiles %d, %d, %d are not three", c, a, b);
  REFUSE_IF(config.rows[c] != config.rows[a] || config.row_bytes[c] != config.row_bytes[b] ||
                config.row_bytes[a] != 4 * config.rows[b] || config.row_bytes[a] % 4 || config.row_bytes[b] % 4,
            "tdpbf16ps: tiles of %d x %d, %d x %d, %d x %d bytes do not fit", config.rows[c], config.row_bytes[c],
            config.rows[a], config.row_bytes[a], config.rows[b], config.row_bytes[b]);
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(_MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON | _MM_ROUND_NEAREST | _MM_MASK_MASK);
  Vf low[ROWS], high[ROWS];
  for (int k = 0; k < config.rows[b]; k++) low[k] = vf_low_half(tiles[b].row[k]), high[k] = vf_high_half(tiles[b].row[k]);
  for (int i = 0; i < config.rows[c]; i++) {
    Vf even = vf_set(0), odd = vf_set(0);
    for (int k = 0; k < config.rows[b]; k++) {
      const Vf pair = _mm512_castsi512_ps(_mm512_set1_epi32(((const int32_t *)&tiles[a].row[i])[k]));
      even = vf_fma(vf_low_half(pair), low[k], even);
      odd = vf_fma(vf_high_half(pair), high[k], odd);
    }
    tiles[c].row[i] = vf_add(tiles[c].row[i], vf_add(even, odd));
  }
  _mm_setcsr(mode);
}

// false: not one of those known.
static bool execute(const Instruction *in) {
  enum { CONFIGURE = 0x49, MOVE = 0x4b, DOT_BF16 = 0x5c };
  if (in->opcode == DOT_BF16 && in->prefix == PP_F3 && !in->memory) {
    dot_tiles(in);
    return true;
  }
  if (in->third) return false;
  if (in->opcode == MOVE && in->memory && in->sib && in->prefix != PP_NONE) {
    if (in->prefix == PP_F3) store_tile(in);
    else load_tile(in);  // tileloaddt1 says only that the lines will hardly be read again
    return true;
  }
  if (in->opcode != CONFIGURE) return false;
  if (in->memory && in->prefix == PP_NONE) {
    load_config(in);
  } else if (in->memory && in->prefix == PP_66) {
    memcpy(in->at, &config, sizeof config);
  } else if (!in->memory && in->prefix == PP_NONE && in->reg == 0 && in->rm == 0) {
    config = (Config){0};
    memset(tiles, 0, sizeof tiles);
  } else if (!in->memory && in->prefix == PP_F2 && in->rm == 0) {
    check_tile(in->reg, "tilezero");
    memset(&tiles[in->reg], 0, sizeof tiles[in->reg]);
  } else {
    return false;
  }
  return true;
}

// Instructions that follow without another between cost one signal.
static void on_illegal(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ucontext_t *c = context;
  greg_t *rip = &c->uc_mcontext.gregs[REG_RIP];
  Instruction in;
  for (bool first = true;; first = false, *rip += in.length) {
    const uint8_t *code = (const uint8_t *)*rip;  // NOLINT(performance-no-int-to-ptr)
    if (decode(c, code, &in) && execute(&in)) continue;
    ASSERT_MSG(!first, "illegal instruction %02x %02x %02x %02x %02x %02x at %p", code[0], code[1], code[2], code[3], code[4],
               code[5], (const void *)code);
    return;
  }
}

static void trap_install(void) {
  struct sigaction a = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO | (int)SA_NODEFER};
  ASSERT(sigaction(SIGILL, &a, NULL) == 0);
}

static bool yes(void) { return true; }

bool amx_emulate(void) {
  if (!HAVE_ISA_AMX || !__builtin_cpu_supports("avx512bf16")) return false;
  cpu_amx.is_fast = yes;
  if (cpu_amx.claims() && cpu_amx.saves() && cpu_amx.grants()) return true;
  cpu_amx.claims = cpu_amx.saves = cpu_amx.grants = yes;
  trap_install();
  return true;
}
