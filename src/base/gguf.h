// GGUF, the one-file format of models of the ggml library: key-values, a table of tensors, their bytes.
//
// Read: versions 2 and 3, little endian. The header is mapped, tensors are read when they are asked for; nothing is believed
// before it is checked against the bytes that are there, and memory grows with what was read, never with what a field claims.
// Refused is what ggml refuses, and also: data cut short, a bool that is neither 0 nor 1. Nested arrays are refused, as there.
// Messages name the file, the byte, the key or tensor, what was found and what was wanted.
// Source: the format's specification (ggml's docs/gguf.md).
#ifndef BASE_GGUF_H
#define BASE_GGUF_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_stream.h"
#include "base/gguf_type.h"

enum { GGUF_DIMS = 4, GGUF_NAME_BYTES = 64, GGUF_ALIGN = 32 };

typedef enum {
  GGUF_U8,
  GGUF_I8,
  GGUF_U16,
  GGUF_I16,
  GGUF_U32,
  GGUF_I32,
  GGUF_F32,
  GGUF_BOOL,
  GGUF_STRING,
  GGUF_ARRAY,
  GGUF_U64,
  GGUF_I64,
  GGUF_F64,
  GGUF_VALUE_TYPES
} GgufValueType;

// Bytes of the file: any bytes, not NUL-terminated.
typedef struct {
  const char *data;
  size_t size;
} GgufText;

typedef struct {
  GgufText key;
  bool is_array;
  GgufValueType type;   // of the value, or of an array's items
  int64_t count;        // items; 1 unless an array
  const uint8_t *data;  // the items as in the file, of any alignment
  size_t size;          // bytes of all items
} GgufValue;

typedef struct {
  char name[GGUF_NAME_BYTES];
  const GgufType *type;
  int n_dims;
  int64_t dim[GGUF_DIMS];  // outermost first: a matrix is [out, in] (the file has them the other way round)
  int64_t n;               // elements
  size_t offset;           // of its bytes in the file
  size_t size;             // bytes
} GgufTensor;

typedef struct {
  FileMap map;  // the beginning of the file, with the whole header
  int fd;
  FileStream *stream;  // of whoever reads long runs, borrowed; NULL: none
  size_t size;         // bytes of the file
  uint32_t version;
  GgufValue *value;  // owned, in the file's order
  int64_t n_values;
  GgufTensor *tensor;  // owned, in the file's order, which is that of their bytes
  int64_t n_tensors;
  void *value_index, *tensor_index;  // by name
} Gguf;

// Whether the file begins as a GGUF does.
bool gguf_is(const char *path);
Err gguf_open(Gguf *g, const char *path);
void gguf_close(Gguf *g);

// NULL if there is none.
const GgufTensor *gguf_tensor(const Gguf *g, const char *name);
const GgufValue *gguf_value(const Gguf *g, const char *key);
const char *gguf_value_type_name(GgufValueType type);  // "u32", "string", ...

// The value of a key as one of four kinds. Missing: ERR_FORMAT if `needed`, else *out stays. Of another kind: ERR_FORMAT. An
// integer of any width that fits int64; a real may be stored as an integer; a text lies in the map.
Err gguf_int(const Gguf *g, const char *key, bool needed, int64_t *out);
Err gguf_real(const Gguf *g, const char *key, bool needed, double *out);
Err gguf_bool(const Gguf *g, const char *key, bool needed, bool *out);
Err gguf_text(const Gguf *g, const char *key, bool needed, GgufText *out);
// The array of a key. Its items must be strings, integers of any width, or F32. *out is NULL if missing and not needed.
Err gguf_array(const Gguf *g, const char *key, bool needed, GgufValueType type, const GgufValue **out);
// All texts of an array of strings, in order: out[count].
void gguf_array_texts(const GgufValue *v, GgufText *out);
// Item i of an array of integers; GGUF_U64 above the greatest int64 gives that.
int64_t gguf_array_int(const GgufValue *v, int64_t i);
// Item i of an array of F32.
float gguf_array_f32(const GgufValue *v, int64_t i);

// Bytes [first, first + size) of a tensor as they lie in the file. ERR_IO.
Err gguf_read(const Gguf *g, const GgufTensor *t, size_t first, size_t size, void *out);
// out[i] = element first + i as fp32, i < n; first and n are whole blocks. ERR_FORMAT for a type that is not read, by name.
Err gguf_read_f32(const Gguf *g, const GgufTensor *t, int64_t first, int64_t n, float *out);

// Writing, version 3: give the key-values, declare the tensors, then give their numbers in the same order. Streams: memory for
// the key-values only. Aside and renamed. Keys and texts are copied.
typedef struct {
  FileWriter file;
  char *values;  // as they will lie in the file
  size_t values_size, values_capacity;
  int64_t n_values;
  GgufTensor *tensor;  // declared
  int64_t n_tensors, capacity, written;
  size_t given;  // bytes of the tensor being written
} GgufWriter;

Err gguf_create(GgufWriter *w, const char *path);  // removes what killed ones left (file_sweep)
Err gguf_put_u32(GgufWriter *w, const char *key, uint32_t v);
Err gguf_put_f32(GgufWriter *w, const char *key, float v);
Err gguf_put_bool(GgufWriter *w, const char *key, bool v);
Err gguf_put_text(GgufWriter *w, const char *key, const char *text, size_t size);
Err gguf_put_texts(GgufWriter *w, const char *key, const GgufText *text, int64_t n);
Err gguf_put_i32s(GgufWriter *w, const char *key, const int32_t *v, int64_t n);
Err gguf_put_f32s(GgufWriter *w, const char *key, const float *v, int64_t n);
Err gguf_put_u8s(GgufWriter *w, const char *key, const void *v, size_t n);
Err gguf_put_value(GgufWriter *w, const GgufValue *v);  // of a file that is open
// dim: outermost first; the rows must be whole blocks of the type (ERR_SHAPE), which must have an encoder.
Err gguf_declare(GgufWriter *w, const char *name, const GgufType *type, int n_dims, const int64_t *dim);
Err gguf_begin(GgufWriter *w);                                  // the header; nothing is put or declared after
Err gguf_write(GgufWriter *w, const void *data, size_t bytes);  // encoded blocks, may be part of a tensor
Err gguf_commit(GgufWriter *w);
void gguf_abandon(GgufWriter *w);

#endif
