// safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes, which tile the rest of the file exactly.
// Format: the reference Rust library's; what it refuses is refused here, and a name given twice as well. Header at most
// 100,000,000 bytes.
#ifndef BASE_SAFETENSORS_H
#define BASE_SAFETENSORS_H

#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_stream.h"

enum { TENSOR_DIMS = 8, DIMS_TEXT_BYTES = 192 };

typedef enum {
  ST_BOOL,
  ST_U8,
  ST_I8,
  ST_F8_E4M3,
  ST_F8_E5M2,
  ST_I16,
  ST_U16,
  ST_F16,
  ST_BF16,
  ST_I32,
  ST_U32,
  ST_F32,
  ST_F64,
  ST_I64,
  ST_U64,
  ST_OTHER,  // a type the format knows and we do not compute with (F4, F6, C64, ...): listed, never read
} StType;

typedef struct {
  const char *name;  // owned by the file
  StType type;
  int n_dims;
  int64_t dim[TENSOR_DIMS];
  const void *data;  // into the map; NULL where only the header was read
  size_t offset;     // of its bytes in the file
  size_t size;       // bytes
} StTensor;

typedef struct {
  FileMap map;         // the whole file; data NULL where only the header was read
  int fd;              // of the file then
  FileStream *stream;  // of whoever reads long runs then, borrowed; NULL: none
  StTensor *tensor;    // in order of their bytes
  int64_t count;
  char **meta;         // key, value, key, value, ...
  int64_t meta_count;  // pairs
  void *index;         // name -> tensor
} SafeTensors;

Err safetensors_open(SafeTensors *s, const char *path);
// Reads the header alone: tensors have no data, safetensors_read fetches their bytes. For files larger than memory.
Err safetensors_open_header(SafeTensors *s, const char *path);
void safetensors_close(SafeTensors *s);
// NULL if there is none.
const StTensor *safetensors_find(const SafeTensors *s, const char *name);
// ERR_FORMAT if missing or of another type or shape. n_dims -1: any shape.
Err safetensors_want(const SafeTensors *s, const char *name, StType type, int n_dims, const int64_t *dim, const StTensor **out);
// Bytes [first, first + size) of a tensor, from either kind of opening. ERR_IO.
Err safetensors_read(const SafeTensors *s, const StTensor *t, size_t first, size_t size, void *out);
int64_t st_elements(const StTensor *t);
size_t st_type_bytes(StType type);
const char *st_type_name(StType type);
// "[2, 3]", for messages. n_dims: at most TENSOR_DIMS; dim[i]: from 0 up.
void dims_text(int n_dims, const int64_t *dim, char out[DIMS_TEXT_BYTES]);
// out[i] = element first + i, for the float types, as fp32 (exact but for F64).
Err st_read_f32(const StTensor *t, int64_t first, int64_t n, float *out);
// n elements from and to bytes of any alignment. st_is_float says which types can be read; F32, BF16 and F16 can be written, to
// nearest even.
bool st_is_float(StType type);
void st_to_f32(StType type, const void *bytes, int64_t n, float *out);
void st_from_f32(StType type, const float *in, int64_t n, void *bytes);

// Writing: declare all tensors first, then give their bytes in the same order. Streams; memory does not grow with the data.
typedef struct {
  FileWriter file;
  StTensor *tensor;
  int64_t count, capacity, written;
  char **meta;
  int64_t meta_count;
  size_t given;  // bytes of the tensor being written
} SafeTensorsWriter;

Err safetensors_create(SafeTensorsWriter *w, const char *path);
Err safetensors_meta(SafeTensorsWriter *w, const char *key, const char *value);
Err safetensors_declare(SafeTensorsWriter *w, const char *name, StType type, int n_dims, const int64_t *dim);
Err safetensors_begin(SafeTensorsWriter *w);                                 // header; no declare after
Err safetensors_write(SafeTensorsWriter *w, const void *data, size_t size);  // the next bytes, may be part of a tensor
Err safetensors_commit(SafeTensorsWriter *w);
void safetensors_abandon(SafeTensorsWriter *w);

#endif
