#include "cli/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chat_of.h"

// The form of the TeleChat family, for a tokenizer of theirs without a template.
static const char telechat[] =
    "{% for m in messages %}{% if m.role == 'system' %}<_system>{{ m.content + '\\n' }}{% elif m.role == 'assistant' "
    "%}<_bot>{{ "
    "m.content }}<_end>{{ '\\n' }}{% else %}<_user>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt "
    "%}<_bot>{% "
    "endif %}";

static Err choose_form(Talk *t, const char *path, const char *tokenizer) {
  const Tokenizer *k = t->m->tokenizer;
  Tokenizer *other = NULL;
  Err err = chat_of_model(&t->chat, &other, path, tokenizer);
  tokenizer_close(other);
  if (err) return err;
  if (t->chat.n_named == 0 && tokenizer_id(k, "<_user>") >= 0 && tokenizer_id(k, "<_bot>") >= 0 && tokenizer_eos(k) >= 0) {
    chat_close(&t->chat);
    return chat_open_text(&t->chat, "the TeleChat form", telechat, sizeof telechat - 1);
  }
  t->plain = t->chat.n_named == 0;
  return ERR_OK;
}

// Tokens that end an answer: the tokenizer's end, and the special token with which the template ends an answer.
static void find_stops(Talk *t) {
  ChatTokens probe = {0};
  json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user", "content", "a", "role", "assistant", "content", "b");
  ChatRequest q = {.messages = messages, .kwargs = t->kwargs};
  int32_t eos = tokenizer_eos(t->m->tokenizer);
  if (eos >= 0) t->stop[t->n_stops++] = eos;
  if (!t->plain && messages && !chat_encode(&t->chat, t->m->tokenizer, t->work, &q, true, &probe)) {
    int64_t last = probe.ids.count;
    while (last > 0 && !probe.spoken[last - 1]) last--;
    int32_t id = last > 0 ? probe.ids.id[last - 1] : -1;
    if (id >= 0 && id != eos && tokenizer_is_special(t->m->tokenizer, id)) t->stop[t->n_stops++] = id;
  }
  chat_tokens_free(&probe);
  json_decref(messages);
}

Err talk_open(Talk *t, Opened *m, const char *path, const char *tokenizer, bool plain, const char *system, json_t *tools,
              json_t *kwargs) {
  t->m = m;
  t->plain = plain;
  t->tools = tools;
  t->kwargs = kwargs;
  t->messages = json_array();
  CHECK(t->messages, ERR_MEMORY, "no memory for a conversation");
  TRY(tokenizer_work_open(&t->work, m->tokenizer));
  if (!plain) TRY(choose_form(t, path, tokenizer));
  if (system) json_array_append_new(t->messages, json_pack("{s:s,s:s}", "role", "system", "content", system));
  find_stops(t);
  TRY(engine_open(&t->engine, &m->model, &m->dev, m->type, (EngineOptions){.rows_max = 256}));
  return session_open(&t->session, &t->engine, m->model.rotary.positions);
}

void talk_close(Talk *t) {
  parse_back_close(&t->answer);
  session_close(&t->session);
  engine_close(&t->engine);
  tokenizer_work_close(t->work);
  chat_tokens_free(&t->tokens);
  chat_close(&t->chat);
  bytes_free(&t->text);
  json_decref(t->messages);
  json_decref(t->tools);
  json_decref(t->kwargs);
}

void talk_keep(Talk *t, int n) {
  if (n < 0 || n >= t->n_turns) return;
  size_t begin = t->question[n];
  if (t->plain) t->text.size = begin;
  else
    while (json_array_size(t->messages) > begin) json_array_remove(t->messages, json_array_size(t->messages) - 1);
  t->n_turns = n;
}

Err talk_question(const Talk *t, int n, char **role, char **text) {
  const json_t *m = json_array_get(t->messages, t->question[n]);
  size_t begin = t->question[n];
  *role = strdup(t->plain ? "user" : json_string_value(json_object_get(m, "role")));
  *text =
      t->plain ? strndup(t->text.data + begin, t->asked[n] - begin) : strdup(json_string_value(json_object_get(m, "content")));
  CHECK(*role && *text, ERR_MEMORY, "no memory for the question");
  return ERR_OK;
}

