// The engine: finds the rule of a key, applies it, keeps the book.
#include "cli/import_config/import_config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SUGGESTIONS_MAX = 32 };

const char *const import_fate_names[IMPORT_FATES + 1] = {"mapped", "no_meaning", "refused", NULL};

static const char *const mode_names[] = {"train", "finetune", "predict", NULL}, *const aux_names[] = {"none", "sequence", NULL},
                         *const rope_names[] = {"plain", "yarn", NULL};

#define UNSAID(member) FIELD_INT(ImportFacts, facts.member, IMPORT_UNSAID, IMPORT_UNSAID, INT64_MAX / 4, #member)
#define COUNT(member, default_) FIELD_INT(ImportFacts, facts.member, default_, 1, 1 << 30, #member)
#define TEXT(member) FIELD_TEXT(ImportFacts, facts.member, "", #member)
#define REAL(member, default_) FIELD_REAL(ImportFacts, facts.member, default_, 0, 1e9, #member)
#define BOOL(member) FIELD_BOOL(ImportFacts, facts.member, false, #member)
#define ENUM(member, names) FIELD_ENUM(ImportFacts, facts.member, 0, names, #member)
const Field import_fact_fields[] = {ENUM(mode, mode_names),
                                    COUNT(batch, 1),
                                    COUNT(dp, 1),
                                    COUNT(pp, 1),
                                    COUNT(micro, 1),
                                    COUNT(interleave, 1),
                                    COUNT(accumulate, 1),
                                    UNSAID(global_batch),
                                    COUNT(epochs, 1),
                                    UNSAID(samples),
                                    UNSAID(total_steps),
                                    UNSAID(warmup_steps),
                                    UNSAID(decay_steps),
                                    REAL(warmup_ratio, 0),
                                    TEXT(load),
                                    TEXT(valid),
                                    TEXT(names),
                                    BOOL(eval),
                                    BOOL(clip),
                                    REAL(max_norm, 1),
                                    COUNT(eval_every, 100),
                                    UNSAID(length),
                                    UNSAID(positions),
                                    UNSAID(data_length),
                                    UNSAID(kv_heads),
                                    UNSAID(eod),
                                    UNSAID(qk_norm),
                                    UNSAID(vocab),
                                    COUNT(divide, 128),
                                    COUNT(tp, 1),
                                    UNSAID(decay_samples),
                                    UNSAID(warmup_samples),
                                    UNSAID(eval_iters),
                                    UNSAID(layers_said),
                                    UNSAID(pre_softmax),
                                    UNSAID(norm_topk),
                                    REAL(decay_from, 0),
                                    REAL(decay_to, 0),
                                    FIELD_INT(ImportFacts, facts.dtype, 0, 0, 1, "dtype"),
                                    UNSAID(embedding),
                                    UNSAID(out_bias),
                                    UNSAID(experts),
                                    UNSAID(expert_ffn),
                                    UNSAID(shared_ffn),
                                    UNSAID(shared),
                                    UNSAID(groups),
                                    UNSAID(top_groups),
                                    UNSAID(expert_bias),
                                    REAL(bias_rate, 0),
                                    REAL(aux, 0),
                                    ENUM(aux_kind, aux_names),
                                    ENUM(rope, rope_names),
                                    BOOL(sample),
                                    BOOL(mla),
                                    {0}};

Err import_init(Import *m, const ImportTable *table, const char *path) {
  *m = (Import){.path = path, .table = table};
  m->run = calloc(1, sizeof *m->run);
  m->entry = calloc(IMPORT_KEYS_MAX, sizeof *m->entry);
  CHECK(m->run && m->entry, ERR_MEMORY, "no memory to import %s", path);
  m->options = run_options(m->run);
  generate_bind(&m->options, &m->generate);
  options_bind(&m->options, import_fact_fields, &m->facts);
  options_defaults(&m->options);
  for (int i = 0; i < IMPORT_GROUPS_MAX; i++)
    m->group[i] = m->deviation[i] = (ImportGroup){.value = -1, .low = -1, .warmup_ratio = -1, .warmup = -1, .steps = -1};
  return table->begin(m);
}

void import_free(Import *m) {
  free(m->run);
  free(m->entry);
  m->run = NULL;
  m->entry = NULL;
}

