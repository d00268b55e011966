// Chat templates: places in messages, bounds, what is tracked. What templates give is in tests/golden/cases/text/jinja.jsonl.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/jinja.h"

static Err render(const char *source, const char *variables, JinjaOutput *out) {
  Jinja *t = NULL;
  json_t *v = NULL;
  ASSERT_OK(json_parse(&v, variables, strlen(variables), "variables", true));
  Err err = jinja_open(&t, "t", source, strlen(source));
  if (!err) err = jinja_render(t, v, "messages", NULL, out);
  jinja_close(t);
  json_decref(v);
  return err;
}

static void fails(const char *source, Err kind, const char *words) {
  JinjaOutput out = {0};
  ASSERT_ERR(render(source, "{\"a\": 1, \"s\": \"x\", \"l\": [1, 2]}", &out), kind, words);
  jinja_output_free(&out);
}

// A template that is refused names the place, before anything is rendered.
static void refused(const char *source, const char *words) {
  Jinja *t = NULL;
  ASSERT_ERR(jinja_open(&t, "t", source, strlen(source)), ERR_FORMAT, words);
  ASSERT(t == NULL);
}

TEST(what_is_not_supported_is_named_with_its_place) {
  refused("a\n  {{ s|batch(2) }}", "t:2:8: filter 'batch' is not supported");
  refused("\xc3\xa4\xc3\xb6{{ s|nosuch }}", "t:1:8: no filter 'nosuch' is known");
  refused("{% if s is nosuch %}{% endif %}", "t:1:12: no test 'nosuch' is known");
  refused("{% include 'x' %}", "t:1:4: {% include %} is not supported");
  refused("{% nosuch %}", "t:1:4: unknown block 'nosuch'");
  refused("{% if false %}{{ s.format(1) }}{% endif %}", "t:1:18: the method .format() is not supported");
  refused("{{ l.append(1) }}", "the method .append() is not supported");
  refused("{{ cycler(1) }}", "the function cycler() is not supported");
  refused("{{ s|tojson(foo=1) }}", "filter 'tojson' has no argument 'foo' here");
  refused("{{ s|default(1, 2, 3) }}", "filter 'default' takes at most 2 arguments, found 3");
  refused("{{ s|default(1, default_value=2) }}", "argument 'default_value' is given twice");
  refused("{{ f(*l) }}", "*arguments in a call is not supported");
  refused("{% for a in l recursive %}{% endfor %}", "recursive loops are not supported");
  refused("{% break %}", "break outside of a loop");
  refused("{% macro m() %}{% generation %}{% endgeneration %}{% endmacro %}", "has no place in the text");
}

TEST(syntax_errors_name_their_place) {
  refused("{{ a", "t:1:1: a tag without end");
  refused("x{# a", "t:1:2: a comment without end");
  refused("{{ 'a }}", "t:1:4: a string without end");
  refused("{% if a %}\n{% for b in l %}\n{% endif %}", "t:3:4: endfor is wanted for the block that began at t:2:");
  refused("{% if a %}", "found the end of the template");
  refused("{{ a b }}", "t:1:6: }} is wanted, found 'b'");
  refused("{{ }}", "t:1:4: an expression is wanted, found the end of the tag, }}");
  refused("{{ a ] }}", "t:1:6: unexpected ']'");
  refused("{{ a $ }}", "t:1:6: unexpected '$'");
  refused("{{ '\\ud83d' }}", "is no character");
  refused("\xff", "invalid UTF-8 at byte 0");
}

TEST(errors_while_rendering_name_their_place) {
  fails("{{ a }}\n{{ nosuch.x }}", ERR_FORMAT, "t:2:4: 'nosuch' is undefined");
  fails("{{ a + s }}", ERR_FORMAT, "t:1:4: unsupported operand types for +: 'int' and 'str'");
  fails("{{ l|upper|nosuch2 if false else l.a.b }}", ERR_FORMAT, "no filter");
  fails("{% for x in a %}{% endfor %}", ERR_FORMAT, "'int' object is not iterable");
  fails("{{ raise_exception('no ' ~ a) }}", ERR_ARG, "t:1:4: the template refuses this conversation: no 1");
  fails("{{ strftime_now('%Q') }}", ERR_FORMAT, "strftime_now: %Q is not supported");
}

// What repeats a piece n times, around `middle`.
static char *nested(const char *open, const char *middle, const char *close, int n) {
  size_t a = strlen(open), b = strlen(close), m = strlen(middle);
  char *s = malloc((a + b) * (size_t)n + m + 1);
  for (int i = 0; i < n; i++) memcpy(s + (size_t)i * a, open, a);
  memcpy(s + (size_t)n * a, middle, m);
  for (int i = 0; i < n; i++) memcpy(s + (size_t)n * a + m + (size_t)i * b, close, b);
  s[(a + b) * (size_t)n + m] = '\0';
  return s;
}

SLOW_TEST(steps_and_memory_have_an_end) {
  fails("{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}", ERR_MEMORY, "t:1:");
  char *busy = nested("{% if a %}{% endif %}", "", "", 200), all[8192];
  snprintf(all, sizeof all, "{%% for a in range(100000) %%}{%% for b in range(100) %%}%s{%% endfor %%}{%% endfor %%}", busy);
  fails(all, ERR_STATE, "more than the limit of 20000000 steps");
  free(busy);
  fails("{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", ERR_MEMORY,
        "limit of");
}

