// pleiad chat and pleiad chat-template, with a small model that knows nothing but has a template.
#include <stdlib.h>

#include "base/json.h"
#include "cli/program.h"
#include "model/hf_files.h"
#include "model/owned.h"
#include "test.h"

static void write_file(const char *name, const char *text) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), name));
  ASSERT_OK(file_replace(path, text, strlen(text)));
}

static void copy_tokenizer(void) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%s/tests/golden/cases/text/hf/qwen/tokenizer.json", test_root());
  ASSERT_OK(file_read(path, 1 << 24, &text, &size));
  write_file("tokenizer.json", text);
  free(text);
}

// A folder with a tokenizer, a template that thinks and calls, and messages.
static void make_folder(void) {
  copy_tokenizer();
  write_file("tokenizer_config.json", "{\"eos_token\": \"<|endoftext|>\"}");
  write_file(
      "chat_template.jinja",
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if tools %}{{ tools|tojson "
      "}}{% endif %}{{ extra }}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  write_file("messages.json", "[{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a b\"}]");
  write_file("both.json", "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}], \"tools\": [{\"name\": \"f\"}]}");
}

static void expect(const char *arguments, int code, const char *part) {
  char all[3 * PATH_BYTES];
  snprintf(all, sizeof all, arguments, test_folder(), test_folder());
  program_expect(all, code, part);
}

TEST(a_template_is_rendered) {
  make_folder();
  expect("chat-template render --model %s --messages %s/messages.json --generate", 0,
         "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na b<|im_end|>\n<|im_start|>assistant\n");
  expect("chat-template render --model %s --messages %s/both.json --kwargs '{\"extra\": 1.0}'", 0,
         "<|im_end|>\n[{\"name\": \"f\"}]1.0");
  expect("chat-template render --model %s --messages - <%s/messages.json", 0, "<|im_start|>user\nq<|im_end|>\n");
  expect("chat-template render --model %s --messages %s/messages.json --mask", 0, "\nspoken      3  \"a b<|im_end|>\"\n");
  expect("chat-template render --template %s/chat_template.jinja --messages %s/messages.json", 0, "<|im_start|>user\nq");
}

TEST(a_rendering_as_json) {
  char all[3 * PATH_BYTES], *output = NULL;
  json_t *root = NULL;
  make_folder();
  snprintf(all, sizeof all, "chat-template render --model %s --messages %s/messages.json --mask --ids --json", test_folder(),
           test_folder());
  ASSERT_INT(program_run(all, &output), 0);
  ASSERT_OK(json_parse(&root, output, strlen(output), "output", true));
  ASSERT_TEXT(json_string_value(json_object_get(root, "text")),
              "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na b<|im_end|>\n");
  const json_t *ids = json_object_get(root, "ids"), *mask = json_object_get(root, "mask");
  size_t spoken = 0;
  ASSERT(json_array_size(ids) > 0 && json_array_size(ids) == json_array_size(mask));
  for (size_t i = 0; i < json_array_size(mask); i++) spoken += (size_t)json_integer_value(json_array_get(mask, i));
  ASSERT_INT(spoken, 3);
  json_decref(root);
  free(output);
}

TEST(wrong_renderings_say_what_is_wanted) {
  make_folder();
  write_file("bad.jinja", "{{ a|nosuch }}");
  write_file("stop.jinja", "{{ raise_exception('no tools') }}");
  write_file("loop.jinja", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  write_file("deep.json", "{\"messages\": 5}");
  char *nested = malloc(20001);
  memset(nested, '[', 20000);
  nested[20000] = '\0';
  write_file("nested.json", nested);
  free(nested);
  expect("chat-template render --model %s --messages %s/nested.json", 1, "nested.json:1:513");
  program_expect("chat-template", 2, "pleiad chat-template does one thing: render");
  program_expect("chat-template render", 2, "needs --model PATH or --template FILE");
  expect("chat-template render --template %s/bad.jinja", 2, "needs --messages FILE");
  expect("chat-template render --template %s/bad.jinja --messages %s/messages.json", 1,
         "bad.jinja:1:6: no filter 'nosuch' is known");
  expect("chat-template render --template %s/stop.jinja --messages %s/messages.json", 2, "refuses this conversation: no tools");
  expect("chat-template render --template %s/loop.jinja --messages %s/messages.json", 1, "does a macro call itself for ever?");
  expect("chat-template render --model %s --messages %s/deep.json", 2, "a list of messages is wanted");
  expect("chat-template render --model %s --messages %s/none.json", 1, "none.json");
  expect("chat-template render --template %s/chat_template.jinja --messages %s/messages.json --ids", 2,
         "need the model's tokenizer");
  expect("chat-template render --model %s --messages %s/messages.json --kwargs '{'", 1, "--kwargs:1:");
  expect("chat-template render --model %s --messages %s/messages.json --name x", 2, "it has: default");
}

TEST(a_conversation_is_held_by_the_models_template) {
  OwnedModel m;
  WeightSource *s;
  ModelConfig c;
  model_config_defaults(&c);
  c.model.family = FAMILY_LLAMA;
  c.model.layers = 1, c.model.width = 16, c.model.ffn = 24, c.model.vocab = 2010, c.model.max_length = 128;
  c.attention.heads = c.attention.kv_heads = 2;
  c.mla.kv_rank = 0, c.moe.experts = 0;
  ASSERT_OK(owned_open(&m, &c, DT_F32, 64, false));
  model_reset(&m.model, 7);
  ASSERT_OK(weights_of_params(&s, &m.model.config, &m.model.params));
  ASSERT_OK(hf_save(test_folder(), s, &(HfSave){.type = ST_F32}));
  weights_close(s);
  owned_close(&m);
  make_folder();
  write_file("input", "one\n/history\n/undo\ntwo\n/retry\n/edit three\n/tool 22\n/history\n/nosuch\n");
  expect("chat --model %s --system Brief --max-new 5 <%s/input", 0, "# Brief\n> one\n");
  expect("chat --model %s --system Brief --max-new 5 <%s/input", 0, "# Brief\n> three\n");
  expect("chat --model %s --max-new 5 <%s/input", 0, "# 22\n");
  expect("chat --model %s --max-new 5 <%s/input 2>&1", 0, "error: /nosuch is not a command");
  expect("chat --model %s --plain --max-new 5 <%s/input", 0, "three");
  write_file(
      "input",
      "a question that is long enough to fill what the model remembers, many times over and over\nmore\n/clear\nshort\n");
  expect("chat --model %s --max-new 5 --context 24 <%s/input 2>&1", 0, "no longer fits the context of 24 tokens");
  write_file("chat_template.jinja", "{% include 'x' %}");
  expect("chat --model %s <%s/input 2>&1", 0, "{% include %} is not supported");
}
