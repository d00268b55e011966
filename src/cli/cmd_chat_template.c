// pleiad chat-template: what a model's own template makes of a conversation.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/chat_of.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "text/chat_tokens.h"

static const char help[] =
    "usage: pleiad chat-template render (--model MODEL | --template FILE) --messages FILE [options]\n"
    "\n"
    "Prints a conversation as the model's own chat template (Jinja) writes it, byte for byte as transformers does.\n"
    "docs/chat-templates.md says what of Jinja is supported; the rest is refused with line and column.\n" FORMATS_LINE
    "\n"
    "  --model MODEL     the model whose template, special tokens and tokenizer are taken\n"
    "  --template FILE   a template to take instead, e.g. one that is being written\n"
    "  --tokenizer F     a tokenizer to take instead, for --ids and --mask\n"
    "  --messages FILE   [{\"role\": \"user\", \"content\": \"...\"}, ...], or {\"messages\": [...], \"tools\": [...]}; - "
    "reads the\n"
    "                    standard input\n"
    "  --tools FILE      a list of tools that the model may call\n"
    "  --kwargs JSON     more variables of the template, e.g. '{\"enable_thinking\": false}'\n"
    "  --name NAME       which one, where the model has several (default, tool_use, ...)\n"
    "  --generate        end with what leads to an answer\n"
    "  --ids             print token ids instead\n"
    "  --mask            print which tokens the assistant spoke: what a fine-tuning loss counts. Exact, or an error that says\n"
    "                    why it cannot be\n"
    "  --json            one JSON object: text, and what --ids and --mask ask for\n"
    "\n"
    "  pleiad chat-template render --model DIR --messages dialog.json --generate\n";

typedef struct {
  const char *model, *template, *tokenizer, *messages, *tools, *kwargs, *name;
  bool generate, ids, mask, json;
} Words;

typedef struct {
  Words words;
  Chat chat;
  Tokenizer *tokenizer;
  TokenizerWork *work;
  json_t *messages, *tools, *kwargs;
  ChatTokens tokens;
} Rendering;

static Err read_words(Words *w, int argc, char **argv) {
  const struct {
    const char *name, **value;
  } values[] = {{"--model", &w->model},       {"--template", &w->template}, {"--tokenizer", &w->tokenizer},
                {"--messages", &w->messages}, {"--tools", &w->tools},       {"--kwargs", &w->kwargs},
                {"--name", &w->name}};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) TRY(cli_value(&argc, argv, values[i].name, values[i].value));
  w->generate = cli_flag(&argc, argv, "--generate");
  w->ids = cli_flag(&argc, argv, "--ids");
  w->mask = cli_flag(&argc, argv, "--mask");
  w->json = cli_flag(&argc, argv, "--json");
  CHECK(argc >= 2 && strcmp(argv[1], "render") == 0, ERR_ARG,
        "pleiad chat-template does one thing: render (--help tells more)");
  static const char *const known[] = {"--model", "--template", "--tokenizer", "--messages", "--tools", "--kwargs",
                                      "--name",  "--generate", "--ids",       "--mask",     "--json",  NULL};
  argv[1] = "chat-template render";
  TRY(cli_no_more(argc - 1, argv + 1, known));
  CHECK(w->model || w->template, ERR_ARG, "chat-template render needs --model PATH or --template FILE");
  CHECK(w->messages, ERR_ARG, "chat-template render needs --messages FILE");
  return ERR_OK;
}

static Err open_rendering(Rendering *r) {
  const Words *w = &r->words;
  if (w->model) {
    TRY(chat_of_model(&r->chat, &r->tokenizer, w->model, w->tokenizer));
  } else if (w->tokenizer) {
    TRY(tokenizer_open(&r->tokenizer, w->tokenizer));
  }
  if (w->template) {  // with the special tokens of the model, where there is one
    Chat own;
    TRY(chat_open(&own, w->template));
    json_object_update(own.specials, r->chat.specials);
    chat_close(&r->chat);
    r->chat = own;
  }
  if (r->tokenizer) TRY(tokenizer_work_open(&r->work, r->tokenizer));
  TRY(chat_read_json(w->tools, &r->tools));
  if (w->kwargs) TRY(json_parse(&r->kwargs, w->kwargs, strlen(w->kwargs), "--kwargs", true));
  return chat_read_messages(w->messages, &r->messages, &r->tools);
}

