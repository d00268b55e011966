// Writing a source of weights as a GGUF file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gguf_arch.h"
#include "model/gguf_files.h"

// A tensor of the source with its place in the file. Those of one stack follow each other.
typedef struct {
  GgufPlace place;
  int64_t index, group;  // of the source; of the first of its stack
} Out;

typedef struct {
  const GgufSave *option;
  WeightSource *source;
  GgufArch arch;
  Out *out;
  int64_t n;
  GgufWriter w;
} Saver;

// ---- what goes where

static int by_stack(const void *a, const void *b) {
  const Out *x = a, *y = b;
  int order = strcmp(x->place.name, y->place.name);
  if (order) return order;
  return (x->place.expert > y->place.expert) - (x->place.expert < y->place.expert);
}

static int by_group(const void *a, const void *b) {
  const Out *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->place.expert > y->place.expert) - (x->place.expert < y->place.expert);
}

static Err list_tensors(Saver *s) {
  const WeightSource *from = s->source;
  s->out = calloc((size_t)from->count + 1, sizeof *s->out);
  CHECK(s->out, ERR_MEMORY, "%s: no memory for a list of %lld tensors", from->path, (long long)from->count);
  char mtp[40];
  int n = snprintf(mtp, sizeof mtp, "model.layers.%lld.", (long long)from->config.model.layers);
  for (int64_t i = 0; i < from->count; i++) {
    const char *name = from->tensor[i].name;
    if (gguf_place(s->arch, &from->config, name, &s->out[s->n].place)) s->out[s->n++].index = i;
    else CHECK(strncmp(name, mtp, (size_t)n) == 0, ERR_CONFIG, "%s: %s has no name in GGUF; export to hf", from->path, name);
  }
  if (s->n < from->count)
    log_warn("GGUF has no place for multi-token prediction: %lld tensors of that layer are left out",
             (long long)(from->count - s->n));
  qsort(s->out, (size_t)s->n, sizeof *s->out, by_stack);
  for (int64_t i = 0; i < s->n; i++) {
    bool same = i > 0 && strcmp(s->out[i].place.name, s->out[i - 1].place.name) == 0;
    s->out[i].group = same ? s->out[i - 1].group : s->out[i].index;
  }
  qsort(s->out, (size_t)s->n, sizeof *s->out, by_group);
  return ERR_OK;
}

// The type of a parameter with rows of so many elements in the file.
static const GgufType *type_of(const Saver *s, const WeightTensor *t, int64_t cols) {
  const GgufType *want = s->option->type;
  bool head = t->role == PARAM_HEAD || (t->role == PARAM_EMBEDDING && s->source->config.model.tied);
  if (t->n_dims < 2 || t->role == PARAM_ROUTER) return gguf_type_named("F32");
  if (!want) return gguf_type_named(t->type == ST_F16 || t->type == ST_BF16 ? st_type_name(t->type) : "F32");
  if (head && strcmp(want->name, "Q4_K") == 0) want = gguf_type_named("Q6_K");
  if (cols % want->block == 0) return want;
  const GgufType *q8 = gguf_type_named("Q8_0");
  return cols % q8->block == 0 ? q8 : gguf_type_named("F16");
}

static Err declare(Saver *s, const Out *o) {
  const WeightTensor *t = &s->source->tensor[o->index];
  const ModelConfig *c = &s->source->config;
  int64_t H = o->place.heads, rank = c->mla.kv_rank;
  switch (o->place.how) {
    case GGUF_HEADS:
      TRY(gguf_declare(&s->w, o->place.key, type_of(s, t, c->mla.nope), 3, (int64_t[]){H, rank, c->mla.nope}));
      return gguf_declare(&s->w, o->place.value, type_of(s, t, rank), 3, (int64_t[]){H, c->mla.v, rank});
    case GGUF_EXPERT:
      if (o->place.expert > 0) return ERR_OK;
      return gguf_declare(&s->w, o->place.name, type_of(s, t, t->dim[1]), 3, (int64_t[]){c->moe.experts, t->dim[0], t->dim[1]});
    default: return gguf_declare(&s->w, o->place.name, type_of(s, t, t->dim[t->n_dims - 1]), t->n_dims, t->dim);
  }
}

// ---- numbers

// The safetensors type with the same bytes; ST_OTHER: none.
static StType plain_type(const GgufType *type) {
  static const StType plain[] = {ST_F32, ST_F16, ST_BF16};
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (strcmp(st_type_name(plain[i]), type->name) == 0) return plain[i];
  return ST_OTHER;
}

// A tensor on its way to the file, in runs of its elements.
typedef struct {
  Saver *saver;
  int64_t index;  // of the source
  StType from;
  const GgufType *type;
  int64_t rows, cols;  // of a run, where they change places
} Way;

