// Pre-tokenizers: each step cuts what the step before it made and hands each part on, so that nothing is kept but the part in
// hand.
#include <stdlib.h>

#include "text/byte_level.h"
#include "text/hf.h"
#include "text/unicode.h"

// ---- reading

static Err read_sequence(Hf *hf, const json_t *node, const char *where) {
  const json_t *list = json_object_get(node, "pretokenizers");
  CHECK(json_is_array(list), ERR_FORMAT, "%s.pretokenizers: an array is wanted", where);
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)list, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s.pretokenizers[%zu]", where, i);
    CHECK(!json_is_null(item), ERR_FORMAT, "%s: null; a pre-tokenizer is wanted", place);
    TRY(hf_read_pretokenizer(hf, item, place));
  }
  return ERR_OK;
}

static Err read_behavior(const json_t *node, const char *where, const char *fallback, HfBehavior *out) {
  static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  const char *name;
  TRY(json_text_or(node, "behavior", where, fallback, &name));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) != 0) continue;
    *out = (HfBehavior)i;
    return ERR_OK;
  }
  FAIL(ERR_FORMAT, "%s.behavior: \"%s\" is none of Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous", where,
       name);
}

static Err read_metaspace(HfPretoken *p, const json_t *node, const char *where) {
  const char *replacement, *scheme;
  bool add_space;
  p->kind = HF_METASPACE;
  TRY(json_text(node, "replacement", where, &replacement));
  TRY(json_text_or(node, "prepend_scheme", where, "always", &scheme));
  TRY(json_bool_or(node, "add_prefix_space", where, true, &add_space));
  TRY(json_bool_or(node, "split", where, true, &p->split));
  CHECK(*replacement && utf8_size(*replacement) == strlen(replacement), ERR_FORMAT,
        "%s.replacement: \"%s\"; one character is wanted", where, replacement);
  p->size = strlen(replacement);
  memcpy(p->text, replacement, p->size + 1);
  bool always = strcmp(scheme, "always") == 0, first = strcmp(scheme, "first") == 0, never = strcmp(scheme, "never") == 0;
  CHECK(always || first || never, ERR_FORMAT, "%s.prepend_scheme: \"%s\" is none of always, first, never", where, scheme);
  CHECK(add_space || never, ERR_FORMAT, "%s: add_prefix_space is false but prepend_scheme is \"%s\"", where, scheme);
  p->prepend = always ? HF_ALWAYS : first ? HF_FIRST : HF_NEVER;
  return hf_regex_open(&p->regex, replacement, p->size, true, where);
}

// The types that are a pattern with a behaviour.
typedef struct {
  const char *type, *pattern;
  HfBehavior behavior;
  bool invert;
} PlainSplit;

static const PlainSplit plain_splits[] = {
    {"Whitespace", "[\\w\\x{200c}\\x{200d}]+|[^\\w\\s\\x{200c}\\x{200d}]+", HF_REMOVED, true},
    {"WhitespaceSplit", "\\s", HF_REMOVED, false},
    {"Punctuation", "[!-\\/:-@\\[-`{-~\\p{P}]", HF_ISOLATED, false},
    {"Digits", "\\p{N}", HF_CONTIGUOUS, false},
};

static Err read_plain(HfPretoken *p, const json_t *node, const char *where, const PlainSplit *s) {
  p->kind = HF_SPLIT;
  p->behavior = s->behavior;
  p->invert = s->invert;
  if (strcmp(s->type, "Punctuation") == 0) TRY(read_behavior(node, where, "Isolated", &p->behavior));
  if (strcmp(s->type, "Digits") == 0) {
    bool each;
    TRY(json_bool_or(node, "individual_digits", where, false, &each));
    if (each) p->behavior = HF_ISOLATED;
  }
  return hf_regex_open(&p->regex, s->pattern, strlen(s->pattern), false, where);
}

Err hf_read_pretokenizer(Hf *hf, const json_t *node, const char *where) {
  if (!node || json_is_null(node)) return ERR_OK;
  const char *type;
  TRY(hf_type(node, where, &type));
  if (strcmp(type, "Sequence") == 0) return read_sequence(hf, node, where);
  CHECK(hf->n_pretokens < HF_STEPS_MAX, ERR_FORMAT, "%s: more than %d pre-tokenizers", where, HF_STEPS_MAX);
  HfPretoken *p = &hf->pretoken[hf->n_pretokens++];
  for (size_t i = 0; i < sizeof plain_splits / sizeof plain_splits[0]; i++)
    if (strcmp(type, plain_splits[i].type) == 0) return read_plain(p, node, where, &plain_splits[i]);
  if (strcmp(type, "Split") == 0) {
    p->kind = HF_SPLIT;
    TRY(read_behavior(node, where, "Isolated", &p->behavior));
    TRY(json_bool_or(node, "invert", where, false, &p->invert));
    return hf_read_pattern(node, "pattern", where, &p->regex);
  }
  if (strcmp(type, "ByteLevel") == 0) {
    p->kind = HF_BYTE_LEVEL;
    TRY(json_bool_or(node, "add_prefix_space", where, true, &p->add_space));
    return json_bool_or(node, "use_regex", where, true, &p->use_pattern);
  }
  if (strcmp(type, "Metaspace") == 0) return read_metaspace(p, node, where);
  FAIL(ERR_FORMAT,
       "%s.type: \"%s\" is not supported (ByteLevel, Split, Metaspace, Digits, Whitespace, WhitespaceSplit, Punctuation, "
       "Sequence are)",
       where, type);
}

// ---- cutting

