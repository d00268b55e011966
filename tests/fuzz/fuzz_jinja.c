// seeds: golden/text/templates/*.jinja golden/cases/text/jinja.jsonl
// Any bytes as a chat template: refused with a message and a place, or rendered within the bounds.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": \"<think>\\u00e4\"}, "
    "{\"role\": "
    "\"assistant\", \"content\": null, \"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", "
    "\"arguments\": {\"a\": "
    "1.5, \"b\": [true, null]}}}]}, {\"role\": \"tool\", \"content\": \"22\"}, {\"role\": \"assistant\", \"content\": "
    "\"a</think>b\"}], "
    "\"tools\": [{\"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"a\": {\"type\": "
    "\"number\"}}}}}], \"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"l\": [3, 1, 2], \"s\": \"text\", \"d\": "
    "{\"b\": 1}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static json_t *v;
  Jinja *t = NULL;
  JinjaOutput out = {0};
  if (!v && json_parse(&v, variables, strlen(variables), "variables", true)) abort();
  Err err = jinja_open(&t, "fuzz", (const char *)data, size);
  if (!err != (t != NULL) || (err && strncmp(err_text(), "fuzz:", 5) != 0)) abort();
  if (err) return 0;
  struct tm now = {.tm_year = 126, .tm_mday = 1};
  err = jinja_render(t, v, "messages", &now, &out);
  if (err && strncmp(err_text(), "fuzz:", 5) != 0) abort();
  for (int64_t i = 0; !err && i < out.n_spans; i++)
    if (out.span[i].begin > out.span[i].end || out.span[i].to > out.text.size) abort();
  for (int64_t i = 0; !err && i < out.n_turns; i++)
    if (out.turn[i].begin >= out.turn[i].end || out.turn[i].end > out.text.size) abort();
  jinja_output_free(&out);
  jinja_close(t);
  return 0;
}
