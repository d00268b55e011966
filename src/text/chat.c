#include "text/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/gguf_tokenizer.h"

static Err add_template(Chat *c, const char *where, const char *name, const char *text, size_t size) {
  CHECK(c->n_named < CHAT_TEMPLATES_MAX, ERR_FORMAT, "%s: more than %d chat templates", where, CHAT_TEMPLATES_MAX);
  c->named[c->n_named].name = strdup(name);
  CHECK(c->named[c->n_named].name, ERR_MEMORY, "%s: no memory", where);
  Err err = jinja_open(&c->named[c->n_named].jinja, where, text, size);
  c->n_named++;
  if (!err) return ERR_OK;
  c->named[c->n_named - 1].why = strdup(err_text());
  return ERR_OK;
}

static Err add_file(Chat *c, const char *path) {
  char *text = NULL;
  size_t size = 0;
  TRY(file_read(path, JINJA_SOURCE_BYTES_MAX, &text, &size));
  Err err = add_template(c, path, "default", text, size);
  free(text);
  return err;
}

// A text, or [{"name": ..., "template": ...}, ...].
static Err add_configured(Chat *c, const json_t *config, const char *path) {
  const json_t *v = json_object_get(config, "chat_template");
  char where[PATH_BYTES + 64];
  snprintf(where, sizeof where, "%s: chat_template", path);
  if (json_is_string(v)) return add_template(c, where, "default", json_string_value(v), json_string_length(v));
  CHECK(!v || json_is_null(v) || json_is_array(v), ERR_FORMAT, "%s: a text or a list of named ones is wanted", where);
  for (size_t i = 0; i < json_array_size(v); i++) {
    const json_t *item = json_array_get(v, i), *text = json_object_get(item, "template");
    const char *name = NULL;
    snprintf(where, sizeof where, "%s: chat_template[%zu]", path, i);
    TRY(json_text(item, "name", where, &name));
    CHECK(json_is_string(text), ERR_FORMAT, "%s: \"template\" is not a text", where);
    TRY(add_template(c, where, name, json_string_value(text), json_string_length(text)));
  }
  return ERR_OK;
}

// Every *_token that is a text or an object with "content", unless it is known already.
static Err add_specials(Chat *c, const json_t *config, const char *where) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)config, key, value) {
    size_t n = strlen(key);
    if (n < 7 || strcmp(key + n - 6, "_token") != 0 || json_object_get(c->specials, key)) continue;
    const json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!json_is_string(text)) continue;
    CHECK(json_object_set(c->specials, key, (json_t *)(uintptr_t)text) == 0, ERR_MEMORY, "%s: no memory", where);
  }
  return ERR_OK;
}

static Err read_folder(Chat *c, const char *folder) {
  static const char *const files[] = {"tokenizer_config.json", "special_tokens_map.json"};
  for (int i = 0; i < 2; i++) {
    char path[PATH_BYTES];
    json_t *config = NULL;
    TRY(path_join(path, folder, files[i]));
    if (!file_exists(path)) continue;
    TRY(json_read(&config, path, false));
    Err err = add_specials(c, config, path);
    if (!err && i == 0 && c->n_named == 0) err = add_configured(c, config, path);
    json_decref(config);
    TRY(err);
  }
  return ERR_OK;
}

static Err read_gguf(Chat *c, const char *path) {
  Gguf g;
  json_t *config = NULL;
  TRY(gguf_open(&g, path));
  Err err = gguf_tokenizer_config(&g, &config);
  if (!err) err = add_specials(c, config, path);
  if (!err) err = add_configured(c, config, path);
  json_decref(config);
  gguf_close(&g);
  return err;
}

static Err open_folder(Chat *c, const char *folder) {
  char file[PATH_BYTES];
  TRY(path_join(file, folder, "chat_template.jinja"));
  if (file_exists(file)) TRY(add_file(c, file));
  return read_folder(c, folder);
}

static Err open_parts(Chat *c, const char *path) {
  char folder[PATH_BYTES];
  c->path = strdup(path);
  c->specials = json_object();
  CHECK(c->path && c->specials, ERR_MEMORY, "%s: no memory", path);
  if (file_is_folder(path)) return open_folder(c, path);
  if (gguf_is(path)) return read_gguf(c, path);
  const char *slash = strrchr(path, '/');
  CHECK((slash ? (size_t)(slash - path) : 1) < sizeof folder, ERR_ARG, "%s: the path is too long", path);
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1, slash ? path : ".");
  if (path_ends(path, ".json") || path_ends(path, ".model")) return open_folder(c, folder);
  TRY(add_file(c, path));
  return read_folder(c, folder);
}

Err chat_open_text(Chat *c, const char *name, const char *text, size_t size) {
  *c = (Chat){.path = strdup(name), .specials = json_object()};
  Err err = add_template(c, name, "default", text, size);
  if (err) chat_close(c);
  return err;
}

Err chat_open(Chat *c, const char *path) {
  *c = (Chat){0};
  Err err = open_parts(c, path);
  if (err) chat_close(c);
  return err;
}

void chat_close(Chat *c) {
  for (int i = 0; i < c->n_named; i++) {
    free(c->named[i].name);
    jinja_close(c->named[i].jinja);
    free(c->named[i].why);
  }
  json_decref(c->specials);
  free(c->path);
  *c = (Chat){0};
}

