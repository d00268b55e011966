// Operations: one list (ops.inc), one table of function pointers, one device.
//
// An operation works on whole tensors, knows nothing of layers, allocates nothing, and divides its work over the device's
// threads by index, so its bits do not depend on the thread count. Rows are independent: a row's result does not depend on
// which other rows share the call, in which number or order (sums over K go in one fixed order, attention in tiles at absolute
// positions). That is what lets one forward serve training, scoring and decoding with equal bits. NaN and Inf pass through.
//
// The reference (cpu/ref) computes in double and takes every type, F64 too, so it is also what finite differences check. Faster
// versions (cpu/avx2, ...) take F32 and BF16, accumulate in fp32, and override it where they exist.
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/thread.h"

// DT_I32 is for looking at tensors (probes); no operation computes with it. DT_Q8 is for weights of gemm and gemm_grouped that
// are only read: 8-bit codes and scales, which lie as ops/q8.h says and are no rows of elements. DT_SPLIT is for weights that
// are trained in bf16: fp32 numbers in two halves (base/half.h), of which the high ones are the bf16 matrix that products read
// (mat_high); cast, scale_add, embedding_forward and adamw take it.
typedef enum { DT_F32, DT_BF16, DT_F64, DT_I32, DT_Q8, DT_SPLIT } Dtype;

// Of an element of Mat.data.
static inline size_t dtype_bytes(Dtype t) { return t == DT_F64 ? 8 : t == DT_BF16 || t == DT_SPLIT ? 2 : t == DT_Q8 ? 1 : 4; }
// What activations beside weights of a type are.
static inline Dtype dtype_of_rows(Dtype weights) { return weights == DT_Q8 ? DT_BF16 : weights; }

// A matrix in memory: row i, column j is element i * ld + j of data. A vector of n is one row, or n rows of ld 1 where said so.
typedef struct {
  void *data;
  int64_t ld;
  Dtype type;
  uint16_t *low;  // of DT_SPLIT: the low halves, which lie as the high ones in `data` do; else NULL
} Mat;

static inline Mat mat_of(void *data, int64_t ld, Dtype type) { return (Mat){.data = data, .ld = ld, .type = type}; }
static inline Mat mat_none(void) { return mat_of(NULL, 0, DT_F32); }
// What products read: of DT_SPLIT the high halves, else the matrix itself.
static inline Mat mat_high(Mat m) { return m.type == DT_SPLIT ? mat_of(m.data, m.ld, DT_BF16) : m; }
// The same matrix from (row, column) on. NULL stays NULL (measuring).
static inline Mat mat_at(Mat m, int64_t row, int64_t column) {
  if (m.data) m.data = (char *)m.data + (size_t)(row * m.ld + column) * dtype_bytes(m.type);
  if (m.low) m.low += row * m.ld + column;
  return m;
}
// A fresh [rows, cols] matrix from an arena. fp32 and bf16 rows are padded to whole cache lines, and rows that would lie a
// multiple of 4 KiB apart by one line more: such rows fall into the same cache sets. Halves lie as bf16 does.
Mat mat_take(Arena *a, int64_t rows, int64_t cols, Dtype type);
// Elements [first, first + n) of a matrix of D columns, row after row, as fp32, or from it: F32, BF16 (rounded), SPLIT. On the
// calling thread: for what goes to files and comes from them.
void mat_read(Mat m, int64_t D, int64_t first, int64_t n, float *out);
void mat_write(Mat m, int64_t D, int64_t first, int64_t n, const float *x);

typedef struct Ops Ops;

// Levels in order; a level needs those before it that its folder names.
typedef enum { ISA_REF, ISA_AVX2, ISA_AVX512, ISA_AVX512_BF16, ISA_AMX, ISA_LEVELS } Isa;
extern const char *const isa_names[ISA_LEVELS + 1];  // "ref", "avx2", "avx512", "avx512_bf16", "amx", NULL

// How matrix products are cut (ops/cpu/blocks.h); changes no bit.
typedef struct {
  int64_t rows, cols, k;  // of A packed at a time, of C in work, of a visit
} GemmBlocks;

