// A GGUF file as a source of weights.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/gguf_arch.h"
#include "model/gguf_files.h"

// Where a parameter's elements lie.
typedef struct {
  GgufHow how;
  const GgufTensor *tensor;  // GGUF_HEADS: of the keys
  const GgufTensor *value;   // GGUF_HEADS
  int64_t heads, first;      // first: element of the tensor where an expert begins
} Part;

typedef struct {
  Gguf file;
  FileStream *stream;
  Part *part;                               // of each tensor of the source
  bool *used;                               // of each tensor of the file
  float *head;                              // GGUF_HEADS: the rows of one head's key part
  int64_t head_of, head_tensor, head_room;  // which one, of which tensor; elements
  uint8_t *rows;                            // GGUF_TURNED: those of one head, as in the file; and the same of them, bytes
  int64_t rows_of, rows_tensor;
  size_t rows_room;
} Source;

// ---- finding tensors

static StType stored_type(const GgufTensor *t) {
  if (strcmp(t->type->name, "F16") == 0) return ST_F16;
  return strcmp(t->type->name, "BF16") == 0 ? ST_BF16 : ST_F32;
}

// The tensor if it is there, can be read and has this shape; else NULL with the fault noted.
static Err take(WeightSource *s, const char *name, int n_dims, const int64_t *dim, const GgufTensor **out) {
  Source *own = s->own;
  const GgufTensor *t = gguf_tensor(&own->file, name);
  *out = NULL;
  if (!t) return weights_fault(s->missing, "%s", name);
  own->used[t - own->file.tensor] = true;
  bool same = t->n_dims == n_dims;
  for (int i = 0; same && i < n_dims; i++) same = t->dim[i] == dim[i];
  if (same && t->type->decode) {
    *out = t;
    return ERR_OK;
  }
  char found[DIMS_TEXT_BYTES], want[DIMS_TEXT_BYTES];
  dims_text(t->n_dims, t->dim, found);
  dims_text(n_dims, dim, want);
  if (!t->type->decode) return weights_fault(s->other, "%s is stored as %s, which is not read here", name, t->type->name);
  return weights_fault(s->other, "%s is %s, the configuration wants %s", name, found, want);
}

static Err take_heads(WeightSource *s, const WeightTensor *w, const GgufPlace *place, Part *part) {
  const ModelConfig *c = &s->config;
  const Source *own = s->own;
  if (gguf_tensor(&own->file, place->name)) {
    part->how = GGUF_WHOLE;
    return take(s, place->name, w->n_dims, w->dim, &part->tensor);
  }
  TRY(take(s, place->key, 3, (int64_t[]){place->heads, c->mla.kv_rank, c->mla.nope}, &part->tensor));
  return take(s, place->value, 3, (int64_t[]){place->heads, c->mla.v, c->mla.kv_rank}, &part->value);
}

static Err find_part(WeightSource *s, GgufArch arch, int64_t i) {
  Source *own = s->own;
  WeightTensor *w = &s->tensor[i];
  Part *part = &own->part[i];
  GgufPlace place;
  if (!gguf_place(arch, &s->config, w->name, &place)) return weights_fault(s->missing, "%s (it has no name in GGUF)", w->name);
  *part = (Part){.how = place.how, .heads = place.heads};
  if (place.how == GGUF_HEADS) {
    TRY(take_heads(s, w, &place, part));
  } else if (place.how == GGUF_EXPERT) {
    part->first = place.expert * w->n;
    TRY(take(s, place.name, 3, (int64_t[]){s->config.moe.experts, w->dim[0], w->dim[1]}, &part->tensor));
  } else {
    TRY(take(s, place.name, w->n_dims, w->dim, &part->tensor));
  }
  w->type = part->tensor && part->how != GGUF_HEADS ? stored_type(part->tensor) : ST_F32;
  return ERR_OK;
}

