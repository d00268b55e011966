#include "text/parse_calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_text.h"
#include "text/value.h"

enum { MEMORY_BYTES_MAX = 256 << 20, STEPS_MAX = 50000000 };

typedef struct {
  ParseBack *p;
  Workspace w;
  const char *text;
  size_t size;
} Reader;

static size_t find(const Reader *r, size_t from, size_t end, const char *tag) {
  const char *found = from < end ? memmem(r->text + from, end - from, tag, strlen(tag)) : NULL;
  return found ? (size_t)(found - r->text) : SIZE_MAX;
}

static Err add_call(Reader *r, Value name, Value arguments) {
  ParseBack *p = r->p;
  Builder b = {.w = &r->w, .limit = MEMORY_BYTES_MAX};
  TRY(value_json(&b, arguments, &json_style_plain));
  Value json = value_built(&b);
  ParsedCall *grown = realloc(p->call, (size_t)(p->n_calls + 1) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "no memory for %lld tool calls", (long long)p->n_calls + 1);
  p->call = grown;
  p->call[p->n_calls] = (ParsedCall){strndup(name.text, name.size), strndup(json.text, json.size)};  // no NUL is in either
  p->n_calls++;
  CHECK(p->call[p->n_calls - 1].name && p->call[p->n_calls - 1].arguments, ERR_MEMORY, "no memory for a tool call");
  return ERR_OK;
}

// One {"name": ..., "arguments": ...}.
static Err json_call(Reader *r, size_t begin, size_t end) {
  Value v;
  TRY(value_read(&r->w, r->text + begin, end - begin, false, &v));
  const Value *name = v.kind == VALUE_MAP ? value_get_text(v.map, "name", 4) : NULL;
  const Value *arguments = v.kind == VALUE_MAP ? value_get_text(v.map, "arguments", 9) : NULL;
  CHECK(name && name->kind == VALUE_TEXT && arguments && !memchr(name->text, '\0', name->size), ERR_FORMAT,
        "a call needs a name and arguments");
  return add_call(r, *name, *arguments);
}

static Err json_calls(Reader *r) {
  static const char open[] = "<tool_call>", close[] = "</tool_call>";
  for (size_t at = 0; (at = find(r, at, r->size, open)) != SIZE_MAX;) {
    at += strlen(open);
    size_t end = find(r, at, r->size, close);
    TRY(json_call(r, at, end == SIZE_MAX ? r->size : end));
    if (end == SIZE_MAX) break;
    at = end + strlen(close);
  }
  return ERR_OK;
}

static Err trimmed(Reader *r, size_t begin, size_t end, Value *out) {
  return text_strip(&r->w, value_text(r->text + begin, end - begin), value_none(), STRIP_BOTH, out);
}

// Whether the schema of the tool says that the parameter is a text.
static bool is_text(const json_t *tools, Value tool, Value key) {
  for (size_t i = 0; i < json_array_size(tools); i++) {
    const json_t *f = json_object_get(json_array_get(tools, i), "function");
    if (!f) f = json_array_get(tools, i);
    const json_t *name = json_object_get(f, "name"),
                 *properties = json_object_get(json_object_get(f, "parameters"), "properties");
    if (!json_is_string(name) || !value_is_text(tool, json_string_value(name), json_string_length(name))) continue;
    const json_t *type = json_object_get(json_object_getn(properties, key.text, key.size), "type");
    return json_is_string(type) && strcmp(json_string_value(type), "string") == 0;
  }
  return false;
}

static Err parameter_calls(Reader *r) {
  static const char open[] = "<tool_call>", close[] = "</tool_call>", key_open[] = "<param_key>", key_close[] = "</param_key>",
                    value_open[] = "<param_value>", value_close[] = "</param_value>";
  for (size_t at = 0, end; (at = find(r, at, r->size, open)) != SIZE_MAX; at = end + strlen(close)) {
    at += strlen(open);
    end = find(r, at, r->size, close);
    if (end == SIZE_MAX) break;
    Value name, arguments, key, value;
    size_t next = find(r, at, end, key_open);
    TRY(trimmed(r, at, next == SIZE_MAX ? end : next, &name));
    if (name.size == 0 || memchr(name.text, '\0', name.size)) continue;
    TRY(value_map(&r->w, &arguments));
    while (next != SIZE_MAX) {
      size_t k = next + strlen(key_open), k_end = find(r, k, end, key_close);
      if (k_end == SIZE_MAX) break;
      size_t v = k_end + strlen(key_close);
      while (v < end && strchr(" \t\r\n", r->text[v]) && r->text[v]) v++;
      bool has = end - v >= strlen(value_open) && memcmp(r->text + v, value_open, strlen(value_open)) == 0;
      size_t v_end = has ? find(r, v, end, value_close) : SIZE_MAX;
      next = find(r, v_end == SIZE_MAX ? k_end : v_end, end, key_open);
      if (v_end == SIZE_MAX) continue;
      TRY(trimmed(r, k, k_end, &key));
      TRY(trimmed(r, v + strlen(value_open), v_end, &value));
      Value read;
      if (!is_text(r->p->tools, name, key) &&
          (!value_read(&r->w, value.text, value.size, false, &read) || !value_read(&r->w, value.text, value.size, true, &read)))
        value = read;
      TRY(value_put(&r->w, arguments.map, key, value));
    }
    TRY(add_call(r, name, arguments));
  }
  return ERR_OK;
}

Err parse_calls(ParseBack *p, const char *text, size_t size, bool *valid) {
  Reader r = {.p = p, .text = text, .size = size};
  *valid = false;
  if (utf8_invalid_at(text, size) < size) return ERR_OK;
  workspace_open(&r.w, MEMORY_BYTES_MAX, STEPS_MAX);
  Err err = p->form.calls == CALLS_JSON ? json_calls(&r) : parameter_calls(&r);
  workspace_close(&r.w);
  if (err == ERR_MEMORY) return err;
  *valid = !err && p->n_calls > 0;
  for (; err && p->n_calls > 0; p->n_calls--) {
    free(p->call[p->n_calls - 1].name);
    free(p->call[p->n_calls - 1].arguments);
  }
  return ERR_OK;
}