typedef struct Dev {
  const Ops *op;  // the operations chosen for this machine
  Pool *pool;     // owned
  Arena scratch;  // owned; per-thread working space of the operations, taken once at dev_open
  size_t scratch_thread_bytes;
  Isa isa;                     // the highest level in use
  Isa bf16;                    // the level that computes bf16 GEMM (not every machine with bf16 dots is fast at them)
  Ops *table;                  // owned
  GemmBlocks blocks[2];        // of products in DT_F32, in DT_BF16
  const char *blocks_from[2];  // "standard", "measured" or "PLEIAD_BLOCKS"; NULL where products know none
} Dev;

// Opens the processor: threads (0: all cores allowed, each bound to its own); instruction set:
// PLEIAD_ISA=ref|avx2|avx512|avx512_bf16|amx caps it (ERR_ARG names an unknown or unsupported one), else the best
// that the processor and the system allow. PLEIAD_BLOCKS=ROWS,COLUMNS,K: blocks of the products (ERR_ARG where they cannot be).
Err dev_open(Dev *d, int n_threads);
void dev_close(Dev *d);
// A device whose operations do nothing: with measuring arenas it runs any forward and backward to count memory.
void dev_measure(Dev *d);
bool dev_measuring(const Dev *d);
// This thread's working space, aligned to 64 bytes: `bytes` must be <= scratch_thread_bytes.
void *dev_scratch(const Dev *d, int thread, size_t bytes);
// Prints which version each operation uses and why.
void ops_describe(const Dev *d, FILE *to);

// C[M,N] = add + bias + A B. Types: c, add f32 or bf16; the product is computed in bf16 with fp32 sums when a and b are both
// bf16, else in fp32 (a bf16 operand is widened, which is exact). Row m of C depends on row m of A and on B only, and not on M.
// b of DT_Q8 (with b_t, without a_t and b_packed): the product of ops/q8.h, whose bits are the same at every level.
typedef struct {
  int64_t M, N, K;
  Mat c;  // [M,N] out
  Mat a;  // [M,K], or stored [K,M] when a_t
  Mat b;  // [K,N], or stored [N,K] when b_t (a weight [out,in] in its forward)
  bool a_t, b_t;
  Mat add;               // [M,N] or none; may be c itself (accumulate)
  Mat bias;              // [N] one row, f32, or none
  const int32_t *a_row;  // [M] or NULL: row m of A is a's row a_row[m] (not with a_t)
  const void *b_packed;  // or NULL: b as gemm_pack left it, used instead of b (b_t then says how it was packed)
} GemmArgs;

// Ragged groups: rows offset[g] .. offset[g+1] - 1 of A and C belong to group g.  C[r,N] = A[r,K] B_g
// Groups of DT_Q8 lie q8_bytes(N, K) apart; b_stride is not read.
typedef struct {
  int64_t groups, N, K;
  int64_t rows_max;       // bound on offset[groups], known before the offsets are
  const int32_t *offset;  // [groups + 1]
  Mat c;                  // [rows,N] out
  Mat a;                  // [rows,K], or read through a_row
  const int32_t *a_row;   // [rows] or NULL: row r of A is a's row a_row[r]
  Mat b;                  // B_0; B_g begins g * b_stride elements further
  int64_t b_stride;
  bool b_t;              // B_g stored [N,K], else [K,N]
  const void *b_packed;  // or NULL: groups packs, each gemm_packed_bytes long
} GroupedGemmArgs;

// C_g[M,N] += sum over rows r of group g, in order, of A[r,:]^T B[r,:]   (weight gradients; empty groups add nothing)
typedef struct {
  int64_t groups, M, N;
  int64_t rows_max;
  const int32_t *offset;  // [groups + 1]
  Mat c;                  // C_0, f32; C_g begins g * c_stride elements further
  int64_t c_stride;
  bool zero;                     // C counts as 0, whatever it holds, and is written: the same bits for half the bytes
  Mat a, b;                      // [rows,M], [rows,N]
  const int32_t *a_row, *b_row;  // [rows] or NULL: gathered rows
} GroupedWeightArgs;