static Way way_of(Saver *s, int64_t i, const GgufType *type) {
  return (Way){.saver = s, .index = i, .from = s->source->tensor[i].type, .type = type};
}

// What an element must fit in.
static StType range_of(const Way *w) { return plain_type(w->type) == ST_F16 ? ST_F16 : ST_F32; }

static size_t encoded_bytes(const Way *w, int64_t n) { return (size_t)(n / w->type->block) * w->type->bytes; }

// Whole blocks made of n elements. Returns whether all fit.
static bool encode(const Way *w, const uint8_t *in, int64_t n, uint8_t *out) {
  enum { PART = 1 << 12 };  // elements that stay in the nearest cache: whole blocks of every type
  float x[PART];
  bool fit = true;
  for (int64_t at = 0; at < n; at += PART) {
    int64_t count = n - at < PART ? n - at : PART;
    st_to_f32(w->from, in + (size_t)at * st_type_bytes(w->from), count, x);
    fit &= weights_fit(range_of(w), x, count);
    w->type->encode(x, count / w->type->block, out + encoded_bytes(w, at));
  }
  return fit;
}

static Err finish_run(const Way *w, WeightRun *run, bool fit) {
  const Saver *s = w->saver;
  run->made = run->room;
  run->bytes = encoded_bytes(w, run->n);
  if (fit || s->option->allow_nan) return ERR_OK;
  return weights_refuse(s->source, w->index, run->first, run->n, range_of(w), run->raw);
}

static Err make_run(void *context, WeightRun *run) {
  const Way *w = context;
  return finish_run(w, run, encode(w, run->raw, run->n, run->room));
}

static Err write_bytes(void *context, const void *data, size_t bytes) {
  Saver *s = context;
  return gguf_write(&s->w, data, bytes);
}

static Err write_made(void *context, const void *data, size_t bytes) {
  return write_bytes(((const Way *)context)->saver, data, bytes);
}

enum { MADE = 4 };  // bytes that an element has at most in a GGUF

static Err write_plain(Saver *s, int64_t i, const GgufType *type) {
  StType plain = plain_type(type);
  if (plain != ST_OTHER) return weights_pump(s->source, i, plain, s->option->allow_nan, write_bytes, s);
  WeightRuns whole = weights_whole(s->source, i);
  whole.room = MADE;
  Way way = way_of(s, i, type);
  return weights_runs(s->source, i, &whole, make_run, write_made, &way);
}

// A row is whole blocks.
static Err make_turned(void *context, WeightRun *run) {
  const Way *w = context;
  const size_t row = (size_t)w->cols * st_type_bytes(w->from);
  bool fit = true;
  for (int64_t r = 0; r < w->rows; r++) {
    uint8_t *out = (uint8_t *)run->room + encoded_bytes(w, gguf_turned_row(r, w->rows) * w->cols);
    fit &= encode(w, (const uint8_t *)run->raw + (size_t)r * row, w->cols, out);
  }
  return finish_run(w, run, fit);
}

// The rows of each head for interleaved rotary.
static Err write_turned(Saver *s, int64_t i, const GgufType *type, int64_t heads) {
  const WeightTensor *t = &s->source->tensor[i];
  Way way = way_of(s, i, type);
  way.rows = t->dim[0] / heads;
  way.cols = t->n_dims == 2 ? t->dim[1] : 1;
  int64_t head = way.rows * way.cols;
  return weights_runs(s->source, i, &(WeightRuns){.n = head, .stride = head, .count = heads, .room = MADE}, make_turned,
                      write_made, &way);
}

// Rows and columns change places behind the room for the blocks.
static Err make_columns(void *context, WeightRun *run) {
  const Way *w = context;
  const size_t bytes = st_type_bytes(w->from);
  const uint8_t *from = run->raw;
  uint8_t *turned = (uint8_t *)run->room + (size_t)run->n * MADE;
  for (int64_t r = 0; r < w->rows; r++)
    for (int64_t c = 0; c < w->cols; c++, from += bytes) memcpy(turned + (size_t)(c * w->rows + r) * bytes, from, bytes);
  return finish_run(w, run, encode(w, turned, run->n, run->room));
}

