#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_tree.h"
#include "text/unicode.h"

typedef struct {
  Jinja *t;
  const char *s;
  size_t size, at;
  Token *token;
  int64_t count, capacity;
} Lexer;

void jinja_place(const Jinja *t, size_t at, char out[256]) {
  int line = 1, column = 1;
  for (size_t i = 0; i < at && i < t->size; i++) {
    if (t->source[i] == '\n') line++, column = 1;
    else column += ((uint8_t)t->source[i] & 0xC0) != 0x80;
  }
  (void)snprintf(out, 256, "%.200s:%d:%d", t->name, line, column);
}

void jinja_fail(const Jinja *t, size_t at, const char *function, const char *file, int line, const char *format, ...) {
  char place[256], words[1024];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(words, sizeof words, format, args);
  va_end(args);
  jinja_place(t, at, place);
  (void)err_set(ERR_FORMAT, function, file, line, "%s: %s", place, words);
}

static Err push(Lexer *x, TokenKind kind, size_t at, const char *text, size_t size, Token **out) {
  TRY(workspace_grow(&x->t->memory, &x->token, x->count, &x->capacity, 64, sizeof *x->token));
  x->token[x->count] = (Token){.kind = kind, .at = (uint32_t)at, .text = text, .size = (uint32_t)size};
  if (out) *out = &x->token[x->count];
  x->count++;
  return ERR_OK;
}

static bool starts(const Lexer *x, size_t at, const char *word) {
  size_t n = strlen(word);
  return x->size - at >= n && memcmp(x->s + at, word, n) == 0;
}

static size_t skip_spaces(const Lexer *x, size_t at) {
  while (at < x->size) {
    size_t next = at;
    if (!text_is_space(utf8_next(x->s, &next))) break;
    at = next;
  }
  return at;
}

// The end of text[begin, end) without the white space before it.
static size_t strip_back(const Lexer *x, size_t begin, size_t end) {
  while (end > begin) {
    size_t last = utf8_back(x->s, end), next = last;
    if (!text_is_space(utf8_next(x->s, &next))) break;
    end = last;
  }
  return end;
}

// lstrip_blocks: white space between the line's beginning and a tag goes, if there is nothing else.
static size_t strip_line(const Lexer *x, size_t begin, size_t end) {
  size_t line = end;
  while (line > begin && x->s[line - 1] != '\n') line--;
  if (line == begin && begin > 0 && x->s[begin - 1] != '\n') return end;
  return line < end && skip_spaces(x, line) >= end ? line : end;
}

// The end of a tag at x->at, which is at "-", "+" or the closing letters; 0 where it is not one. Moves past it and the white
// space that it takes along.
static bool tag_end(Lexer *x, const char *close, bool trim) {
  char minus[4] = {'-', close[0], close[1]}, plus[4] = {'+', close[0], close[1]};
  if (starts(x, x->at, minus)) {
    x->at = skip_spaces(x, x->at + 3);
    return true;
  }
  if (trim && starts(x, x->at, plus)) {
    x->at += 3;
    return true;
  }
  if (!starts(x, x->at, close)) return false;
  x->at += 2;
  if (trim && x->at < x->size && x->s[x->at] == '\n') x->at++;
  return true;
}

