// NumPy's .npy files: one array, little-endian, C order (format versions 1, 2 and 3; written as 1).
#ifndef DATA_NPY_H
#define DATA_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

enum { NPY_DIMS = 8 };

typedef struct {
  FileMap map;
  const void *data;  // into the map, C order; aligned as the writer left it (NumPy: 64 bytes)
  char kind;         // 'i' integer, 'u' unsigned, 'f' float, 'b' bool
  int size;          // bytes of an element
  int n_dims;
  int64_t dim[NPY_DIMS], count;  // count: the product of the dims
} Npy;

// Maps the file. ERR_FORMAT names the file and what is wrong: magic, version, header, Fortran or big-endian order, an element
// type other than b1, i1..i8, u1..u8, f2, f4, f8, or a size that is not the header's exactly.
Err npy_open(Npy *a, const char *path);
void npy_close(Npy *a);
// As npy_open, and ERR_FORMAT unless kind, size and shape are these; dim -1: any.
Err npy_open_as(Npy *a, const char *path, char kind, int size, int n_dims, const int64_t *dim);

// Element i of an integer or bool array.
int64_t npy_int(const Npy *a, int64_t i);

// Writes an array, aside and renamed.
Err npy_write(const char *path, char kind, int size, int n_dims, const int64_t *dim, const void *data);

#endif
