// What an import says: the table for the document, the book of a file for people and programs.
#include <string.h>

#include "cli/cli.h"
#include "cli/import_config/import_config.h"

static void print_cell(const char *text, FILE *to) {
  for (; *text; text++) {
    if (*text == '|' || *text == '*') fputc('\\', to);
    fputc(*text, to);
  }
}

// "a=x|b|c" as "a → x, b, c".
static void print_words(const char *words, FILE *to) {
  for (const char *at = words; *at;) {
    size_t n = strcspn(at, "|"), left = strcspn(at, "=|");
    fprintf(to, "%s`%.*s`", at > words ? ", " : "", (int)left, at);
    if (left < n) fprintf(to, " → `%.*s`", (int)(n - left - 1), at + left + 1);
    at += n + (at[n] == '|');
  }
}

void import_print_table(const ImportTable *t, FILE *to) {
  fputs("| their key | becomes | how, or why not |\n|---|---|---|\n", to);
  for (const ImportRule *r = t->rules; r->key; r++) {
    fprintf(to, "| `%s` | ", r->key);
    if (r->fate == IMPORT_MAPPED) print_cell(r->target, to);
    else fputs(r->fate == IMPORT_NOTHING ? "no meaning" : "**refused**", to);
    fputs(" | ", to);
    bool facts = r->to && strncmp(r->to, "facts.", 6) == 0 && r->values && strchr(r->values, '=');
    bool numbers = facts && (strstr(r->values, "=0") || strstr(r->values, "=1"));  // how it is kept is nobody's business
    if (r->values && !numbers) {
      if (r->fate == IMPORT_NOTHING) fputs("if ", to);
      print_words(r->values, to);
      fputs(r->why ? "; other values are refused: " : "; other values are refused", to);
    }
    if (r->why) print_cell(r->why, to);
    fputs(" |\n", to);
  }
}

static void print_entry(const ImportEntry *e, FILE *to) {
  char value[48];
  bool cut = snprintf(value, sizeof value, "%s", e->key.value) >= (int)sizeof value;
  if (cut) snprintf(value + sizeof value - 4, 4, "...");
  if (e->key.line) fprintf(to, "  line %-4d ", e->key.line);
  else fputs("  ", to);
  fprintf(to, "%s: %s", e->key.key, value);
  if (*e->target) fprintf(to, "  ->  %s", e->target);
  if (*e->why) fprintf(to, "%s%s%s", *e->target ? " (" : "  -  ", e->why, *e->target ? ")" : "");
  fputc('\n', to);
}

void import_print_report(const Import *m, const char *output, FILE *to) {
  static const char *const titles[] = {"mapped", "no meaning here", "refused"};
  for (int fate = 0; fate < IMPORT_FATES; fate++) {
    int64_t shown = 0;
    for (int64_t i = 0; i < m->count; i++) shown += (int)m->entry[i].fate == fate;
    if (shown == 0) continue;
    fprintf(to, "%s (%lld):\n", titles[fate], (long long)m->of[fate]);
    for (int64_t i = 0; i < m->count; i++)
      if ((int)m->entry[i].fate == fate) print_entry(&m->entry[i], to);
  }
  if (m->notes) fputs("put together:\n", to);
  for (int64_t i = 0; i < m->notes; i++) fprintf(to, "  %s\n", m->note[i]);
  fprintf(to, "%s: %lld keys: %lld mapped, %lld without meaning here, %lld refused", m->path, (long long)m->count,
          (long long)m->of[IMPORT_MAPPED], (long long)m->of[IMPORT_NOTHING], (long long)m->of[IMPORT_REFUSED]);
  if (output) fprintf(to, "; written to %s", output);
  fputc('\n', to);
}

Err import_print_json(const Import *m, const char *output) {
  json_t *keys = json_array(), *notes = json_array();
  for (int64_t i = 0; i < m->count; i++) {
    const ImportEntry *e = &m->entry[i];
    json_t *o = json_pack("{s:s, s:i, s:s, s:s}", "key", e->key.key, "line", e->key.line, "value", e->key.value, "fate",
                          import_fate_names[e->fate]);
    if (o && *e->target) json_object_set_new(o, "to", json_string(e->target));
    if (o && *e->why) json_object_set_new(o, "why", json_string(e->why));
    json_array_append_new(keys, o);
  }
  for (int64_t i = 0; i < m->notes; i++) json_array_append_new(notes, json_string(m->note[i]));
  json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "file", m->path, "mode",
                          m->facts.facts.mode == IMPORT_PREDICT ? "predict" : "train", "keys_read", (json_int_t)m->count,
                          "mapped", (json_int_t)m->of[IMPORT_MAPPED], "no_meaning", (json_int_t)m->of[IMPORT_NOTHING],
                          "refused", (json_int_t)m->of[IMPORT_REFUSED], "keys", keys, "notes", notes);
  json_object_set_new(all, "output", output ? json_string(output) : json_null());
  return cli_json(all, "the report");
}
