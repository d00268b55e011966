// A conversation as token ids, and which of them the assistant spoke: the mask of a fine-tuning loss.
#ifndef TEXT_CHAT_TOKENS_H
#define TEXT_CHAT_TOKENS_H

#include "text/chat.h"

// Starts as {0}; free with chat_tokens_free. Encoding again reuses it.
typedef struct {
  JinjaOutput text;
  Ids ids;
  uint8_t *spoken;  // one a token: 1 where the assistant spoke it; NULL if no mask was asked for
  int64_t spoken_capacity;
  bool from_turns;  // the mask comes from the messages' turns, not from {% generation %}
} ChatTokens;
void chat_tokens_free(ChatTokens *c);

// Renders the conversation and encodes the text as a whole, special tokens parsed by the checkpoint's own tokenizer, nothing
// added around it.
//
// With `mask`, spoken says which tokens are the assistant's, exactly or not at all:
// - A template with {% generation %} says it itself: the tokens of those spans.
// - Else from the same rendering. What the template writes while its loop stands at an assistant's message is that turn. Its
//   head, which the model finds and does not speak, is what the turn shares, token by token, with the template's prompt for an
//   answer (what add_generation_prompt adds to the conversation before the first answer). White space after the turn's last
//   special token, the template's own, is not spoken either. Roles "assistant" and "bot" are the assistant's.
// ERR_STATE, with the reason and the way out, where that cannot be exact: a span or turn begins or ends within a token; a turn
// does not begin as the prompt does; a message is written by two loops, or none is written by a loop over `messages`.
//
// Cost: the text is encoded; with `mask` a second time in parts, from one special token to the next (a text without special
// tokens costs its length for each turn), and the conversation's beginning is rendered twice more.
Err chat_encode(const Chat *c, const Tokenizer *t, TokenizerWork *w, const ChatRequest *q, bool mask, ChatTokens *out);

#endif
