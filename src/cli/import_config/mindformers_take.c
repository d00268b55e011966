// Keys of MindFormers files whose values are taken apart.
#include <stdlib.h>
#include <string.h>

#include "cli/import_config/mindformers.h"

Err import_betas(Import *m, const ImportKey *k) {
  const char *word[2];
  int64_t count;
  TRY(import_list(k, word, 2, &count));
  CHECK(count == 2, ERR_ARG, "two numbers are wanted, found %lld", (long long)count);
  TRY(import_set(m, "optimizer.beta1", word[0]));
  return import_set(m, "optimizer.beta2", word[1]);
}

Err import_recompute(Import *m, const ImportKey *k) {
  return import_set(m, "train.recompute", !k->node && strcmp(k->value, "false") == 0 ? "none" : "block");
}

Err import_total_steps(Import *m, const ImportKey *k) {
  return strcmp(k->value, "-1") == 0 ? ERR_OK : import_set(m, "facts.total_steps", k->value);
}

// A path, or a list of one, without .mindrecord.
static Err mindrecord(Import *m, const ImportKey *k, const char *field) {
  const char *word[1] = {k->value};
  int64_t count = 1;
  if (k->node) TRY(import_list(k, word, 1, &count));
  CHECK(count == 1, ERR_ARG, "one path is wanted");
  CHECK(!strpbrk(word[0], " \t\n,"), ERR_ARG, "a blend separates by spaces and commas, and the path has one");
  char path[OPTION_TEXT_BYTES];
  snprintf(path, sizeof path, "%s", word[0]);
  char *end = strstr(path, ".mindrecord");
  if (end) *end = '\0';
  return import_set(m, field, path);
}

Err import_mindrecord(Import *m, const ImportKey *k) { return mindrecord(m, k, "data.train"); }
Err import_valid_mindrecord(Import *m, const ImportKey *k) { return mindrecord(m, k, "facts.valid"); }

Err import_sizes(Import *m, const ImportKey *k) {
  const char *word[3];
  int64_t count;
  TRY(import_list(k, word, 3, &count));
  CHECK(count >= 1, ERR_ARG, "the number of samples is wanted");
  return import_set(m, "facts.samples", word[0]);
}

Err import_split(Import *m, const ImportKey *k) {
  char text[OPTION_TEXT_BYTES];
  size_t n = 0;
  for (const char *p = k->value; *p; p++)
    if (*p != ' ' && *p != '[' && *p != ']') text[n++] = *p;
  text[n] = '\0';
  return import_set(m, "data.split", text);
}

Err import_data_path(Import *m, const ImportKey *k) {
  const char *word[2 * BLEND_SOURCES_MAX];
  int64_t count;
  TRY(import_list(k, word, 2 * BLEND_SOURCES_MAX, &count));
  CHECK(count > 0 && (count == 1 || count % 2 == 0), ERR_ARG, "weights and prefixes in turn are wanted, found %lld values",
        (long long)count);
  char text[OPTION_TEXT_BYTES] = "";
  size_t used = 0;
  for (int64_t i = count == 2 ? 1 : 0; i < count; i++) {  // the weight of a single source plays no part
    CHECK(*word[i] && !strpbrk(word[i], " \t\n,"), ERR_ARG,
          "data.train separates by spaces and commas; \"%s\" cannot stand there", word[i]);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", word[i]);
    CHECK(used < sizeof text, ERR_ARG, "data.train holds %d bytes", OPTION_TEXT_BYTES - 1);
  }
  return import_set(m, "data.train", text);
}

Err import_reset_attention(Import *m, const ImportKey *k) {
  CHECK(strcmp(k->value, "true") == 0 || strcmp(k->value, "false") == 0, ERR_ARG, "true or false is wanted");
  return strcmp(k->value, "true") == 0 ? import_set(m, "data.reset_attention", "true") : ERR_OK;
}

Err import_qk_norm(Import *m, const ImportKey *k) {
  CHECK(strcmp(k->value, "true") == 0 || strcmp(k->value, "false") == 0, ERR_ARG, "true or false is wanted");
  return import_set(m, "facts.qk_norm", strcmp(k->value, "true") == 0 ? "1" : "0");
}

Err import_aux_types(Import *m, const ImportKey *k) {
  const char *word[4];
  int64_t count;
  TRY(import_list(k, word, 4, &count));
  CHECK(count == 0 || (count == 1 && strcmp(word[0], "expert") == 0), ERR_ARG,
        "[expert] is what moe.aux_loss is; there are no losses of devices or capacities here");
  return import_set(m, "facts.aux_kind", count ? "sequence" : "none");
}

Err import_aux_factors(Import *m, const ImportKey *k) {
  const char *word[1];
  int64_t count;
  TRY(import_list(k, word, 1, &count));
  return count ? import_set(m, "facts.aux", word[0]) : ERR_OK;
}

Err import_tokenizer(Import *m, const ImportKey *k) {
  TRY(import_set(m, "data.tokenizer", k->value));
  return import_set(m, "generate.tokenizer", k->value);
}

// ---- lists of rules on names
static Err number(const char *text, double *out) {
  char *end;
  *out = strtod(text, &end);
  CHECK(*text && !*end && *out >= 0 && *out < 1e15, ERR_ARG, "a number of at least 0 is wanted");
  return ERR_OK;
}

static Err group_at(ImportGroup *list, const ImportKey *k, ImportGroup **out) {
  CHECK(k->item < IMPORT_GROUPS_MAX, ERR_ARG, "more than %d rules", IMPORT_GROUPS_MAX);
  *out = &list[k->item];
  if ((*out)->line == 0) (*out)->line = k->line ? k->line : 1;
  return ERR_OK;
}

static Err join_names(const ImportKey *k, char *out, size_t room) {
  const char *word[64] = {k->value};
  int64_t count = 1;
  size_t used = 0;
  if (k->node) TRY(import_list(k, word, 64, &count));
  for (int64_t i = 0; i < count; i++) {
    used += (size_t)snprintf(out + used, room - used, "%s%s", i ? "\n" : "", word[i]);
    CHECK(used < room, ERR_ARG, "names of more than %zu bytes", room - 1);
  }
  return ERR_OK;
}

Err import_group(Import *m, const ImportKey *k) {
  ImportGroup *g;
  double value = 0;
  TRY(group_at(m->group, k, &g));
  const char *name = strrchr(k->key, '.') + 1;
  if (strcmp(name, "params") == 0) return join_names(k, g->names, sizeof g->names);
  if (strcmp(name, "type") == 0) {
    snprintf(g->type, sizeof g->type, "%.63s", k->value);
    return ERR_OK;
  }
  if (strcmp(name, "total_steps") == 0 && strcmp(k->value, "-1") == 0) return ERR_OK;
  TRY(number(k->value, &value));
  if (strcmp(name, "learning_rate") == 0) g->value = value;
  else if (strcmp(name, "lr_end") == 0) g->low = value;
  else if (strcmp(name, "warmup_ratio") == 0) g->warmup_ratio = value;
  else if (strcmp(name, "warmup_steps") == 0) g->warmup = (int64_t)value;
  else g->steps = (int64_t)value;
  return ERR_OK;
}

Err import_std_rule(Import *m, const ImportKey *k) {
  ImportGroup *g;
  TRY(group_at(m->deviation, k, &g));
  if (strcmp(strrchr(k->key, '.') + 1, "target") == 0) return join_names(k, g->names, sizeof g->names);
  return number(k->value, &g->value);
}
