// Conversations by a model's template: where it is read from, masks by spans and by turns, and what is refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/chat_tokens.h"
#include "text/parse_back.h"

typedef struct {
  Chat chat;
  Tokenizer *t;
  TokenizerWork *w;
  ChatTokens out;
  char folder[PATH_BYTES];
} Fixture;

static const char chatml[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.reasoning_content %}{{ '<think>' + "
    "m.reasoning_content + "
    "'</think>' }}{% endif %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ '<tool_call>' + c.function|tojson + "
    "'</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' "
    "}}{% "
    "endif %}";
// The same text, with the assistant's part marked.
static const char marked[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% set text %}{% if m.reasoning_content %}{{ '<think>' + "
    "m.reasoning_content + '</think>' }}{% endif %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ '<tool_call>' + "
    "c.function|tojson + '</tool_call>' }}{% endfor %}{{ '<|im_end|>' }}{% endset %}{% if m.role == 'assistant' %}{% "
    "generation %}{{ "
    "text }}{% endgeneration %}{% else %}{{ text }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";

static const char several[] =
    "[{\"role\": \"system\", \"content\": \"Be short.\"}, {\"role\": \"user\", \"content\": \"what?\"}, {\"role\": "
    "\"assistant\", "
    "\"content\": \"an answer \xe4\xbd\xa0\xe5\xa5\xbd\", \"thinking\": \"let me see\"}, {\"role\": \"user\", \"content\": "
    "\"more\"}, "
    "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", "
    "\"arguments\": {\"a\": 1}}}]}, {\"role\": \"tool\", \"content\": \"22\"}, {\"role\": \"assistant\", \"content\": \"it is "
    "22\"}]";

static void write_file(const char *folder, const char *name, const char *text) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, folder, name));
  ASSERT_OK(file_replace(path, text, strlen(text)));
}

static void fixture_open(Fixture *f, const char *template) {
  char path[PATH_BYTES];
  *f = (Fixture){0};
  snprintf(f->folder, sizeof f->folder, "%s", test_folder());
  write_file(f->folder, "chat_template.jinja", template);
  ASSERT_OK(chat_open(&f->chat, f->folder));
  snprintf(path, sizeof path, "%s/tests/golden/cases/text/hf/qwen/tokenizer.json", test_root());
  ASSERT_OK(tokenizer_open(&f->t, path));
  ASSERT_OK(tokenizer_work_open(&f->w, f->t));
}

static void fixture_close(Fixture *f) {
  chat_tokens_free(&f->out);
  tokenizer_work_close(f->w);
  tokenizer_close(f->t);
  chat_close(&f->chat);
}

static Err encode(Fixture *f, const char *messages, bool mask) {
  json_t *m = NULL;
  ASSERT_OK(json_parse(&m, messages, strlen(messages), "messages", true));
  ChatRequest q = {.messages = m};
  Err err = chat_encode(&f->chat, f->t, f->w, &q, mask, &f->out);
  json_decref(m);
  return err;
}

// The text of what is spoken (or not), runs joined by "|".
static const char *spoken(Fixture *f, uint8_t which) {
  static char text[4096];
  Bytes b = {0};
  for (int64_t i = 0, end; i < f->out.ids.count; i = end) {
    for (end = i; end < f->out.ids.count && f->out.spoken[end] == f->out.spoken[i];) end++;
    if (f->out.spoken[i] != which) continue;
    if (b.size) ASSERT_OK(bytes_append(&b, "|", 1));
    ASSERT_OK(tokenizer_decode(f->t, f->w, f->out.ids.id + i, end - i, true, &b));
  }
  snprintf(text, sizeof text, "%.*s", (int)b.size, b.data ? b.data : "");
  bytes_free(&b);
  return text;
}

static const char wanted[] =
    "<think>let me see</think>an answer \xe4\xbd\xa0\xe5\xa5\xbd<|im_end|>|<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": "
    "1}}</tool_call><|im_end|>|it is 22<|im_end|>";

TEST(masks_by_spans_and_by_turns_are_the_same) {
  Fixture f, g;
  fixture_open(&f, chatml);
  fixture_open(&g, marked);
  ASSERT_OK(encode(&f, several, true));
  ASSERT_OK(encode(&g, several, true));
  ASSERT(f.out.from_turns && !g.out.from_turns);
  ASSERT_INT(f.out.ids.count, g.out.ids.count);
  ASSERT(memcmp(f.out.ids.id, g.out.ids.id, (size_t)f.out.ids.count * sizeof(int32_t)) == 0);
  ASSERT_TEXT(spoken(&f, 1), wanted);
  ASSERT(memcmp(f.out.spoken, g.out.spoken, (size_t)f.out.ids.count) == 0);
  fixture_close(&f);
  fixture_close(&g);
}

TEST(every_token_has_one_side) {
  Fixture f;
  fixture_open(&f, chatml);
  ASSERT_OK(encode(&f, several, true));
  ASSERT(strncmp(spoken(&f, 0),
                 "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nwhat?<|im_end|>\n<|im_start|>assistant\n|",
                 90) == 0);
  ASSERT_OK(encode(&f, "[{\"role\": \"user\", \"content\": \"q\"}]", true));
  ASSERT_TEXT(spoken(&f, 1), "");
  ASSERT_OK(encode(&f, "[]", true));
  ASSERT_INT(f.out.ids.count, 0);
  fixture_close(&f);
}

// What the prompt opens and a turn of the history does not have is not taken for its head.
TEST(a_turn_that_leaves_the_prompt_is_cut_at_tokens) {
  Fixture f;
  fixture_open(
      &f,
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '<|im_end|>' + m.content + '<|endoftext|>\n' }}{% endfor %}{% if "
      "add_generation_prompt %}<|im_start|>assistant<|im_end|><|im_start|>{% endif %}");
  ASSERT_OK(encode(&f, "[{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"yes\"}]", true));
  ASSERT_TEXT(spoken(&f, 1), "yes<|endoftext|>");
  fixture_close(&f);
}

