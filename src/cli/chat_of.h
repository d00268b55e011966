// The chat template and tokenizer of whatever a user names, without its weights.
#ifndef CLI_CHAT_OF_H
#define CLI_CHAT_OF_H

#include "text/chat.h"

// model: what formats.h lists, or a folder that holds a tokenizer alone. tokenizer: the one to take instead, or NULL. *t is
// NULL where none is known. Close both.
Err chat_of_model(Chat *c, Tokenizer **t, const char *model, const char *tokenizer);
// Reads messages: a list, or an object with "messages" (and "tools", which go to *tools if it is NULL). "-" is the standard
// input.
Err chat_read_messages(const char *path, json_t **messages, json_t **tools);
// A JSON value from a file ("-": the standard input), or NULL for a NULL path.
Err chat_read_json(const char *path, json_t **value);

#endif
