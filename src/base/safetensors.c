// Reading. The header is JSON from anywhere: every number in it is checked before it is believed.
#include "base/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"

enum { LENGTH_BYTES = 8, HEADER_BYTES_MAX = 100000000 };

static const struct {
  const char *name;
  StType type;
  int bits;
} types[] = {
    {"BOOL", ST_BOOL, 8},         {"U8", ST_U8, 8},         {"I8", ST_I8, 8},         {"F8_E4M3", ST_F8_E4M3, 8},
    {"F8_E5M2", ST_F8_E5M2, 8},   {"I16", ST_I16, 16},      {"U16", ST_U16, 16},      {"F16", ST_F16, 16},
    {"BF16", ST_BF16, 16},        {"I32", ST_I32, 32},      {"U32", ST_U32, 32},      {"F32", ST_F32, 32},
    {"F64", ST_F64, 64},          {"I64", ST_I64, 64},      {"U64", ST_U64, 64},      {"F4", ST_OTHER, 4},
    {"F6_E2M3", ST_OTHER, 6},     {"F6_E3M2", ST_OTHER, 6}, {"F8_E8M0", ST_OTHER, 8}, {"F8_E4M3FNUZ", ST_OTHER, 8},
    {"F8_E5M2FNUZ", ST_OTHER, 8}, {"C64", ST_OTHER, 64},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const char *st_type_name(StType type) { return type < ST_OTHER ? types[type].name : "another type"; }

size_t st_type_bytes(StType type) {
  assert(type < ST_OTHER);
  return (size_t)types[type].bits / 8;
}

int64_t st_elements(const StTensor *t) {
  int64_t n = 1;
  for (int i = 0; i < t->n_dims; i++) n *= t->dim[i];
  return n;
}

// ---- the header's parts
typedef struct {
  const char *path;
  const uint8_t *data;  // after the header; NULL: left in the file
  size_t begin, data_size;
} Body;

// An array of exactly n (or with n < 0 of at most `most`) integers that are not negative.
static Err read_sizes(const json_t *object, const char *key, const char *where, int n, int most, int64_t *out, int *count) {
  const json_t *a = json_object_get(object, key);
  CHECK(json_is_array(a), ERR_FORMAT, "%s: \"%s\" is %s; an array of integers is wanted", where, key,
        a ? "not an array" : "missing");
  size_t size = json_array_size(a);
  CHECK(n < 0 || size == (size_t)n, ERR_FORMAT, "%s: \"%s\" has %zu numbers; %d are wanted", where, key, size, n);
  CHECK(size <= (size_t)most, ERR_FORMAT, "%s: \"%s\" has %zu numbers; at most %d are read here", where, key, size, most);
  for (size_t i = 0; i < size; i++) {
    const json_t *v = json_array_get(a, i);
    CHECK(json_is_integer(v) && json_integer_value(v) >= 0, ERR_FORMAT, "%s: \"%s\"[%zu] is not an integer from 0 up", where,
          key, i);
    out[i] = json_integer_value(v);
  }
  *count = (int)size;
  return ERR_OK;
}

static Err read_type(const json_t *object, const char *where, StType *type, int *bits) {
  const char *name;
  TRY(json_text(object, "dtype", where, &name));
  for (int i = 0; i < N_TYPES; i++) {
    if (strcmp(types[i].name, name) != 0) continue;
    *type = types[i].type;
    *bits = types[i].bits;
    return ERR_OK;
  }
  FAIL(ERR_FORMAT, "%s: \"dtype\" is \"%.100s\", which the format does not know", where, name);
}

static Err read_tensor(const Body *body, const char *name, const json_t *object, StTensor *t) {
  char where[PATH_BYTES + 320];
  snprintf(where, sizeof where, "%s: tensor \"%.300s\"", body->path, name);
  int bits = 0, two = 0;
  int64_t range[2];
  TRY(read_type(object, where, &t->type, &bits));
  TRY(read_sizes(object, "shape", where, -1, TENSOR_DIMS, t->dim, &t->n_dims));
  TRY(read_sizes(object, "data_offsets", where, 2, 2, range, &two));
  CHECK(range[0] <= range[1] && (uint64_t)range[1] <= body->data_size, ERR_FORMAT,
        "%s: \"data_offsets\" [%lld, %lld] do not lie in the file's %zu data bytes; is it cut short?", where,
        (long long)range[0], (long long)range[1], body->data_size);
  int64_t elements = 1, total_bits = 0;
  bool over = false;
  for (int i = 0; i < t->n_dims; i++) over |= __builtin_mul_overflow(elements, t->dim[i], &elements);
  over |= __builtin_mul_overflow(elements, bits, &total_bits);
  CHECK(!over && total_bits % 8 == 0 && total_bits / 8 == range[1] - range[0], ERR_FORMAT,
        "%s: its type and shape do not make the %lld bytes of its \"data_offsets\"", where, (long long)(range[1] - range[0]));
  t->data = body->data ? body->data + range[0] : NULL;
  t->offset = body->begin + (size_t)range[0];
  t->size = (size_t)(range[1] - range[0]);
  t->name = strdup(name);
  CHECK(t->name, ERR_MEMORY, "no memory to read %s", body->path);
  return ERR_OK;
}

static Err read_meta(SafeTensors *s, const json_t *meta) {
  if (!meta || json_is_null(meta)) return ERR_OK;
  CHECK(json_is_object(meta), ERR_FORMAT, "%s: \"__metadata__\" is not an object of strings", s->map.path);
  s->meta = calloc(2 * json_object_size(meta) + 1, sizeof *s->meta);
  CHECK(s->meta, ERR_MEMORY, "no memory to read %s", s->map.path);
  const char *key;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)meta, key, value) {
    CHECK(json_is_string(value), ERR_FORMAT, "%s: \"__metadata__\": \"%.100s\" is not a string", s->map.path, key);
    char *k = strdup(key), *v = strdup(json_string_value(value));
    s->meta[2 * s->meta_count] = k;
    s->meta[2 * s->meta_count++ + 1] = v;
    CHECK(k && v, ERR_MEMORY, "no memory to read %s", s->map.path);
  }
  return ERR_OK;
}

