#include "data/npy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// The header is a Python dict on one line: {'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }
typedef struct {
  const char *at, *end;
} Text;

static void skip_space(Text *t) {
  while (t->at < t->end && (*t->at == ' ' || *t->at == '\n')) t->at++;
}

static bool take(Text *t, const char *word) {
  skip_space(t);
  size_t n = strlen(word);
  if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
  t->at += n;
  return true;
}

static bool take_quoted(Text *t, char *out, size_t room) {
  skip_space(t);
  if (t->at == t->end || (*t->at != '\'' && *t->at != '"')) return false;
  char quote = *t->at++;
  const char *close = memchr(t->at, quote, (size_t)(t->end - t->at));
  if (!close || (size_t)(close - t->at) >= room) return false;
  memcpy(out, t->at, (size_t)(close - t->at));
  out[close - t->at] = '\0';
  t->at = close + 1;
  return true;
}

static bool take_count(Text *t, int64_t *out) {
  skip_space(t);
  const char *start = t->at;
  *out = 0;
  for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
    if (*out > (INT64_MAX - 9) / 10) return false;
    *out = *out * 10 + (*t->at - '0');
  }
  return t->at > start;
}

static Err parse_type(Npy *a, const char *path, const char *descr) {
  static const char *const known[] = {"|b1", "|i1", "|u1", "<i1", "<u1", "<i2", "<i4",
                                      "<i8", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(descr, known[i]) != 0) continue;
    a->kind = descr[1];
    a->size = descr[2] - '0';
    return ERR_OK;
  }
  FAIL(ERR_FORMAT, "%s: element type \"%.20s\"; little-endian bool, integers and floats are read", path, descr);
}

static Err parse_shape(Npy *a, const char *path, Text *t) {
  CHECK(take(t, "("), ERR_FORMAT, "%s: the header's shape is not a tuple", path);
  a->n_dims = 0;
  a->count = 1;
  while (!take(t, ")")) {
    CHECK(a->n_dims < NPY_DIMS, ERR_FORMAT, "%s: more than %d dimensions", path, NPY_DIMS);
    int64_t *dim = &a->dim[a->n_dims++];
    CHECK(take_count(t, dim), ERR_FORMAT, "%s: the header's shape holds no count in place %d", path, a->n_dims - 1);
    CHECK(*dim == 0 || a->count <= INT64_MAX / 8 / *dim, ERR_FORMAT, "%s: the header's shape overflows", path);
    a->count *= *dim;
    if (take(t, ",")) continue;
    CHECK(take(t, ")"), ERR_FORMAT, "%s: the header's shape has no end", path);
    break;
  }
  return ERR_OK;
}

static Err parse_header(Npy *a, const char *path, Text t) {
  char key[32], descr[32];
  unsigned seen = 0;
  CHECK(take(&t, "{"), ERR_FORMAT, "%s: the header is not a dict", path);
  while (!take(&t, "}")) {
    CHECK(take_quoted(&t, key, sizeof key) && take(&t, ":"), ERR_FORMAT, "%s: the header has no key where one is due", path);
    if (strcmp(key, "descr") == 0) {
      CHECK(take_quoted(&t, descr, sizeof descr), ERR_FORMAT, "%s: the header's descr is not a plain type", path);
      TRY(parse_type(a, path, descr));
      seen |= 1;
    } else if (strcmp(key, "fortran_order") == 0) {
      CHECK(take(&t, "False"), ERR_FORMAT, "%s: Fortran order; only C order is read", path);
      seen |= 2;
    } else if (strcmp(key, "shape") == 0) {
      TRY(parse_shape(a, path, &t));
      seen |= 4;
    } else {
      FAIL(ERR_FORMAT, "%s: unknown key \"%s\" in the header", path, key);
    }
    if (take(&t, ",")) continue;
    CHECK(take(&t, "}"), ERR_FORMAT, "%s: the header has no end", path);
    break;
  }
  CHECK(seen == 7, ERR_FORMAT, "%s: the header lacks one of descr, fortran_order, shape", path);
  return ERR_OK;
}

