// Parameters: each is declared once, by the module that owns it, into one list that initialisation, optimiser, checkpoint,
// import and export share. Modules declare them by the names that Llama and DeepSeek-V3 have in Hugging Face folders; a family
// that calls them otherwise gives the list rules (NameRule), and `name` is what its released checkpoints say.
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "nn/run.h"

enum { PARAM_NAME_BYTES = 112 };

// What a parameter is; decides its initial values and whether weight decay is its default (matrices yes, the rest no).
typedef enum {
  PARAM_MATRIX,     // normal(0, std)
  PARAM_OUTPUT,     // a matrix that writes to the residual stream: normal(0, std / sqrt(2 layers))
  PARAM_EMBEDDING,  // normal(0, std)
  PARAM_HEAD,       // normal(0, std)
  PARAM_ROUTER,     // normal(0, std)
  PARAM_NORM,       // ones
  PARAM_BIAS,       // zeros
  PARAM_BALANCE,    // the router's selection bias: zeros; saved, but never seen by the optimiser
  PARAM_ROLES
} ParamRole;

// The first `ours` in a name becomes `theirs`.
typedef struct {
  const char *ours, *theirs;
} NameRule;

typedef struct {
  char name[PARAM_NAME_BYTES];
  ParamRole role;
  int n_dims;
  int64_t dim[2];  // [out, in], or [n]
  int64_t n;       // elements
  // Its numbers, [dim[0], dim[1]] or one row: fp32; fp32 in halves (DT_SPLIT: what is trained in bf16); or, to be read alone,
  // rounded to bf16 or 8 bits. No data while measuring.
  Mat w;
  int64_t w_row;  // its first row there, if that is of DT_Q8
  float *g;       // gradient, accumulated; NULL for PARAM_BALANCE, without training, and while measuring
} Param;

// What reads a matrix: only a lookup, the forward's GEMMs in the compute type, lookups and these, GEMMs that read parts of it
// or read it the other way too (never held in 8 bits), or GEMMs in fp32 whatever the compute type is (the router).
typedef enum { USE_LOOKUP, USE_GEMM, USE_LOOKUP_GEMM, USE_GEMM_PARTS, USE_GEMM_F32 } WeightUse;

// A matrix [out, in], its gradient, and what products read.
typedef struct {
  WeightUse use;
  int64_t out, in;
  int64_t groups;  // experts: so many matrices [out / groups, in], one after the other; else 1
  Mat w;           // as its parameters are held
  float *g;
  Mat c;                 // of the compute type: w, its high halves, or groups in 8 bits of their own (ops/q8.h)
  float *bias, *bias_g;  // [out] fp32 and its gradient, or NULL (weight_bias)
  void *packed;          // c as gemm_pack left it for the forward, group after group, or NULL
} Weight;

typedef struct {
  Param *param;  // owned
  int64_t count, capacity;
  Weight **weight;  // owned: every matrix
  int64_t n_weights, weight_capacity;
  Dtype type;             // the compute type; DT_Q8: bf16, and what USE_GEMM and USE_LOOKUP_GEMM multiply by is held in 8 bits
  const NameRule *names;  // applied in order, {NULL, NULL} at the end; NULL: names as they are declared
  Arena *weights;         // of the numbers
  bool rounded;           // hold of a matrix no more than products read
  Arena *grads;           // NULL: no gradients wanted
  Arena *other;           // of 8-bit copies of what is held in fp32
  Err err;                // first failure of the declarations (no memory); the caller checks once
} ParamList;

// weights NULL: `rounded`, and all lies in `other`.
void params_init(ParamList *list, Dtype type, Arena *weights, Arena *grads, Arena *other);
void params_free(ParamList *list);
// Brings 8-bit copies of what is held in fp32 up to date; where there are none (training) it does nothing.
void params_prepare(const ParamList *list, Dev *dev);
// Elements of a row of its matrix; of a vector all.
static inline int64_t param_cols(const Param *p) { return p->n_dims == 2 ? p->dim[1] : p->n; }
// Elements [first, first + n) as fp32, or from fp32. Not of 8 bits. Halves hold no tie and no NaN but one (base/half.h).
static inline void param_get(const Param *p, int64_t first, int64_t n, float *out) {
  mat_read(p->w, param_cols(p), first, n, out);
}
static inline void param_put(const Param *p, int64_t first, int64_t n, const float *x) {
  mat_write(p->w, param_cols(p), first, n, x);
}
// Row `row` of a matrix from fp32, in whatever it is held.
void param_put_row(const Param *p, int64_t row, const float *x);
// Those of a parameter that is held in fp32.
static inline float *param_floats(const Param *p) {
  assert(p->w.type == DT_F32);
  return p->w.data;
}
// Packs every matrix that GEMMs read for the forward, into `arena`; for weights that change no more. A measuring arena counts.
void params_pack(const ParamList *list, Dev *dev, Arena *arena);
// NULL if there is none.
Param *params_find(const ParamList *list, const char *name);
// The first of that role, or NULL.
Param *params_role(const ParamList *list, ParamRole role);

// Takes memory for `groups` matrices [out, in]. Their names follow by weight_part. *w must stay where it is as long as the
// list.
void weight_take(ParamList *list, Weight *w, int64_t groups, int64_t out, int64_t in, WeightUse use);
// Declares rows [row, row + rows) of w as the parameter "format".
void weight_part(ParamList *list, const Weight *w, int64_t row, int64_t rows, ParamRole role, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
// Takes memory for the bias of w, [w->out]; names by weight_bias_part. What linear_forward adds; experts add theirs themselves.
void weight_bias(ParamList *list, Weight *w);
void weight_bias_part(ParamList *list, const Weight *w, int64_t row, int64_t rows, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// A name as this list has it.
void param_rename(const NameRule *rules, char name[PARAM_NAME_BYTES]);
// Takes and declares a vector of n.
void vector_take(ParamList *list, float **w, float **g, int64_t n, ParamRole role, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
