#include "text/parse_back.h"

#include <stdlib.h>
#include <string.h>

#include "text/parse_calls.h"

#define THINK "<think>"
#define THINK_END "</think>"
#define CALL "<tool_call>"

static size_t find(const char *text, size_t size, size_t from, const char *tag) {
  const char *found = from < size ? memmem(text + from, size - from, tag, strlen(tag)) : NULL;
  return found ? (size_t)(found - text) : SIZE_MAX;
}

static bool names(const char *source, size_t size, const char *word) { return find(source, size, 0, word) != SIZE_MAX; }

ParseForm parse_form(const char *source, size_t source_size, const char *prompt, size_t prompt_size) {
  ParseForm form = {REASONING_NONE, CALLS_NONE};
  while (prompt_size && strchr(" \t\r\n", prompt[prompt_size - 1])) prompt_size--;
  size_t n = strlen(THINK);
  bool open = prompt_size >= n && memcmp(prompt + prompt_size - n, THINK, n) == 0;
  if (open) form.reasoning = REASONING_OPEN;
  else if (names(source, source_size, THINK_END)) form.reasoning = REASONING_TAGGED;
  if (!names(source, source_size, CALL)) return form;
  bool other = names(source, source_size, "<function=") || names(source, source_size, "<arg_key>");
  if (names(source, source_size, "<param_key>")) form.calls = CALLS_PARAMETERS;
  else if (!other && names(source, source_size, "arguments")) form.calls = CALLS_JSON;
  return form;
}

void parse_back_open(ParseBack *p, ParseForm form, const json_t *tools) {
  *p = (ParseBack){.form = form, .tools = tools, .first_call = SIZE_MAX};
  p->place = form.reasoning == REASONING_OPEN ? IN_REASONING : form.reasoning == REASONING_NONE ? IN_CONTENT : IN_BEGINNING;
  p->has_reasoning = form.reasoning == REASONING_OPEN;
}

void parse_back_close(ParseBack *p) {
  bytes_free(&p->reasoning);
  bytes_free(&p->content);
  bytes_free(&p->all);
  for (int64_t i = 0; i < p->n_calls; i++) {
    free(p->call[i].name);
    free(p->call[i].arguments);
  }
  free(p->call);
  *p = (ParseBack){0};
}

// The length of the longest end of the text, from `from` on, that a tag may begin with.
static size_t held_back(const ParseBack *p, size_t from, const char *tag) {
  size_t n = strlen(tag) - 1, size = p->all.size - from;
  if (n > size) n = size;
  while (n > 0 && memcmp(p->all.data + p->all.size - n, tag, n) != 0) n--;
  return n;
}

// Gives out all up to `end`.
static Err give(ParseBack *p, size_t end) {
  if (end <= p->from) return ERR_OK;
  Bytes *to = p->place == IN_REASONING ? &p->reasoning : &p->content;
  TRY(bytes_append(to, p->all.data + p->from, end - p->from));
  p->from = end;
  return ERR_OK;
}

// Gives out what no tag can change any more.
static Err give_certain(ParseBack *p, const char *tag, bool last) {
  size_t hold = last ? 0 : held_back(p, p->from, tag), think = p->opened || last ? 0 : held_back(p, p->from, THINK);
  return give(p, p->all.size - (hold > think ? hold : think));
}

// Whether the output begins with <think> at all; *known is false while that is open.
static void look_at_beginning(ParseBack *p, bool last, bool *known) {
  size_t at = 0, n = strlen(THINK);
  while (at < p->all.size && strchr(" \t\r\n", p->all.data[at]) && p->all.data[at]) at++;
  size_t have = p->all.size - at < n ? p->all.size - at : n;
  bool fits = have == 0 || memcmp(p->all.data + at, THINK, have) == 0;
  *known = last || !fits || have == n;
  if (!*known) return;
  p->has_reasoning = fits && have == n;
  p->form.reasoning = p->has_reasoning ? REASONING_OPEN : REASONING_NONE;
  p->place = p->has_reasoning ? IN_REASONING : IN_CONTENT;
}

// The first <think>: the reasoning begins after it, whatever came before.
static void look_for_think(ParseBack *p, ParseDelta *d) {
  if (p->form.reasoning != REASONING_OPEN || p->opened) return;
  size_t at = find(p->all.data, p->all.size, p->scanned, THINK);
  p->scanned = p->all.size < strlen(THINK) ? 0 : p->all.size - strlen(THINK) + 1;
  if (at == SIZE_MAX) return;
  d->withdrawn = p->reasoning.size || p->content.size;
  p->reasoning.size = p->content.size = 0;
  p->from = at + strlen(THINK);
  p->place = IN_REASONING;
  p->first_call = SIZE_MAX;
  p->opened = true;
}

static Err advance(ParseBack *p, bool last, ParseDelta *d) {
  bool known = true;
  if (p->place == IN_BEGINNING) look_at_beginning(p, last, &known);
  if (!known) return ERR_OK;
  look_for_think(p, d);
  if (p->place == IN_REASONING) {
    size_t end = find(p->all.data, p->all.size, p->from, THINK_END);
    if (end == SIZE_MAX) return give_certain(p, THINK_END, last);
    TRY(give(p, end));
    p->from = end + strlen(THINK_END);
    p->place = IN_CONTENT;
  }
  if (p->place == IN_CONTENT && p->form.calls != CALLS_NONE) {
    p->first_call = find(p->all.data, p->all.size, p->from, CALL);
    if (p->first_call != SIZE_MAX) {
      TRY(give(p, p->first_call));
      p->place = IN_CALLS;
    }
  }
  if (p->place == IN_CONTENT) return give_certain(p, p->form.calls == CALLS_NONE ? "<" : CALL, last);
  if (!last) return ERR_OK;
  bool valid;
  TRY(parse_calls(p, p->all.data + p->first_call, p->all.size - p->first_call, &valid));
  return valid ? ERR_OK : give(p, p->all.size);
}

static Err step(ParseBack *p, bool last, ParseDelta *d) {
  size_t reasoning = p->reasoning.size, content = p->content.size;
  *d = (ParseDelta){0};
  TRY(bytes_reserve(&p->all, 1));  // so that `data` is there
  TRY(advance(p, last, d));
  if (d->withdrawn) reasoning = content = 0;
  d->reasoning_size = p->reasoning.size - reasoning;
  d->content_size = p->content.size - content;
  d->reasoning = d->reasoning_size ? p->reasoning.data + reasoning : "";
  d->content = d->content_size ? p->content.data + content : "";
  return ERR_OK;
}

Err parse_back_push(ParseBack *p, const char *text, size_t size, ParseDelta *delta) {
  TRY(bytes_append(&p->all, text, size));
  return step(p, false, delta);
}

Err parse_back_end(ParseBack *p, ParseDelta *delta) { return step(p, true, delta); }
