#include "train/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

static Err series_add(Series *s, double x, double y) {
  if (!isfinite(y)) return ERR_OK;
  if (s->count == s->capacity) {
    int64_t capacity = s->capacity ? 2 * s->capacity : 256;
    double *nx = realloc(s->x, (size_t)capacity * sizeof *nx);
    if (nx) s->x = nx;
    double *ny = realloc(s->y, (size_t)capacity * sizeof *ny);
    if (ny) s->y = ny;
    CHECK(nx && ny, ERR_MEMORY, "no memory for %lld points", (long long)capacity);
    s->capacity = capacity;
  }
  s->x[s->count] = x;
  s->y[s->count++] = y;
  return ERR_OK;
}

static Err add_number(Series *s, double step, const json_t *line, const char *key) {
  const json_t *value = json_object_get(line, key);
  return json_is_number(value) ? series_add(s, step, json_number_value(value)) : ERR_OK;
}

static Err add_step(History *h, const json_t *line, double step) {
  TRY(add_number(&h->loss, step, line, "loss"));
  TRY(add_number(&h->lm, step, line, "lm"));
  TRY(add_number(&h->lr, step, line, "lr"));
  TRY(add_number(&h->norm, step, line, "grad_norm"));
  TRY(add_number(&h->imbalance, step, line, "load_max_over_mean"));
  TRY(add_number(&h->eval, step, line, "eval_loss"));
  TRY(add_number(&h->bits, step, line, "eval_bits_per_byte"));
  return add_number(&h->rate, step, json_object_get(line, "time"), "tokens_per_s");
}

typedef Err LineFn(History *h, const json_t *line, double step);

// Each whole line of a file; its step must rise.
static Err each_line(History *h, const char *folder, const char *name, LineFn *fn) {
  char path[PATH_BYTES], where[PATH_BYTES + 32];
  FileMap map;
  TRY(path_join(path, folder, name));
  TRY(file_map(&map, path));
  Err err = ERR_OK;
  int64_t number = 1, last = 0;
  for (size_t at = 0; at < map.size && !err; number++) {
    const char *text = (const char *)map.data + at, *end = memchr(text, '\n', map.size - at);
    if (!end) break;
    at += (size_t)(end - text) + 1;
    snprintf(where, sizeof where, "%s:%lld", path, (long long)number);
    json_t *line = NULL;
    int64_t step = 0;
    err = json_parse(&line, text, (size_t)(end - text), where, false);
    if (!err) err = json_int(line, "step", where, &step);
    if (!err && step <= last)
      err = ERR_HERE(ERR_FORMAT, "%s: step %lld comes after step %lld", where, (long long)step, (long long)last);
    if (!err) err = fn(h, line, (double)step);
    last = step;
    json_decref(line);
  }
  file_unmap(&map);
  return err;
}

static Err note_shape(History *h, const json_t *line, double step) {
  const json_t *load = json_object_get(line, "load");
  if (!h->layers) {
    h->layers = (int64_t)json_array_size(load);
    h->experts = (int64_t)json_array_size(json_array_get(load, 0));
    h->heat_first = step;
  }
  CHECK((int64_t)json_array_size(load) == h->layers && h->experts > 0, ERR_FORMAT,
        "experts.jsonl: step %.0f has another number of layers than the first", step);
  h->heat_last = step;
  h->bins++;
  return ERR_OK;
}

static int64_t bin_of(const History *h, double step) {
  double span = h->heat_last - h->heat_first;
  int64_t bin = span > 0 ? (int64_t)((step - h->heat_first) / span * (double)h->bins) : 0;
  return bin < h->bins ? bin : h->bins - 1;
}

static Err add_load(History *h, const json_t *line, double step) {
  const json_t *load = json_object_get(line, "load");
  int64_t bin = bin_of(h, step);
  h->heat[h->layers * h->experts * h->bins + bin]++;  // lines in the bin
  for (int64_t l = 0; l < h->layers; l++) {
    const json_t *row = json_array_get(load, (size_t)l);
    double total = 0;
    CHECK((int64_t)json_array_size(row) == h->experts, ERR_FORMAT,
          "experts.jsonl: step %.0f, layer %lld has %zu experts, the first line %lld", step, (long long)l, json_array_size(row),
          (long long)h->experts);
    for (int64_t e = 0; e < h->experts; e++) total += json_number_value(json_array_get(row, (size_t)e));
    for (int64_t e = 0; e < h->experts && total > 0; e++)
      h->heat[(l * h->experts + e) * h->bins + bin] +=
          json_number_value(json_array_get(row, (size_t)e)) * (double)h->experts / total;
  }
  return ERR_OK;
}

static Err read_load(History *h, const char *folder) {
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "experts.jsonl"));
  if (!file_exists(path)) return ERR_OK;
  TRY(each_line(h, folder, "experts.jsonl", note_shape));
  if (h->bins > HISTORY_BINS) h->bins = HISTORY_BINS;
  int64_t rows = h->layers * h->experts;
  h->heat = calloc((size_t)((rows + 1) * h->bins) + 1, sizeof *h->heat);
  CHECK(h->heat, ERR_MEMORY, "no memory for the load of %lld experts", (long long)rows);
  TRY(each_line(h, folder, "experts.jsonl", add_load));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t b = 0; b < h->bins; b++) {
      double lines = h->heat[rows * h->bins + b], *cell = &h->heat[r * h->bins + b];
      *cell = lines > 0 ? *cell / lines : b > 0 ? cell[-1] : 0;  // a bin without a line: as the one before
    }
  return ERR_OK;
}

Err history_read(History *h, const char *folder) {
  *h = (History){0};
  TRY(each_line(h, folder, "metrics.jsonl", add_step));
  CHECK(h->loss.count > 0, ERR_STATE, "%s: no step has been logged yet", folder);
  return read_load(h, folder);
}

void history_free(History *h) {
  Series *all[] = {&h->loss, &h->lm, &h->lr, &h->norm, &h->rate, &h->imbalance, &h->eval, &h->bits};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    free(all[i]->x);
    free(all[i]->y);
  }
  free(h->heat);
  *h = (History){0};
}