// kv_b: the key rows [nope, rank] of each head turned over, then the value rows of all.
static Err write_heads(Saver *s, int64_t i, int64_t heads) {
  const WeightTensor *t = &s->source->tensor[i];
  const ModelConfig *c = &s->source->config;
  int64_t rank = c->mla.kv_rank, nope = c->mla.nope, v = c->mla.v, head = (nope + v) * rank;
  Way key = way_of(s, i, type_of(s, t, nope)), value = way_of(s, i, type_of(s, t, rank));
  key.rows = nope, key.cols = rank;
  WeightRuns keys = {.n = nope * rank, .stride = head, .count = heads, .room = MADE + st_type_bytes(t->type)};
  WeightRuns values = {.first = nope * rank, .n = v * rank, .stride = head, .count = heads, .room = MADE};
  TRY(weights_runs(s->source, i, &keys, make_columns, write_made, &key));
  return weights_runs(s->source, i, &values, make_run, write_made, &value);
}

static Err write_tensor(Saver *s, const Out *o) {
  const WeightTensor *t = &s->source->tensor[o->index];
  if (o->place.how == GGUF_HEADS) return write_heads(s, o->index, o->place.heads);
  const GgufType *type = type_of(s, t, t->dim[t->n_dims - 1]);
  return o->place.how == GGUF_TURNED ? write_turned(s, o->index, type, o->place.heads) : write_plain(s, o->index, type);
}

// ---- the file

static Err put_factors(Saver *s) {
  const ModelConfig *c = &s->source->config;
  size_t n = (size_t)config_head_dim(c) / 2;
  float *factor = malloc(n * sizeof *factor);
  CHECK(factor, ERR_MEMORY, "%s: no memory for %zu factors of the rotary", s->source->path, n);
  gguf_rope_factors(c, factor);
  Err err = gguf_write(&s->w, factor, n * sizeof *factor);
  free(factor);
  return err;
}

// What the file says of itself: llama.cpp's number for "mostly of this type".
static Err put_file_type(Saver *s) {
  static const struct {
    const char *type;
    uint32_t number;
  } numbers[] = {{"F32", 0}, {"F16", 1}, {"Q4_0", 2}, {"Q8_0", 7}, {"Q4_K", 14}, {"Q6_K", 18}, {"BF16", 32}};
  const GgufType *type = s->option->type;
  const char *name = type ? type->name : s->source->type == DT_BF16 ? "BF16" : "F32";
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    if (strcmp(numbers[i].type, name) == 0) TRY(gguf_put_u32(&s->w, "general.file_type", numbers[i].number));
  return gguf_put_u32(&s->w, "general.quantization_version", 2);
}

// Without a tokenizer its ends are the configuration's, and the file says that there is none.
static Err put_ends(Saver *s) {
  const ModelConfig *c = &s->source->config;
  TRY(gguf_put_text(&s->w, "tokenizer.ggml.model", "none", 4));
  if (c->model.bos >= 0) TRY(gguf_put_u32(&s->w, "tokenizer.ggml.bos_token_id", (uint32_t)c->model.bos));
  if (c->model.eos >= 0) TRY(gguf_put_u32(&s->w, "tokenizer.ggml.eos_token_id", (uint32_t)c->model.eos));
  return c->model.pad >= 0 ? gguf_put_u32(&s->w, "tokenizer.ggml.padding_token_id", (uint32_t)c->model.pad) : ERR_OK;
}

static Err write_header(Saver *s, const char *path) {
  char name[256];
  snprintf(name, sizeof name, "%.200s", path_name(path));
  char *dot = strrchr(name, '.');
  if (dot && strcmp(dot, ".gguf") == 0) *dot = '\0';
  TRY(gguf_config_put(&s->w, &s->source->config, name));
  TRY(put_file_type(s));
  TRY(s->option->put_tokenizer ? s->option->put_tokenizer(&s->w, s->option->context) : put_ends(s));
  if (s->source->config.rope.scaling == ROPE_LLAMA3)
    TRY(gguf_declare(&s->w, GGUF_ROPE_FREQS, gguf_type_named("F32"), 1, (int64_t[]){config_head_dim(&s->source->config) / 2}));
  for (int64_t i = 0; i < s->n; i++) TRY(declare(s, &s->out[i]));
  return gguf_begin(&s->w);
}

static Err write_all(Saver *s, const char *path) {
  TRY(gguf_config_check(&s->source->config));
  s->arch = gguf_arch_of(s->source->config.model.family);
  TRY(weights_check(s->source));
  TRY(list_tensors(s));
  TRY(write_header(s, path));
  if (s->source->config.rope.scaling == ROPE_LLAMA3) TRY(put_factors(s));
  for (int64_t i = 0; i < s->n; i++) TRY(write_tensor(s, &s->out[i]));
  return gguf_commit(&s->w);
}

Err gguf_save(const char *path, WeightSource *source, const GgufSave *o) {
  Saver s = {.option = o, .source = source};
  TRY(gguf_create(&s.w, path));
  Err err = write_all(&s, path);
  gguf_abandon(&s.w);
  free(s.out);
  return err;
}
