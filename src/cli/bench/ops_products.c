// The matrix products' and attention's cases of `pleiad bench ops`.
#include "cli/bench/ops.h"
#include "ops/q8.h"

static double bytes_of(int64_t rows, int64_t cols, Dtype type) {
  return (double)rows * (double)cols * (double)dtype_bytes(type);
}

// y [N,out] = x [N,in] W^T, W packed beforehand as a step does.
static void carve_linear(BenchJob *j, Arena *a, const Dev *dev, int64_t N, int64_t in, int64_t out) {
  j->gemm = (GemmArgs){.M = N,
                       .N = out,
                       .K = in,
                       .c = mat_take(a, N, out, j->type),
                       .a = mat_take(a, N, in, j->type),
                       .b = mat_take(a, out, in, j->type),
                       .b_t = true};
  j->packed = arena_take(a, gemm_packed_bytes(dev, out, in, j->type));
  j->flops = 2.0 * (double)N * (double)in * (double)out;
  j->read_bytes = bytes_of(N, in, j->type) + bytes_of(out, in, j->type);
  j->write_bytes = bytes_of(N, out, j->type);
}
static void run_linear(Dev *dev, BenchJob *j) {
  if (j->packed && !j->gemm.b_packed) {
    dev->op->gemm_pack(dev, j->packed, j->gemm.b, j->gemm.b_t, j->gemm.N, j->gemm.K);
    j->gemm.b_packed = j->packed;
  }
  dev->op->gemm(dev, &j->gemm);
}
static void run_gemm(Dev *dev, BenchJob *j) { dev->op->gemm(dev, &j->gemm); }

#define LINEAR(name, in, out)                                                            \
  static void carve_##name(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) { \
    carve_linear(j, a, dev, s->B * s->T, in, out);                                       \
  }
LINEAR(q_a, s->D, s->q_rank)
LINEAR(q_b, s->q_rank, s->H *(s->nope + s->rope))
LINEAR(kv_a, s->D, s->kv_rank + s->rope)
LINEAR(kv_b, s->kv_rank, s->H *(s->nope + s->v))
LINEAR(qkv, s->D, (s->H + 2 * s->K) * s->v)
LINEAR(o, s->H * s->v, s->D)
LINEAR(up, s->D, s->F)
LINEAR(down, s->F, s->D)
LINEAR(head, s->D, s->V)
#undef LINEAR

static void carve_decode(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) { carve_linear(j, a, dev, 1, s->D, s->F); }

// y [N,out] = x [N,in] W^T, W of 8 bits.
static void carve_int8(BenchJob *j, Arena *a, int64_t N, int64_t in, int64_t out) {
  j->gemm =
      (GemmArgs){.M = N, .N = out, .K = in, .c = mat_take(a, N, out, j->type), .a = mat_take(a, N, in, j->type), .b_t = true};
  j->m[0] = mat_take(a, out, in, j->type);
  j->packed = arena_take(a, q8_bytes(out, in));
  j->flops = 2.0 * (double)N * (double)in * (double)out;
  j->read_bytes = bytes_of(N, in, j->type) + (double)q8_bytes(out, in);
  j->write_bytes = bytes_of(N, out, j->type);
}
static void run_int8(Dev *dev, BenchJob *j) {
  if (!j->gemm.b.data) {
    q8_pack(dev, j->packed, j->m[0], j->gemm.N, j->gemm.K);
    j->gemm.b = mat_of(j->packed, j->gemm.K, DT_Q8);
  }
  dev->op->gemm(dev, &j->gemm);
}
static void carve_int8_up(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  carve_int8(j, a, s->B * s->T, s->D, s->F);
}
static void carve_int8_down(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  carve_int8(j, a, s->B * s->T, s->F, s->D);
}
// What matters of one token is reading the weights: measured against the memory.
static void carve_int8_head_one(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  carve_int8(j, a, 1, s->D, s->V);
  j->flops = 0;
}
static void carve_int8_up_one(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  carve_int8(j, a, 1, s->D, s->F);
  j->flops = 0;
}

// dx [N,D] = dy [N,F] W, W [F,D]
static void carve_input(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_linear(j, a, dev, s->B * s->T, s->F, s->D);
  j->gemm.b = mat_take(a, s->F, s->D, j->type);
  j->gemm.b_t = false;
}

// dW [F,D] += dy^T x
static void carve_weight(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t N = s->B * s->T;
  Mat dw = mat_take(a, s->F, s->D, DT_F32);
  j->gemm = (GemmArgs){.M = s->F,
                       .N = s->D,
                       .K = N,
                       .c = dw,
                       .add = dw,
                       .a = mat_take(a, N, s->F, j->type),
                       .a_t = true,
                       .b = mat_take(a, N, s->D, j->type)};
  j->flops = 2.0 * (double)N * (double)s->F * (double)s->D;
  j->read_bytes = bytes_of(N, s->F + s->D, j->type) + bytes_of(s->F, s->D, DT_F32);
  j->write_bytes = bytes_of(s->F, s->D, DT_F32);
}

