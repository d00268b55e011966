// Conversations packed by a model's chat template: tokens and masks are those of the rendering.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/indexed.h"
#include "data/sft_build.h"
#include "test.h"

static const char template[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{% if tools %}{{ "
    "tools|tojson "
    "}}{% endif %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const char good[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"one\"}, {\"role\": \"assistant\", \"content\": \"answer one\"}]}\n"
    "{\"system\": \"\", \"dialog\": [{\"role\": \"user\", \"content\": \"two\"}, {\"role\": \"bot\", \"content\": \"answer "
    "two\"}]}\n"
    "{\"messages\": [{\"role\": \"user\", \"content\": \"three\"}, {\"role\": \"assistant\", \"content\": \"x\"}], \"tools\": "
    "[{\"a\": "
    "1}]}\n";

typedef struct {
  Chat chat;
  SftBuildOptions o;
  SftBuildReport report;
  char input[PATH_BYTES], output[PATH_BYTES];
  const char *inputs[1];
} Fixture;

static void fixture_open(Fixture *f, const char *lines, int64_t length) {
  char path[PATH_BYTES];
  *f = (Fixture){0};
  ASSERT_OK(path_join(f->input, test_folder(), "dialogs.jsonl"));
  ASSERT_OK(path_join(f->output, test_folder(), "chat"));
  ASSERT_OK(file_replace(f->input, lines, strlen(lines)));
  f->inputs[0] = f->input;
  f->o = (SftBuildOptions){.output = f->output, .input = f->inputs, .inputs = 1, .recipe = SFT_TEMPLATE, .length = length};
  snprintf(path, sizeof path, "%s/tests/golden/cases/text/hf/qwen/tokenizer.json", test_root());
  ASSERT_OK(tokenizer_open(&f->o.tokenizer, path));
  ASSERT_OK(chat_open_text(&f->chat, "template", template, sizeof template - 1));
  f->o.chat = &f->chat;
}

static void fixture_close(Fixture *f) {
  tokenizer_close(f->o.tokenizer);
  chat_close(&f->chat);
}

// The text of document `d`, with what is learnt in << >>.
static const char *shown(Fixture *f, int64_t d) {
  static char text[4096];
  char path[PATH_BYTES];
  Indexed ids, mask;
  TokenizerWork *w;
  Bytes b = {0};
  ASSERT_OK(tokenizer_work_open(&w, f->o.tokenizer));
  ASSERT_OK(indexed_open(&ids, f->output));
  snprintf(path, sizeof path, "%.4000s.mask", f->output);
  ASSERT_OK(indexed_open(&mask, path));
  bool learnt = false;
  for (int64_t s = indexed_document(&ids, d); s < indexed_document(&ids, d + 1); s++) {
    int32_t id[512], is[512];
    int64_t n = indexed_length(&ids, s);
    ASSERT(n <= 512 && n == indexed_length(&mask, s));
    ASSERT_OK(indexed_read(&ids, s, 0, n, INT32_MAX, id));
    ASSERT_OK(indexed_read(&mask, s, 0, n, 2, is));
    for (int64_t i = 0; i < n; i++) {
      if ((is[i] != 0) != learnt) ASSERT_OK(bytes_append(&b, learnt ? ">>" : "<<", 2));
      learnt = is[i] != 0;
      ASSERT_OK(tokenizer_decode(f->o.tokenizer, w, &id[i], 1, true, &b));
    }
  }
  snprintf(text, sizeof text, "%.*s", (int)b.size, b.data);
  bytes_free(&b);
  indexed_close(&ids);
  indexed_close(&mask);
  tokenizer_work_close(w);
  return text;
}

#define TURN(q, a) "<|im_start|>user\n" q "<|im_end|>\n<|im_start|>assistant\n<<" a "<|im_end|>>>\n"

TEST(conversations_are_packed_in_the_template_s_form) {
  Fixture f;
  fixture_open(&f, good, 512);
  ASSERT_OK(sft_build(&f.o, &f.report));
  ASSERT_INT(f.report.counts.dialogs, 3);
  ASSERT_INT(f.report.counts.samples, 1);
  ASSERT_TEXT(shown(&f, 0), TURN("one", "answer one") TURN("two", "answer two") TURN("three", "x") "[{\"a\": 1}]");
  fixture_close(&f);
}

TEST(a_conversation_that_does_not_fit_begins_the_next_sample) {
  Fixture f;
  fixture_open(&f, good, 25);
  ASSERT_OK(sft_build(&f.o, &f.report));
  ASSERT(f.report.counts.samples > 1 && f.report.counts.dropped < 3);
  ASSERT_TEXT(shown(&f, 0), TURN("one", "answer one"));
  fixture_close(&f);
}

TEST(a_line_without_an_exact_mask_is_bad) {
  static const char bad[] =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}]}\n"
      "{\"messages\": [{\"role\": \"user\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}\n"
      "{\"messages\": 1}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"yes\"}]}\n";
  Fixture f;
  fixture_open(&f, bad, 512);
  ASSERT_ERR(sft_build(&f.o, &f.report), ERR_FORMAT, "line 1: no answer in it: nothing to learn");
  f.o.skip_bad = true;
  ASSERT_OK(sft_build(&f.o, &f.report));
  ASSERT_INT(f.report.skipped, 3);
  ASSERT(strstr(f.report.named[1], "line 2: template:1:") && strstr(f.report.named[1], "has no attribute 'content'"));
  ASSERT(strstr(f.report.named[2], "line 3: messages: a list of messages is wanted"));
  ASSERT_TEXT(shown(&f, 0), TURN("q", "yes"));
  fixture_close(&f);
}

// TeleChat2's own template learns the very tokens that the recipe of its trainer learns: answers and <_end>.
TEST(the_template_of_telechat_learns_what_its_recipe_learns) {
  char tokenizer[PATH_BYTES], jinja[PATH_BYTES], lines[PATH_BYTES];
  SftBuildReport report[2];
  snprintf(tokenizer, sizeof tokenizer, "%s/data/tokenizers/telechat3/tokenizer.model", test_shared());
  snprintf(jinja, sizeof jinja, "%s/golden/text/templates/telechat2.jinja", test_shared());
  snprintf(lines, sizeof lines, "%s/golden/data/sft/messages.jsonl", test_shared());
  for (int i = 0; i < 2; i++) {
    Chat chat;
    char output[PATH_BYTES];
    const char *inputs[] = {lines};
    ASSERT_OK(path_join(output, test_folder(), i ? "template" : "recipe"));
    ASSERT_OK(chat_open(&chat, jinja));
    SftBuildOptions o = {.output = output, .input = inputs, .inputs = 1, .length = 1024, .chat = &chat};
    o.recipe = i ? SFT_TEMPLATE : SFT_MINDFORMERS;
    ASSERT_OK(tokenizer_open(&o.tokenizer, tokenizer));
    ASSERT_OK(sft_build(&o, &report[i]));
    tokenizer_close(o.tokenizer);
    chat_close(&chat);
  }
  ASSERT(report[0].counts.learnt > 2000);
  ASSERT_INT(report[1].counts.learnt, report[0].counts.learnt);
  ASSERT_INT(report[1].counts.dropped, report[0].counts.dropped);
}