Err import_enter(Import *m, ImportFate fate, const ImportKey *k, const char *target, const char *format, ...) {
  CHECK(m->count < IMPORT_KEYS_MAX, ERR_FORMAT, "%s: more than %d keys", m->path, IMPORT_KEYS_MAX);
  ImportEntry *e = &m->entry[m->count++];
  e->fate = fate;
  e->key = *k;
  snprintf(e->target, sizeof e->target, "%s", target ? target : "");
  va_list args;
  va_start(args, format);
  vsnprintf(e->why, sizeof e->why, format, args);
  va_end(args);
  m->of[fate]++;
  return ERR_OK;
}

void import_note(Import *m, const char *format, ...) {
  if (m->notes == IMPORT_NOTES_MAX) return;
  va_list args;
  va_start(args, format);
  vsnprintf(m->note[m->notes++], sizeof m->note[0], format, args);
  va_end(args);
}

bool import_said(const Import *m, const char *key) {
  for (int64_t i = 0; i < m->count; i++)
    if (m->entry[i].fate == IMPORT_MAPPED && strcmp(m->entry[i].key.key, key) == 0) return true;
  return false;
}

// ---- rules
// A pattern may have the values of an argument after a space.
static size_t part_bytes(const char *key) { return strcspn(key, ". "); }

static bool matches(const char *pattern, const char *key) {
  for (;;) {
    size_t n = part_bytes(pattern), m = part_bytes(key);
    if (strcmp(pattern, "**") == 0) return true;
    if (!(n == 1 && *pattern == '*') && (n != m || strncmp(pattern, key, n) != 0)) return false;
    pattern += n;
    key += m;
    if (!*pattern || *pattern == ' ' || !*key) return !*key && (!*pattern || *pattern == ' ');
    pattern++;
    key++;
  }
}

static const ImportRule *find_rule(const ImportTable *t, const char *key) {
  for (const ImportRule *r = t->rules; r->key; r++)
    if (matches(r->key, key)) return r;
  return NULL;
}

static Err refuse_unknown(Import *m, const ImportKey *k) {
  enum { KEYS_MAX = 1024, BYTES = 96 };
  static char text[KEYS_MAX][BYTES];
  const char *name[KEYS_MAX + 1], *near = NULL;
  size_t n = 0;
  for (const ImportRule *r = m->table->rules; r->key && n < KEYS_MAX; r++, n++) {
    snprintf(text[n], BYTES, "%.*s", (int)strcspn(r->key, " "), r->key);
    name[n] = text[n];
  }
  name[n] = NULL;
  if (m->suggested++ < SUGGESTIONS_MAX) near = name_nearest(k->key, name);
  if (near) return import_enter(m, IMPORT_REFUSED, k, NULL, "unknown; did you mean %s?", near);
  return import_enter(m, IMPORT_REFUSED, k, NULL, "unknown, and nothing like it is known");
}

// Whether two values mean the same: as numbers, or letter by letter.
static bool same_value(const char *a, size_t a_bytes, const char *b) {
  if (strlen(b) == a_bytes && strncmp(a, b, a_bytes) == 0) return true;
  if (a_bytes == 2 && memcmp(a, "''", 2) == 0) return *b == '\0';
  char text[64], *a_end, *b_end;
  if (a_bytes == 0 || a_bytes >= sizeof text || !*b) return false;
  snprintf(text, sizeof text, "%.*s", (int)a_bytes, a);
  double x = strtod(text, &a_end), y = strtod(b, &b_end);
  return !*a_end && !*b_end && x == y;
}

// The word of "a=b|c=d" for `value`; where there is no "=", the value itself.
static bool find_word(const char *words, const char *value, char *out, size_t room) {
  for (const char *at = words; *at;) {
    size_t n = strcspn(at, "|"), left = strcspn(at, "=|");
    if (same_value(at, left, value)) {
      const char *word = left < n ? at + left + 1 : at;
      snprintf(out, room, "%.*s", (int)(n - (size_t)(word - at)), word);
      return true;
    }
    at += n + (at[n] == '|');
  }
  return false;
}

