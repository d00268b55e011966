// pleiad data build --sft: dialogs to packed samples.
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/data.h"
#include "data/sft_build.h"

static const char *const known[] = {"--sft",      "--tokenizer", "--output", "--length", "--original",
                                    "--skip-bad", "--kwargs",    "--json",   NULL};

static void print_report(const SftBuildOptions *o, const SftBuildReport *r) {
  const SftCounts *c = &r->counts;
  printf(
      "%s.bin, .idx, .mask.bin, .mask.idx: %lld dialogs in %lld samples, %lld tokens (%s), %lld of them learnt, of %.1f MB of "
      "input in %.1f s\n",
      o->output, (long long)(c->dialogs - c->dropped), (long long)c->samples, (long long)c->tokens, token_type_name(r->type),
      (long long)c->learnt, (double)r->text_bytes * 1e-6, r->seconds);
  if (c->dropped)
    printf("%lld dialogs were left out%s\n", (long long)c->dropped,
           o->original ? ", as the original does" : ": they are longer than a sample");
  if (r->longest > o->length)
    printf("the longest sample has %lld tokens: training cuts at data.seq_length\n", (long long)r->longest);
  if (r->skipped) printf("%lld bad lines were left out:\n", (long long)r->skipped);
  for (int i = 0; i < BUILD_NAMED && r->named[i][0]; i++) printf("  %s\n", r->named[i]);
  if (r->skipped > BUILD_NAMED) printf("  ... and %lld more\n", (long long)(r->skipped - BUILD_NAMED));
}

static Err print_json(const SftBuildOptions *o, const SftBuildReport *r) {
  const SftCounts *c = &r->counts;
  json_t *bad = json_array();
  for (int i = 0; i < BUILD_NAMED && r->named[i][0]; i++)
    json_array_append_new(bad, cli_json_text(r->named[i], strlen(r->named[i])));
  json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:f}", "output", o->output, "recipe",
                        sft_recipe_names[o->recipe], "dtype", token_type_name(r->type), "length", (json_int_t)o->length,
                        "dialogs", (json_int_t)c->dialogs, "dropped", (json_int_t)c->dropped, "samples", (json_int_t)c->samples,
                        "tokens", (json_int_t)c->tokens, "learnt", (json_int_t)c->learnt, "longest", (json_int_t)r->longest,
                        "skipped", (json_int_t)r->skipped, "bad", bad, "seconds", r->seconds);
  return cli_json(j, "the report");
}

static Err run(SftBuildOptions *o, const char *tokenizer, const char *kwargs_text, SftBuildReport *report) {
  Chat chat = {0};
  json_t *kwargs = NULL;
  if (kwargs_text) TRY(json_parse(&kwargs, kwargs_text, strlen(kwargs_text), "--kwargs", true));
  Err err = tokenizer_open(&o->tokenizer, tokenizer);
  if (!err && o->recipe == SFT_TEMPLATE) err = chat_open(&chat, tokenizer);
  if (!err && o->recipe == SFT_TEMPLATE && chat.n_named == 0)
    err = ERR_HERE(ERR_ARG, "%s has no chat template; --sft template wants the folder of a model that has one", tokenizer);
  o->chat = &chat;
  o->kwargs = kwargs;
  if (!err) err = sft_build(o, report);
  o->chat = NULL;
  chat_close(&chat);
  tokenizer_close(o->tokenizer);
  json_decref(kwargs);
  return err;
}

Err data_sft_command(int argc, char **argv, const char *recipe) {
  SftBuildOptions o = {.recipe = SFT_RECIPES, .length = 8192, .progress = true};
  const char *tokenizer = NULL, *kwargs = NULL;
  for (int i = 0; i < SFT_RECIPES; i++)
    if (strcmp(recipe, sft_recipe_names[i]) == 0) o.recipe = (SftRecipe)i;
  CHECK(o.recipe < SFT_RECIPES, ERR_ARG, "--sft %s: telechat2, mindformers or template is wanted", recipe);
  o.original = cli_flag(&argc, argv, "--original");
  o.skip_bad = cli_flag(&argc, argv, "--skip-bad");
  bool json = cli_flag(&argc, argv, "--json");
  TRY(cli_value(&argc, argv, "--tokenizer", &tokenizer));
  TRY(cli_value(&argc, argv, "--output", &o.output));
  TRY(cli_value(&argc, argv, "--kwargs", &kwargs));
  TRY(cli_int(&argc, argv, "--length", 2, 1 << 24, &o.length));
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) != 0) continue;
    char *rest[] = {"data build --sft", argv[i], NULL};
    return cli_no_more(2, rest, known);
  }
  CHECK(argc > 1, ERR_ARG, "data build --sft: which input? files, folders, or - for the standard input");
  CHECK(tokenizer && o.output, ERR_ARG, "data build --sft: --tokenizer F and --output PREFIX are wanted");
  o.input = (const char *const *)argv + 1;
  o.inputs = argc - 1;
  CHECK(o.recipe == SFT_TEMPLATE ? !o.original : !kwargs, ERR_ARG,
        "--original is not for the recipe template, --kwargs only for it");
  SftBuildReport report;
  TRY(run(&o, tokenizer, kwargs, &report));
  if (json) return print_json(&o, &report);
  print_report(&o, &report);
  return ERR_OK;
}
