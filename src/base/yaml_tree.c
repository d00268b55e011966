#include "base/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"

enum { FILE_BYTES_MAX = 1 << 22, DEPTH_MAX = 64, ANCHORS_MAX = 1024, NODES_MAX = 20000 };

typedef struct {
  char *name;
  YamlNode *node;
} Anchor;

typedef struct {
  YamlTree *tree;
  const char *path;
  YamlNode *open[DEPTH_MAX];  // maps and lists that are not at their end
  char *key[DEPTH_MAX];       // of an open map: a name whose value comes next
  int key_line[DEPTH_MAX];
  int depth, documents;
  Anchor anchor[ANCHORS_MAX];
  int anchors;
} Reader;

#define FAIL_LINE(line, format, ...) FAIL(ERR_FORMAT, "%s:%d: " format, r->path, line, __VA_ARGS__)

static Err new_node(Reader *r, YamlKind kind, int line, YamlNode **out) {
  if (r->tree->count == NODES_MAX) FAIL_LINE(line, "more than %d values; no configuration has so many", NODES_MAX);
  YamlNode *n = calloc(1, sizeof *n);
  CHECK(n, ERR_MEMORY, "no memory to read %s", r->path);
  *n = (YamlNode){.kind = kind, .line = line, .all = r->tree->nodes};
  r->tree->nodes = n;
  r->tree->count++;
  *out = n;
  return ERR_OK;
}

static Err hang_in(Reader *r, YamlNode *n) {
  if (r->depth == 0) {
    if (!r->tree->root) r->tree->root = n;
    return ERR_OK;
  }
  int at = r->depth - 1;
  YamlNode *parent = r->open[at];
  if (parent->kind == YAML_MAP) {
    n->key = r->key[at];
    n->key_line = r->key_line[at];
    r->key[at] = NULL;
  }
  if (parent->last) parent->last->next = n;
  else parent->first = n;
  parent->last = n;
  return ERR_OK;
}

static bool wants_name(const Reader *r) {
  return r->depth > 0 && r->open[r->depth - 1]->kind == YAML_MAP && !r->key[r->depth - 1];
}

static Err take_name(Reader *r, const char *text, int line) {
  const YamlNode *map = r->open[r->depth - 1];
  for (const YamlNode *n = map->first; n; n = n->next)
    if (strcmp(n->key, text) == 0) FAIL_LINE(line, "%s is given twice; first in line %d", text, n->key_line);
  r->key_line[r->depth - 1] = line;
  r->key[r->depth - 1] = strdup(text);
  CHECK(r->key[r->depth - 1], ERR_MEMORY, "no memory to read %s", r->path);
  return ERR_OK;
}

static Err note_anchor(Reader *r, const yaml_char_t *name, const yaml_char_t *tag, YamlNode *n) {
  if (tag) FAIL_LINE(n->line, "the tag %s: tags are not read here; write the plain value", (const char *)tag);
  if (!name) return ERR_OK;
  for (int i = 0; i < r->anchors; i++)
    if (strcmp(r->anchor[i].name, (const char *)name) == 0) {  // a later one of the same name takes its place
      r->anchor[i].node = n;
      return ERR_OK;
    }
  if (r->anchors == ANCHORS_MAX) FAIL_LINE(n->line, "more than %d anchors", ANCHORS_MAX);
  char *copy = strdup((const char *)name);
  CHECK(copy, ERR_MEMORY, "no memory to read %s", r->path);
  r->anchor[r->anchors++] = (Anchor){copy, n};
  return ERR_OK;
}

static Err take_scalar(Reader *r, const yaml_event_t *e, int line) {
  const char *text = (const char *)e->data.scalar.value;
  if (strlen(text) != e->data.scalar.length) FAIL_LINE(line, "%s", "a NUL character");
  if (wants_name(r)) {
    if (e->data.scalar.anchor) FAIL_LINE(line, "an anchor on the name %s", text);
    return take_name(r, text, line);
  }
  YamlNode *n;
  TRY(new_node(r, YAML_SCALAR, line, &n));
  n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  n->text = strdup(text);
  CHECK(n->text, ERR_MEMORY, "no memory to read %s", r->path);
  TRY(note_anchor(r, e->data.scalar.anchor, e->data.scalar.tag, n));
  return hang_in(r, n);
}

static Err open_node(Reader *r, YamlKind kind, const yaml_char_t *anchor, const yaml_char_t *tag, int line) {
  if (wants_name(r)) FAIL_LINE(line, "a %s where a name is wanted", kind == YAML_MAP ? "map" : "list");
  if (r->depth == DEPTH_MAX) FAIL_LINE(line, "nesting deeper than the limit of %d", DEPTH_MAX);
  YamlNode *n;
  TRY(new_node(r, kind, line, &n));
  TRY(note_anchor(r, anchor, tag, n));
  TRY(hang_in(r, n));
  r->key[r->depth] = NULL;
  r->open[r->depth++] = n;
  return ERR_OK;
}