static int find_template(const Chat *c, const char *name) {
  for (int i = 0; i < c->n_named; i++)
    if (strcmp(c->named[i].name, name) == 0) return i;
  return -1;
}

enum { NAMES_BYTES = 512 };

static const char *list_names(const Chat *c, char names[NAMES_BYTES]) {
  names[0] = '\0';
  for (int k = 0; k < c->n_named && strlen(names) < NAMES_BYTES - 100; k++)
    snprintf(names + strlen(names), 100, "%s%.90s", k ? ", " : "", c->named[k].name);
  return names;
}

static Err choose(const Chat *c, const ChatRequest *q, const Jinja **t) {
  CHECK(c->path, ERR_ARG, "a model without a tokenizer has no chat template either");
  CHECK(c->n_named, ERR_ARG,
        "%s has no chat template (chat_template.jinja, chat_template in tokenizer_config.json, or tokenizer.chat_template in a "
        "GGUF file)",
        c->path);
  int i = q->which ? find_template(c, q->which) : q->tools ? find_template(c, "tool_use") : -1;
  if (!q->which && i < 0) i = find_template(c, "default");
  char names[NAMES_BYTES];
  CHECK(i >= 0, ERR_ARG, "%s has no chat template named \"%s\"; it has: %s", c->path, q->which ? q->which : "default",
        list_names(c, names));
  *t = c->named[i].jinja;
  CHECK(*t, ERR_FORMAT, "%s", c->named[i].why ? c->named[i].why : "no memory");
  return ERR_OK;
}

// A message as the template sees it: itself, or a copy in which the reasoning goes by the names that templates use.
static json_t *with_aliases(json_t *message) {
  static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
  json_t *reasoning = NULL;
  for (int i = 0; i < 3 && (!reasoning || json_is_null(reasoning)); i++) reasoning = json_object_get(message, names[i]);
  if (!reasoning || json_is_null(reasoning)) return json_incref(message);
  json_t *copy = json_copy(message);
  json_object_set(copy, "reasoning_content", reasoning);
  if (!json_object_get(copy, "thinking")) json_object_set(copy, "thinking", reasoning);
  return copy;
}

static Err add_messages(const ChatRequest *q, json_t *variables) {
  CHECK(json_is_array(q->messages), ERR_ARG, "messages: a list of messages is wanted");
  json_t *list = json_array();
  json_object_set_new(variables, "messages", list);
  for (size_t i = 0; i < json_array_size(q->messages); i++) {
    json_t *message = json_array_get(q->messages, i);
    CHECK(json_is_object(message), ERR_ARG, "messages[%zu]: an object with \"role\" and \"content\" is wanted", i);
    CHECK(json_is_string(json_object_get(message, "role")), ERR_ARG, "messages[%zu]: \"role\" is missing or not a text", i);
    CHECK(json_array_append_new(list, with_aliases(message)) == 0, ERR_MEMORY, "no memory for %zu messages", i);
  }
  return ERR_OK;
}

static Err add_variables(const Chat *c, const ChatRequest *q, json_t *variables) {
  static const char *const fixed[] = {"messages", "tools", "add_generation_prompt"};
  CHECK(variables, ERR_MEMORY, "no memory for the variables of a template");
  CHECK(!q->tools || json_is_null(q->tools) || json_is_array(q->tools), ERR_ARG, "tools: a list of tools is wanted");
  CHECK(!q->kwargs || json_is_null(q->kwargs) || json_is_object(q->kwargs), ERR_ARG, "kwargs: an object is wanted");
  for (int i = 0; i < 3; i++)
    CHECK(!json_object_get(q->kwargs, fixed[i]), ERR_ARG, "kwargs: \"%s\" has a place of its own and is not given there",
          fixed[i]);
  TRY(add_messages(q, variables));
  if (q->tools) json_object_set(variables, "tools", (json_t *)(uintptr_t)q->tools);
  else json_object_set_new(variables, "tools", json_null());
  json_object_set_new(variables, "documents", json_null());
  json_object_set_new(variables, "add_generation_prompt", json_boolean(q->generate));
  CHECK(json_object_update(variables, c->specials) == 0, ERR_MEMORY, "no memory for the variables of a template");
  if (json_is_object(q->kwargs)) json_object_update(variables, (json_t *)(uintptr_t)q->kwargs);
  return ERR_OK;
}

Err chat_render(const Chat *c, const ChatRequest *q, JinjaOutput *out) {
  const Jinja *t;
  TRY(choose(c, q, &t));
  json_t *variables = json_object();
  Err err = add_variables(c, q, variables);
  if (!err) err = jinja_render(t, variables, "messages", q->now, out);
  json_decref(variables);
  return err;
}

Err chat_source(const Chat *c, const ChatRequest *q, const char **text, size_t *size) {
  const Jinja *t;
  TRY(choose(c, q, &t));
  *text = jinja_source(t, size);
  return ERR_OK;
}

Err chat_has_generation(const Chat *c, const ChatRequest *q, bool *generation) {
  const Jinja *t;
  TRY(choose(c, q, &t));
  *generation = jinja_has_generation(t);
  return ERR_OK;
}