TEST(what_would_grow_for_ever_is_refused) {
  fails("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ERR_STATE, "does a macro call itself for ever?");
  fails("{{ 'x' * 1000000000 }}", ERR_MEMORY, "repeating gives");
  fails("{{ range(100001) }}", ERR_STATE, "a range of more than");
  fails("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}", ERR_FORMAT,
        "nested deeper than 600");
  fails("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l == [ns.l] }}",
        ERR_FORMAT, "nested deeper than 600");
}

TEST(deep_nesting_is_refused) {
  static const struct {
    const char *open, *middle, *close;
  } deep[] = {{"{% if a %}", "", "{% endif %}"},
              {"{% for x in l %}", "", "{% endfor %}"},
              {"{{ (", "", ""},
              {"", "{{ a }}", ""},
              {"not ", "", ""},
              {"[", "", "]"},
              {"{% with %}", "", "{% endwith %}"},
              {"-", "a", ""},
              {"{'a':", "1", "}"},
              {"f(", "", ")"},
              {"a + ", "a", ""},
              {"a if b else ", "c", ""},
              {"a[", "0", "]"},
              {"", "a", ".b"},
              {"", "a", "|upper"},
              {"", "a", "|default(a)"},
              {"a ** ", "2", ""}};
  for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
    bool block = deep[i].open[0] == '{' && deep[i].open[1] == '%';
    char *s = nested(deep[i].open, deep[i].middle, deep[i].close, 20000), *all = malloc(strlen(s) + 16);
    sprintf(all, block ? "%s" : "{{ %s }}", s);
    Jinja *t = NULL;
    Err err = jinja_open(&t, "t", all, strlen(all));
    if (strstr(s, "{{ a }}") == NULL) ASSERT_INT(err, ERR_FORMAT);
    jinja_close(t);
    free(s);
    free(all);
  }
}

TEST(a_long_chain_of_elif_is_no_nesting) {
  char *chain = nested("{% elif a == 2 %}x", "{% else %}y{% endif %}", "", 5000), *all = malloc(strlen(chain) + 32);
  JinjaOutput out = {0};
  sprintf(all, "{%% if a == 3 %%}z%s", chain);
  ASSERT_OK(render(all, "{\"a\": 1}", &out));
  ASSERT_INT(out.text.size, 1);
  free(chain);
  free(all);
  jinja_output_free(&out);
}

TEST(turns_are_what_the_outermost_loop_over_messages_writes) {
  JinjaOutput out = {0};
  ASSERT_OK(
      render("{% for m in messages %}{% if m.skip %}{% set x = 1 %}{% endif %}{% endfor %}<{% for m in messages[1:] %}"
             "{% if not m.skip %}[{{ m.c }}]{% for n in messages %}{{ n.c }}{% endfor %}{% endif %}{% endfor %}>",
             "{\"messages\": [{\"c\": \"a\"}, {\"c\": \"\xc3\xa4\"}, {\"c\": \"c\", \"skip\": true}, {\"c\": \"d\"}]}", &out));
  ASSERT_INT(out.n_turns, 2);
  ASSERT_INT(out.turn[0].index, 1);
  ASSERT_INT(out.turn[0].begin, 1);
  ASSERT_INT(out.turn[0].end, 10);
  ASSERT_INT(out.turn[1].index, 3);
  ASSERT_INT(out.turn[1].begin, 10);
  ASSERT_INT(out.turn[1].end, 18);
  jinja_output_free(&out);
}

TEST(key_order_and_the_last_of_repeated_keys) {
  JinjaOutput out = {0};
  json_t *v = NULL;
  const char *json = "{\"d\": {\"z\": 1, \"a\": 2, \"z\": 3, \"b\": {\"y\": 0.10, \"x\": -0.0}}}";
  Jinja *t = NULL;
  ASSERT_OK(json_parse(&v, json, strlen(json), "json", false));
  ASSERT_OK(jinja_open(&t, "t", "{{ d|tojson }}{{ d }}", 21));
  ASSERT_OK(jinja_render(t, v, NULL, NULL, &out));
  ASSERT_OK(bytes_append(&out.text, "", 1));
  ASSERT_TEXT(out.text.data,
              "{\"z\": 3, \"a\": 2, \"b\": {\"y\": 0.1, \"x\": -0.0}}{'z': 3, 'a': 2, 'b': {'y': 0.1, 'x': -0.0}}");
  jinja_close(t);
  json_decref(v);
  jinja_output_free(&out);
}

// Every name in a row of the table in docs/chat-templates.md, put into `form`, is taken by the parser.
static int64_t documented(const char *row, const char *form) {
  char path[PATH_BYTES], *text = NULL, source[256], name[64];
  size_t size = 0;
  int64_t count = 0;
  ASSERT_OK(path_join(path, test_root(), "docs/chat-templates.md"));
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  char *at = strstr(text, row);
  ASSERT(at);
  at += strlen(row);
  for (char *end = strchr(at, '\n'); (at = strchr(at, '`')) != NULL && at < end; at = strchr(at + 1, '`') + 1) {
    Jinja *t = NULL;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "`"), at + 1);
    int n = snprintf(source, sizeof source, form, name);
    Err err = strcmp(name, "==") == 0 ? ERR_OK : jinja_open(&t, "t", source, (size_t)n);
    ASSERT_MSG(!err || strstr(err_text(), "wants"), "%s: %s", source, err_text());  // too few arguments is no matter here
    jinja_close(t);
    count++;
  }
  free(text);
  return count;
}

TEST(the_page_says_what_is_supported) {
  ASSERT_INT(documented("\n| filters |", "{{ x|%s }}"), 36);
  ASSERT_INT(documented("\n| tests |", "{{ x is %s }}"), 29);
  ASSERT_INT(documented("\n| methods of text |", "{{ x.%s() }}"), 19);
  ASSERT_INT(documented("\n| of mappings, lists |", "{{ x.%s() }}"), 6);
  ASSERT_INT(documented("\n| functions |", "{{ %s(1) }}"), 5);
}
