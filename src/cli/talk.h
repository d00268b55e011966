// A conversation with a model: its messages, and the session that holds what the model has read.
//
// Before each answer the whole conversation is rendered by the model's template again, and the session keeps the tokens that
// are still the same; so templates that drop old reasoning, and edits of the history, need nothing of their own.
#ifndef CLI_TALK_H
#define CLI_TALK_H

#include <signal.h>

#include "cli/opened.h"
#include "infer/generate.h"
#include "text/chat_tokens.h"
#include "text/parse_back.h"

enum { TALK_TURNS_MAX = 1024, TALK_STOPS_MAX = 4 };

// Pieces of an answer, as they become certain. kind: what the piece is of.
typedef enum { TALK_REASONING, TALK_CONTENT, TALK_WITHDRAWN } TalkPiece;
typedef void TalkFn(void *context, TalkPiece kind, const char *text, size_t size);

typedef struct {
  Opened *m;  // borrowed
  Engine engine;
  Session session;
  TokenizerWork *work;
  Chat chat;  // without a template: plain text is continued
  bool plain;
  json_t *messages, *tools, *kwargs;  // owned
  ChatTokens tokens;                  // the last prompt
  Bytes text;                         // of a plain conversation
  size_t question[TALK_TURNS_MAX];    // where each turn begins: in messages, or in the plain text
  size_t asked[TALK_TURNS_MAX];       // where its question ends in the plain text
  int n_turns;
  int32_t stop[TALK_STOPS_MAX];
  int64_t n_stops;
  // How to answer; the caller may change it between answers.
  SamplerConfig sampler;
  int64_t max_new;
  volatile sig_atomic_t *interrupted;  // set: the answer ends
  TalkFn *on_piece;
  void *context;
  // The last answer.
  ParseBack answer;
} Talk;

// tokenizer: the one to take instead of the model's, or NULL. plain: no template even if there is one. system: the first
// message, or NULL. tools and kwargs (may be NULL) are taken over. Without a template, a tokenizer with <_user>, <_bot> and an
// end gets the form of the TeleChat family; another one continues plain text.
Err talk_open(Talk *t, Opened *m, const char *path, const char *tokenizer, bool plain, const char *system, json_t *tools,
              json_t *kwargs);
void talk_close(Talk *t);
// Says something (role "user", or "tool" for what a call gave) and gives the answer out as it comes. The answer is a message of
// the conversation then, its calls too. ERR_STATE: it no longer fits the context.
Err talk_say(Talk *t, const char *role, const char *text);
// Forgets the turns from the n-th on.
void talk_keep(Talk *t, int n);
// What was said in the n-th turn, and by whom; free both.
Err talk_question(const Talk *t, int n, char **role, char **text);

#endif
