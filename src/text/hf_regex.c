#include "text/hf_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_backend.h"
#include "text/unicode.h"

// Steps of one match above which a pattern is called catastrophic: a constant, and some for each byte of the text, since a run
// of spaces may be as long as it. The stack is for deep backtracking.
enum {
  MATCH_STEPS = 10000000,
  MATCH_STEPS_BYTE = 8,
  STACK_BYTES = 32 << 10,
  STACK_BYTES_MAX = 16 << 20,
  GROUPS_MAX = 200,
  PATTERN_BYTES_MAX = 1 << 16
};

struct HfRegex {
  pcre2_code *code;
  bool jit;
  char *where;
};

struct HfMatch {
  pcre2_match_data *data;
  pcre2_match_context *context;
  pcre2_jit_stack *stack;
  size_t limit_for;  // the size of text that the context's limit is set for
};

// ---- from Oniguruma's dialect to PCRE2's

#define SPACES "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACES                                                                                                   \
  "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
  "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORDS \
  "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define ALONE "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"  // are letters of a word to Oniguruma's \w, but not to its [\w]

typedef struct {
  const char *in;
  size_t size, at;
  Bytes out;
  size_t atom;               // where in `out` the last thing that can be repeated begins
  size_t group[GROUPS_MAX];  // where the open groups begin
  int groups;
  const char *where;
} Rewrite;

static Err put(Rewrite *w, const char *text) { return bytes_append(&w->out, text, strlen(text)); }

static Err put_input(Rewrite *w, size_t bytes) {
  if (bytes > w->size - w->at) bytes = w->size - w->at;
  TRY(bytes_append(&w->out, w->in + w->at, bytes));
  w->at += bytes;
  return ERR_OK;
}

// Whether \p{name} would be a script.
static bool names_script(const char *name, size_t size) {
  char probe[64];
  int code;
  PCRE2_SIZE at;
  int n = snprintf(probe, sizeof probe, "\\p{sc:%.*s}", (int)size, name);
  if (n < 0 || n >= (int)sizeof probe) return false;
  pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)probe, (size_t)n, PCRE2_UTF, &code, &at, NULL);
  pcre2_code_free(compiled);
  return compiled;
}

// \p{...} or \P{...}, at its backslash; size: all of it.
static Err put_property(Rewrite *w, size_t size) {
  size_t head = w->in[w->at + 3] == '^' ? 4 : 3;
  bool script = size > head + 1 && names_script(w->in + w->at + head, size - head - 1);
  TRY(put_input(w, head));
  if (script) TRY(put(w, "sc:"));
  return put_input(w, size - head);
}

// A backslash and what follows. True classes differ from PCRE2's; all else is the same in both.
static Err put_escape(Rewrite *w, bool in_class) {
  char c = w->at + 1 < w->size ? w->in[w->at + 1] : '\0';
  const char *open = in_class ? "" : "[", *close = in_class ? "" : "]", *set = NULL;
  if (c == 's') set = SPACES;
  if (c == 'S') set = NOT_SPACES;
  if (c == 'w') set = in_class ? WORDS : WORDS ALONE;
  if (c == 'h') set = "0-9a-fA-F";
  if (c == 'W' || c == 'H') {
    CHECK(!in_class, ERR_FORMAT, "%s: \\%c within [...] is not supported, position %zu in the pattern", w->where, c, w->at);
    open = "[^";
    set = c == 'W' ? WORDS ALONE : "0-9a-fA-F";
  }
  if (c == 'u' && w->size - w->at >= 6) {  // \u4e00
    TRY(put(w, "\\x{"));
    w->at += 2;
    TRY(put_input(w, 4));
    return put(w, "}");
  }
  if (!set) {  // \p{...}, \x{...}, \n, \., \\ ...
    size_t n = 2;
    if (c == 'p' || c == 'P' || c == 'x')
      if (w->at + 2 < w->size && w->in[w->at + 2] == '{')
        while (w->at + n < w->size && w->in[w->at + n - 1] != '}') n++;
    return n > 4 && c != 'x' && w->in[w->at + n - 1] == '}' ? put_property(w, n) : put_input(w, n);
  }
  w->at += 2;
  TRY(put(w, open));
  TRY(put(w, set));
  return put(w, close);
}

