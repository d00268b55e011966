// A parameter as a part of a stored tensor: whole, some rows of a joint one, one of a stack, turned over, or codes with a scale
// for each block.
#ifndef MODEL_HF_PIECE_H
#define MODEL_HF_PIECE_H

#include "base/safetensors.h"

// Row r of the parameter is row (r / run) * stride + r % run + first of the tensor seen as rows of `cols`.
typedef struct {
  const SafeTensors *file;
  const StTensor *tensor;
  int64_t rows, cols;  // of the parameter; a vector has one row
  int64_t run, stride, first;
  // Or turned over: element (r, c) is element first + c * line + r of the tensor. Such a piece is read whole, and held from the
  // reading of its first element to that of its last.
  bool turned;
  int64_t line;
  void *held;     // free it with the piece
  double factor;  // of every element; 0: none. Makes it F32
  const SafeTensors *scale_file;
  const StTensor *scale;  // F32 [ceil(rows / block), ceil(cols / block)], NULL: none
  int64_t block[2];
} Piece;

// The whole tensor as it is.
Piece piece_whole(const SafeTensors *file, const StTensor *tensor);
// Whether it is read as codes of 8 bits, which may have scales.
static inline bool st_is_code(StType t) { return t == ST_F8_E4M3 || t == ST_F8_E5M2; }
// What piece_read gives: the tensor's type; F32 for codes of 8 bits, and where there is a factor.
StType piece_type(const Piece *p);
// Elements [first, first + n) of the parameter. Memory: the piece where it is turned, else none.
Err piece_read(Piece *p, int64_t first, int64_t n, void *out);

#endif
