// seeds: golden/text/parse_back.jsonl
// Any bytes as the answer of a model, in any form: parsed, with the same result whole and in two pieces; calls are JSON.
#include <stdlib.h>
#include <string.h>

#include "text/parse_back.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(ParseBack *p, ParseForm form, const char *text, size_t size, size_t cut) {
  ParseDelta d;
  static json_t *tools;
  if (!tools)
    tools = json_loads("[{\"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": \"string\"}}}}}]",
                       0, NULL);
  parse_back_open(p, form, tools);
  if (parse_back_push(p, text, cut, &d) || parse_back_push(p, text + cut, size - cut, &d) || parse_back_end(p, &d)) abort();
}

static int same(const Bytes *a, const Bytes *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  ParseForm form = {(ParseReasoning)(data[0] % 3), (ParseCalls)(data[0] / 3 % 3)};
  const char *text = (const char *)data + 2;
  ParseBack whole, parts;
  size -= 2;
  parse(&whole, form, text, size, size);
  parse(&parts, form, text, size, size ? data[1] % (size + 1) : 0);
  if (!same(&whole.reasoning, &parts.reasoning) || !same(&whole.content, &parts.content)) abort();
  if (whole.has_reasoning != parts.has_reasoning || whole.n_calls != parts.n_calls) abort();
  for (int64_t i = 0; i < whole.n_calls; i++)
    if (strcmp(whole.call[i].name, parts.call[i].name) != 0 || strcmp(whole.call[i].arguments, parts.call[i].arguments) != 0)
      abort();
  parse_back_close(&whole);
  parse_back_close(&parts);
  return 0;
}