static Err put_class(Rewrite *w) {
  size_t start = w->at;
  TRY(put_input(w, w->at + 1 < w->size && w->in[w->at + 1] == '^' ? 2 : 1));
  for (bool first = true; w->at < w->size; first = false) {
    char c = w->in[w->at];
    if (c == ']' && !first) return put_input(w, 1);
    if (c == '[') {
      CHECK(w->at + 1 < w->size && w->in[w->at + 1] == ':', ERR_FORMAT,
            "%s: a class within a class is not supported (write \\[ for the letter), position %zu in the pattern", w->where,
            w->at);
      const char *end = memmem(w->in + w->at, w->size - w->at, ":]", 2);
      CHECK(end, ERR_FORMAT, "%s: [: without :], position %zu in the pattern", w->where, w->at);
      TRY(put_input(w, (size_t)(end + 2 - (w->in + w->at))));
    } else if (c == '&' && w->at + 1 < w->size && w->in[w->at + 1] == '&') {
      FAIL(ERR_FORMAT, "%s: an intersection of classes (&&) is not supported, position %zu in the pattern", w->where, w->at);
    } else if (c == '\\') {
      TRY(put_escape(w, true));
    } else {
      TRY(put_input(w, utf8_size(c)));
    }
  }
  FAIL(ERR_FORMAT, "%s: [ without ], position %zu in the pattern", w->where, start);
}

// "(", or "(?flags:" and "(?flags)" with Ruby's m as PCRE2's s.
static Err put_group(Rewrite *w) {
  CHECK(w->groups < GROUPS_MAX, ERR_FORMAT, "%s: more than %d groups within each other, position %zu in the pattern", w->where,
        GROUPS_MAX, w->at);
  w->group[w->groups++] = w->out.size;
  TRY(put_input(w, 1));
  if (w->at >= w->size || w->in[w->at] != '?') return ERR_OK;
  TRY(put_input(w, 1));
  while (w->at < w->size && strchr("imx-", w->in[w->at]) && w->in[w->at]) {
    if (w->in[w->at] != 'm') {
      TRY(put_input(w, 1));
      continue;
    }
    TRY(put(w, "s"));
    w->at++;
  }
  return ERR_OK;
}

// {n,m}+ repeats the repeat in Ruby, and forbids giving back in PCRE2.
static Err put_braces(Rewrite *w) {
  const char *end = memchr(w->in + w->at, '}', w->size - w->at);
  if (!end) return put_input(w, 1);
  size_t n = (size_t)(end + 1 - (w->in + w->at));
  bool again = w->at + n < w->size && w->in[w->at + n] == '+';
  TRY(put_input(w, n));
  if (!again) return ERR_OK;
  TRY(put(w, "   "));
  memmove(w->out.data + w->atom + 3, w->out.data + w->atom, w->out.size - 3 - w->atom);
  memcpy(w->out.data + w->atom, "(?:", 3);
  w->at++;
  return put(w, ")+");
}

static Err rewrite(Rewrite *w) {
  while (w->at < w->size) {
    char c = w->in[w->at];
    size_t start = w->out.size;
    if (c == '{') {
      TRY(put_braces(w));
      continue;
    }
    if (c == '*' || c == '+' || c == '?' || c == '|') {
      TRY(put_input(w, 1));
      continue;
    }
    w->atom = start;
    if (c == '\\') {
      TRY(put_escape(w, false));
    } else if (c == '[') {
      TRY(put_class(w));
    } else if (c == '(') {
      TRY(put_group(w));
    } else if (c == ')') {
      if (w->groups > 0) w->atom = w->group[--w->groups];
      TRY(put_input(w, 1));
    } else {
      TRY(put_input(w, utf8_size(c)));
    }
  }
  return ERR_OK;
}