// "a, b, c" of "a=x|b=y|c".
static void list_words(const char *words, char *out, size_t room) {
  size_t used = 0;
  out[0] = '\0';
  for (const char *at = words; *at && used < room;) {
    size_t n = strcspn(at, "|"), left = strcspn(at, "=|");
    used += (size_t)snprintf(out + used, room - used, "%s%.*s", used ? ", " : "", (int)left, at);
    at += n + (at[n] == '|');
  }
}

static Err refuse_value(Import *m, const ImportKey *k, const ImportRule *r) {
  char words[300];
  list_words(r->values, words, sizeof words);
  return import_enter(m, IMPORT_REFUSED, k, NULL, "the value is not among %s%s%s", words, r->why ? ": " : "",
                      r->why ? r->why : "");
}

Err import_set(Import *m, const char *field, const char *value) { return options_set(&m->options, field, value, "its value"); }

// A field is set once; a second key may only say the same.
static const ImportEntry *set_before(const Import *m, const ImportRule *rule) {
  for (int64_t i = 0; i < m->count; i++) {
    const ImportEntry *e = &m->entry[i];
    if (e->fate == IMPORT_MAPPED && e->rule && e->rule->to && strcmp(e->rule->to, rule->to) == 0) return e;
  }
  return NULL;
}

// Two keys may say one thing in different words.
static bool same_words(const ImportRule *r, const ImportEntry *before, const char *word) {
  char other[IMPORT_VALUE_BYTES];
  if (!r->values && !before->rule->values) return false;
  if (!before->rule->values) snprintf(other, sizeof other, "%s", before->key.value);
  else if (!find_word(before->rule->values, before->key.value, other, sizeof other)) return false;
  return strcmp(other, word) == 0;
}

static Err map_key(Import *m, const ImportKey *k, const ImportRule *r) {
  char word[IMPORT_VALUE_BYTES];
  if (r->values) {
    if (!find_word(r->values, k->value, word, sizeof word)) return refuse_value(m, k, r);
  } else {
    snprintf(word, sizeof word, "%s", k->value);
  }
  const ImportEntry *before = r->to ? set_before(m, r) : NULL;
  if (before && !same_value(before->key.value, strlen(before->key.value), k->value) && !same_words(r, before, word))
    return import_enter(m, IMPORT_REFUSED, k, NULL, "%s is said by %s, too (line %d), and otherwise: %s", r->target,
                        before->key.key, before->key.line, before->key.value);
  Err err = r->to ? import_set(m, r->to, word) : r->take(m, k);
  if (err == ERR_MEMORY) return err;
  if (err) return import_enter(m, IMPORT_REFUSED, k, NULL, "%s", err_text());
  TRY(import_enter(m, IMPORT_MAPPED, k, r->target, "%s", r->why && !r->values ? r->why : ""));
  m->entry[m->count - 1].rule = r;
  return ERR_OK;
}

Err import_key(Import *m, const ImportKey *k) {
  const ImportRule *r = find_rule(m->table, k->key);
  if (!r) return refuse_unknown(m, k);
  if (r->fate == IMPORT_MAPPED) {
    bool unsaid = strcmp(k->value, "null") == 0 || *k->value == '\0';
    if (unsaid) return import_enter(m, IMPORT_NOTHING, k, NULL, "it says nothing (%s)", *k->value ? "null" : "empty");
    return map_key(m, k, r);
  }
  if (r->fate == IMPORT_REFUSED) return import_enter(m, IMPORT_REFUSED, k, NULL, "%s", r->why);
  char word[IMPORT_VALUE_BYTES];
  if (r->values && !find_word(r->values, k->value, word, sizeof word)) return refuse_value(m, k, r);
  return import_enter(m, IMPORT_NOTHING, k, NULL, "%s", r->why);
}

Err import_list(const ImportKey *k, const char **word, int64_t room, int64_t *count) {
  *count = 0;
  CHECK(k->node && k->node->kind == YAML_LIST, ERR_ARG, "a list is wanted");
  for (const YamlNode *n = k->node->first; n; n = n->next) {
    const YamlNode *v = yaml_node(n);
    CHECK(v->kind == YAML_SCALAR, ERR_ARG, "its element in line %d is no single value", n->line);
    CHECK(*count < room, ERR_ARG, "more than %lld elements", (long long)room);
    word[(*count)++] = v->text;
  }
  return ERR_OK;
}
