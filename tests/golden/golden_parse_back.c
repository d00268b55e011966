// What models wrote, parsed back: whole, in two pieces cut at every byte, and byte by byte; what came as pieces adds up.
#include <stdlib.h>
#include <string.h>

#include "golden/golden.h"
#include "text/parse_back.h"

typedef struct {
  Bytes reasoning, content;  // the sum of what was given out
  ParseBack p;
} Sum;

static Err add(Sum *s, const ParseDelta *d) {
  if (d->withdrawn) s->reasoning.size = s->content.size = 0;
  TRY(bytes_append(&s->reasoning, d->reasoning, d->reasoning_size));
  return bytes_append(&s->content, d->content, d->content_size);
}

static Err parse(Sum *s, ParseForm form, const json_t *row, size_t first, size_t piece) {
  const json_t *output = json_object_get(row, "output");
  const char *text = json_string_value(output);
  size_t size = json_string_length(output);
  ParseDelta d;
  s->reasoning.size = s->content.size = 0;
  parse_back_open(&s->p, form, json_object_get(row, "tools"));
  for (size_t at = 0, n = first; at < size; at += n, n = piece) {
    if (n > size - at) n = size - at;
    TRY(parse_back_push(&s->p, text + at, n, &d));
    TRY(add(s, &d));
  }
  TRY(parse_back_end(&s->p, &d));
  return add(s, &d);
}

static bool same_text(const Bytes *got, bool has, const json_t *want) {
  if (!json_is_string(want)) return !has;
  return has && got->size == json_string_length(want) &&
         (got->size == 0 || memcmp(got->data, json_string_value(want), got->size) == 0);
}

static bool same_calls(const ParseBack *p, const json_t *want) {
  if ((int64_t)json_array_size(want) != p->n_calls) return false;
  for (int64_t i = 0; i < p->n_calls; i++) {
    const json_t *call = json_array_get(want, (size_t)i);
    if (strcmp(p->call[i].name, golden_text(call, "name")) != 0 ||
        strcmp(p->call[i].arguments, golden_text(call, "arguments")) != 0)
      return false;
  }
  return true;
}

static bool same(const Sum *s, const json_t *row) {
  const json_t *content = json_object_get(row, "content");
  return same_text(&s->p.reasoning, s->p.has_reasoning, json_object_get(row, "reasoning")) &&
         same_text(&s->reasoning, s->p.has_reasoning, json_object_get(row, "reasoning")) &&
         same_text(&s->p.content, s->p.content.size > 0, content) && same_text(&s->content, s->content.size > 0, content) &&
         same_calls(&s->p, json_object_get(row, "tool_calls"));
}

static void run_row(GoldenCount *n, const json_t *row, void *context) {
  (void)context;
  Sum s = {0};
  ParseForm form = {REASONING_OPEN, strcmp(golden_text(row, "format"), "telechat3") == 0 ? CALLS_JSON : CALLS_PARAMETERS};
  size_t size = json_string_length(json_object_get(row, "output"));
  for (size_t first = 0; first <= size + 1; first++) {  // the last round goes byte by byte
    Err err = parse(&s, form, row, first > size || first == 0 ? 1 : first, first > size ? 1 : size + 1);
    golden_compare(n, !err && same(&s, row), "row %lld, the first piece %zu bytes: %s: %s", (long long)n->cases, first,
                   golden_text(row, "output"), err ? err_text() : "differs");
    parse_back_close(&s.p);
  }
  bytes_free(&s.reasoning);
  bytes_free(&s.content);
}

void golden_parse_back(GoldenCount *n) { golden_each_line(n, n->folder, run_row, NULL); }