static Err find_parts(WeightSource *s, GgufArch arch) {
  Source *own = s->own;
  own->part = calloc((size_t)s->count + 1, sizeof *own->part);
  own->used = calloc((size_t)own->file.n_tensors + 1, sizeof *own->used);
  CHECK(own->part && own->used, ERR_MEMORY, "%s: no memory for a list of %lld tensors", s->path, (long long)s->count);
  for (int64_t i = 0; i < s->count; i++) TRY(find_part(s, arch, i));
  for (int64_t i = 0; i < own->file.n_tensors; i++) {
    const char *name = own->file.tensor[i].name;
    if (!own->used[i] && strcmp(name, GGUF_ROPE_FREQS) != 0) TRY(weights_fault(s->left, "%s", name));
  }
  return ERR_OK;
}

// ---- reading

// Elements [first, first + n) of a tensor as the source gives them.
static Err read_run(const Gguf *g, const GgufTensor *t, int64_t first, int64_t n, uint8_t *out) {
  enum { BLOCK_MAX = 256 };
  float block[BLOCK_MAX];
  int64_t size = t->type->block;
  if (size == 1)  // a type of its own, F32 among them
    return gguf_read(g, t, (size_t)first * t->type->bytes, (size_t)n * t->type->bytes, out);
  while (n > 0) {
    int64_t within = first % size, whole = within ? 0 : n / size * size, count;
    if (whole) {
      TRY(gguf_read_f32(g, t, first, whole, (float *)(void *)out));
      count = whole;
    } else {  // a part of a block
      TRY(gguf_read_f32(g, t, first - within, size, block));
      count = size - within < n ? size - within : n;
      memcpy(out, block + within, (size_t)count * sizeof *block);
    }
    out += (size_t)count * sizeof *block;
    first += count;
    n -= count;
  }
  return ERR_OK;
}

// A head is read at once, and kept, since the next rows are of the same.
static Err load_rows(Source *own, const WeightTensor *w, const Part *p, int64_t tensor, int64_t head, int64_t n) {
  size_t bytes = (size_t)n * st_type_bytes(w->type);
  if (own->rows_tensor == tensor && own->rows_of == head) return ERR_OK;
  if (own->rows_room < bytes) {
    uint8_t *grown = realloc(own->rows, bytes);
    CHECK(grown, ERR_MEMORY, "%s: no memory for a head of %s", own->file.map.path, p->tensor->name);
    own->rows = grown;
    own->rows_room = bytes;
  }
  own->rows_tensor = -1;
  TRY(read_run(&own->file, p->tensor, head * n, n, own->rows));
  own->rows_tensor = tensor;
  own->rows_of = head;
  return ERR_OK;
}

static Err read_turned(Source *own, const WeightTensor *w, const Part *p, int64_t tensor, int64_t first, int64_t n,
                       uint8_t *out) {
  int64_t cols = w->n_dims == 2 ? w->dim[1] : 1, per_head = w->dim[0] / p->heads;
  size_t size = st_type_bytes(w->type);
  while (n > 0) {
    int64_t row = first / cols, col = first % cols, count = cols - col < n ? cols - col : n;
    TRY(load_rows(own, w, p, tensor, row / per_head, per_head * cols));
    memcpy(out, own->rows + (size_t)(gguf_turned_row(row % per_head, per_head) * cols + col) * size, (size_t)count * size);
    out += (size_t)count * size;
    first += count;
    n -= count;
  }
  return ERR_OK;
}

// The key part of a head, [nope, rank], from the file's [rank, nope]; kept, since the next rows are of the same head.
static Err load_head(Source *own, const Part *p, int64_t tensor, int64_t head) {
  int64_t rank = p->tensor->dim[1], nope = p->tensor->dim[2], n = rank * nope;
  if (own->head_tensor == tensor && own->head_of == head) return ERR_OK;
  if (own->head_room < 2 * n) {
    float *grown = realloc(own->head, 2 * (size_t)n * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "%s: no memory for a head of %s", own->file.map.path, p->tensor->name);
    own->head = grown;
    own->head_room = 2 * n;
  }
  float *turned = own->head + n;
  TRY(gguf_read_f32(&own->file, p->tensor, head * n, n, turned));
  for (int64_t c = 0; c < rank; c++)
    for (int64_t r = 0; r < nope; r++) own->head[r * rank + c] = turned[c * nope + r];
  own->head_tensor = tensor;
  own->head_of = head;
  return ERR_OK;
}