static Err lex_string(Lexer *x) {
  size_t begin = x->at++;
  char quote = x->s[begin];
  while (x->at < x->size && x->s[x->at] != quote) x->at += x->s[x->at] == '\\' ? 2 : 1;
  if (x->at >= x->size) JINJA_FAIL(x->t, begin, "a string without end");
  Token *token;
  TRY(push(x, TOKEN_STRING, begin, NULL, 0, &token));
  if (value_unescape(&x->t->memory, x->s + begin + 1, x->at - begin - 1, &token->value))
    JINJA_FAIL(x->t, begin, "%s", err_text());
  x->at++;
  return ERR_OK;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static Err lex_number(Lexer *x) {
  size_t begin = x->at, at = x->at;
  bool after_dot = x->count > 0 && x->token[x->count - 1].kind == TOKEN_OPERATOR && x->token[x->count - 1].text[0] == '.';
  while (at < x->size && (is_digit(x->s[at]) || x->s[at] == '_')) at++;
  if (!after_dot && at + 1 < x->size && x->s[at] == '.' && is_digit(x->s[at + 1]))
    for (at++; at < x->size && (is_digit(x->s[at]) || x->s[at] == '_');) at++;
  if (!after_dot && at + 1 < x->size && (x->s[at] | 0x20) == 'e') {
    size_t e = at + 1;
    if (e + 1 < x->size && (x->s[e] == '+' || x->s[e] == '-')) e++;
    if (is_digit(x->s[e]))
      for (at = e; at < x->size && is_digit(x->s[at]);) at++;
  }
  if (at < x->size && is_letter(x->s[at]))
    JINJA_FAIL(x->t, begin, "a letter within a number (only decimal numbers are supported)");
  Token *token;
  TRY(push(x, TOKEN_NUMBER, begin, NULL, 0, &token));
  if (value_number(&x->t->memory, x->s + begin, at - begin, &token->value)) JINJA_FAIL(x->t, begin, "%s", err_text());
  x->at = at;
  return ERR_OK;
}

static Err lex_operator(Lexer *x) {
  static const char *const operators[] = {"==", "!=", ">=", "<=", "//", "**", "+", "-", "*", "/", "%", "~", "(", ")",
                                          "[",  "]",  "{",  "}",  "<",  ">",  "=", ".", ",", ":", "|", ";", NULL};
  for (int i = 0; operators[i]; i++)
    if (starts(x, x->at, operators[i])) {
      size_t n = strlen(operators[i]);
      TRY(push(x, TOKEN_OPERATOR, x->at, operators[i], n, NULL));
      x->at += n;
      return ERR_OK;
    }
  size_t next = x->at;
  (void)utf8_next(x->s, &next);
  JINJA_FAIL(x->t, x->at, "unexpected '%.*s'", (int)(next - x->at), x->s + x->at);
}

// What stands between the marks of a tag, up to its end.
static Err lex_inside(Lexer *x, size_t begin, bool block) {
  char open[512];  // brackets that wait for their other half
  int depth = 0;
  for (;;) {
    x->at = skip_spaces(x, x->at);
    if (x->at >= x->size) JINJA_FAIL(x->t, begin, "a tag without end");
    size_t at = x->at;
    if (depth == 0 && tag_end(x, block ? "%}" : "}}", block))
      return push(x, block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, at, NULL, 0, NULL);
    char c = x->s[at];
    if (c == '"' || c == '\'') {
      TRY(lex_string(x));
    } else if (is_digit(c)) {
      TRY(lex_number(x));
    } else if (is_letter(c)) {
      while (x->at < x->size && (is_letter(x->s[x->at]) || is_digit(x->s[x->at]))) x->at++;
      TRY(push(x, TOKEN_NAME, at, x->s + at, x->at - at, NULL));
    } else {
      TRY(lex_operator(x));
      if (strchr("([{", c)) {
        if (depth == (int)sizeof open) JINJA_FAIL(x->t, at, "brackets nested deeper than %zu", sizeof open);
        open[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
      } else if (strchr(")]}", c)) {
        if (depth == 0 || open[depth - 1] != c) JINJA_FAIL(x->t, at, "unexpected '%c'", c);
        depth--;
      }
    }
  }
}

static Err lex_comment(Lexer *x, size_t begin) {
  for (; x->at < x->size; x->at++)
    if (tag_end(x, "#}", true)) return ERR_OK;
  JINJA_FAIL(x->t, begin, "a comment without end");
}

// {% raw %}: whether one begins at x->at (after "{%" and its sign); its text becomes a token.
static Err lex_raw(Lexer *x, size_t begin, bool *raw) {
  size_t at = skip_spaces(x, x->at), end = 0;
  *raw = starts(x, at, "raw") && !(at + 3 < x->size && (is_letter(x->s[at + 3]) || is_digit(x->s[at + 3])));
  if (!*raw) return ERR_OK;
  x->at = skip_spaces(x, at + 3);
  if (!tag_end(x, "%}", false)) JINJA_FAIL(x->t, begin, "{%% raw %%} takes nothing");
  for (size_t i = x->at; i + 1 < x->size; i++) {
    if (!starts(x, i, "{%")) continue;
    char mark = x->s[i + 2 < x->size ? i + 2 : i];
    size_t name = skip_spaces(x, i + 2 + (mark == '-' || mark == '+'));
    if (!starts(x, name, "endraw")) continue;
    end = mark == '-' ? strip_back(x, x->at, i) : mark == '+' ? i : strip_line(x, x->at, i);
    if (end > x->at) TRY(push(x, TOKEN_TEXT, x->at, x->s + x->at, end - x->at, NULL));
    x->at = skip_spaces(x, name + 6);
    if (tag_end(x, "%}", true)) return ERR_OK;
    break;
  }
  JINJA_FAIL(x->t, begin, "{%% raw %%} without {%% endraw %%}");
}

Err jinja_lex(Jinja *t, Token **tokens, int64_t *count) {
  Lexer x = {.t = t, .s = t->source, .size = t->size};
  while (x.at < x.size) {
    size_t begin = x.at, tag = begin;
    while (tag < x.size && !(x.s[tag] == '{' && tag + 1 < x.size && strchr("{%#", x.s[tag + 1]) && x.s[tag + 1])) tag++;
    bool found = tag < x.size;
    char kind = found ? x.s[tag + 1] : 0, mark = found && tag + 2 < x.size ? x.s[tag + 2] : 0;
    size_t end = !found                       ? x.size
                 : mark == '-'                ? strip_back(&x, begin, tag)
                 : mark == '+' || kind == '{' ? tag
                                              : strip_line(&x, begin, tag);
    if (end > begin) TRY(push(&x, TOKEN_TEXT, begin, x.s + begin, end - begin, NULL));
    if (!found) break;
    x.at = tag + 2 + (mark == '-' || mark == '+');
    bool raw = false;
    if (kind == '#') {
      TRY(lex_comment(&x, tag));
      continue;
    }
    if (kind == '%') TRY(lex_raw(&x, tag, &raw));
    if (raw) continue;
    TRY(push(&x, kind == '%' ? TOKEN_BLOCK : TOKEN_PRINT, tag, NULL, 0, NULL));
    TRY(lex_inside(&x, tag, kind == '%'));
  }
  TRY(push(&x, TOKEN_END, x.size, NULL, 0, NULL));
  *tokens = x.token;
  *count = x.count;
  return ERR_OK;
}