static json_t *ids_json(const ChatTokens *t) {
  json_t *list = json_array();
  for (int64_t i = 0; i < t->ids.count; i++) json_array_append_new(list, json_integer(t->ids.id[i]));
  return list;
}

static Err print_json(const Rendering *r, bool encoded, bool mask) {
  const ChatTokens *t = &r->tokens;
  json_t *o = json_object(), *spans = json_array(), *spoken = json_array();
  json_object_set_new(o, "text", cli_json_text(t->text.text.data, t->text.text.size));
  if (encoded) json_object_set_new(o, "ids", ids_json(t));
  for (int64_t i = 0; mask && encoded && i < t->ids.count; i++) json_array_append_new(spoken, json_integer(t->spoken[i]));
  if (mask && encoded) json_object_set(o, "mask", spoken);
  for (int64_t i = 0; i < t->text.n_spans; i++)
    json_array_append_new(spans, json_pack("[II]", (json_int_t)t->text.span[i].begin, (json_int_t)t->text.span[i].end));
  if (mask && !(encoded && t->from_turns)) json_object_set(o, "spans", spans);
  json_decref(spoken);
  json_decref(spans);
  return cli_json(o, "the conversation");
}

// A line for each run of tokens: who it is of, how many, and its text as a JSON string.
static Err print_runs(const Rendering *r) {
  const ChatTokens *t = &r->tokens;
  Bytes text = {0};
  Err err = ERR_OK;
  int64_t all = 0;
  for (int64_t i = 0, end; i < t->ids.count; i = end) {
    for (end = i; end < t->ids.count && t->spoken[end] == t->spoken[i];) end++;
    text.size = 0;
    TRY_OUT(tokenizer_decode(r->tokenizer, r->work, t->ids.id + i, end - i, true, &text));
    json_t *s = json_stringn(text.data ? text.data : "", text.size);
    char *quoted = s ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
    printf("%-6s %6lld  %s\n", t->spoken[i] ? "spoken" : "given", (long long)(end - i), quoted ? quoted : "");
    if (t->spoken[i]) all += end - i;
    free(quoted);
    json_decref(s);
  }
  printf("%lld of %lld tokens are the assistant's (by %s)\n", (long long)all, (long long)t->ids.count,
         t->from_turns ? "its turns" : "the template's generation blocks");
out:
  bytes_free(&text);
  return err;
}

static Err render(Rendering *r) {
  const Words *w = &r->words;
  ChatRequest q = {.messages = r->messages,
                   .tools = json_is_null(r->tools) ? NULL : r->tools,
                   .kwargs = r->kwargs,
                   .generate = w->generate,
                   .which = w->name};
  bool encode = r->tokenizer && (w->ids || w->mask), generation = false;
  if (w->mask && !r->tokenizer) TRY(chat_has_generation(&r->chat, &q, &generation));
  CHECK(r->tokenizer || (!w->ids && (!w->mask || (generation && w->json))), ERR_ARG,
        "--ids and --mask need the model's tokenizer; give --model or --tokenizer");
  TRY(encode ? chat_encode(&r->chat, r->tokenizer, r->work, &q, w->mask, &r->tokens)
             : chat_render(&r->chat, &q, &r->tokens.text));
  if (w->json) return print_json(r, encode, w->mask);
  if (w->mask) return print_runs(r);
  for (int64_t i = 0; w->ids && i < r->tokens.ids.count; i++) printf(i ? " %d" : "%d", r->tokens.ids.id[i]);
  if (w->ids) printf("\n");
  else fwrite(r->tokens.text.text.data, 1, r->tokens.text.text.size, stdout);
  return ERR_OK;
}

Err cmd_chat_template(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  Rendering r = {0};
  TRY(read_words(&r.words, argc, argv));
  Err err = open_rendering(&r);
  if (!err) err = render(&r);
  chat_tokens_free(&r.tokens);
  tokenizer_work_close(r.work);
  tokenizer_close(r.tokenizer);
  chat_close(&r.chat);
  json_decref(r.messages);
  json_decref(r.tools);
  json_decref(r.kwargs);
  return err;
}
