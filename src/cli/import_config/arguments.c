// An argument list as keys with values: on the command line, an argument a line, or the arguments of a shell script, where they
// stand in commands, in lists (ARGS=( ... )) and in texts (ARGS="... "). Variables that the script sets are put in.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_config/import_config.h"

enum { WORD_BYTES = IMPORT_VALUE_BYTES, WORDS_MAX = 8192, VARIABLES_MAX = 256 };

typedef struct {
  char text[WORD_BYTES];
  int line;
} Word;

typedef struct {
  char name[64], value[256];
} Variable;

typedef struct {
  const char *name, *at, *end;  // of the text
  int line;
  char open;      // the quote around a text of arguments, or 0
  int open_line;  // where it stands
  Word *word;
  int64_t words;
  Variable variable[VARIABLES_MAX];
  int variables;
} Shell;

static bool more(const Shell *s) { return s->at < s->end; }

static char step(Shell *s) {
  s->line += *s->at == '\n';
  return *s->at++;
}

static bool is_break(const Shell *s) {
  char c = *s->at;
  return isspace((unsigned char)c) || (c == '\\' && s->at + 1 < s->end && (s->at[1] == '\n' || s->at[1] == '\r')) ||
         (s->open && c == s->open) || c == ';' || c == '&' || c == '|';
}

static void skip_breaks(Shell *s) {
  while (more(s)) {
    if (s->open && *s->at == s->open) s->open = 0;
    else if (*s->at == '#')
      while (more(s) && *s->at != '\n') step(s);
    else if (!is_break(s) && *s->at != '(' && *s->at != ')') return;
    if (more(s)) step(s);
  }
}

static Err push(Shell *s, Word *w, size_t *n, char c) {
  CHECK(*n + 1 < sizeof w->text, ERR_FORMAT, "%s:%d: a word of more than %zu bytes", s->name, w->line, sizeof w->text - 1);
  CHECK(c, ERR_FORMAT, "%s:%d: a NUL byte", s->name, s->line);
  w->text[(*n)++] = c;
  w->text[*n] = '\0';
  return ERR_OK;
}

static bool is_assignment(const char *text) {
  size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
  return n > 0 && !isdigit((unsigned char)*text) && (text[n] == '=' || strncmp(text + n, "+=", 2) == 0);
}

static bool ends_assignment(const Word *w, size_t n) { return n > 0 && w->text[n - 1] == '=' && is_assignment(w->text); }

// Whether the text up to the closing quote holds arguments.
static bool holds_arguments(const Shell *s, char quote) {
  const char *end = s->at;
  while (end < s->end && *end != quote) end++;
  for (const char *p = s->at; p + 2 < end; p++)
    if (p[0] == '-' && p[1] == '-' && (p == s->at || isspace((unsigned char)p[-1]))) return true;
  return false;
}

// A quoted part of a word. *list: it is a text of arguments, to be read as such.
static Err take_quoted(Shell *s, Word *w, size_t *n, bool *list) {
  int line = s->line;
  char quote = step(s);
  if (ends_assignment(w, *n) && holds_arguments(s, quote)) {
    s->open = quote;
    s->open_line = line;
    *list = true;
    return ERR_OK;
  }
  while (more(s) && *s->at != quote) {
    if (*s->at == '\\' && quote == '"' && s->at + 1 < s->end) step(s);
    TRY(push(s, w, n, step(s)));
  }
  CHECK(more(s), ERR_FORMAT, "%s:%d: a quote that does not end", s->name, line);
  step(s);
  return ERR_OK;
}

// The next word; *got false at the end. What stands for no argument (a list's name, its parentheses) is left out.
static Err next_word(Shell *s, Word *w, bool *got) {
  for (;;) {
    size_t n = 0;
    bool list = false;
    skip_breaks(s);
    *got = more(s);
    if (!*got) break;
    w->line = s->line;
    w->text[0] = '\0';
    while (more(s) && !is_break(s) && !list) {
      if (*s->at == '\'' || *s->at == '"') {
        TRY(take_quoted(s, w, &n, &list));
      } else if (*s->at == '(' && ends_assignment(w, n)) {
        step(s);
        list = true;
      } else if (*s->at == ')' && !memchr(w->text, '(', n)) {
        break;
      } else {
        if (*s->at == '\\' && s->at + 1 < s->end) step(s);
        TRY(push(s, w, &n, step(s)));
      }
    }
    if (!list) return ERR_OK;
  }
  CHECK(!s->open, ERR_FORMAT, "%s:%d: a quote that does not end", s->name, s->open_line);
  return ERR_OK;
}

// ---- variables
static const char *find_variable(const Shell *s, const char *name, size_t size) {
  for (int i = s->variables - 1; i >= 0; i--)
    if (strlen(s->variable[i].name) == size && strncmp(s->variable[i].name, name, size) == 0) return s->variable[i].value;
  return NULL;
}