// Sizes of no layer, as other libraries are measured, nothing packed beforehand.
static void carve_form(BenchJob *j, Arena *a, int64_t M, int64_t N, int64_t K, bool a_t, bool b_t) {
  j->gemm = (GemmArgs){.M = M,
                       .N = N,
                       .K = K,
                       .c = mat_take(a, M, N, j->type),
                       .a = a_t ? mat_take(a, K, M, j->type) : mat_take(a, M, K, j->type),
                       .b = b_t ? mat_take(a, N, K, j->type) : mat_take(a, K, N, j->type),
                       .a_t = a_t,
                       .b_t = b_t};
  j->flops = 2.0 * (double)M * (double)N * (double)K;
}
#define FORM(name, M, N, K, a_t, b_t)                                                    \
  static void carve_##name(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) { \
    (void)dev, (void)s;                                                                  \
    carve_form(j, a, M, N, K, a_t, b_t);                                                 \
  }
FORM(cube_nn, 2048, 2048, 2048, false, false)
FORM(cube_nt, 2048, 2048, 2048, false, true)
FORM(cube_tn, 2048, 2048, 2048, true, false)
FORM(flat_nn, 4096, 512, 512, false, false)
FORM(flat_nt, 4096, 512, 512, false, true)
FORM(flat_tn, 4096, 512, 512, true, false)
FORM(deep_nn, 4096, 512, 2048, false, false)
FORM(deep_nt, 4096, 512, 2048, false, true)
FORM(small_nn, 512, 1536, 2560, false, false)
FORM(small_nt, 512, 1536, 2560, false, true)
#undef FORM

const BenchCase bench_op_gemm[] = {{"q_a", carve_q_a, run_linear, NEEDS_LATENT},
                                   {"q_b", carve_q_b, run_linear, NEEDS_LATENT},
                                   {"kv_a", carve_kv_a, run_linear, NEEDS_LATENT},
                                   {"kv_b", carve_kv_b, run_linear, NEEDS_LATENT},
                                   {"qkv", carve_qkv, run_linear, NEEDS_HEADS},
                                   {"o", carve_o, run_linear, NEEDS_NOTHING},
                                   {"up", carve_up, run_linear, NEEDS_NOTHING},
                                   {"down", carve_down, run_linear, NEEDS_NOTHING},
                                   {"head", carve_head, run_linear, NEEDS_NOTHING},
                                   {"up, one token", carve_decode, run_linear, NEEDS_NOTHING},
                                   {"up, int8", carve_int8_up, run_int8, NEEDS_NOTHING},
                                   {"down, int8", carve_int8_down, run_int8, NEEDS_NOTHING},
                                   {"up, int8, one token", carve_int8_up_one, run_int8, NEEDS_NOTHING},
                                   {"head, int8, one token", carve_int8_head_one, run_int8, NEEDS_NOTHING},
                                   {"up, its input's gradient", carve_input, run_gemm, NEEDS_NOTHING},
                                   {"up, its weight's gradient", carve_weight, run_gemm, NEEDS_NOTHING},
                                   {"2048x2048x2048, NN", carve_cube_nn, run_gemm, NEEDS_NOTHING},
                                   {"2048x2048x2048, NT", carve_cube_nt, run_gemm, NEEDS_NOTHING},
                                   {"2048x2048x2048, TN", carve_cube_tn, run_gemm, NEEDS_NOTHING},
                                   {"4096x512x512, NN", carve_flat_nn, run_gemm, NEEDS_NOTHING},
                                   {"4096x512x512, NT", carve_flat_nt, run_gemm, NEEDS_NOTHING},
                                   {"4096x512x512, TN", carve_flat_tn, run_gemm, NEEDS_NOTHING},
                                   {"4096x512x2048, NN", carve_deep_nn, run_gemm, NEEDS_NOTHING},
                                   {"4096x512x2048, NT", carve_deep_nt, run_gemm, NEEDS_NOTHING},
                                   {"512x1536x2560, NN", carve_small_nn, run_gemm, NEEDS_NOTHING},
                                   {"512x1536x2560, NT", carve_small_nt, run_gemm, NEEDS_NOTHING},
                                   {0}};

static void carve_pack(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_linear(j, a, dev, 1, s->D, s->F);
  j->flops = 0;
  j->read_bytes = j->write_bytes = bytes_of(s->F, s->D, j->type);
}
static void run_pack(Dev *dev, BenchJob *j) { dev->op->gemm_pack(dev, j->packed, j->gemm.b, true, j->gemm.N, j->gemm.K); }
const BenchCase bench_op_gemm_pack[] = {{"up", carve_pack, run_pack, NEEDS_NOTHING}, {0}};

