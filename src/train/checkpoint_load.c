// Reading checkpoints.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "train/checkpoint_file.h"
#include "train/config.h"

enum { STEP_DIGITS_MAX = 18, READ_BYTES = 1 << 14 };

size_t array_bytes(const CheckpointArray *a) {
  size_t bytes = st_type_bytes(a->type);
  for (int i = 0; i < a->n_dims; i++) bytes *= (size_t)a->dim[i];
  return bytes;
}

Err checkpoint_path(char out[PATH_BYTES], const char *folder, int64_t step) {
  char name[32];
  snprintf(name, sizeof name, "step-%lld", (long long)step);
  return path_join(out, folder, name);
}

static char *copy_text(const char *text) { return text ? strdup(text) : NULL; }

Err checkpoint_info(const char *path, CheckpointInfo *info) {
  *info = (CheckpointInfo){0};
  Manifest m;
  TRY(manifest_read(&m, path));
  Err err = ERR_OK;
  snprintf(info->path, sizeof info->path, "%s", path);
  info->step = m.step;
  info->identity = copy_text(m.identity), info->config = copy_text(m.config), info->version = copy_text(m.version);
  CHECK_OUT(info->identity && info->config && info->version, ERR_MEMORY, "%s: no memory", path);
  info->n_arrays = (int64_t)json_object_size(m.arrays);
  for (size_t i = 0; i < json_array_size(m.shards); i++) {
    const char *file;
    size_t bytes;
    uint64_t hash;
    TRY_OUT(manifest_shard(&m, (int64_t)i, &file, &bytes, &hash));
    info->bytes += bytes;
  }
out:
  manifest_free(&m);
  if (err) checkpoint_info_free(info);
  return err;
}

void checkpoint_info_free(CheckpointInfo *info) {
  free(info->identity);
  free(info->config);
  free(info->version);
  *info = (CheckpointInfo){0};
}

int64_t checkpoint_step_of(const char *name, const char *end) {
  if (strncmp(name, "step-", 5) != 0) return -1;
  const char *digits = name + 5;
  size_t n = strspn(digits, "0123456789");
  if (n == 0 || n > STEP_DIGITS_MAX || strcmp(digits + n, end) != 0 || (n > 1 && digits[0] == '0')) return -1;
  return strtoll(digits, NULL, 10);
}

