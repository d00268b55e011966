// Options from YAML: libyaml gives events; what a configuration needs of them is kept as a flat list, then applied.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/options_internal.h"

enum { FILE_BYTES_MAX = 1 << 22, DEPTH_MAX = 64, KEY_BYTES = 512 };

typedef enum { NODE_MAP, NODE_LIST, NODE_END, NODE_SCALAR } NodeKind;

typedef struct {
  NodeKind kind;
  int line;
  bool quoted;
  char *text;  // of a scalar
} Node;

typedef struct {
  uint64_t key_hash;
  int line;
} Seen;

typedef struct {
  const Options *options;
  const char *path;
  Node *node;
  size_t count, room;
  size_t at;  // the node being applied
  Seen *seen;
  size_t n_seen, seen_room;
} Loader;

#define FAIL_LINE(line, format, ...) FAIL(ERR_FORMAT, "%s:%d: " format, l->path, line, __VA_ARGS__)

static Err grow(void **array, size_t *room, size_t count, size_t item_bytes) {
  if (count < *room) return ERR_OK;
  size_t wanted = *room ? 2 * *room : 64;
  void *grown = realloc(*array, wanted * item_bytes);
  CHECK(grown, ERR_MEMORY, "no memory to read a configuration");
  *array = grown;
  *room = wanted;
  return ERR_OK;
}

static Err add_node(Loader *l, NodeKind kind, const yaml_event_t *e) {
  TRY(grow((void **)&l->node, &l->room, l->count, sizeof *l->node));
  Node n = {.kind = kind, .line = (int)e->start_mark.line + 1};
  if (kind == NODE_SCALAR) {
    const char *text = (const char *)e->data.scalar.value;
    n.quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != e->data.scalar.length) FAIL_LINE(n.line, "%s", "a NUL character, which no option takes");
    n.text = strdup(text);
    CHECK(n.text, ERR_MEMORY, "no memory to read %s", l->path);
  }
  l->node[l->count++] = n;
  return ERR_OK;
}

static Err check_plain(const Loader *l, const yaml_event_t *e) {
  int line = (int)e->start_mark.line + 1;
  const yaml_char_t *anchor = NULL, *tag = NULL;
  if (e->type == YAML_ALIAS_EVENT)
    FAIL_LINE(line, "the alias *%s: aliases are not supported here; write the value out", (const char *)e->data.alias.anchor);
  if (e->type == YAML_SCALAR_EVENT) anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
  if (e->type == YAML_MAPPING_START_EVENT) anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
  if (e->type == YAML_SEQUENCE_START_EVENT) anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
  if (anchor)
    FAIL_LINE(line, "the anchor &%s: anchors and aliases are not supported here; write the value out", (const char *)anchor);
  if (tag) FAIL_LINE(line, "the tag %s: tags are not supported here; write the plain value", (const char *)tag);
  return ERR_OK;
}

static Err fail_syntax(const Loader *l, const yaml_parser_t *p, const char *text, size_t size) {
  const char *problem = p->problem ? p->problem : "not YAML";
  if (p->error == YAML_MEMORY_ERROR) FAIL(ERR_MEMORY, "no memory to read %s", l->path);
  if (p->error == YAML_READER_ERROR) {
    int line = 1;
    for (size_t i = 0; i < p->problem_offset && i < size; i++) line += text[i] == '\n';
    FAIL_LINE(line, "byte %zu: %s; a configuration is UTF-8 text", p->problem_offset, problem);
  }
  int line = (int)p->problem_mark.line + 1;
  bool tab = p->problem_mark.index < size && text[p->problem_mark.index] == '\t';
  if (tab) FAIL_LINE(line, "column %zu: a tab; YAML indents with spaces", p->problem_mark.column + 1);
  if (p->context)
    FAIL_LINE(line, "column %zu: %s %s (begun in line %zu)", p->problem_mark.column + 1, problem, p->context,
              p->context_mark.line + 1);
  FAIL_LINE(line, "column %zu: %s", p->problem_mark.column + 1, problem);
}

// One event into a node. *depth counts open maps and lists, *documents what has begun.
static Err take_event(Loader *l, const yaml_event_t *e, int *depth, int *documents) {
  TRY(check_plain(l, e));
  int line = (int)e->start_mark.line + 1;
  switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
      if (++*documents > 1) FAIL_LINE(line, "%s", "a second document; a configuration is one");
      return ERR_OK;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
      if (++*depth > DEPTH_MAX) FAIL_LINE(line, "nesting deeper than the limit of %d", DEPTH_MAX);
      return add_node(l, e->type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_LIST, e);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: --*depth; return add_node(l, NODE_END, e);
    case YAML_SCALAR_EVENT: return add_node(l, NODE_SCALAR, e);
    default: return ERR_OK;
  }
}

