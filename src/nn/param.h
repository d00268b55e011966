// Parameters: each is declared once, by the module that owns it, into one list that initialisation, optimiser, checkpoint, import
// and export share. Names are those of released checkpoints (Hugging Face).
#ifndef NN_PARAM_H
#define NN_PARAM_H

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

typedef struct {
  char name[PARAM_NAME_BYTES];
  ParamRole role;
  int n_dims;
  int64_t dim[2];   // [out, in], or [n]
  int64_t n;        // elements
  float *w;         // master weight; NULL while measuring
  float *g;         // gradient, accumulated; NULL for PARAM_BALANCE, without training, and while measuring
} Param;

typedef struct {
  Param *param;     // owned
  int64_t count, capacity;
  Arena *weights, *grads;  // where the memory comes from; grads NULL: no gradients wanted
  Err err;          // first failure of the declarations (no memory); the caller checks once
} ParamList;

void params_init(ParamList *list, Arena *weights, Arena *grads);
void params_free(ParamList *list);
// NULL if there is none.
Param *params_find(const ParamList *list, const char *name);

// A matrix [out, in] that GEMMs read: the fp32 master, its gradient, and the copy in the compute type.
typedef struct {
  int64_t out, in;
  float *w, *g;
  Mat c;         // compute copy [out, in]: the master itself in fp32
  void *packed;  // c packed for the forward (weight_pack), or NULL
} Weight;

// Takes memory for the whole matrix. Its names follow by weight_part.
void weight_take(ParamList *list, Weight *w, int64_t out, int64_t in);
// Declares rows [row, row + rows) of w as the parameter "format".
void weight_part(ParamList *list, const Weight *w, int64_t row, int64_t rows, ParamRole role, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
// Takes and declares a vector of n.
void vector_take(ParamList *list, float **w, float **g, int64_t n, ParamRole role, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