static int by_place(const void *a, const void *b) {
  const StTensor *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  if (x->size != y->size) return x->size < y->size ? -1 : 1;
  return strcmp(x->name, y->name);
}

static Err check_tiling(const SafeTensors *s, const Body *body) {
  size_t at = 0;
  for (int64_t i = 0; i < s->count; i++) {
    size_t begin = s->tensor[i].offset - body->begin;
    CHECK(begin == at, ERR_FORMAT, "%s: tensor \"%.300s\" begins at data byte %zu, but the one before ends at %zu (a %s)",
          body->path, s->tensor[i].name, begin, at, begin < at ? "shared range" : "hole");
    at += s->tensor[i].size;
  }
  CHECK(at == body->data_size, ERR_FORMAT,
        "%s: the tensors end at data byte %zu, the file has %zu; it does not belong to this header", body->path, at,
        body->data_size);
  return ERR_OK;
}

// ---- name -> tensor: open addressing, at most half full; 0 is empty, else index + 1
typedef struct {
  uint64_t mask;
  int64_t slot[];
} Index;

static Err build_index(SafeTensors *s) {
  uint64_t slots = 2;
  while (slots < 2 * (uint64_t)s->count) slots *= 2;
  Index *x = calloc(1, sizeof *x + slots * sizeof x->slot[0]);
  CHECK(x, ERR_MEMORY, "no memory to read %s", s->map.path);
  x->mask = slots - 1;
  for (int64_t i = 0; i < s->count; i++) {
    uint64_t at = hash64(s->tensor[i].name, strlen(s->tensor[i].name), 0) & x->mask;
    while (x->slot[at]) at = (at + 1) & x->mask;
    x->slot[at] = i + 1;
  }
  s->index = x;
  return ERR_OK;
}

const StTensor *safetensors_find(const SafeTensors *s, const char *name) {
  const Index *x = s->index;
  for (uint64_t at = hash64(name, strlen(name), 0) & x->mask; x->slot[at]; at = (at + 1) & x->mask)
    if (strcmp(s->tensor[x->slot[at] - 1].name, name) == 0) return &s->tensor[x->slot[at] - 1];
  return NULL;
}

// ---- the file
static Err check_length(const char *path, const uint8_t *begin, size_t size, size_t *header_size) {
  CHECK(size > 0, ERR_FORMAT, "%s: empty; a safetensors file is wanted", path);
  CHECK(size < 40 || memcmp(begin, "version https://git-lfs", 23) != 0, ERR_FORMAT,
        "%s: a Git LFS pointer, not the data; fetch it with git lfs pull", path);
  CHECK(size >= LENGTH_BYTES, ERR_FORMAT, "%s: %zu bytes are too few for a safetensors file", path, size);
  uint64_t n = 0;
  for (int i = 0; i < LENGTH_BYTES; i++) n |= (uint64_t)begin[i] << (8 * i);
  CHECK(n <= HEADER_BYTES_MAX, ERR_FORMAT,
        "%s: its first 8 bytes claim a header of %llu bytes, the limit is %d; not a safetensors file?", path,
        (unsigned long long)n, HEADER_BYTES_MAX);
  CHECK(n <= size - LENGTH_BYTES, ERR_FORMAT,
        "%s: its first 8 bytes claim a header of %llu bytes, %zu are left; is it cut short?", path, (unsigned long long)n,
        size - LENGTH_BYTES);
  *header_size = (size_t)n;
  return ERR_OK;
}

static Err read_header(SafeTensors *s, const json_t *root, const Body *body) {
  CHECK(json_is_object(root), ERR_FORMAT, "%s: the header is not a JSON object", body->path);
  s->tensor = calloc(json_object_size(root) + 1, sizeof *s->tensor);
  CHECK(s->tensor, ERR_MEMORY, "no memory to read %s", body->path);
  TRY(read_meta(s, json_object_get(root, "__metadata__")));
  const char *name;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)root, name, value) {
    if (strcmp(name, "__metadata__") == 0) continue;
    TRY(read_tensor(body, name, value, &s->tensor[s->count]));
    s->count++;
  }
  qsort(s->tensor, (size_t)s->count, sizeof *s->tensor, by_place);
  TRY(check_tiling(s, body));
  return build_index(s);
}