static Err read_nodes(Loader *l, const char *text, size_t size) {
  yaml_parser_t parser;
  CHECK(yaml_parser_initialize(&parser), ERR_MEMORY, "no memory to read %s", l->path);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
  Err err = ERR_OK;
  int depth = 0, documents = 0;
  for (bool more = true; more && !err;) {
    yaml_event_t e;
    if (!yaml_parser_parse(&parser, &e)) {
      err = fail_syntax(l, &parser, text, size);
      break;
    }
    more = e.type != YAML_STREAM_END_EVENT;
    err = take_event(l, &e, &depth, &documents);
    yaml_event_delete(&e);
  }
  yaml_parser_delete(&parser);
  return err;
}

static Err note_key(Loader *l, const char *key, int line) {
  uint64_t hash = hash64(key, strlen(key), 0);
  for (size_t i = 0; i < l->n_seen; i++)
    if (l->seen[i].key_hash == hash) FAIL_LINE(line, "%s is given twice; first in line %d", key, l->seen[i].line);
  TRY(grow((void **)&l->seen, &l->seen_room, l->n_seen, sizeof *l->seen));
  l->seen[l->n_seen++] = (Seen){hash, line};
  return ERR_OK;
}

static const char *node_name(const Node *n) {
  return n->kind == NODE_MAP ? "a map" : n->kind == NODE_LIST ? "a list" : "a value";
}

static Err apply_map(Loader *l, const char *prefix);

static Err apply_list(Loader *l, FieldAt at, const char *key) {
  const Node *list = &l->node[l->at++];
  if (list->kind != NODE_LIST) FAIL_LINE(list->line, "%s is a list; found %s", key, node_name(list));
  *list_count(at.field, at.base) = 0;
  for (; l->node[l->at].kind != NODE_END;) {
    const Node *item = &l->node[l->at];
    int64_t i = *list_count(at.field, at.base);
    if (item->kind != NODE_MAP)
      FAIL_LINE(item->line, "%s.%lld wants a map of options (%s: ...), found %s", key, (long long)i, at.field->item->key,
                node_name(item));
    if (i == at.field->count_max) FAIL_LINE(item->line, "%s holds at most %lld elements", key, (long long)i);
    list_append(at.field, at.base);
    char prefix[KEY_BYTES];
    snprintf(prefix, sizeof prefix, "%s.%lld", key, (long long)i);
    TRY(apply_map(l, prefix));
  }
  l->at++;
  return ERR_OK;
}

// The value of `key`, whose name stood in `line`.
static Err apply_value(Loader *l, const char *key, int line) {
  char where[PATH_BYTES + 16];
  snprintf(where, sizeof where, "%s:%d", l->path, line);
  FieldAt at;
  TRY(field_find(l->options, key, where, &at));
  const Node *value = &l->node[l->at];
  if (at.field && at.field->type == FIELD_IS_LIST) return apply_list(l, at, key);
  if (at.field) {
    if (value->kind != NODE_SCALAR) {
      char want[512];
      value_wanted(at.field, want, sizeof want);
      FAIL_LINE(value->line, "%s is %s; %s is wanted (%s)", key, node_name(value), want, at.field->help);
    }
    l->at++;
    bool null = !value->quoted && (strcmp(value->text, "~") == 0 || strcmp(value->text, "null") == 0);
    return value_set(at, key, null ? "" : value->text, value->quoted, where);
  }
  if (!group_known(l->options, key)) return key_unknown(l->options, key, where, NULL);
  if (value->kind != NODE_MAP)
    FAIL_LINE(value->line, "%s is a group of options; found %s instead of a map", key, node_name(value));
  return apply_map(l, key);
}

// Depth is bounded by DEPTH_MAX, and by the known groups.
static Err apply_map(Loader *l, const char *prefix) {
  for (l->at++; l->node[l->at].kind != NODE_END;) {
    const Node *name = &l->node[l->at++];
    if (name->kind != NODE_SCALAR) FAIL_LINE(name->line, "%s where the name of an option is wanted", node_name(name));
    char key[KEY_BYTES];
    int n = snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", name->text);
    if (n >= KEY_BYTES) FAIL_LINE(name->line, "the name of an option has %d bytes", n);
    TRY(note_key(l, key, name->line));
    TRY(apply_value(l, key, name->line));
  }
  l->at++;
  return ERR_OK;
}

static Err apply(Loader *l) {
  if (l->count == 0) return ERR_OK;  // an empty file: all defaults
  const Node *top = &l->node[0];
  bool nothing = top->kind == NODE_SCALAR && !top->quoted && *top->text == '\0';
  if (nothing) return ERR_OK;
  if (top->kind != NODE_MAP)
    FAIL_LINE(top->line, "%s where a map of options (\"name: value\" lines) is wanted", node_name(top));
  return apply_map(l, "");
}

Err options_parse(const Options *o, const char *text, size_t size, const char *name) {
  Loader l = {.options = o, .path = name};
  Err err = read_nodes(&l, text, size);
  if (!err) err = apply(&l);
  for (size_t i = 0; i < l.count; i++) free(l.node[i].text);
  free(l.node);
  free(l.seen);
  return err;
}

Err options_load(const Options *o, const char *path) {
  char *text = NULL;
  size_t size = 0;
  TRY(file_read(path, FILE_BYTES_MAX, &text, &size));
  Err err = options_parse(o, text, size, path);
  free(text);
  return err;
}