static void no_mask(const char *template, const char *words) {
  Fixture f;
  fixture_open(&f, template);
  ASSERT_ERR(encode(&f, several, true), ERR_STATE, words);
  ASSERT_OK(encode(&f, several, false));
  fixture_close(&f);
}

TEST(a_mask_that_cannot_be_exact_is_refused) {
  no_mask("{% for i in range(messages|length) %}{{ messages[i].content }}{% endfor %}", "does not loop over `messages`");
  no_mask("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}",
          "messages[2] does not begin as the template's prompt for an answer does");
  no_mask(
      "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}{% for m in messages %}<|im_start|>{{ m.content }}{% "
      "endfor %}",
      "out of order or twice");
  no_mask(
      "{% for m in messages %}{% if m.role == 'assistant' %}sylla{% generation %}ble{% endgeneration %}{% endif %}{% endfor %}",
      "lies within a token");
}

TEST(templates_come_from_the_files_of_the_model) {
  Chat c = {0};
  JinjaOutput out = {0};
  char folder[PATH_BYTES], path[PATH_BYTES];
  snprintf(folder, sizeof folder, "%s", test_folder());
  json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", "q"), *tools = json_pack("[{}]");
  ChatRequest q = {.messages = messages};
  ASSERT_ERR(chat_render(&c, &q, &out), ERR_ARG, "a model without a tokenizer has no chat template");
  ASSERT_OK(chat_open(&c, folder));
  ASSERT_ERR(chat_render(&c, &q, &out), ERR_ARG, "has no chat template (");
  chat_close(&c);
  write_file(
      folder, "tokenizer_config.json",
      "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": null, \"chat_template\": [{\"name\": \"default\", \"template\": "
      "\"{{ bos_token }}{{ eos_token }}{{ messages[0].content }}\"}, {\"name\": \"tool_use\", \"template\": \"T{{ tools|length "
      "}}\"}, {\"name\": \"rag\", \"template\": \"{% include 'x' %}\"}]}");
  write_file(folder, "special_tokens_map.json", "{\"bos_token\": \"other\", \"eos_token\": \"</s>\"}");
  ASSERT_OK(chat_open(&c, folder));
  ASSERT_OK(chat_render(&c, &q, &out));
  ASSERT_INT(out.text.size, 8);
  ASSERT(memcmp(out.text.data, "<s></s>q", 8) == 0);
  q.tools = tools;
  ASSERT_OK(chat_render(&c, &q, &out));
  ASSERT(out.text.size == 2 && memcmp(out.text.data, "T1", 2) == 0);
  q.which = "rag";
  ASSERT_ERR(chat_render(&c, &q, &out), ERR_FORMAT, "chat_template[2]:1:4: {% include %} is not supported");
  q.which = "none";
  ASSERT_ERR(chat_render(&c, &q, &out), ERR_ARG, "it has: default, tool_use, rag");
  chat_close(&c);
  write_file(folder, "chat_template.jinja", "J");
  ASSERT_OK(path_join(path, folder, "chat_template.jinja"));
  for (int i = 0; i < 2; i++) {
    q = (ChatRequest){.messages = messages};
    ASSERT_OK(chat_open(&c, i ? path : folder));
    ASSERT_OK(chat_render(&c, &q, &out));
    ASSERT(out.text.size == 1 && out.text.data[0] == 'J');
    chat_close(&c);
  }
  json_decref(messages);
  json_decref(tools);
  jinja_output_free(&out);
}

