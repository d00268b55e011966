#include "data/sft_dialog.h"

#include <stdlib.h>
#include <string.h>

static Err take_text(const json_t *o, const char *key, const char **text, size_t *size) {
  const json_t *v = json_object_get(o, key);
  CHECK(json_is_string(v), ERR_FORMAT, "\"%s\" of a turn is %s; text is wanted", key, v ? "no text" : "missing");
  *text = json_string_value(v);
  *size = json_string_length(v);
  return ERR_OK;
}

static Err add_turn(SftDialog *d, const char *text, size_t size, bool answer) {
  if (d->turns == d->capacity) {
    int64_t capacity = 2 * d->capacity + 8;
    SftTurn *grown = realloc(d->turn, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld turns", (long long)capacity);
    d->turn = grown;
    d->capacity = capacity;
  }
  d->turn[d->turns++] = (SftTurn){text, size, answer};
  return ERR_OK;
}

static Err take_turn(SftDialog *d, const json_t *turn, size_t index, bool messages) {
  const char *role, *text;
  size_t role_size, size;
  CHECK(json_is_object(turn), ERR_FORMAT, "turn %zu is no object", index + 1);
  TRY(take_text(turn, "role", &role, &role_size));
  TRY(take_text(turn, "content", &text, &size));
  if (messages && index == 0 && strcmp(role, "system") == 0) {
    d->system = text;
    d->system_size = size;
    return ERR_OK;
  }
  bool answer = strcmp(role, messages ? "assistant" : "bot") == 0;
  CHECK(answer || strcmp(role, "user") == 0, ERR_FORMAT, "turn %zu has the role \"%.40s\"; %s is wanted", index + 1, role,
        messages ? "user or assistant (system first)" : "user or bot");
  const json_t *calls = json_object_get(turn, "tool_calls");
  CHECK(!calls || json_is_null(calls), ERR_FORMAT,
        "turn %zu has tool_calls apart from its content; write them into the content", index + 1);
  return add_turn(d, text, size, answer);
}

static bool holds(const char *text, size_t size, const char *part) { return memmem(text, size, part, strlen(part)) != NULL; }

static Err take_flag(const json_t *root, const char *key, bool found, bool *out) {
  const json_t *v = json_object_get(root, key);
  CHECK(!v || json_is_boolean(v) || json_is_null(v), ERR_FORMAT, "\"%s\" is neither true nor false", key);
  *out = json_is_boolean(v) ? json_is_true(v) : found;
  return ERR_OK;
}

static Err take_flags(SftDialog *d) {
  int64_t answers = 0;
  bool tool = holds(d->system, d->system_size, "<tools>"), multiturn;
  for (int64_t i = 0; i < d->turns; i++) {
    answers += d->turn[i].answer;
    if (d->turn[i].answer) tool = tool || holds(d->turn[i].text, d->turn[i].size, "<tool_call>");
  }
  CHECK(answers > 0, ERR_FORMAT, "no answer in it: nothing to learn");
  TRY(take_flag(d->root, "multiturn", answers > 1, &multiturn));
  TRY(take_flag(d->root, "tool", tool, &tool));
  d->alone = multiturn || tool;
  return ERR_OK;
}

Err sft_dialog_read(SftDialog *d, const char *line, size_t size) {
  json_t *root;
  TRY(json_parse(&root, line, size, "the line", false));
  Err err = sft_dialog_take(d, root);
  json_decref(root);
  return err;
}

Err sft_dialog_take(SftDialog *d, json_t *root) {
  json_decref(d->root);
  *d = (SftDialog){.root = json_incref(root), .system = "", .turn = d->turn, .capacity = d->capacity};
  CHECK(json_is_object(d->root), ERR_FORMAT, "no object; {\"dialog\": [...]} or {\"messages\": [...]} is wanted");
  const json_t *dialog = json_object_get(d->root, "dialog"), *messages = json_object_get(d->root, "messages");
  CHECK(!dialog != !messages, ERR_FORMAT, "%s; one of the two is wanted",
        dialog ? "\"dialog\" and \"messages\"" : "neither \"dialog\" nor \"messages\"");
  const json_t *turns = dialog ? dialog : messages, *system = json_object_get(d->root, "system");
  CHECK(json_is_array(turns), ERR_FORMAT, "\"%s\" is no list", dialog ? "dialog" : "messages");
  if (dialog && system && !json_is_null(system)) TRY(take_text(d->root, "system", &d->system, &d->system_size));
  for (size_t i = 0; i < json_array_size(turns); i++) TRY(take_turn(d, json_array_get(turns, i), i, messages != NULL));
  return take_flags(d);
}

void sft_dialog_free(SftDialog *d) {
  json_decref(d->root);
  free(d->turn);
  *d = (SftDialog){0};
}