static Err npy_parse(Npy *a, const char *path) {
  const uint8_t *d = a->map.data;
  size_t size = a->map.size, start = 10, length = 0;
  CHECK(size >= 10 && memcmp(d, "\x93NUMPY", 6) == 0, ERR_FORMAT, "%s: not a .npy file (offset 0: no magic)", path);
  CHECK(d[6] >= 1 && d[6] <= 3, ERR_FORMAT, "%s: .npy version %d, supported 1 to 3", path, d[6]);
  length = (size_t)d[8] | (size_t)d[9] << 8;
  if (d[6] > 1) {
    start = 12;
    CHECK(size >= start, ERR_FORMAT, "%s: %zu bytes, the header wants %zu", path, size, start);
    length |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
  }
  CHECK(length <= size - start, ERR_FORMAT, "%s: a header of %zu bytes, %zu left", path, length, size - start);
  TRY(parse_header(a, path, (Text){(const char *)d + start, (const char *)d + start + length}));
  a->data = d + start + length;
  size_t left = size - start - length, want = (size_t)a->count * (size_t)a->size;
  CHECK(left == want, ERR_FORMAT, "%s: %zu bytes of data, the shape wants %zu", path, left, want);
  return ERR_OK;
}

Err npy_open(Npy *a, const char *path) {
  *a = (Npy){0};
  TRY(file_map(&a->map, path));
  Err err = npy_parse(a, path);
  if (err) npy_close(a);
  return err;
}

void npy_close(Npy *a) {
  file_unmap(&a->map);
  *a = (Npy){0};
}

Err npy_open_as(Npy *a, const char *path, char kind, int size, int n_dims, const int64_t *dim) {
  Err err = ERR_OK;
  TRY(npy_open(a, path));
  CHECK_OUT(a->kind == kind && a->size == size, ERR_FORMAT, "%s: elements are %c%d, wanted %c%d", path, a->kind, a->size, kind,
            size);
  CHECK_OUT(a->n_dims == n_dims, ERR_FORMAT, "%s: %d dimensions, wanted %d", path, a->n_dims, n_dims);
  for (int i = 0; i < n_dims; i++) {
    CHECK_OUT(dim[i] < 0 || a->dim[i] == dim[i], ERR_FORMAT, "%s: dimension %d is %lld, wanted %lld", path, i,
              (long long)a->dim[i], (long long)dim[i]);
  }
  return ERR_OK;
out:
  npy_close(a);
  return err;
}

int64_t npy_int(const Npy *a, int64_t i) {
  assert(i >= 0 && i < a->count && a->kind != 'f');
  const uint8_t *p = (const uint8_t *)a->data + i * a->size;
  uint64_t v = 0;
  memcpy(&v, p, (size_t)a->size);
  int unused = 64 - 8 * a->size;
  return a->kind == 'i' ? (int64_t)(v << unused) >> unused : (int64_t)v;
}

Err npy_write(const char *path, char kind, int size, int n_dims, const int64_t *dim, const void *data) {
  assert(n_dims >= 0 && n_dims <= NPY_DIMS);
  char shape[NPY_DIMS * 24] = "", head[128 + sizeof shape];
  size_t used = 0, bytes = (size_t)size;
  for (int i = 0; i < n_dims; i++) {
    const char *comma = n_dims == 1 ? "," : i + 1 < n_dims ? ", " : "";
    used += (size_t)snprintf(shape + used, sizeof shape - used, "%lld%s", (long long)dim[i], comma);
    bytes *= (size_t)dim[i];
  }
  int n = snprintf(head, sizeof head, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (%s), }", size == 1 ? '|' : '<',
                   kind, size, shape);
  size_t length = ((size_t)n + 11 + 63) / 64 * 64 - 10;  // the data begins at a multiple of 64; the header ends with a new line
  uint8_t start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)length, (uint8_t)(length >> 8)};
  FileWriter w = {0};
  Err err = ERR_OK;
  TRY(file_create(&w, path));
  TRY_OUT(file_write(&w, start, sizeof start));
  TRY_OUT(file_printf(&w, "%-*s\n", (int)length - 1, head));
  TRY_OUT(file_write(&w, data, bytes));
  TRY_OUT(file_commit(&w));
out:
  file_abandon(&w);
  return err;
}
