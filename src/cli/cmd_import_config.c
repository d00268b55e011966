// pleiad import-config: a configuration of others as a run file of ours.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import_config/import_config.h"

static const char help[] =
    "usage: pleiad import-config FILE.yaml [--out RUN.yaml] [options]\n"
    "       pleiad import-config --megatron FILE|'ARGUMENTS' [--out RUN.yaml] [options]\n"
    "\n"
    "Reads a MindFormers configuration (pretrain, finetune, predict; legacy and current layouts) or a Megatron-LM argument\n"
    "list, and says of every key what becomes of it: mapped to a key of a run file; without meaning here, and why; or\n"
    "refused, and why. Nothing is dropped in silence: a key that is not known is refused, with its line and the nearest\n"
    "known one.\n"
    "\n"
    "  --out RUN.yaml   writes the run file: pleiad train RUN.yaml; of a predict configuration, pleiad generate --config "
    "RUN.yaml\n"
    "  --partial        writes it although keys were refused (and ends as done)\n"
    "  --brief          prints what was refused and put together, not every key\n"
    "  --json           one JSON object: counts, and every key with line, value, fate, target, reason\n"
    "  --table mindformers|megatron   prints the table of all keys, as docs/import-config.md has it\n"
    "\n"
    "What a configuration does not say is as the original has it by default. Paths are taken as they are; \"give\n"
    "--data.train\" in the report means that the configuration names none. The batch of a step is kept: what many devices\n"
    "did together, one does in turn.\n"
    "\n"
    "  pleiad import-config pretrain_telechat3_105b_a4b_4k.yaml --out run.yaml\n"
    "  pleiad train run.yaml --data.train data/train --train.output runs/first\n";

enum { ARGUMENT_BYTES_MAX = 1 << 20 };

typedef struct {
  const char *out, *megatron, *path;
  bool partial, brief, json;
} Words;

// Whether what was read can be run; what only the user knows is left open.
static Err check(const Import *m) {
  if (m->facts.facts.mode == IMPORT_PREDICT) return model_config_check(&m->run->model, m->path);
  RunConfig *c = malloc(sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory to check a run file");
  *c = *m->run;
  if (!*c->data.train) snprintf(c->data.train, sizeof c->data.train, "data");
  if (!c->train.steps && !c->train.tokens) c->train.tokens = 1;
  Err err = run_config_check(c, m->path);
  free(c);
  return err;
}

static Err write_out(Import *m, const char *path) {
  Options o = {0};
  if (m->facts.facts.mode == IMPORT_PREDICT) {
    options_bind(&o, model_fields, &m->run->model);
    generate_bind(&o, &m->generate);
  } else {
    o = run_options(m->run);
  }
  return options_write(&o, path, false);
}

static Err read_megatron(Import *m, const char *argument) {
  CHECK(file_exists(argument) || strstr(argument, "--"), ERR_IO, "%s: no such file, and no arguments (--name value)", argument);
  if (!file_exists(argument)) return import_arguments(m, argument, strlen(argument), "--megatron");
  char *text = NULL;
  size_t size = 0;
  TRY(file_read(argument, ARGUMENT_BYTES_MAX, &text, &size));
  m->path = argument;
  Err err = import_arguments(m, text, size, argument);
  free(text);
  return err;
}

static const ImportEntry *first_refused(const Import *m) {
  for (int64_t i = 0; i < m->count; i++)
    if (m->entry[i].fate == IMPORT_REFUSED) return &m->entry[i];
  return NULL;
}

static Err refused(const Import *m) {
  const ImportEntry *e = first_refused(m);
  char line[24] = "";
  if (e->key.line) snprintf(line, sizeof line, ":%d", e->key.line);
  FAIL(ERR_CONFIG, "%s%s: %s: %s; %lld refused in all. --partial writes the rest", m->path, line, e->key.key, e->why,
       (long long)m->of[IMPORT_REFUSED]);
}

static Err import_all(Import *m, const Words *w) {
  Err err = w->megatron ? read_megatron(m, w->megatron) : import_yaml(m, w->path);
  ErrInfo info = {0};
  bool whole = m->of[IMPORT_REFUSED] == 0 || w->partial;
  if (!err && whole) err = check(m);
  if (err) err_take(&info);
  const char *out = !err && whole ? w->out : NULL;
  if (out) TRY(write_out(m, out));
  if (err && m->count == 0) return err_give(&info);
  if (err && !whole) import_note(m, "%.500s", info.text);  // the first refusal is the error
  if (w->brief)
    for (int64_t i = 0; i < m->count; i++)
      if (m->entry[i].fate != IMPORT_REFUSED) m->entry[i].fate = IMPORT_FATES;
  if (w->json) TRY(import_print_json(m, out));
  else import_print_report(m, out, stdout);
  if (!whole) return refused(m);
  return err ? err_give(&info) : ERR_OK;
}

static Err print_table(const char *name) {
  const ImportTable *tables[] = {&import_mindformers, &import_megatron};
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    if (strcmp(tables[i]->name, name) == 0) {
      import_print_table(tables[i], stdout);
      return ERR_OK;
    }
  FAIL(ERR_ARG, "--table %s: mindformers or megatron is wanted", name);
}

Err cmd_import_config(int argc, char **argv) {
  static const char *const known[] = {"--out", "--megatron", "--partial", "--brief", "--json", "--table", NULL};
  if (cli_help(argc, argv, help)) return ERR_OK;
  Words w = {0};
  const char *table = NULL;
  w.partial = cli_flag(&argc, argv, "--partial");
  w.brief = cli_flag(&argc, argv, "--brief");
  w.json = cli_flag(&argc, argv, "--json");
  TRY(cli_value(&argc, argv, "--out", &w.out));
  TRY(cli_value(&argc, argv, "--megatron", &w.megatron));
  TRY(cli_value(&argc, argv, "--table", &table));
  if (table) return print_table(table);
  if (!w.megatron && argc > 1 && argv[1][0] != '-') {
    w.path = argv[1];
    memmove(argv + 1, argv + 2, (size_t)(argc - 1) * sizeof *argv);
    argc--;
  }
  TRY(cli_no_more(argc, argv, known));
  CHECK(w.path || w.megatron, ERR_ARG, "import-config: which file? see pleiad import-config --help");
  static Import m;
  Err err = import_init(&m, w.megatron ? &import_megatron : &import_mindformers, w.megatron ? "--megatron" : w.path);
  if (!err) err = import_all(&m, &w);
  import_free(&m);
  return err;
}
