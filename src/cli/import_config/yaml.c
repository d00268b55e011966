// A YAML file as keys with values: "model.model_config.hidden_size". The elements of a list of maps have their type as name:
// "callbacks.CheckpointMonitor.prefix".
#include <ctype.h>
#include <string.h>

#include "cli/import_config/import_config.h"

enum { STEPS_MAX = 100000, DEPTH_MAX = 64 };

typedef struct {
  Import *import;
  int64_t steps;
  int item;  // of the innermost list of maps
} Walk;

// A section that may be written out or named: what it says belongs to the section it copies.
static const struct {
  const char *key, *same;
} copies[] = {{"train_dataset_task.dataset_config", "train_dataset"}, {"eval_dataset_task.dataset_config", "eval_dataset"}};

static Err append(char *out, size_t room, const char *text, const char *path) {
  size_t n = strlen(out), m = strlen(text);
  CHECK(n + m < room, ERR_FORMAT, "%s: a key or value of more than %zu bytes", path, room - 1);
  memcpy(out + n, text, m + 1);
  return ERR_OK;
}

static Err scalar_text(const YamlNode *n, char *out, size_t room, const char *path) {
  if (yaml_is_null(n)) return append(out, room, "null", path);
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};  // YAML 1.1, as Python reads it
  for (int i = 0; words[i] && !n->quoted; i++)
    if (strcasecmp(n->text, words[i]) == 0) return append(out, room, words[i % 2], path);
  return append(out, room, n->text, path);
}

static Err value_text(Walk *w, const YamlNode *n, int depth, char *out, size_t room) {
  const char *path = w->import->path;
  n = yaml_node(n);
  CHECK(++w->steps < STEPS_MAX && depth < DEPTH_MAX, ERR_FORMAT, "%s: its aliases expand to more than %d values", path,
        STEPS_MAX);
  if (n->kind == YAML_SCALAR) return scalar_text(n, out, room, path);
  bool map = n->kind == YAML_MAP;
  TRY(append(out, room, map ? "{" : "[", path));
  for (const YamlNode *c = n->first; c; c = c->next) {
    if (map) TRY(append(out, room, c->key, path));
    if (map) TRY(append(out, room, ": ", path));
    TRY(value_text(w, c, depth + 1, out, room));
    if (c->next) TRY(append(out, room, ", ", path));
  }
  return append(out, room, map ? "}" : "]", path);
}

static bool holds_maps(const YamlNode *list) {
  if (!list->first) return false;
  for (const YamlNode *n = list->first; n; n = n->next)
    if (yaml_node(n)->kind != YAML_MAP) return false;
  return true;
}

static Err join(Walk *w, char *out, const char *prefix, const char *name) {
  out[0] = '\0';
  TRY(append(out, IMPORT_KEY_BYTES, prefix, w->import->path));
  if (*prefix) TRY(append(out, IMPORT_KEY_BYTES, ".", w->import->path));
  return append(out, IMPORT_KEY_BYTES, name, w->import->path);
}

static Err walk(Walk *w, const char *key, const YamlNode *n, int line, int depth);

// The children of a map, then those of the maps merged into it that it does not have itself.
static Err walk_map(Walk *w, const char *key, const YamlNode *map, const YamlNode *over, int line, int depth) {
  CHECK(depth < DEPTH_MAX, ERR_FORMAT, "%s: nesting deeper than %d", w->import->path, DEPTH_MAX);
  for (const YamlNode *n = map->first; n; n = n->next) {
    char name[IMPORT_KEY_BYTES];
    bool hidden = false;
    CHECK(++w->steps < STEPS_MAX, ERR_FORMAT, "%s: its aliases expand to more than %d values", w->import->path, STEPS_MAX);
    if (strcmp(n->key, "<<") == 0) {
      const YamlNode *from = yaml_node(n);
      CHECK(from->kind == YAML_MAP, ERR_FORMAT, "%s:%d: << takes one map", w->import->path, n->line);
      TRY(walk_map(w, key, from, map, line ? line : n->key_line, depth + 1));
      continue;
    }
    for (const YamlNode *o = over ? over->first : NULL; o && !hidden; o = o->next) hidden = strcmp(o->key, n->key) == 0;
    if (hidden) continue;
    TRY(join(w, name, key, n->key));
    TRY(walk(w, name, n, line ? line : n->key_line, depth + 1));
  }
  return ERR_OK;
}

static Err walk_list(Walk *w, const char *key, const YamlNode *list, int line, int depth) {
  int index = 0, outer = w->item;
  for (const YamlNode *n = list->first; n; n = n->next, index++) {
    const YamlNode *item = yaml_node(n), *type = yaml_child(item, "type");
    char name[IMPORT_KEY_BYTES], number[24];
    snprintf(number, sizeof number, "%d", index);
    type = type ? yaml_node(type) : NULL;
    TRY(join(w, name, key, type && type->kind == YAML_SCALAR ? type->text : number));
    w->item = index;
    TRY(walk_map(w, name, item, NULL, line, depth + 1));
  }
  w->item = outer;
  return ERR_OK;
}

static Err leaf(Walk *w, const char *key, const YamlNode *n, int line) {
  ImportKey k = {.line = line, .node = n->kind == YAML_LIST ? n : NULL, .item = w->item};
  snprintf(k.key, sizeof k.key, "%s", key);
  TRY(value_text(w, n, 0, k.value, sizeof k.value));
  return import_key(w->import, &k);
}

// line: of the key whose value this is; what an alias names is placed at the alias.
static Err walk(Walk *w, const char *key, const YamlNode *n, int line, int depth) {
  for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
    if (strcmp(key, copies[i].key) != 0) continue;
    const YamlNode *same = w->import->source ? yaml_child(w->import->source, copies[i].same) : NULL;
    if (same && yaml_node(same) == yaml_node(n)) {
      ImportKey k = {.line = line};
      snprintf(k.key, sizeof k.key, "%s", key);
      snprintf(k.value, sizeof k.value, "%s", "(alias)");
      return import_enter(w->import, IMPORT_NOTHING, &k, NULL, "it is %s again", copies[i].same);
    }
    key = copies[i].same;
    break;
  }
  const YamlNode *v = yaml_node(n);
  int place = n->alias ? line : 0;
  if (v->kind == YAML_MAP && v->first) return walk_map(w, key, v, NULL, place, depth);
  if (v->kind == YAML_LIST && holds_maps(v)) return walk_list(w, key, v, place, depth);
  return leaf(w, key, v, line);
}

Err import_yaml(Import *m, const char *path) {
  YamlTree t;
  TRY(yaml_tree_read(&t, path));
  Err err = ERR_OK;
  Walk w = {.import = m};
  CHECK_OUT(t.root && yaml_node(t.root)->kind == YAML_MAP && t.root->first, ERR_FORMAT,
            "%s: no map of keys; a MindFormers configuration is wanted", path);
  m->source = t.root;
  TRY_OUT(walk_map(&w, "", t.root, NULL, 0, 0));
  TRY_OUT(m->table->finish(m));
out:
  m->source = NULL;
  for (int64_t i = 0; i < m->count; i++) m->entry[i].key.node = NULL;
  yaml_tree_free(&t);
  return err;
}