typedef struct {
  const Hf *hf;
  HfWork *w;
  Ids *out;
} Run;

static Err run_step(const Run *r, int step, const char *text, size_t size, bool first);

// Parts of a text on their way to the next step: held back while they may still be joined with the next.
typedef struct {
  const Run *run;
  int step;
  const char *text;
  bool first;  // of the whole text
  HfBehavior behavior;
  bool held, last_match;
  size_t begin, end;  // of what is held
} Parts;

static Err parts_emit(const Parts *p, size_t begin, size_t end) {
  if (begin == end) return ERR_OK;
  return run_step(p->run, p->step + 1, p->text + begin, end - begin, p->first && begin == 0);
}

static Err parts_end(Parts *p) {
  if (!p->held) return ERR_OK;
  p->held = false;
  return parts_emit(p, p->begin, p->end);
}

static Err parts_add(Parts *p, size_t begin, size_t end, bool match) {
  bool was = p->last_match, join = false;
  p->last_match = match;
  switch (p->behavior) {
    case HF_ISOLATED: return parts_emit(p, begin, end);
    case HF_REMOVED: return match ? ERR_OK : parts_emit(p, begin, end);
    case HF_CONTIGUOUS: join = match == was; break;
    case HF_MERGED_WITH_PREVIOUS: join = match && !was; break;
    case HF_MERGED_WITH_NEXT: join = !match && was; break;
  }
  if (join && p->held) {
    p->end = end;
    return ERR_OK;
  }
  TRY(parts_end(p));
  p->held = true;
  p->begin = begin;
  p->end = end;
  return ERR_OK;
}

static Err cut(const Run *r, int step, const HfRegex *regex, HfBehavior behavior, bool invert, const char *text, size_t size,
               bool first) {
  Parts p = {.run = r, .step = step, .text = text, .first = first, .behavior = behavior};
  HfScan scan = {0};
  size_t done = 0, begin, end;
  for (bool found = true; found;) {
    TRY(hf_regex_next(regex, r->w->match, text, size, &scan, &found, &begin, &end));
    if (!found) break;
    if (done != begin) TRY(parts_add(&p, done, begin, invert));
    TRY(parts_add(&p, begin, end, !invert));
    done = end;
  }
  if (done != size) TRY(parts_add(&p, done, size, invert));
  return parts_end(&p);
}

static Err metaspace(const Run *r, int step, const char *text, size_t size, bool first) {
  const HfPretoken *p = &r->hf->pretoken[step];
  Bytes *to = &r->w->step[step];
  to->size = 0;
  TRY(bytes_reserve(to, size + p->size));
  bool has = (size >= p->size && memcmp(text, p->text, p->size) == 0) || (size > 0 && text[0] == ' ');
  if (!has && (p->prepend == HF_ALWAYS || (p->prepend == HF_FIRST && first))) TRY(bytes_append(to, p->text, p->size));
  for (size_t at = 0; at < size;) {
    const char *space = memchr(text + at, ' ', size - at);
    size_t end = space ? (size_t)(space - text) : size;
    TRY(bytes_append(to, text + at, end - at));
    if (space) TRY(bytes_append(to, p->text, p->size));
    at = end + (space != NULL);
  }
  if (!p->split) return run_step(r, step + 1, to->data, to->size, first);
  return cut(r, step, p->regex, HF_MERGED_WITH_NEXT, false, to->data, to->size, first);
}

// Bytes become characters only where another step wants to see them; the model takes them as they are.
static Err byte_level_part(const Run *r, int step, const char *text, size_t size, bool first) {
  if (step + 1 == r->hf->n_pretokens) return hf_model_word(&r->hf->model, r->w, text, size, r->out);
  Bytes shown = {0};
  Err err = bytes_reserve(&shown, size * 2);
  for (size_t i = 0; !err && i < size; i++)
    shown.size += utf8_write(shown.data + shown.size, byte_level_char((uint8_t)text[i]));
  if (!err) err = run_step(r, step + 1, shown.data, shown.size, first);
  bytes_free(&shown);
  return err;
}

static Err byte_level(const Run *r, int step, const char *text, size_t size, bool first) {
  const HfPretoken *p = &r->hf->pretoken[step];
  if (p->add_space && size > 0 && text[0] != ' ') {
    Bytes *to = &r->w->step[step];
    to->size = 0;
    TRY(bytes_append(to, " ", 1));
    TRY(bytes_append(to, text, size));
    text = to->data;
    size = to->size;
  }
  if (!p->use_pattern) return byte_level_part(r, step, text, size, first);
  for (size_t at = 0; at < size;) {
    size_t end = byte_level_word(text, size, at);
    TRY(byte_level_part(r, step, text + at, end - at, first && at == 0));
    at = end;
  }
  return ERR_OK;
}

static Err run_step(const Run *r, int step, const char *text, size_t size, bool first) {
  if (step == r->hf->n_pretokens) return hf_model_word(&r->hf->model, r->w, text, size, r->out);
  const HfPretoken *p = &r->hf->pretoken[step];
  switch (p->kind) {
    case HF_SPLIT: return cut(r, step, p->regex, p->behavior, p->invert, text, size, first);
    case HF_METASPACE: return metaspace(r, step, text, size, first);
    case HF_BYTE_LEVEL: break;
  }
  return byte_level(r, step, text, size, first);
}

Err hf_pretokenize(const Hf *hf, HfWork *w, const char *text, size_t size, bool first, Ids *out) {
  if (size == 0) return ERR_OK;
  Run r = {hf, w, out};
  return run_step(&r, 0, text, size, first);
}
