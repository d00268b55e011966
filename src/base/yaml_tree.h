// A YAML file as a tree that knows its lines: for files of others, whose keys are looked at one by one. (Our own options are
// read by base/options.h.) Anchors, aliases and merge keys are followed; tags are refused.
//
// A tree is read once and never changes. An alias is an edge to the node that is named, not a copy, so what a file expands to
// costs nothing until it is walked: who walks must count the steps.
#ifndef BASE_YAML_TREE_H
#define BASE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum { YAML_SCALAR, YAML_MAP, YAML_LIST } YamlKind;

typedef struct YamlNode {
  YamlKind kind;
  int line;                              // where its value begins
  bool quoted;                           // of a scalar: it is text, whatever it looks like
  char *text;                            // of a scalar
  char *key;                             // the name under which it lies in a map, else NULL
  int key_line;                          // of that name
  struct YamlNode *first, *last, *next;  // its children; the next of its parent's
  struct YamlNode *alias;                // the node that *name means; then kind and the rest are that node's
  struct YamlNode *all;                  // chain of all nodes of the tree
} YamlNode;

typedef struct {
  YamlNode *root, *nodes;
  int64_t count;
} YamlTree;

// Limits: 4 MiB, 64 levels, 20000 values. ERR_FORMAT names the file, the line and what is wrong: syntax, a name twice in a map,
// a name that is no scalar, a tag, an alias of nothing or of what it lies in, a second document.
Err yaml_tree_read(YamlTree *t, const char *path);
// The same from memory; `name` stands for the file in messages.
Err yaml_tree_parse(YamlTree *t, const char *text, size_t size, const char *name);
void yaml_tree_free(YamlTree *t);

// The node itself, or what it is an alias of.
static inline const YamlNode *yaml_node(const YamlNode *n) { return n->alias ? n->alias : n; }
// The child of a map by this name, NULL if there is none; maps merged into it ("<<", not deeper) are looked into, too.
const YamlNode *yaml_child(const YamlNode *map, const char *key);
// Whether a scalar is null: nothing, ~, null.
bool yaml_is_null(const YamlNode *n);

#endif