// The prompt of the next answer as tokens and, for its form, as text.
static Err make_prompt(Talk *t, ParseForm *form) {
  *form = (ParseForm){REASONING_NONE, CALLS_NONE};
  if (t->plain) {
    t->tokens.ids.count = 0;
    return tokenizer_encode(t->m->tokenizer, t->work, t->text.data, t->text.size, SPECIAL_TEXT, &t->tokens.ids);
  }
  ChatRequest q = {.messages = t->messages, .tools = t->tools, .kwargs = t->kwargs, .generate = true};
  const char *source;
  size_t size;
  TRY(chat_encode(&t->chat, t->m->tokenizer, t->work, &q, false, &t->tokens));
  TRY(chat_source(&t->chat, &q, &source, &size));
  *form = parse_form(source, size, t->tokens.text.text.data, t->tokens.text.text.size);
  return ERR_OK;
}

static void give(const Talk *t, const ParseDelta *d) {
  if (d->withdrawn) t->on_piece(t->context, TALK_WITHDRAWN, "", 0);
  if (d->reasoning_size) t->on_piece(t->context, TALK_REASONING, d->reasoning, d->reasoning_size);
  if (d->content_size) t->on_piece(t->context, TALK_CONTENT, d->content, d->content_size);
}

static bool take_piece(void *context, const char *text, size_t size, int32_t id, float logprob) {
  (void)id, (void)logprob;
  Talk *t = context;
  ParseDelta d;
  if (parse_back_push(&t->answer, text, size, &d)) return false;
  give(t, &d);
  return !*t->interrupted;
}

// The answer as a message, for the next rendering.
static Err keep_answer(Talk *t) {
  const ParseBack *a = &t->answer;
  if (t->plain) return bytes_append(&t->text, a->content.data, a->content.size);
  json_t *message = json_pack("{s:s, s:o?}", "role", "assistant", "content",
                              json_stringn(a->content.data ? a->content.data : "", a->content.size));
  if (a->has_reasoning)
    json_object_set_new(message, "reasoning_content",
                        json_stringn(a->reasoning.data ? a->reasoning.data : "", a->reasoning.size));
  json_t *calls = json_array();
  for (int64_t i = 0; i < a->n_calls; i++) {
    json_t *arguments = json_loads(a->call[i].arguments, JSON_DECODE_ANY, NULL);
    if (!arguments) arguments = json_string(a->call[i].arguments);
    json_array_append_new(calls, json_pack("{s:s, s:{s:s, s:o}}", "type", "function", "function", "name", a->call[i].name,
                                           "arguments", arguments));
  }
  if (a->n_calls) json_object_set(message, "tool_calls", calls);
  json_decref(calls);
  CHECK(message && json_array_append_new(t->messages, message) == 0, ERR_MEMORY, "no memory for the answer");
  return ERR_OK;
}

static Err answer(Talk *t) {
  ParseForm form;
  GenerateResult result;
  ParseDelta d;
  TRY(make_prompt(t, &form));
  const Ids *ids = &t->tokens.ids;
  if (ids->count == 0) return ERR_OK;
  // The session keeps what it has read of this prompt already, but for the last token, which brings the logits.
  int64_t same = 0;
  while (same < t->session.kv.length && same < ids->count - 1 && t->session.ids[same] == ids->id[same]) same++;
  int64_t left = t->session.kv.capacity - ids->count;
  CHECK(left > 0, ERR_STATE,
        "the conversation no longer fits the context of %lld tokens; /undo or /clear, or start with a larger --context",
        (long long)t->session.kv.capacity);
  if (same < t->session.kv.length) session_truncate(&t->session, same);
  parse_back_close(&t->answer);
  parse_back_open(&t->answer, form, t->tools);
  GenerateOptions o = {.max_new = t->max_new < left ? t->max_new : left,
                       .stop_ids = t->stop,
                       .n_stop_ids = t->n_stops,
                       .sampler = t->sampler,
                       .on_text = take_piece,
                       .context = t,
                       .keep_special = !t->plain};
  TRY(generate(&t->session, t->m->tokenizer, ids->id + same, ids->count - same, false, &o, &result));
  TRY(parse_back_end(&t->answer, &d));
  give(t, &d);
  return keep_answer(t);
}

Err talk_say(Talk *t, const char *role, const char *text) {
  CHECK(t->n_turns < TALK_TURNS_MAX, ERR_STATE, "more than %d turns; /clear begins anew", TALK_TURNS_MAX);
  t->question[t->n_turns] = t->plain ? t->text.size : json_array_size(t->messages);
  if (t->plain) {
    TRY(bytes_append(&t->text, text, strlen(text)));
    t->asked[t->n_turns] = t->text.size;
  } else {
    json_t *message = json_pack("{s:s,s:s}", "role", role, "content", text);
    CHECK(message, ERR_ARG, "the text is not UTF-8");
    json_array_append_new(t->messages, message);
  }
  t->n_turns++;
  Err err = answer(t);
  if (err) talk_keep(t, t->n_turns - 1);  // as if it had not been said
  return err;
}