static Err take_alias(Reader *r, const char *name, int line) {
  if (wants_name(r)) FAIL_LINE(line, "the alias *%s where a name is wanted", name);
  YamlNode *target = NULL, *n;
  for (int i = 0; i < r->anchors; i++)
    if (strcmp(r->anchor[i].name, name) == 0) target = r->anchor[i].node;
  if (!target) FAIL_LINE(line, "the alias *%s: no &%s stands before it", name, name);
  for (int i = 0; i < r->depth; i++)
    if (r->open[i] == target) FAIL_LINE(line, "the alias *%s lies within what it names", name);
  TRY(new_node(r, target->kind, line, &n));
  n->alias = target->alias ? target->alias : target;
  return hang_in(r, n);
}

static Err take_event(Reader *r, const yaml_event_t *e) {
  int line = (int)e->start_mark.line + 1;
  switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
      if (++r->documents > 1) FAIL_LINE(line, "%s", "a second document; a configuration is one");
      return ERR_OK;
    case YAML_MAPPING_START_EVENT: return open_node(r, YAML_MAP, e->data.mapping_start.anchor, e->data.mapping_start.tag, line);
    case YAML_SEQUENCE_START_EVENT:
      return open_node(r, YAML_LIST, e->data.sequence_start.anchor, e->data.sequence_start.tag, line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: r->depth--; return ERR_OK;
    case YAML_ALIAS_EVENT: return take_alias(r, (const char *)e->data.alias.anchor, line);
    case YAML_SCALAR_EVENT: return take_scalar(r, e, line);
    default: return ERR_OK;
  }
}

static Err fail_syntax(const Reader *r, const yaml_parser_t *p) {
  const char *problem = p->problem ? p->problem : "not YAML";
  if (p->error == YAML_MEMORY_ERROR) FAIL(ERR_MEMORY, "no memory to read %s", r->path);
  if (p->error == YAML_READER_ERROR) FAIL(ERR_FORMAT, "%s: byte %zu: %s; UTF-8 is wanted", r->path, p->problem_offset, problem);
  int line = (int)p->problem_mark.line + 1;
  if (p->context)
    FAIL_LINE(line, "column %zu: %s %s (begun in line %zu)", p->problem_mark.column + 1, problem, p->context,
              p->context_mark.line + 1);
  FAIL_LINE(line, "column %zu: %s", p->problem_mark.column + 1, problem);
}

static Err read_events(Reader *r, const char *text, size_t size) {
  yaml_parser_t parser;
  CHECK(yaml_parser_initialize(&parser), ERR_MEMORY, "no memory to read %s", r->path);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
  Err err = ERR_OK;
  for (bool more = true; more && !err;) {
    yaml_event_t e;
    if (!yaml_parser_parse(&parser, &e)) {
      err = fail_syntax(r, &parser);
      break;
    }
    more = e.type != YAML_STREAM_END_EVENT;
    err = take_event(r, &e);
    yaml_event_delete(&e);
  }
  yaml_parser_delete(&parser);
  return err;
}

Err yaml_tree_parse(YamlTree *t, const char *text, size_t size, const char *name) {
  *t = (YamlTree){0};
  Reader *r = calloc(1, sizeof *r);
  CHECK(r, ERR_MEMORY, "no memory to read %s", name);
  r->tree = t;
  r->path = name;
  Err err = read_events(r, text, size);
  for (int i = 0; i < DEPTH_MAX; i++) free(r->key[i]);
  for (int i = 0; i < r->anchors; i++) free(r->anchor[i].name);
  free(r);
  if (err) yaml_tree_free(t);
  return err;
}

Err yaml_tree_read(YamlTree *t, const char *path) {
  *t = (YamlTree){0};
  char *text = NULL;
  size_t size = 0;
  TRY(file_read(path, FILE_BYTES_MAX, &text, &size));
  Err err = yaml_tree_parse(t, text, size, path);
  free(text);
  return err;
}

void yaml_tree_free(YamlTree *t) {
  for (YamlNode *n = t->nodes, *next; n; n = next) {
    next = n->all;
    free(n->text);
    free(n->key);
    free(n);
  }
  *t = (YamlTree){0};
}

bool yaml_is_null(const YamlNode *n) {
  n = yaml_node(n);
  if (n->kind != YAML_SCALAR || n->quoted) return false;
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(n->text, words[i]) == 0) return true;
  return false;
}

static const YamlNode *own_child(const YamlNode *map, const char *key) {
  if (map->kind != YAML_MAP) return NULL;
  for (const YamlNode *n = map->first; n; n = n->next)
    if (strcmp(n->key, key) == 0) return n;
  return NULL;
}

const YamlNode *yaml_child(const YamlNode *map, const char *key) {
  map = yaml_node(map);
  const YamlNode *found = own_child(map, key), *merged = own_child(map, "<<");
  if (found || !merged) return found;
  merged = yaml_node(merged);
  if (merged->kind == YAML_MAP) return own_child(merged, key);
  for (const YamlNode *m = merged->first; m && !found; m = m->next) found = own_child(yaml_node(m), key);
  return found;
}