// $NAME and ${NAME}, ${NAME:-else}, with what the script set. ERR_ARG says what it did not set.
static Err expand(const Shell *s, const char *text, char *out, size_t room) {
  size_t n = 0;
  for (const char *p = text; *p;) {
    const char *value = NULL, *rest = p + 1;
    char part[256];
    if (*p == '$') {
      bool brace = *rest == '{';
      rest += brace;
      size_t size = strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
      CHECK(size > 0 && size < 64, ERR_ARG, "\"%.60s\" is computed by the shell; write the number", p);
      value = find_variable(s, rest, size);
      const char *end = brace ? strchr(rest, '}') : rest + size;
      CHECK(end, ERR_ARG, "\"%.60s\" is not closed", p);
      if (!value && brace && strncmp(rest + size, ":-", 2) == 0) {
        snprintf(part, sizeof part, "%.*s", (int)(end - rest - (ptrdiff_t)size - 2), rest + size + 2);
        value = part;
      }
      CHECK(value, ERR_ARG, "$%.*s is not set in the file; write the value", (int)size, rest);
      rest = end + brace;
    }
    size_t more_bytes = value ? strlen(value) : 1;
    CHECK(n + more_bytes < room, ERR_ARG, "a value of more than %zu bytes", room - 1);
    memcpy(out + n, value ? value : p, more_bytes);
    n += more_bytes;
    p = rest;
  }
  out[n] = '\0';
  return ERR_OK;
}

static void note_variable(Shell *s, const Word *w) {
  size_t n = strcspn(w->text, "=");
  if (s->variables == VARIABLES_MAX || n >= sizeof s->variable[0].name) return;
  Variable v = {0};
  snprintf(v.name, sizeof v.name, "%.*s", (int)n, w->text);
  if (expand(s, w->text + n + 1, v.value, sizeof v.value) == ERR_OK) s->variable[s->variables++] = v;
}

// ---- arguments
// How many values the table gives an argument: 0, 1, or -1 for any number; -2: not in the table.
static int values_of(const ImportTable *t, const char *key) {
  size_t n = strlen(key);
  for (const ImportRule *r = t->rules; r->key; r++) {
    if (strncmp(r->key, key, n) != 0 || (r->key[n] && r->key[n] != ' ')) continue;
    return !r->key[n] ? 0 : strstr(r->key, "...") ? -1 : 1;
  }
  return -2;
}

static bool is_option(const char *text) { return strncmp(text, "--", 2) == 0 && isalpha((unsigned char)text[2]); }

static Err take_argument(Import *m, const Shell *s, int64_t *at) {
  const Word *w = &s->word[*at];
  ImportKey k = {.line = w->line};
  char joined[WORD_BYTES];
  size_t key_bytes = strcspn(w->text, "="), used = 0;
  snprintf(k.key, sizeof k.key, "%.*s", (int)(key_bytes < 200 ? key_bytes : 200), w->text);
  int wanted = values_of(m->table, k.key);
  bool equals = w->text[key_bytes] == '=';
  if (equals) used = (size_t)snprintf(joined, sizeof joined, "%s", w->text + key_bytes + 1);
  for (int taken = equals; *at + 1 < s->words && !is_option(s->word[*at + 1].text) && wanted != 0; taken++) {
    if ((wanted == 1 && taken == 1) || (wanted == -1 && strstr(s->word[*at + 1].text, "[@]"))) break;
    if (wanted == -2 && taken == 1) break;
    const char *value = s->word[++*at].text;
    CHECK(used + strlen(value) + 2 < sizeof joined, ERR_FORMAT, "%s:%d: %s has values of more than %zu bytes", s->name, w->line,
          k.key, sizeof joined);
    used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%s", used ? " " : "", value);
  }
  if (used == 0 && wanted <= 0) snprintf(joined, sizeof joined, "true"), used = 4;
  if (used == 0) return import_enter(m, IMPORT_REFUSED, &k, NULL, "it has no value");
  if (expand(s, joined, k.value, sizeof k.value) == ERR_OK) return import_key(m, &k);
  snprintf(k.value, sizeof k.value, "%s", joined);
  return import_enter(m, IMPORT_REFUSED, &k, NULL, "%s", err_text());
}

static Err read_words(Shell *s) {
  bool got = true;
  while (got) {
    CHECK(s->words < WORDS_MAX, ERR_FORMAT, "%s: more than %d words", s->name, WORDS_MAX);
    Word *w = &s->word[s->words];
    TRY(next_word(s, w, &got));
    if (!got || !*w->text) continue;
    if (is_assignment(w->text)) note_variable(s, w);
    else s->words++;
  }
  return ERR_OK;
}

static Err read_arguments(Import *m, Shell *s) {
  char others[400] = "";
  size_t used = 0;
  TRY(read_words(s));
  for (int64_t i = 0; i < s->words; i++) {
    const char *text = s->word[i].text;
    if (is_option(text)) TRY(take_argument(m, s, &i));
    else if (used < sizeof others) used += (size_t)snprintf(others + used, sizeof others - used, " %s", text);
  }
  CHECK(m->count > 0, ERR_FORMAT, "%s: no arguments (--name value) in it", s->name);
  if (used) import_note(m, "words that are no arguments:%s%s", others, used >= sizeof others ? " ..." : "");
  return m->table->finish(m);
}

Err import_arguments(Import *m, const char *text, size_t size, const char *name) {
  Shell *s = calloc(1, sizeof *s);
  Word *words = s ? calloc(WORDS_MAX, sizeof *words) : NULL;
  Err err = ERR_OK;
  CHECK_OUT(words, ERR_MEMORY, "no memory for the words of %s", name);
  *s = (Shell){.name = name, .at = text, .end = text + size, .line = 1, .word = words};
  TRY_OUT(read_arguments(m, s));
out:
  free(words);
  free(s);
  return err;
}