// Even groups of tokens: every row of A is a token's, gathered.
static void carve_offsets(BenchJob *j, Arena *a, const BenchSizes *s) {
  int64_t rows = s->B * s->T * s->k;
  j->offset = arena_take(a, (size_t)(s->E + 1) * sizeof(int32_t));
  j->rows = arena_take(a, (size_t)rows * sizeof(int32_t));
  for (int64_t g = 0; j->offset && g <= s->E; g++) j->offset[g] = (int32_t)(rows * g / s->E);
  for (int64_t r = 0; j->rows && r < rows; r++) j->rows[r] = (int32_t)(r * 7 % (s->B * s->T));
}

static void carve_grouped(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t rows = s->B * s->T * s->k;
  carve_offsets(j, a, s);
  Mat b = mat_take(a, s->E * s->expert_F, s->D, j->type);
  j->grouped = (GroupedGemmArgs){.groups = s->E,
                                 .N = s->expert_F,
                                 .K = s->D,
                                 .rows_max = rows,
                                 .offset = j->offset,
                                 .c = mat_take(a, rows, s->expert_F, j->type),
                                 .a = mat_take(a, s->B * s->T, s->D, j->type),
                                 .a_row = j->rows,
                                 .b = b,
                                 .b_stride = s->expert_F * b.ld,
                                 .b_t = true};
  j->flops = 2.0 * (double)rows * (double)s->expert_F * (double)s->D;
  j->read_bytes = bytes_of(rows, s->D, j->type) + bytes_of(s->E * s->expert_F, s->D, j->type);
  j->write_bytes = bytes_of(rows, s->expert_F, j->type);
}
// dx [rows,D] = dy [rows,F] W_g
static void carve_grouped_input(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t rows = s->B * s->T * s->k;
  carve_offsets(j, a, s);
  Mat b = mat_take(a, s->E * s->expert_F, s->D, j->type);
  j->grouped = (GroupedGemmArgs){.groups = s->E,
                                 .N = s->D,
                                 .K = s->expert_F,
                                 .rows_max = rows,
                                 .offset = j->offset,
                                 .c = mat_take(a, rows, s->D, j->type),
                                 .a = mat_take(a, rows, s->expert_F, j->type),
                                 .b = b,
                                 .b_stride = s->expert_F * b.ld};
  j->flops = 2.0 * (double)rows * (double)s->expert_F * (double)s->D;
  j->read_bytes = bytes_of(rows, s->expert_F, j->type) + bytes_of(s->E * s->expert_F, s->D, j->type);
  j->write_bytes = bytes_of(rows, s->D, j->type);
}
static void run_grouped(Dev *dev, BenchJob *j) { dev->op->gemm_grouped(dev, &j->grouped); }
const BenchCase bench_op_gemm_grouped[] = {{"up, gathered", carve_grouped, run_grouped, NEEDS_EXPERTS},
                                           {"up, its input's gradient", carve_grouped_input, run_grouped, NEEDS_EXPERTS},
                                           {0}};

static void carve_grouped_weight(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t rows = s->B * s->T * s->k;
  carve_offsets(j, a, s);
  Mat c = mat_take(a, s->E * s->expert_F, s->D, DT_F32);
  j->weight = (GroupedWeightArgs){.groups = s->E,
                                  .M = s->expert_F,
                                  .N = s->D,
                                  .rows_max = rows,
                                  .offset = j->offset,
                                  .c = c,
                                  .c_stride = s->expert_F * c.ld,
                                  .a = mat_take(a, rows, s->expert_F, j->type),
                                  .b = mat_take(a, s->B * s->T, s->D, j->type),
                                  .b_row = j->rows};
  j->flops = 2.0 * (double)rows * (double)s->expert_F * (double)s->D;
  j->read_bytes = bytes_of(rows, s->D + s->expert_F, j->type) + bytes_of(s->E * s->expert_F, s->D, DT_F32);
  j->write_bytes = bytes_of(s->E * s->expert_F, s->D, DT_F32);
}
static void carve_grouped_first(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_grouped_weight(j, a, dev, s);
  j->weight.zero = true;
  j->read_bytes -= j->write_bytes;
}
static void run_grouped_weight(Dev *dev, BenchJob *j) { dev->op->gemm_grouped_weight(dev, &j->weight); }
const BenchCase bench_op_gemm_grouped_weight[] = {
    {"up, gathered", carve_grouped_weight, run_grouped_weight, NEEDS_EXPERTS},
    {"up, gathered, first", carve_grouped_first, run_grouped_weight, NEEDS_EXPERTS},
    {0}};

