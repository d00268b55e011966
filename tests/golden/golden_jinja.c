// Small templates, one feature each, as Jinja2 renders them: tools/jinja_cases.py made what is expected. The first line of the
// file holds the variables of all. "refused": Jinja2 renders it, and this project says that it does not.
#include <string.h>

#include "golden/golden.h"
#include "text/jinja.h"

typedef struct {
  json_t *variables;
  JinjaOutput out;
} Case;

static bool same_spans(const JinjaOutput *o, const json_t *spans) {
  if ((int64_t)json_array_size(spans) != o->n_spans) return false;
  for (int64_t i = 0; i < o->n_spans; i++) {
    const json_t *span = json_array_get(spans, (size_t)i);
    if (golden_element(span, 0) != o->span[i].begin || golden_element(span, 1) != o->span[i].end) return false;
  }
  return true;
}

static void run_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  const json_t *t = json_object_get(row, "template"), *want = json_object_get(row, "expected");
  if (!t) {
    c->variables = json_deep_copy(json_object_get(row, "variables"));
    golden_compare(n, json_is_object(c->variables), "neither a template nor variables");
    return;
  }
  struct tm now = {.tm_year = 126, .tm_mday = 2, .tm_hour = 3, .tm_min = 4, .tm_sec = 5, .tm_wday = 5, .tm_yday = 1};
  Jinja *jinja = NULL;
  Err err = jinja_open(&jinja, "template", json_string_value(t), json_string_length(t));
  if (!err) err = jinja_render(jinja, c->variables, NULL, &now, &c->out);
  bool same = !err && want && c->out.text.size == json_string_length(want) &&
              memcmp(c->out.text.data, json_string_value(want), c->out.text.size) == 0 &&
              same_spans(&c->out, json_object_get(row, "spans"));
  golden_compare(n, want ? same : err != ERR_OK, "%s: %s", json_string_value(t),
                 err    ? err_text()
                 : want ? "the text or its spans differ"
                        : "an error is wanted");
  if (!want)
    golden_compare(n, err && strncmp(err_text(), "template:", 9) == 0, "%s: no place in \"%s\"", json_string_value(t),
                   err_text());
  jinja_close(jinja);
}

void golden_jinja(GoldenCount *n) {
  Case c = {0};
  golden_each_line(n, n->folder, run_row, &c);
  jinja_output_free(&c.out);
  json_decref(c.variables);
}
