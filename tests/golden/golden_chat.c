// Chat templates: every template of text/templates applied to every conversation; chat_templates.jsonl says what comes out, or
// which error, and which characters the assistant wrote.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden.h"
#include "text/chat.h"

typedef struct {
  json_t *conversations;  // by name
  json_t *templates;      // templates.json
  Chat chat;              // of the template `name`
  char name[GOLDEN_NAME_BYTES];
  JinjaOutput out;
} Case;

static void add_conversation(GoldenCount *n, const json_t *row, void *context) {
  const char *name = golden_text(row, "conv");
  golden_compare(n, *name && json_is_array(json_object_get(row, "messages")), "a conversation without a name or messages");
  json_object_set(context, name, (json_t *)(uintptr_t)row);
  n->cases--;  // they are cases with a template only
}

// The rows of a template stand together.
static bool open_template(GoldenCount *n, Case *c, const char *name) {
  char path[PATH_BYTES];
  if (strcmp(name, c->name) == 0) return c->chat.n_named > 0;
  chat_close(&c->chat);
  snprintf(c->name, sizeof c->name, "%s", name);
  return golden_ok(n, chat_open(&c->chat, golden_path(n, path, "text/templates/%s.jinja", name)));
}

static void compare_spans(GoldenCount *n, const Case *c, const json_t *spans, const char *conv) {
  bool same = (int64_t)json_array_size(spans) == c->out.n_spans;
  for (int64_t i = 0; same && i < c->out.n_spans; i++) {
    const json_t *span = json_array_get(spans, (size_t)i);
    same = golden_element(span, 0) == c->out.span[i].begin && golden_element(span, 1) == c->out.span[i].end;
  }
  golden_compare(n, same, "%s/%s: the assistant's spans differ", c->name, conv);
}

static void compare_error(GoldenCount *n, const Case *c, const json_t *row, Err err) {
  const char *conv = golden_text(row, "conv"), *words = golden_text(row, "message");
  bool refused = strcmp(golden_text(row, "error"), "raise_exception") == 0;
  golden_compare(n, err == (refused ? ERR_ARG : ERR_FORMAT), "%s/%s: %s is wanted", c->name, conv, golden_text(row, "error"));
  size_t size = strlen(err_text()), end = strlen(words);
  if (refused)
    golden_compare(n, err && size >= end && strcmp(err_text() + size - end, words) == 0,
                   "%s/%s: \"%s\" is wanted, found \"%s\"", c->name, conv, words, err ? err_text() : "no error");
}

static void run_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  const char *conv = golden_text(row, "conv");
  const json_t *input = json_object_get(c->conversations, conv), *want = json_object_get(row, "expected"),
               *spans = json_object_get(row, "spans");
  golden_compare(n, input != NULL, "no conversation \"%s\"", conv);
  if (!open_template(n, c, golden_text(row, "template")) || !input) return;
  json_t *kwargs = json_copy(json_object_get(json_object_get(c->templates, c->name), "special_tokens"));
  json_object_update(kwargs, json_object_get(input, "kwargs"));
  const json_t *tools = json_object_get(input, "tools");
  struct tm now = {.tm_year = 126, .tm_mday = 2, .tm_hour = 3, .tm_min = 4, .tm_sec = 5, .tm_wday = 5, .tm_yday = 1};
  ChatRequest q = {.messages = json_object_get(input, "messages"),
                   .tools = json_is_null(tools) ? NULL : tools,
                   .kwargs = kwargs,
                   .generate = golden_true(input, "add_generation_prompt"),
                   .now = &now};
  Err err = chat_render(&c->chat, &q, &c->out);
  if (!want) {
    compare_error(n, c, row, err);
  } else {
    bool same = !err && c->out.text.size == json_string_length(want) &&
                memcmp(c->out.text.data, json_string_value(want), c->out.text.size) == 0;
    golden_compare(n, same, "%s/%s: %s", c->name, conv, err ? err_text() : "the text differs");
  }
  if (spans) compare_spans(n, c, spans, conv);
  json_decref(kwargs);
}

void golden_chat(GoldenCount *n) {
  char path[PATH_BYTES];
  Case c = {.conversations = json_object()};
  golden_each_line(n, "text/chat_conversations.jsonl", add_conversation, c.conversations);
  if (golden_ok(n, json_read(&c.templates, golden_path(n, path, "text/templates/templates.json"), true)))
    golden_each_line(n, n->folder, run_row, &c);
  chat_close(&c.chat);
  jinja_output_free(&c.out);
  json_decref(c.templates);
  json_decref(c.conversations);
}
