#include "data/build_journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

Err build_digest(const BuildOptions *o, const Inputs *inputs, char out[17]) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  CHECK(f, ERR_MEMORY, "no memory for the journal of %s", o->output);
  fprintf(f, "1 %s %s %lld %d %d %d %d\n", o->key, tokenizer_kind(o->tokenizer), (long long)tokenizer_vocab(o->tokenizer),
          o->eod, (int)o->format, (int)o->split, o->skip_bad);
  for (int64_t id = 0; id < tokenizer_vocab(o->tokenizer); id++) {
    const char *piece = tokenizer_piece(o->tokenizer, (int32_t)id);
    fprintf(f, "%s\n", piece ? piece : "");
  }
  fprintf(f, "%s\n", o->tokenizer_path);
  for (int64_t i = 0; i < inputs->count; i++) {
    const InputFile *in = &inputs->file[i];
    fprintf(f, "%s %d %lld %lld\n", in->path, (int)in->format, (long long)in->size_bytes, (long long)in->changed_ns);
  }
  CHECK(fclose(f) == 0 && text, ERR_MEMORY, "no memory for the journal of %s", o->output);
  snprintf(out, 17, "%016llx", (unsigned long long)hash64(text, size, 0));
  free(text);
  return ERR_OK;
}

// The numbers of a state, by name.
typedef struct {
  const char *name;
  int64_t *value;
} Number;

enum { NUMBERS = 10 };

static void list_numbers(BuildState *s, Number out[NUMBERS]) {
  Number all[NUMBERS] = {{"file", &s->place.file},      {"offset", &s->place.offset},      {"lines", &s->place.lines},
                         {"tokens", &s->mark.tokens},   {"sequences", &s->mark.sequences}, {"documents", &s->mark.documents},
                         {"records", &s->mark.records}, {"text_bytes", &s->text_bytes},    {"skipped", &s->skipped},
                         {"consumed", &s->consumed}};
  memcpy(out, all, sizeof all);
}

Err build_journal_write(const char *path, const char *digest, const BuildState *state) {
  BuildState s = *state;
  Number number[NUMBERS];
  list_numbers(&s, number);
  json_t *root = json_pack("{s:s}", "build", digest), *named = json_array();
  for (int i = 0; i < NUMBERS; i++) json_object_set_new(root, number[i].name, json_integer(*number[i].value));
  for (int i = 0; i < BUILD_NAMED && s.named[i][0]; i++) json_array_append_new(named, json_string(s.named[i]));
  json_object_set_new(root, "named", named);
  char *text = json_dumps(root, JSON_INDENT(1));
  json_decref(root);
  CHECK(text, ERR_MEMORY, "%s: no memory to write it", path);
  Err err = file_replace(path, text, strlen(text));
  free(text);
  return err;
}

static Err read_state(const json_t *root, const char *path, const Inputs *inputs, BuildState *s) {
  Number number[NUMBERS];
  list_numbers(s, number);
  for (int i = 0; i < NUMBERS; i++) {
    TRY(json_int(root, number[i].name, path, number[i].value));
    CHECK(*number[i].value >= 0, ERR_FORMAT, "%s: %s is %lld", path, number[i].name, (long long)*number[i].value);
  }
  CHECK(s->place.file <= inputs->count, ERR_FORMAT, "%s: file is %lld of %lld", path, (long long)s->place.file,
        (long long)inputs->count);
  const json_t *named = json_object_get(root, "named");
  for (size_t i = 0; i < BUILD_NAMED && i < json_array_size(named); i++) {
    const char *text = json_string_value(json_array_get(named, i));
    snprintf(s->named[i], sizeof s->named[i], "%s", text ? text : "");
  }
  return ERR_OK;
}

Err build_journal_read(const char *path, const char *digest, const Inputs *inputs, BuildState *s, bool *found) {
  *found = file_exists(path);
  *s = (BuildState){0};
  if (!*found) return ERR_OK;
  json_t *root = NULL;
  const char *build;
  TRY(json_read(&root, path, true));
  Err err = json_text(root, "build", path, &build);
  if (!err && strcmp(build, digest) != 0)
    err = ERR_HERE(ERR_STATE,
                   "%s: an unfinished build of other inputs or options is there; give those again to go on with it, or --fresh "
                   "to forget it",
                   path);
  if (!err) err = read_state(root, path, inputs, s);
  json_decref(root);
  return err;
}
