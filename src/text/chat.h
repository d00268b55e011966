// Conversations in a model's own form: messages and tools to text by the chat template that came with the model.
//
// The template and its special tokens come from the model's folder, as transformers reads them: chat_template.jinja, else
// "chat_template" of tokenizer_config.json (a text, or a list of named ones); *_token of tokenizer_config.json and
// special_tokens_map.json; or from a GGUF file. A token that no file names is undefined in the template.
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include "text/jinja.h"

enum { CHAT_TEMPLATES_MAX = 16 };

typedef struct {
  char *path;  // of the file, for messages
  struct {
    char *name;    // "default", "tool_use", ...
    Jinja *jinja;  // NULL where it was refused
    char *why;     // and why
  } named[CHAT_TEMPLATES_MAX];
  int n_named;       // 0: the folder has no template
  json_t *specials;  // {"eos_token": "</s>", ...}
} Chat;

// Reads the template of a model's folder, of the folder of a tokenizer's file (*.json, *.model), of a GGUF file, or a template
// file of any other name (its special tokens from tokenizer_config.json beside it, if there is one). No template is no error:
// n_named is 0. A template that is refused is an error only when it is asked for.
Err chat_open(Chat *c, const char *path);
// A template by its text; `name` is for messages.
Err chat_open_text(Chat *c, const char *name, const char *text, size_t size);
void chat_close(Chat *c);  // safe on a zeroed one

typedef struct {
  const json_t *messages;  // an array of {"role": ..., "content": ..., ...}
  const json_t *tools;     // an array, or NULL
  const json_t *kwargs;    // an object with more variables of the template, or NULL
  bool generate;           // end with what leads to an answer (add_generation_prompt)
  const char *which;       // the name of a template; NULL: "tool_use" if there are tools and it is there, else "default"
  const struct tm *now;    // for strftime_now; NULL: the local time
} ChatRequest;

// The conversation as text, with spans and turns (jinja.h) of its messages. A message's `reasoning_content`, else `thinking`,
// else `reasoning` is seen as `reasoning_content`, and as `thinking` unless the message has its own. ERR_ARG where messages,
// tools or kwargs are not of that form, names what has no template, or where the template refuses; else as jinja_render.
Err chat_render(const Chat *c, const ChatRequest *q, JinjaOutput *out);
// The source of the template that this request is rendered by, as Jinja takes it; borrowed.
Err chat_source(const Chat *c, const ChatRequest *q, const char **text, size_t *size);
// Whether the template that this request is rendered by has {% generation %} blocks.
Err chat_has_generation(const Chat *c, const ChatRequest *q, bool *generation);

#endif