static Err read_f32_run(const Gguf *g, const GgufTensor *t, int64_t first, int64_t n, float *out) {
  if (t->type->block > 1) return read_run(g, t, first, n, (uint8_t *)out);
  return gguf_read_f32(g, t, first, n, out);
}

static Err read_heads(Source *own, const Part *p, int64_t tensor, int64_t first, int64_t n, float *out) {
  int64_t rank = p->tensor->dim[1], nope = p->tensor->dim[2], v = p->value->dim[1];
  while (n > 0) {
    int64_t row = first / rank, col = first % rank, count = rank - col < n ? rank - col : n;
    int64_t head = row / (nope + v), within = row % (nope + v);
    if (within < nope) {
      TRY(load_head(own, p, tensor, head));
      memcpy(out, own->head + within * rank + col, (size_t)count * sizeof *out);
    } else {
      TRY(read_f32_run(&own->file, p->value, (head * v + within - nope) * rank + col, count, out));
    }
    out += count;
    first += count;
    n -= count;
  }
  return ERR_OK;
}

static Err read_part(WeightSource *s, int64_t i, int64_t first, int64_t n, void *out) {
  Source *own = s->own;
  const Part *p = &own->part[i];
  if (p->how == GGUF_HEADS) return read_heads(own, p, i, first, n, out);
  if (p->how == GGUF_TURNED) return read_turned(own, &s->tensor[i], p, i, first, n, out);
  return read_run(&own->file, p->tensor, p->first + first, n, out);
}

static void describe_part(const WeightSource *s, int64_t i, char *out, size_t size) {
  const Part *p = &((const Source *)s->own)->part[i];
  snprintf(out, size, "%s%s%s %s", p->tensor ? p->tensor->name : "nothing", p->value ? " and " : "",
           p->value ? p->value->name : "", p->tensor ? p->tensor->type->name : "");
}

static Err find_tokenizer(WeightSource *s) {
  const Source *own = s->own;
  GgufText model = {"none", 4};
  TRY(gguf_text(&own->file, "tokenizer.ggml.model", false, &model));
  bool none = model.size == 4 && memcmp(model.data, "none", 4) == 0;
  if (!none) snprintf(s->tokenizer, sizeof s->tokenizer, "%s", s->path);
  return ERR_OK;
}

static void close_source(WeightSource *s) {
  Source *own = s->own;
  if (!own) return;
  file_stream_close(own->stream);
  gguf_close(&own->file);
  free(own->part);
  free(own->used);
  free(own->head);
  free(own->rows);
  free(own);
}

Err gguf_source_open(WeightSource **out, const char *path) {
  GgufArch arch;
  ModelConfig c;
  WeightSource *s = NULL;
  Source *own = calloc(1, sizeof *own);
  *out = NULL;
  CHECK(own, ERR_MEMORY, "%s: no memory", path);
  Err err = gguf_open(&own->file, path);
  if (err) {
    free(own);
    return err;
  }
  own->head_of = own->head_tensor = own->rows_of = own->rows_tensor = -1;
  TRY_OUT(gguf_config_read(&own->file, &c));
  TRY_OUT(file_stream_open(&own->stream));
  own->file.stream = own->stream;
  arch = gguf_arch_of(c.model.family);
  TRY_OUT(weights_want_room(&c, (double)own->file.size, path));
  TRY_OUT(weights_new(&s, "GGUF file", path, &c));
  s->own = own;
  s->read = read_part;
  s->describe = describe_part;
  s->close = close_source;
  own = NULL;
  TRY_OUT(find_tokenizer(s));
  TRY_OUT(find_parts(s, arch));
  s->type = weights_mostly_bf16(s) ? DT_BF16 : DT_F32;
  *out = s;
  return ERR_OK;
out:
  if (own) {
    file_stream_close(own->stream);
    gguf_close(&own->file);
  }
  free(own);
  weights_close(s);
  return err;
}