// text: the header; data: what comes after it, NULL where that stays in the file.
static Err parse_header(SafeTensors *s, const char *text, size_t header_size, const uint8_t *data) {
  json_t *root = NULL;
  char name[PATH_BYTES + 16];
  snprintf(name, sizeof name, "%s: header", s->map.path);
  TRY(json_parse(&root, text, header_size, name, true));
  size_t begin = LENGTH_BYTES + header_size;
  Body body = {s->map.path, data, begin, s->map.size - begin};
  Err err = read_header(s, root, &body);
  json_decref(root);
  return err;
}

Err safetensors_open(SafeTensors *s, const char *path) {
  *s = (SafeTensors){0};
  TRY(file_map(&s->map, path));
  size_t header_size = 0;
  Err err = check_length(path, s->map.data, s->map.size, &header_size);
  const uint8_t *text = s->map.data + LENGTH_BYTES;
  if (!err) err = parse_header(s, (const char *)text, header_size, text + header_size);
  if (err) safetensors_close(s);
  return err;
}

static Err open_header(SafeTensors *s, const char *path, char **text) {
  struct stat st;
  uint8_t begin[64] = {0};
  size_t header_size = 0;
  s->map.path = strdup(path);
  CHECK(s->map.path, ERR_MEMORY, "no memory to read %s", path);
  TRY(file_open(path, &s->fd));
  CHECK(fstat(s->fd, &st) == 0, ERR_IO, "%s: %s", path, strerror(errno));
  s->map.size = (size_t)st.st_size;
  TRY(file_read_at(s->fd, s->map.path, 0, s->map.size < sizeof begin ? s->map.size : sizeof begin, begin));
  TRY(check_length(path, begin, s->map.size, &header_size));
  *text = malloc(header_size + 1);
  CHECK(*text, ERR_MEMORY, "no memory for the header of %s, %zu bytes", path, header_size);
  TRY(file_read_at(s->fd, s->map.path, LENGTH_BYTES, header_size, *text));
  return parse_header(s, *text, header_size, NULL);
}

Err safetensors_open_header(SafeTensors *s, const char *path) {
  *s = (SafeTensors){.fd = -1};
  char *text = NULL;
  Err err = open_header(s, path, &text);
  free(text);
  if (err) safetensors_close(s);
  return err;
}

Err safetensors_read(const SafeTensors *s, const StTensor *t, size_t first, size_t size, void *out) {
  assert(first <= t->size && size <= t->size - first);
  if (!t->data) return file_stream_read(s->stream, s->fd, s->map.path, t->offset + first, size, out);
  if (size) memcpy(out, (const char *)t->data + first, size);
  return ERR_OK;
}

void safetensors_close(SafeTensors *s) {
  for (int64_t i = 0; i < s->count; i++) free((char *)(uintptr_t)s->tensor[i].name);
  for (int64_t i = 0; i < 2 * s->meta_count; i++) free(s->meta[i]);
  free(s->tensor);
  free(s->meta);
  free(s->index);
  if (s->map.data) {
    file_unmap(&s->map);
  } else if (s->map.path) {
    if (s->fd >= 0) close(s->fd);
    free((char *)(uintptr_t)s->map.path);
  }
  *s = (SafeTensors){0};
}

void dims_text(int n_dims, const int64_t *dim, char out[DIMS_TEXT_BYTES]) {
  size_t used = (size_t)snprintf(out, DIMS_TEXT_BYTES, "[");
  assert(n_dims <= TENSOR_DIMS);  // of 19 digits each and what is between them
  for (int i = 0; i < n_dims; i++)
    used += (size_t)snprintf(out + used, DIMS_TEXT_BYTES - used, "%s%lld", i ? ", " : "", (long long)dim[i]);
  snprintf(out + used, DIMS_TEXT_BYTES - used, "]");
}

Err safetensors_want(const SafeTensors *s, const char *name, StType type, int n_dims, const int64_t *dim,
                     const StTensor **out) {
  const StTensor *t = safetensors_find(s, name);
  CHECK(t, ERR_FORMAT, "%s: tensor \"%s\" is missing", s->map.path, name);
  bool same = n_dims < 0 || n_dims == t->n_dims;
  for (int i = 0; i < n_dims && same; i++) same = dim[i] == t->dim[i];
  if (t->type != type || !same) {
    char found[DIMS_TEXT_BYTES], want[DIMS_TEXT_BYTES] = "of any shape";
    dims_text(t->n_dims, t->dim, found);
    if (n_dims >= 0) dims_text(n_dims, dim, want);
    FAIL(ERR_FORMAT, "%s: tensor \"%s\" is %s %s; %s %s is wanted", s->map.path, name, st_type_name(t->type), found,
         st_type_name(type), want);
  }
  *out = t;
  return ERR_OK;
}