TEST(requests_of_another_form_are_refused) {
  Fixture f;
  JinjaOutput out = {0};
  fixture_open(&f, "x");
  static const struct {
    const char *messages, *tools, *kwargs, *words;
  } bad[] = {{"{}", "[]", "{}", "messages: a list"},
             {"[1]", "[]", "{}", "messages[0]: an object"},
             {"[{\"content\": \"x\"}]", "[]", "{}", "messages[0]: \"role\""},
             {"[]", "{}", "{}", "tools: a list"},
             {"[]", "[]", "[]", "kwargs: an object"},
             {"[]", "[]", "{\"messages\": []}", "kwargs: \"messages\" has a place of its own"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    json_t *m = json_loads(bad[i].messages, 0, NULL), *t = json_loads(bad[i].tools, 0, NULL),
           *k = json_loads(bad[i].kwargs, 0, NULL);
    ChatRequest q = {.messages = m, .tools = t, .kwargs = k};
    ASSERT_ERR(chat_render(&f.chat, &q, &out), ERR_ARG, bad[i].words);
    json_decref(m);
    json_decref(t);
    json_decref(k);
  }
  fixture_close(&f);
}

static ParseForm form_of(const char *source, const char *prompt) {
  return parse_form(source, strlen(source), prompt, strlen(prompt));
}

TEST(the_form_of_answers_comes_from_the_template) {
  ASSERT_INT(form_of("{{ x }}", "<_bot>").reasoning, REASONING_NONE);
  ASSERT_INT(form_of("'</think>'", "<_bot>").reasoning, REASONING_TAGGED);
  ASSERT_INT(form_of("'</think>'", "<_bot><think>\n").reasoning, REASONING_OPEN);
  ASSERT_INT(form_of("<tool_call> \"arguments\"", "").calls, CALLS_JSON);
  ASSERT_INT(form_of("<tool_call> <param_key> arguments", "").calls, CALLS_PARAMETERS);
  ASSERT_INT(form_of("<tool_call> <function= arguments", "").calls, CALLS_NONE);
}

static void parsed(ParseForm form, const char *output, const char *reasoning, const char *content) {
  for (size_t cut = 0; cut <= strlen(output); cut++) {
    ParseBack p;
    ParseDelta d;
    parse_back_open(&p, form, NULL);
    ASSERT_OK(parse_back_push(&p, output, cut, &d));
    ASSERT_OK(parse_back_push(&p, output + cut, strlen(output) - cut, &d));
    ASSERT_OK(parse_back_end(&p, &d));
    ASSERT_OK(bytes_append(&p.reasoning, "", 1));
    ASSERT_OK(bytes_append(&p.content, "", 1));
    ASSERT_INT(p.has_reasoning, reasoning != NULL);
    ASSERT_TEXT(p.reasoning.data, reasoning ? reasoning : "");
    ASSERT_TEXT(p.content.data, content);
    parse_back_close(&p);
  }
}

TEST(reasoning_where_the_output_says_so) {
  parsed((ParseForm){REASONING_TAGGED, CALLS_NONE}, "plain <think>x</think>", NULL, "plain <think>x</think>");
  parsed((ParseForm){REASONING_TAGGED, CALLS_NONE}, "\n<think>x</think>y", "x", "y");
  parsed((ParseForm){REASONING_TAGGED, CALLS_NONE}, "<thi", NULL, "<thi");
  parsed((ParseForm){REASONING_TAGGED, CALLS_NONE}, "", NULL, "");
  parsed((ParseForm){REASONING_NONE, CALLS_NONE}, "a</think><tool_call>", NULL, "a</think><tool_call>");
  parsed((ParseForm){REASONING_OPEN, CALLS_JSON}, "a</think>b<think>c</think>d", "c", "d");
  parsed((ParseForm){REASONING_OPEN, CALLS_JSON}, "a</think><tool_call>{\"name\": \"f\", \"arguments\": \"\xff\"}</tool_call>",
         "a", "<tool_call>{\"name\": \"f\", \"arguments\": \"\xff\"}</tool_call>");
}

// What is certain is given out at once: a tag's beginning is held back, nothing more.
TEST(pieces_come_as_soon_as_they_are_certain) {
  ParseBack p;
  ParseDelta d;
  parse_back_open(&p, (ParseForm){REASONING_OPEN, CALLS_JSON}, NULL);
  ASSERT_OK(parse_back_push(&p, "thought <", 9, &d));
  ASSERT_INT(d.reasoning_size, 8);
  ASSERT_OK(parse_back_push(&p, "5 </think>yes <tool", 19, &d));
  ASSERT_INT(d.reasoning_size, 3);
  ASSERT_INT(d.content_size, 4);
  ASSERT_OK(parse_back_push(&p, "s", 1, &d));
  ASSERT_INT(d.content_size, 6);
  ASSERT_OK(parse_back_push(&p, " <think>", 8, &d));
  ASSERT(d.withdrawn && p.content.size == 0 && p.reasoning.size == 0);
  parse_back_close(&p);
}