// Multi-head latent attention as training has it: all keys own but the rotary ones.
static void carve_attention(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t N = s->B * s->T, Dk = s->nope + s->rope;
  Mat kv = mat_take(a, N, s->H * (s->nope + s->v), j->type), dkv = mat_take(a, N, s->H * (s->nope + s->v), j->type);
  j->attention = (AttentionArgs){.B = s->B,
                                 .Tq = s->T,
                                 .Tk = s->T,
                                 .H = s->H,
                                 .K = s->H,
                                 .Dk_own = s->nope,
                                 .Dk_shared = s->rope,
                                 .Dv = s->v,
                                 .scale = 0.05,
                                 .q = mat_take(a, N, s->H * Dk, j->type),
                                 .k = kv,
                                 .v = mat_at(kv, 0, s->nope),
                                 .k_shared = mat_take(a, N, s->rope, j->type),
                                 .q_stride = Dk,
                                 .k_stride = s->nope + s->v,
                                 .v_stride = s->nope + s->v,
                                 .out = mat_take(a, N, s->H * s->v, j->type),
                                 .lse = mat_take(a, N, s->H, DT_F32),
                                 .dout = mat_take(a, N, s->H * s->v, j->type),
                                 .dq = mat_take(a, N, s->H * Dk, j->type),
                                 .dk = dkv,
                                 .dv = mat_at(dkv, 0, s->nope),
                                 .dk_shared = mat_take(a, N, s->rope, j->type)};
  j->flops = (double)s->B * (double)s->H * (double)s->T * (double)(s->T + 1) *
             (double)(Dk + s->v);  // half of the square, twice an operation
}
// One long sequence of plain heads, as other libraries are measured.
static void carve_heads(BenchJob *j, Arena *a, int64_t B, int64_t T, int64_t H, int64_t K, int64_t Dh) {
  Mat m[8];
  for (int i = 0; i < 8; i++) m[i] = mat_take(a, B * T, (i < 4 ? H : K) * Dh, j->type);
  j->attention = (AttentionArgs){.B = B,
                                 .Tq = T,
                                 .Tk = T,
                                 .H = H,
                                 .K = K,
                                 .Dk_own = Dh,
                                 .Dv = Dh,
                                 .scale = 0.05,
                                 .q = m[0],
                                 .k = m[4],
                                 .v = m[5],
                                 .q_stride = Dh,
                                 .k_stride = Dh,
                                 .v_stride = Dh,
                                 .out = m[1],
                                 .lse = mat_take(a, B * T, H, DT_F32),
                                 .dout = m[2],
                                 .dq = m[3],
                                 .dk = m[6],
                                 .dv = m[7]};
  j->flops = 2.0 * (double)(B * H) * (double)T * (double)(T + 1) * (double)Dh;
}
static void carve_heads_grouped(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  carve_heads(j, a, s->B, s->T, s->H, s->K, s->v);
}
static void carve_heads_64(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev, (void)s;
  carve_heads(j, a, 1, 4096, 8, 8, 64);
}
static void carve_heads_128(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev, (void)s;
  carve_heads(j, a, 1, 4096, 8, 8, 128);
}
static void run_attention(Dev *dev, BenchJob *j) { dev->op->attention_forward(dev, &j->attention); }
const BenchCase bench_op_attention_forward[] = {{"causal, latent heads", carve_attention, run_attention, NEEDS_LATENT},
                                                {"causal, grouped heads", carve_heads_grouped, run_attention, NEEDS_HEADS},
                                                {"4096 tokens, 8 heads of 64", carve_heads_64, run_attention, NEEDS_NOTHING},
                                                {"4096 tokens, 8 heads of 128", carve_heads_128, run_attention, NEEDS_NOTHING},
                                                {0}};

static void carve_attention_backward(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_attention(j, a, dev, s);
  double Dk = (double)(s->nope + s->rope), v = (double)s->v;
  j->flops *= (3 * Dk + 2 * v) / (Dk + v);  // scores again, dp, dv, dq, dk
}
static void carve_heads_backward_grouped(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_heads_grouped(j, a, dev, s);
  j->flops *= 2.5;
}
static void carve_heads_backward_64(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_heads_64(j, a, dev, s);
  j->flops *= 2.5;
}
static void carve_heads_backward_128(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_heads_128(j, a, dev, s);
  j->flops *= 2.5;
}
static void run_attention_backward(Dev *dev, BenchJob *j) { dev->op->attention_backward(dev, &j->attention); }
const BenchCase bench_op_attention_backward[] = {
    {"causal, latent heads", carve_attention_backward, run_attention_backward, NEEDS_LATENT},
    {"causal, grouped heads", carve_heads_backward_grouped, run_attention_backward, NEEDS_HEADS},
    {"4096 tokens, 8 heads of 64", carve_heads_backward_64, run_attention_backward, NEEDS_NOTHING},
    {"4096 tokens, 8 heads of 128", carve_heads_backward_128, run_attention_backward, NEEDS_NOTHING},
    {0}};
