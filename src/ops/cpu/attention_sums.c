#include "ops/cpu/attention_sums.h"

#include <string.h>

#include "ops/cpu/whole.h"

Columns columns_take(const AttentionJob *job, Arena *space, int64_t width) {
  const int64_t nr = job->g->nr;
  Columns c = {.width = width, .panel_bytes = (size_t)(ATTENTION_QUERIES * nr * element_bytes(job) + GEMM_PANEL_PAD)};
  c.data = attention_take(space, (div_up(width, nr) + 1) * (int64_t)c.panel_bytes);
  c.room = attention_take(space, ATTENTION_KEYS * nr * 4);
  return c;
}

void columns_pack(const AttentionJob *job, Columns *c, const QueryChunk *chunk, Mat m) {
  GemmPack pack = {.to = c->data,
                   .panel_bytes = c->panel_bytes,
                   .src = m,
                   .width = job->g->nr,
                   .ku = job->g->ku,
                   .n_lines = c->width,
                   .k = chunk->i0,
                   .n_k = chunk->n};
  job->g->pack_along(&pack);
  c->finite = true;
  for (int64_t i = 0; i < div_up(c->width, job->g->nr); i++)
    c->finite &= job->k->all_finite(c->data + (size_t)i * c->panel_bytes,
                                    (chunk->n + chunk->n % job->g->ku) * job->g->nr * element_bytes(job), job->g->ku);
}

int64_t columns_floats(const AttentionJob *job, int64_t width) {
  return div_up(width, job->g->nr) * ATTENTION_KEYS * job->g->nr;
}

static bool sees(const AttentionArgs *a, const QueryChunk *chunk, int64_t query, int64_t key) {
  const int64_t i = chunk->i0 + query, first = a->doc_start ? a->doc_start[chunk->b * a->Tq + i] : 0;
  return first <= key && key <= i + a->Tk - a->Tq;
}

// For columns that hold NaN or infinity, which the zeros of queries that do not see a key would not hide: each key has its turn
// with the queries that see it.
static void add_key_by_key(const AttentionJob *job, const Columns *c, const QueryChunk *chunk, const char *rows, int64_t t0,
                           int64_t line, int64_t n, int64_t from, int64_t to, float *sum) {
  const GemmKernel *g = job->g;
  const int64_t width = div_up(c->width, g->nr);
  char *spare = c->data + (size_t)width * c->panel_bytes;
  for (int64_t w = 0; w < width; w++)
    for (int64_t l = 0; l < n; l++) {
      float *at = sum + (w * ATTENTION_KEYS + line) * g->nr;
      memcpy(spare, c->data + (size_t)w * c->panel_bytes, c->panel_bytes);
      for (int64_t q = from; q < to; q++)
        if (!sees(job->a, chunk, q, t0 + line + l)) panel_clear_k(spare, g->nr, g->ku, q);
      memcpy(c->room, at, (size_t)(n * g->nr) * 4);
      g->tile_rows(to - from, rows, ATTENTION_QUERIES * element_bytes(job), spare + from * g->nr * element_bytes(job), (int)n,
                   g->nr, c->room, c->room, g->nr);
      memcpy(at + l * g->nr, c->room + l * g->nr, (size_t)g->nr * 4);
    }
}

void columns_add(const AttentionJob *job, const Columns *c, const QueryChunk *chunk, const void *rows, int64_t t0, int64_t line,
                 int64_t n, int64_t from, int64_t to, float *sum) {
  const GemmKernel *g = job->g;
  const int64_t element = element_bytes(job);
  const char *a = (const char *)rows + (line * ATTENTION_QUERIES + from) * element;
  if (!c->finite) {
    add_key_by_key(job, c, chunk, a, t0, line, n, from, to, sum);
    return;
  }
  for (int64_t w = 0; w < c->width; w += g->nr) {
    float *at = sum + (w / g->nr * ATTENTION_KEYS + line) * g->nr;
    g->tile_rows(to - from, a, ATTENTION_QUERIES * element,
                 c->data + (size_t)(w / g->nr) * c->panel_bytes + from * g->nr * element, (int)n,
                 (int)min64(g->nr, c->width - w), at, at, g->nr);
  }
}

void columns_write(const AttentionJob *job, const float *sum, int64_t width, Mat m, int64_t rows) {
  const int64_t nr = job->g->nr;
  for (int64_t n = 0; n < width; n += nr)
    job->g->store(&(GemmStore){.tile = sum + n * ATTENTION_KEYS,
                               .ld = nr,
                               .rows = rows,
                               .cols = min64(nr, width - n),
                               .c = mat_at(m, 0, n),
                               .add = mat_none()});
}
