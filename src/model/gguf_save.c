// Writing a source of weights as a GGUF file.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
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
  Pool *pool;
  Out *out;
  int64_t n;
  uint8_t *turned, *blocks;  // room for a run: its elements in another order; encoded
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

// Blocks made of a run of elements, which are divided among the threads.
typedef struct {
  StType from;
  const uint8_t *in;
  const GgufType *type;
  uint8_t *out;
  int64_t blocks;
  StType range;       // what an element must fit in
  atomic_bool unfit;  // one does not
} Encoding;

static void encode_part(void *arg, int thread, int n_threads) {
  enum { PART = 1 << 12 };  // elements that stay in the nearest cache: whole blocks of every type
  Encoding *e = arg;
  float x[PART];
  int64_t begin, end, most = PART / e->type->block;
  pool_range(e->blocks, 1, thread, n_threads, &begin, &end);
  for (int64_t at = begin; at < end; at += most) {
    int64_t count = end - at < most ? end - at : most, n = count * e->type->block;
    st_to_f32(e->from, e->in + (size_t)(at * e->type->block) * st_type_bytes(e->from), n, x);
    if (!weights_fit(e->range, x, n)) atomic_store(&e->unfit, true);
    e->type->encode(x, count, e->out + (size_t)at * e->type->bytes);
  }
}

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
  const GgufType *type;
  int64_t rows, cols;  // of a run, where they change places
} Way;

enum { ALONE = 1 << 14 };  // elements that are not worth waking the other threads

static Err write_numbers(const Way *w, const void *in, int64_t first, int64_t n, const void *as_read) {
  Saver *s = w->saver;
  StType from = s->source->tensor[w->index].type, range = plain_type(w->type) == ST_F16 ? ST_F16 : ST_F32;
  Encoding e = {.from = from, .in = in, .type = w->type, .out = s->blocks, .blocks = n / w->type->block, .range = range};
  if (n <= ALONE) encode_part(&e, 0, 1);
  else pool_run(s->pool, encode_part, &e);
  if (atomic_load(&e.unfit) && !s->option->allow_nan) TRY(weights_refuse(s->source, w->index, first, n, range, as_read));
  return gguf_write(&s->w, s->blocks, (size_t)e.blocks * w->type->bytes);
}

static Err write_run(void *context, const void *raw, int64_t first, int64_t n) {
  return write_numbers(context, raw, first, n, raw);
}

static Err write_bytes(void *context, const void *data, size_t bytes) {
  Saver *s = context;
  return gguf_write(&s->w, data, bytes);
}

static Err write_plain(Saver *s, int64_t i, const GgufType *type) {
  StType plain = plain_type(type);
  if (plain != ST_OTHER) return weights_pump(s->source, i, plain, s->option->allow_nan, write_bytes, s);
  WeightRuns whole = weights_whole(s->source, i);
  return weights_runs(s->source, i, &whole, write_run, &(Way){.saver = s, .index = i, .type = type});
}

static Err write_turned_run(void *context, const void *raw, int64_t first, int64_t n) {
  const Way *w = context;
  size_t row = (size_t)w->cols * st_type_bytes(w->saver->source->tensor[w->index].type);
  for (int64_t r = 0; r < w->rows; r++)
    memcpy(w->saver->turned + (size_t)gguf_turned_row(r, w->rows) * row, (const uint8_t *)raw + (size_t)r * row, row);
  return write_numbers(w, w->saver->turned, first, n, raw);
}

// The rows of each head for interleaved rotary.
static Err write_turned(Saver *s, int64_t i, const GgufType *type, int64_t heads) {
  const WeightTensor *t = &s->source->tensor[i];
  int64_t cols = t->n_dims == 2 ? t->dim[1] : 1, rows = t->dim[0] / heads, head = rows * cols;
  return weights_runs(s->source, i, &(WeightRuns){.n = head, .stride = head, .count = heads}, write_turned_run,
                      &(Way){.saver = s, .index = i, .type = type, .rows = rows, .cols = cols});
}

static Err write_columns_run(void *context, const void *raw, int64_t first, int64_t n) {
  const Way *w = context;
  size_t bytes = st_type_bytes(w->saver->source->tensor[w->index].type);
  const uint8_t *from = raw;
  for (int64_t r = 0; r < w->rows; r++)
    for (int64_t c = 0; c < w->cols; c++, from += bytes)
      memcpy(w->saver->turned + (size_t)(c * w->rows + r) * bytes, from, bytes);
  return write_numbers(w, w->saver->turned, first, n, raw);
}

// kv_b: the key rows [nope, rank] of each head turned over, then the value rows of all.
static Err write_heads(Saver *s, int64_t i, int64_t heads) {
  const WeightTensor *t = &s->source->tensor[i];
  const ModelConfig *c = &s->source->config;
  int64_t rank = c->mla.kv_rank, nope = c->mla.nope, v = c->mla.v, head = (nope + v) * rank;
  Way key = {.saver = s, .index = i, .type = type_of(s, t, nope), .rows = nope, .cols = rank};
  Way value = {.saver = s, .index = i, .type = type_of(s, t, rank)};
  WeightRuns keys = {.first = 0, .n = nope * rank, .stride = head, .count = heads};
  WeightRuns values = {.first = nope * rank, .n = v * rank, .stride = head, .count = heads};
  TRY(weights_runs(s->source, i, &keys, write_columns_run, &key));
  return weights_runs(s->source, i, &values, write_run, &value);
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
  float *factor = (float *)(void *)s->turned;
  gguf_rope_factors(c, factor);
  return gguf_write(&s->w, factor, (size_t)(config_head_dim(c) / 2) * sizeof *factor);
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

// Elements of the longest run: a chunk, or a head where rows change places.
static int64_t most_at_once(const Saver *s) {
  int64_t most = config_head_dim(&s->source->config);  // factors of the rotary
  for (int64_t i = 0; i < s->n; i++) {
    const GgufPlace *p = &s->out[i].place;
    bool by_head = p->how == GGUF_HEADS || p->how == GGUF_TURNED;
    int64_t n = by_head ? s->source->tensor[s->out[i].index].n / p->heads : weights_whole(s->source, s->out[i].index).n;
    if (n > most) most = n;
  }
  return most;
}

static Err take_memory(Saver *s) {
  int64_t most = most_at_once(s);
  s->turned = malloc((size_t)most * 8);  // no type of a source has more bytes an element
  s->blocks = malloc((size_t)most * 4);  // nor one of these files
  CHECK(s->turned && s->blocks, ERR_MEMORY, "%s: no memory for %lld elements", s->source->path, (long long)most);
  return pool_open(&s->pool, 0, false);
}

static Err write_all(Saver *s, const char *path) {
  TRY(gguf_config_check(&s->source->config));
  s->arch = gguf_arch_of(s->source->config.model.family);
  TRY(weights_check(s->source));
  TRY(list_tensors(s));
  TRY(take_memory(s));
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
  if (s.pool) pool_close(s.pool);
  free(s.out);
  free(s.turned);
  free(s.blocks);
  return err;
}
