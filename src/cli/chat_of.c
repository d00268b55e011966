#include "cli/chat_of.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/formats.h"

// Where the model's tokenizer lies, "" if nowhere.
static Err tokenizer_path(const char *model, char out[PATH_BYTES]) {
  static const char *const files[] = {"chat_template.jinja", "tokenizer_config.json", "tokenizer.json", "tokenizer.model"};
  for (int i = 0; i < 4 && file_is_folder(model) && !folder_holds(model, "config.json"); i++)
    if (folder_holds(model, files[i])) {
      snprintf(out, PATH_BYTES, "%s", model);
      return ERR_OK;
    }
  WeightSource *source;
  TRY(format_open(&source, model));
  snprintf(out, PATH_BYTES, "%s", source->tokenizer);
  weights_close(source);
  return ERR_OK;
}

Err chat_of_model(Chat *c, Tokenizer **t, const char *model, const char *tokenizer) {
  char path[PATH_BYTES];
  *t = NULL;
  *c = (Chat){0};
  if (tokenizer) snprintf(path, sizeof path, "%s", tokenizer);
  else TRY(tokenizer_path(model, path));
  if (!*path) return ERR_OK;
  TRY(chat_open(c, path));
  if (!tokenizer && file_is_folder(path) && !folder_holds(path, "tokenizer.json") && !folder_holds(path, "tokenizer.model"))
    return ERR_OK;
  Err err = tokenizer_open(t, path);
  if (err) chat_close(c);
  return err;
}

Err chat_read_json(const char *path, json_t **value) {
  *value = NULL;
  if (!path) return ERR_OK;
  return json_read(value, strcmp(path, "-") == 0 ? "/dev/stdin" : path, false);
}

Err chat_read_messages(const char *path, json_t **messages, json_t **tools) {
  json_t *read;
  TRY(chat_read_json(path, &read));
  *messages = json_incref(json_is_object(read) ? json_object_get(read, "messages") : read);
  if (json_is_object(read) && !*tools) *tools = json_incref(json_object_get(read, "tools"));
  json_decref(read);
  CHECK(json_is_array(*messages), ERR_ARG, "%s: a list of messages is wanted, or an object with \"messages\"", path);
  return ERR_OK;
}