// ---- compiling and matching

static Err compile(HfRegex *r, const char *pattern, size_t size, bool literal, const char *shown) {
  int code;
  PCRE2_SIZE at;
  uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
  r->code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &code, &at, NULL);
  if (!r->code) {
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(code, text, sizeof text);
    FAIL(ERR_FORMAT, "%s: bad regular expression: %s, position %zu in the pattern \"%.300s\"", r->where, (const char *)text,
         (size_t)at, shown);
  }
  r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
  return ERR_OK;
}

Err hf_regex_open(HfRegex **out, const char *pattern, size_t size, bool literal, const char *where) {
  *out = NULL;
  CHECK(size <= PATTERN_BYTES_MAX, ERR_FORMAT, "%s: a regular expression of %zu bytes; at most %d", where, size,
        PATTERN_BYTES_MAX);
  HfRegex *r = calloc(1, sizeof *r);
  Rewrite w = {.in = pattern, .size = size, .where = where};
  Err err = ERR_OK;
  CHECK_OUT(r && (r->where = strdup(where)), ERR_MEMORY, "%s: no memory for a regular expression", where);
  if (!literal) TRY_OUT(rewrite(&w));
  TRY_OUT(bytes_append(&w.out, "", 1));
  if (literal) TRY_OUT(compile(r, pattern, size, true, ""));
  else TRY_OUT(compile(r, w.out.data, w.out.size - 1, false, w.out.data));
  *out = r;
out:
  bytes_free(&w.out);
  if (err) hf_regex_close(r);
  return err;
}

void hf_regex_close(HfRegex *r) {
  if (!r) return;
  pcre2_code_free(r->code);
  free(r->where);
  free(r);
}

Err hf_match_open(HfMatch **out) {
  HfMatch *m = calloc(1, sizeof *m);
  if (m) {
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(STACK_BYTES, STACK_BYTES_MAX, NULL);
  }
  if (!m || !m->data || !m->context || !m->stack) {
    hf_match_close(m);
    FAIL(ERR_MEMORY, "no memory for matching regular expressions");
  }
  pcre2_set_match_limit(m->context, MATCH_STEPS);
  pcre2_jit_stack_assign(m->context, NULL, m->stack);
  *out = m;
  return ERR_OK;
}

void hf_match_close(HfMatch *m) {
  if (!m) return;
  pcre2_match_data_free(m->data);
  pcre2_match_context_free(m->context);
  pcre2_jit_stack_free(m->stack);
  free(m);
}

Err hf_regex_next(const HfRegex *r, HfMatch *m, const char *text, size_t size, HfScan *s, bool *found, size_t *begin,
                  size_t *end) {
  *found = false;
  if (size > m->limit_for) {
    uint64_t steps = MATCH_STEPS + MATCH_STEPS_BYTE * (uint64_t)size;
    pcre2_set_match_limit(m->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    m->limit_for = size;
  }
  while (s->from <= size) {
    int n = r->jit ? pcre2_jit_match(r->code, (PCRE2_SPTR)text, size, s->from, 0, m->data, m->context)
                   : pcre2_match(r->code, (PCRE2_SPTR)text, size, s->from, PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (n == PCRE2_ERROR_NOMATCH) return ERR_OK;
    if (n < 0) {
      PCRE2_UCHAR why[128];
      pcre2_get_error_message(n, why, sizeof why);
      FAIL(ERR_STATE, "%s: the regular expression fails at byte %zu of a text of %zu bytes: %s", r->where, s->from, size,
           (const char *)why);
    }
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
    *begin = at[0];
    *end = at[1] < at[0] ? at[0] : at[1];  // \K in a lookahead
    if (*begin == *end && s->any && *end == s->last_end) {
      s->from += s->from < size ? utf8_size(text[s->from]) : 1;
      continue;
    }
    s->from = s->last_end = *end;
    s->any = true;
    *found = true;
    return ERR_OK;
  }
  return ERR_OK;
}