static int by_step(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

Err checkpoint_steps(const char *folder, int64_t **steps, int64_t *count) {
  *steps = NULL;
  *count = 0;
  if (!file_exists(folder)) return ERR_OK;
  char **names, path[PATH_BYTES + 16];
  size_t n;
  TRY(folder_list(folder, &names, &n));
  Err err = ERR_OK;
  int64_t *list = malloc((n + 1) * sizeof *list);
  CHECK_OUT(list, ERR_MEMORY, "%s: no memory for %zu names", folder, n);
  for (size_t i = 0; i < n; i++) {
    int64_t step = checkpoint_step_of(names[i], "");
    snprintf(path, sizeof path, "%.3000s/%.40s/manifest.json", folder, names[i]);
    if (step >= 0 && file_exists(path)) list[(*count)++] = step;
  }
  qsort(list, (size_t)*count, sizeof *list, by_step);
  *steps = list;
out:
  names_free(names, n);
  return err;
}

// A line "key: value" of a text; the empty one at its end.
typedef struct {
  const char *at;
  size_t key, size;  // bytes of the key, of the line
} Line;

static Line line_at(const char *at) { return (Line){at, strcspn(at, ":\n"), strcspn(at, "\n")}; }
static Line line_after(Line l) { return line_at(l.at + l.size + (l.at[l.size] == '\n')); }
static bool line_same(Line a, Line b) { return a.size == b.size && memcmp(a.at, b.at, a.size) == 0; }
static int line_shown(Line l) { return l.size > 200 ? 200 : (int)l.size; }

// The line of the same key, if there is one.
static bool line_find(const char *text, Line wanted, Line *found) {
  for (*found = line_at(text); *found->at; *found = line_after(*found))
    if (found->key == wanted.key && memcmp(found->at, wanted.at, wanted.key) == 0) return true;
  return false;
}

// Every line of `ours` must be in `theirs`. One that a build of then did not know must be as what it knew: the default.
static Err compare_identity(const char *path, const char *theirs, const char *ours, const char *defaults) {
  Line there, usual;
  for (Line l = line_at(ours); *l.at; l = line_after(l)) {
    bool known = line_find(theirs, l, &there);
    if (known ? line_same(l, there) : line_find(defaults, l, &usual) && line_same(l, usual)) continue;
    CHECK(known, ERR_CONFIG, "%s: a checkpoint of another model: \"%.*s\" here, and of a build that did not know it there",
          path, line_shown(l), l.at);
    FAIL(ERR_CONFIG, "%s: a checkpoint of another model: \"%.*s\" there, \"%.*s\" here", path, line_shown(there), there.at,
         line_shown(l), l.at);
  }
  for (Line l = line_at(theirs); *l.at; l = line_after(l))
    CHECK(line_find(ours, l, &there), ERR_CONFIG,
          "%s: a checkpoint of a newer build: this one does not know \"%.*s\"; build that version", path, line_shown(l), l.at);
  return ERR_OK;
}

static Err check_identity(const char *path, const char *theirs, const char *ours) {
  ModelConfig usual;
  char *defaults = NULL;
  if (!ours) return ERR_OK;
  model_config_defaults(&usual);
  TRY(run_identity(&usual, &defaults));
  Err err = compare_identity(path, theirs, ours, defaults);
  free(defaults);
  return err;
}

Err checkpoint_reader_open(CheckpointReader *r, const char *folder) {
  *r = (CheckpointReader){.folder = folder};
  TRY(manifest_read(&r->manifest, folder));
  size_t n = json_array_size(r->manifest.shards);
  r->shard = calloc(n + 1, sizeof *r->shard);
  if (r->shard) return ERR_OK;
  checkpoint_reader_close(r);
  FAIL(ERR_MEMORY, "%s: no memory for %zu shards", folder, n);
}

void checkpoint_reader_close(CheckpointReader *r) {
  for (size_t i = 0; r->shard && i < json_array_size(r->manifest.shards); i++) shard_close(&r->shard[i]);
  free(r->shard);
  manifest_free(&r->manifest);
  *r = (CheckpointReader){0};
}

static Err use_shard(CheckpointReader *r, int64_t index) {
  if (r->shard[index].path) return ERR_OK;
  const char *file;
  size_t bytes;
  uint64_t hash;
  char path[PATH_BYTES];
  TRY(manifest_shard(&r->manifest, index, &file, &bytes, &hash));
  TRY(path_join(path, r->folder, file));
  TRY(shard_open(&r->shard[index], path, index, r->manifest.stamp, bytes, hash));
  r->shard[index].stream = r->stream;
  return ERR_OK;
}

Err checkpoint_reader_part(CheckpointReader *r, const Part *part, size_t offset, size_t bytes, void *out) {
  TRY(use_shard(r, part->shard));
  return shard_read(&r->shard[part->shard], part->offset + offset, bytes, out);
}

// An array on its way from a file into memory that holds it in another form: run after run.
typedef struct {
  const CheckpointArray *array;
  StType type;   // in the file
  int64_t done;  // elements
  size_t held;   // bytes of the next one: parts may end anywhere
  uint8_t raw[READ_BYTES];
  float x[READ_BYTES / 2];
} Arriving;

// Takes the whole elements of the first `held` + n bytes of raw in, and keeps the rest.
static void take_in(Arriving *w, size_t n) {
  const CheckpointArray *a = w->array;
  size_t size = st_type_bytes(w->type), bytes = w->held + n;
  int64_t count = (int64_t)(bytes / size);
  st_to_f32(w->type, w->raw, count, w->x);
  if (a->split.data) mat_write(a->split, a->dim[1], w->done, count, w->x);
  else memcpy((float *)a->data + w->done, w->x, (size_t)count * sizeof *w->x);
  w->done += count;
  w->held = bytes - (size_t)count * size;
  memmove(w->raw, w->raw + (size_t)count * size, w->held);
}

static Err read_runs(CheckpointReader *r, const Part *part, Arriving *w, HashState *hash) {
  for (size_t at = 0, n; at < part->bytes; at += n) {
    size_t room = READ_BYTES - w->held;
    n = part->bytes - at < room ? part->bytes - at : room;
    TRY(checkpoint_reader_part(r, part, at, n, w->raw + w->held));
    hash_add(hash, w->raw + w->held, n);
    take_in(w, n);
  }
  return ERR_OK;
}

// All parts, as they lie there or by way of `w`.
static Err read_parts(CheckpointReader *r, const Parts *parts, const CheckpointArray *a, Arriving *w, HashState *hash) {
  char *to = a->data;
  for (int64_t i = 0; i < parts->count; i++) {
    const Part *part = &parts->part[i];
    if (w->type != a->type || a->split.data) {
      TRY(read_runs(r, part, w, hash));
    } else {
      TRY(checkpoint_reader_part(r, part, 0, part->bytes, to));
      hash_add(hash, to, part->bytes);
      to += part->bytes;
    }
    CHECK(hash_end(hash) == part->hash, ERR_FORMAT, "%s: part %lld of array \"%s\" is not the one the manifest speaks of",
          r->folder, (long long)i, a->name);
  }
  return ERR_OK;
}

static Err read_array(CheckpointReader *r, const CheckpointArray *a) {
  const json_t *list;
  Arriving w;
  Parts parts = {0};
  Err err = ERR_OK;
  HashState *hash = hash_open(0);
  CHECK(hash, ERR_MEMORY, "%s: no memory", r->folder);
  w.array = a, w.done = 0, w.held = 0;
  TRY_OUT(manifest_array(&r->manifest, a, &w.type, &list));
  TRY_OUT(manifest_parts(&r->manifest, a->name, list, array_bytes(a) / st_type_bytes(a->type) * st_type_bytes(w.type), &parts));
  TRY_OUT(read_parts(r, &parts, a, &w, hash));
out:
  free(parts.part);
  hash_close(hash);
  return err;
}

// Every array of the manifest must have been asked for.
static Err check_whole(const CheckpointReader *r, const CheckpointArray *array, int64_t n_arrays) {
  if (json_object_size(r->manifest.arrays) == (size_t)n_arrays) return ERR_OK;  // all asked for were there, names are unique
  const char *name;
  json_t *entry;
  json_object_foreach(r->manifest.arrays, name, entry) {
    bool asked = false;
    for (int64_t i = 0; i < n_arrays && !asked; i++) asked = strcmp(array[i].name, name) == 0;
    CHECK(asked, ERR_CONFIG, "%s: holds array \"%.120s\", which this run does not have", r->manifest.path, name);
  }
  return ERR_OK;
}

static Err read_all(CheckpointReader *r, const char *identity, const CheckpointArray *array, int64_t n_arrays, bool whole) {
  TRY(check_identity(r->folder, r->manifest.identity, identity));
  for (int64_t i = 0; i < n_arrays; i++) TRY(read_array(r, &array[i]));
  return whole ? check_whole(r, array, n_arrays) : ERR_OK;
}

Err checkpoint_load(const char *path, const char *identity, const CheckpointArray *array, int64_t n_arrays, bool whole,
                    json_t **state) {
  CheckpointReader r;
  if (state) *state = NULL;
  TRY(checkpoint_reader_open(&r, path));
  Err err = read_all(&r, identity, array, n_arrays, whole);
  if (!err && state) *state = json_incref(r.manifest.state);
  checkpoint_reader_close(&r);
  return err;
}

Err checkpoint_load_latest(const char *folder, const char *identity, const CheckpointArray *array, int64_t n_arrays,
                           int64_t *step, json_t **state) {
  *step = -1;
  int64_t *steps, n;
  char path[PATH_BYTES], first[512] = "";
  TRY(checkpoint_steps(folder, &steps, &n));
  Err err = ERR_OK;
  for (int64_t i = n - 1; i >= 0; i--) {
    TRY_OUT(checkpoint_path(path, folder, steps[i]));
    Err bad = checkpoint_load(path, identity, array, n_arrays, true, state);
    if (!bad) {
      *step = steps[i];
      break;
    }
    if (bad == ERR_CONFIG || bad == ERR_MEMORY) {
      err = bad;
      goto out;
    }
    if (!first[0]) snprintf(first, sizeof first, "%s", err_text());
    log_warn("checkpoint refused: %s", err_text());
  }
  CHECK_OUT(*step >= 0 || n == 0, ERR_FORMAT, "%s: none of its %lld checkpoints is good; the newest: %s", folder, (long long)n,
            first);
out:
  free(steps);
  return err;
}

Err checkpoint_put_real(json_t *state, const char *key, double value) {
  char text[40];
  snprintf(text, sizeof text, "%a", value);
  CHECK(json_object_set_new(state, key, json_string(text)) == 0, ERR_MEMORY, "no memory for \"%s\" of a checkpoint", key);
  return ERR_OK;
}

Err checkpoint_get_real(const json_t *state, const char *key, const char *where, double *value) {
  const char *text;
  char *end;
  TRY(json_text(state, key, where, &text));
  *value = strtod(text, &end);
  CHECK(*text && !*end, ERR_FORMAT, "%s: \"%s\" is \"%.40s\", not a number", where, key, text);
  return ERR_OK;
}
