#include "cli/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/tokenizer_config.h"
#include "text/tokenizer.h"

Err conversion_options(Conversion *c, int *argc, char **argv) {
  TRY(cli_value(argc, argv, "--dtype", &c->save.dtype));
  TRY(cli_value(argc, argv, "--tokenizer", &c->tokenizer));
  c->save.allow_nan = cli_flag(argc, argv, "--allow-nan");
  c->json = cli_flag(argc, argv, "--json");
  return ERR_OK;
}

// A tokenizer that makes ids past the embedding is of another model. One that is not understood is copied all the same.
static Err take_tokenizer(WeightSource *s) {
  const char *path = s->tokenizer;
  Tokenizer *t;
  if (!*path) return ERR_OK;
  CHECK(file_exists(path), ERR_IO,
        "%s: no such tokenizer, which %s names; go to the folder that it is named from, or give it by --tokenizer F, or none",
        path, s->path);
  if (tokenizer_open(&t, path) != ERR_OK) {
    log_warn("the tokenizer's files go along, but cannot be used here: %s", err_text());
    return ERR_OK;
  }
  int64_t vocab = tokenizer_vocab(t);
  tokenizer_config_add(s, t);
  tokenizer_close(t);
  CHECK(vocab <= s->config.model.vocab, ERR_CONFIG,
        "%s: a tokenizer of %lld tokens, and the model's embedding has rows for %lld (vocab_size); give the model's own by "
        "--tokenizer F, or none",
        path, (long long)vocab, (long long)s->config.model.vocab);
  return ERR_OK;
}

// The one that is asked for, the source's own, or none.
static Err choose_tokenizer(const Conversion *c, WeightSource *s) {
  if (c->tokenizer) {
    bool none = strcmp(c->tokenizer, "none") == 0;
    CHECK(none || file_exists(c->tokenizer), ERR_IO, "--tokenizer %s: no such file or folder", c->tokenizer);
    CHECK(strlen(c->tokenizer) < sizeof s->tokenizer, ERR_ARG, "--tokenizer %.100s...: a path too long", c->tokenizer);
    snprintf(s->tokenizer, sizeof s->tokenizer, "%s", none ? "" : c->tokenizer);
    s->write_tokenizer = format_tokenizer_writer(s->tokenizer);
  }
  return take_tokenizer(s);
}

static double total_bytes(const WeightSource *s) {
  double bytes = 0;
  for (int64_t i = 0; i < s->count; i++) bytes += (double)s->tensor[i].n * (double)st_type_bytes(s->tensor[i].type);
  return bytes;
}

static int64_t total_elements(const WeightSource *s) {
  int64_t n = 0;
  for (int64_t i = 0; i < s->count; i++) n += s->tensor[i].n;
  return n;
}

static json_t *shape_json(const WeightTensor *t) {
  return t->n_dims == 2 ? json_pack("[I, I]", (json_int_t)t->dim[0], (json_int_t)t->dim[1])
                        : json_pack("[I]", (json_int_t)t->dim[0]);
}

// ---- the dry run

static Err dry_json(const Conversion *c, const WeightSource *s) {
  json_t *tensors = json_array();
  for (int64_t i = 0; i < s->count; i++) {
    char from[512];
    s->describe(s, i, from, sizeof from);
    json_array_append_new(
        tensors, json_pack("{s:s, s:o, s:s, s:s}", "name", s->tensor[i].name, "shape", shape_json(&s->tensor[i]), "dtype",
                           st_type_name(s->tensor[i].type), "from", from));
  }
  json_t *j = json_pack("{s:s, s:s, s:I, s:o, s:O, s:O, s:O, s:s}", "from", c->from, "kind", s->kind, "parameters",
                        (json_int_t)total_elements(s), "tensors", tensors, "missing", s->missing, "other_shape", s->other,
                        "left_over", s->left, "tokenizer", s->tokenizer);
  return cli_json(j, "the result");
}

static void print_list(const char *what, const json_t *list) {
  if (json_array_size(list)) printf("%zu %s:\n", json_array_size(list), what);
  for (size_t i = 0; i < json_array_size(list); i++) printf("  %s\n", json_string_value(json_array_get(list, i)));
}

static void dry_text(const WeightSource *s) {
  for (int64_t i = 0; i < s->count; i++) {
    const WeightTensor *t = &s->tensor[i];
    char from[512], shape[64];
    s->describe(s, i, from, sizeof from);
    snprintf(shape, sizeof shape, t->n_dims == 2 ? "[%lld, %lld]" : "[%lld]", (long long)t->dim[0], (long long)t->dim[1]);
    printf("%-60s %-16s <- %s\n", t->name, shape, from);
  }
  print_list("missing", s->missing);
  print_list("of another shape or type", s->other);
  print_list("left over, which the configuration has no place for", s->left);
  printf("%s: %s, %lld parameters in %lld tensors, %.1f MB; tokenizer: %s\n", s->path, s->kind, (long long)total_elements(s),
         (long long)s->count, total_bytes(s) * 1e-6, *s->tokenizer ? s->tokenizer : "none");
}

// ---- the real one

static Err report(const Conversion *c, const WeightSource *s, double seconds) {
  double bytes = total_bytes(s);
  if (c->json)
    return cli_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f}", "out", c->out, "format", c->to, "from", s->path,
                              "kind", s->kind, "tensors", (json_int_t)s->count, "parameters", (json_int_t)total_elements(s),
                              "bytes", (json_int_t)bytes, "seconds", seconds),
                    "the result");
  printf("%s: written from %s, %lld parameters in %lld tensors, %.1f MB in %.1f s\n", c->out, s->path,
         (long long)total_elements(s), (long long)s->count, bytes * 1e-6, seconds);
  return ERR_OK;
}

static Err write_out(const Conversion *c, WeightSource *s) {
  const Format *to;
  TRY(format_named(&to, c->to));
  TRY(choose_tokenizer(c, s));
  if (c->dry) {
    if (c->json) TRY(dry_json(c, s));
    else dry_text(s);
    return weights_check(s);
  }
  double start_s = clock_s();
  Progress progress;
  s->progress = &progress;
  progress_start(&progress, "convert", "MB", total_bytes(s) * 1e-6, 0);
  Err err = to->save(c->out, s, &c->save);
  progress_end(&progress);
  s->progress = NULL;
  return err ? err : report(c, s, clock_s() - start_s);
}

Err convert(const Conversion *c) {
  WeightSource *s;
  TRY(format_open(&s, c->from));
  Err err = write_out(c, s);
  weights_close(s);
  return err;
}
