#include "text/proto_write.h"

enum { VARINT = 0, BYTES = 2, FLOAT = 5 };

static Err put_varint(Bytes *b, uint64_t v) {
  char out[10];
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) out[n++] = (char)(v | 0x80);
  out[n++] = (char)v;
  return bytes_append(b, out, n);
}

Err proto_put_int(Bytes *b, unsigned field, int64_t v) {
  TRY(put_varint(b, field << 3 | VARINT));
  return put_varint(b, (uint64_t)v);
}

Err proto_put_bytes(Bytes *b, unsigned field, const void *data, size_t size) {
  TRY(put_varint(b, field << 3 | BYTES));
  TRY(put_varint(b, size));
  return bytes_append(b, data, size);
}

Err proto_put_float(Bytes *b, unsigned field, float v) {
  TRY(put_varint(b, field << 3 | FLOAT));
  return bytes_append(b, &v, sizeof v);
}