// Causal attention with documents. Query i of a sequence (i in 0..Tq-1) sees keys j with start <= j <= i + Tk - Tq, start =
// doc_start of its token.
//   out_h = softmax(scale q_h . k_g) v_g,  g = h / (H / K).  The key of a head is Dk_own own columns, then Dk_shared columns
//   shared by all
// heads (MLA's rotary key; 0 for the others): q has Dk_own + Dk_shared columns a head.
typedef struct {
  int64_t B, Tq, Tk, H, K, Dk_own, Dk_shared, Dv;
  double scale;
  Mat q;  // [B*Tq, ...]; head h begins at column h * q_stride
  Mat k, k_shared,
      v;  // [B*Tk, ...]; head g of k at column g * k_stride, of v at g * v_stride; k_shared [B*Tk, Dk_shared] or none
  int64_t q_stride, k_stride, v_stride;
  const int32_t *doc_start;  // [B*Tq] or NULL (all 0)
  Mat out;                   // [B*Tq, H*Dv]; out (forward), in (backward)
  Mat lse;  // [B*Tq, H] f32: natural log of the sum of exponentials of the scaled scores; out (forward), in (backward)
  // Backward only. dk, dk_shared, dv, dq are written, not added to. Layouts as q, k, k_shared, v.
  Mat dout, dq, dk, dk_shared, dv;
} AttentionArgs;

typedef enum { SCORE_SIGMOID, SCORE_SOFTMAX } Scoring;
extern const char *const scoring_names[3];  // "sigmoid", "softmax", NULL

// Chooses k of E experts for each token. s = sigmoid or softmax of the logits; choice by s + bias (bias NULL: 0), within the
// topk_group best of n_group equal runs of experts (a run's score: sum of its two best, or with group_max its best; others
// -infinity) when n_group > 1; ties go to the lower index. weights: s of the chosen, divided by (their sum + norm_eps) if
// `normalise`, times `scaling`. aux = E * sum_e f_e P_e per sequence of T tokens: f_e = picks of e / (k T), P_e = mean of s_e /
// (sum of s + 1e-20).
typedef struct {
  int64_t N, T, E, k, n_group, topk_group;  // N = B T
  Scoring scoring;
  bool normalise, group_max;
  double norm_eps, scaling;
  Mat logits;         // [N,E] f32
  const float *bias;  // [E] or NULL
  bool given;         // the forward does not choose: ids are in, those that another forward chose
  int32_t *ids;       // [N,k] falling choice score; out (forward), in (backward)
  Mat weights;        // [N,k] f32 out
  int32_t *picks;     // [B,E] out: picks in each sequence; NULL with aux none: not wanted (decoding); in (backward, unless
                      // aux_scale is 0)
  Mat aux;            // [B] rows of ld 1, f32 out, or none
  // Backward: dlogits [N,E] f32 is written: from dweights [N,k], and aux_scale * d aux (through P only).
  Mat dweights, dlogits;
  double aux_scale;
} RouterArgs;

// AdamW, decoupled decay, one pass: g *= grad_scale; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
// p -= lr (m / c1 / (sqrt(v / c2) + eps) + decay p), c = 1 - b^step.  Elementwise, p in fp32 however it is held; m and v f32 or
// bf16 (rounded to nearest).
typedef struct {
  int64_t N, D, step;  // step counts from 1
  Mat p;               // [N,D], f32 or split
  const float *g;      // [N D], the rows one after the other without gaps, as in m and v
  Mat m, v;            // one row
  double lr, beta1, beta2, eps, decay, grad_scale;
} AdamwArgs;

struct Ops {
#define OP(name, params, tolerance) void(*name) params;
#include "ops/ops.inc"
#undef OP
#define OP(name, params, tolerance) const char *name##_from;  // name of the level that set it
#include "ops/ops.inc"
#undef OP
  size_t (*gemm_packed_bytes)(int64_t N, int64_t K, Dtype type);  // of the level that set gemm_pack
};

#define OP(name, params, tolerance) typedef void name##_fn params;
#include "ops/ops.inc"
#undef OP

// Bytes of a packed B [K,N] for gemm (one group) on this device, in the type it will be computed in.
size_t gemm_packed_bytes(const Dev *d, int64_t N, int64_t K, Dtype type);

// Each sets what it has and leaves the rest.
void ops_init_ref(Ops *o);
void ops_init_null(Ops *o);
void ops_init_avx2(Ops *o);
void ops_init_avx512(Ops *o);
void ops_init_avx512_bf16(Ops *o);
void ops_init_amx(Ops *o);

#endif
