// A conversation of a line of JSON as tokens with a mask, by the chat template that came with a model.
//
//   {"messages": [{"role": ..., "content": ..., ...}, ...], "tools": [...]}   tools may be missing
//   {"system": "...", "dialog": [...]}                                        TeleChat2's form (data/sft_dialog.h)
//
// The text is what the template makes of it; what is learnt are the tokens that the assistant spoke (text/chat_tokens.h):
// exact, or the line is an error.
#ifndef DATA_SFT_TEMPLATE_H
#define DATA_SFT_TEMPLATE_H

#include "data/sft_dialog.h"
#include "text/chat_tokens.h"

typedef struct {
  const Chat *chat;
  const Tokenizer *tokenizer;
  TokenizerWork *work;   // owned
  const json_t *kwargs;  // more variables of the template, or NULL
  SftDialog dialog;
  ChatTokens tokens;  // of the last line
} SftTemplate;

Err sft_template_open(SftTemplate *t, const Chat *chat, const Tokenizer *tokenizer, const json_t *kwargs);
void sft_template_close(SftTemplate *t);
// Fills t->tokens. ERR_MEMORY apart, every error is one of the line.
Err sft_template_read(SftTemplate *t, const char *line, size_t size);

#endif
