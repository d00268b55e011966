#include "data/sft_template.h"

#include <string.h>

Err sft_template_open(SftTemplate *t, const Chat *chat, const Tokenizer *tokenizer, const json_t *kwargs) {
  *t = (SftTemplate){.chat = chat, .tokenizer = tokenizer, .kwargs = kwargs};
  return tokenizer_work_open(&t->work, tokenizer);
}

void sft_template_close(SftTemplate *t) {
  tokenizer_work_close(t->work);
  sft_dialog_free(&t->dialog);
  chat_tokens_free(&t->tokens);
  *t = (SftTemplate){0};
}

static void add_message(json_t *list, const char *role, const char *text, size_t size) {
  json_array_append_new(list, json_pack("{s:s, s:o}", "role", role, "content", json_stringn(text, size)));
}

// TeleChat2's form as messages.
static Err messages_of_dialog(SftTemplate *t, json_t *root, json_t **messages) {
  TRY(sft_dialog_take(&t->dialog, root));
  const SftDialog *d = &t->dialog;
  *messages = json_array();
  if (d->system_size) add_message(*messages, "system", d->system, d->system_size);
  for (int64_t i = 0; i < d->turns; i++)
    add_message(*messages, d->turn[i].answer ? "assistant" : "user", d->turn[i].text, d->turn[i].size);
  return ERR_OK;
}

Err sft_template_read(SftTemplate *t, const char *line, size_t size) {
  json_t *root, *messages = NULL;
  TRY(json_parse(&root, line, size, "the line", false));
  const json_t *tools = json_object_get(root, "tools");
  Err err = ERR_OK;
  if (json_object_get(root, "dialog")) err = messages_of_dialog(t, root, &messages);
  else messages = json_incref(json_object_get(root, "messages"));
  ChatRequest q = {.messages = messages, .tools = json_is_null(tools) ? NULL : tools, .kwargs = t->kwargs};
  if (!err) err = chat_encode(t->chat, t->tokenizer, t->work, &q, true, &t->tokens);
  int64_t learnt = 0;
  for (int64_t i = 0; !err && i < t->tokens.ids.count; i++) learnt += t->tokens.spoken[i];
  CHECK_OUT(err || learnt > 0, ERR_FORMAT, "no answer in it: nothing to learn");
out:
  json_decref(messages);
  json_decref(root);
  return err;
}
