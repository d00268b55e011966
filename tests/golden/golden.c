#include "golden/golden.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden_run.h"

enum { MESSAGES_MAX = 12, LINES_BYTES_MAX = 1 << 28 };

void golden_compare(GoldenCount *n, bool ok, const char *format, ...) {
  n->comparisons++;
  if (ok) return;
  n->failed++;
  if (n->failed > MESSAGES_MAX) return;  // the runner says how many more
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  golden %s: ", n->folder);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

bool golden_ok(GoldenCount *n, Err err) {
  if (err) golden_compare(n, false, "%s", err_text());
  return err == ERR_OK;
}

void golden_not_read(GoldenCount *n, const char *part, const char *needs) {
  GoldenRun *r = n->run;
  if (r->n_notes == GOLDEN_NOTES_MAX) {
    golden_compare(n, false, "more than %d parts are not read", GOLDEN_NOTES_MAX);
    return;
  }
  GoldenNote *note = &r->note[r->n_notes++];
  snprintf(note->what, sizeof note->what, "%s%s%.60s", n->folder, *part ? ": " : "", part);
  snprintf(note->needs, sizeof note->needs, "%s", needs);
}

const char *golden_path(const GoldenCount *n, char out[PATH_BYTES], const char *format, ...) {
  GoldenEntry key = {0};
  va_list args;
  va_start(args, format);
  vsnprintf(key.path, sizeof key.path, format, args);
  va_end(args);
  GoldenEntry *e = bsearch(&key, n->run->entry, (size_t)n->run->n_entries, sizeof key, golden_by_path);
  if (e) e->read = true;
  snprintf(out, PATH_BYTES, "%.3800s/%s", n->run->tree, key.path);
  return out;
}

const char *golden_tree(const GoldenCount *n) { return n->run->tree; }
const char *golden_scratch(const GoldenCount *n) { return n->run->scratch; }

const char *golden_tokenizer(const GoldenCount *n, char out[PATH_BYTES], const char *name) {
  const char *shared = getenv("PLEIAD_SHARED");
  snprintf(out, PATH_BYTES, "%.3000s/../data/tokenizers/%.200s/tokenizer.model", n->run->tree, name);
  if (file_exists(out)) return out;
  snprintf(out, PATH_BYTES, "%.3000s/data/tokenizers/%.200s/tokenizer.model", shared ? shared : PLEIAD_ROOT "/../shared", name);
  return file_exists(out) ? out : NULL;
}

void golden_sha256(const char *path, char out[GOLDEN_HASH_BYTES]) {
  char command[PATH_BYTES + 32];
  out[0] = '\0';
  snprintf(command, sizeof command, "sha256sum < '%s'", path);
  FILE *pipe = popen(command, "r");
  if (!pipe) return;
  out[fread(out, 1, GOLDEN_HASH_BYTES - 1, pipe)] = '\0';
  pclose(pipe);
}

void golden_each_line(GoldenCount *n, const char *file, GoldenLineFn *fn, void *context) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  if (!golden_ok(n, file_read(golden_path(n, path, "%s", file), LINES_BYTES_MAX, &text, &size))) return;
  golden_compare(n, size > 0 && text[size - 1] == '\n', "%s: is empty or ends within a line", path);
  int64_t number = 0;
  for (char *at = text, *end; at < text + size; at = end + 1) {
    end = memchr(at, '\n', (size_t)(text + size - at));
    if (!end) end = text + size;
    json_t *line = NULL;
    char name[PATH_BYTES + 32];
    snprintf(name, sizeof name, "%s line %lld", path, (long long)++number);
    if (golden_ok(n, json_parse(&line, at, (size_t)(end - at), name, false))) {
      golden_compare(n, json_is_object(line), "%s: not an object", name);
      n->cases++;
      if (json_is_object(line)) fn(n, line, context);
    }
    json_decref(line);
  }
  free(text);
}

int64_t golden_int(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }
const char *golden_text(const json_t *o, const char *key) {
  const char *t = json_string_value(json_object_get(o, key));
  return t ? t : "";
}
bool golden_true(const json_t *o, const char *key) { return json_is_true(json_object_get(o, key)); }
int64_t golden_element(const json_t *array, size_t i) { return json_integer_value(json_array_get(array, i)); }

const json_t *golden_array(GoldenCount *n, const json_t *o, const char *key) {
  const json_t *array = json_object_get(o, key);
  if (!json_is_array(array)) golden_compare(n, false, "case %lld: \"%s\" is missing or no list", (long long)n->cases, key);
  return array;
}
