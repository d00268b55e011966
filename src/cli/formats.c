#include "cli/formats.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "model/gguf_files.h"
#include "model/hf_files.h"
#include "text/gguf_tokenizer.h"
#include "train/checkpoint_convert.h"

// ST_OTHER for NULL: each as it is.
static Err type_of(const char *dtype, StType *type) {
  static const char *const names[] = {"fp32", "bf16", "fp16", NULL};
  static const StType types[] = {ST_F32, ST_BF16, ST_F16, ST_OTHER};
  int i = dtype ? 0 : 3;
  while (names[i] && strcmp(names[i], dtype) != 0) i++;
  CHECK(names[i] || !dtype, ERR_ARG, "--dtype %s: fp32, bf16 or fp16 is wanted", dtype);
  *type = types[i];
  return ERR_OK;
}

static bool is_pleiad(const char *path) {
  char found[PATH_BYTES];
  return file_is_folder(path) && checkpoint_find(found, path) == ERR_OK;
}

static Err save_pleiad(const char *path, WeightSource *source, const FormatSave *o) {
  CheckpointConvert c = {.allow_nan = o->allow_nan};
  TRY(type_of(o->dtype, &c.type));
  return checkpoint_convert(path, source, &c);
}

static Err save_hf(const char *path, WeightSource *source, const FormatSave *o) {
  HfSave s = {.allow_nan = o->allow_nan, .shard_bytes = o->shard_bytes};
  TRY(type_of(o->dtype, &s.type));
  return hf_save(path, source, &s);
}

static Err write_gguf_tokenizer(WeightSource *source, const char *folder) {
  return gguf_tokenizer_write(source->tokenizer, folder);
}

TokenizerWriter *format_tokenizer_writer(const char *tokenizer) {
  return *tokenizer && gguf_is(tokenizer) ? write_gguf_tokenizer : NULL;
}

static Err open_gguf(WeightSource **source, const char *path) {
  TRY(gguf_source_open(source, path));
  (*source)->write_tokenizer = format_tokenizer_writer((*source)->tokenizer);
  return ERR_OK;
}

static Err put_gguf_tokenizer(GgufWriter *w, const void *context) {
  const WeightSource *s = context;
  const int64_t ends[3] = {s->config.model.bos, s->config.model.eos, s->config.model.pad};
  return gguf_put_tokenizer(w, s->tokenizer, s->config.model.vocab, ends);
}

// The types are the format's, and our names of three of them.
static Err gguf_type_option(const char *dtype, const GgufType **type) {
  static const char *const ours[][2] = {{"fp32", "F32"}, {"fp16", "F16"}, {"bf16", "BF16"}};
  *type = NULL;
  if (!dtype) return ERR_OK;
  for (int i = 0; i < 3; i++)
    if (strcmp(dtype, ours[i][0]) == 0) dtype = ours[i][1];
  *type = gguf_type_named(dtype);
  CHECK(*type && (*type)->encode, ERR_ARG, "--dtype %s: F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K is wanted", dtype);
  return ERR_OK;
}

static Err save_gguf(const char *path, WeightSource *source, const FormatSave *o) {
  GgufSave s = {.allow_nan = o->allow_nan, .put_tokenizer = *source->tokenizer ? put_gguf_tokenizer : NULL, .context = source};
  TRY(gguf_type_option(o->dtype, &s.type));
  return gguf_save(path, source, &s);
}

static const Format formats[] = {{"pleiad", is_pleiad, checkpoint_source_open, save_pleiad},
                                 {"hf", hf_is_folder, hf_source_open, save_hf},
                                 {"gguf", gguf_is, open_gguf, save_gguf},
                                 {0}};

Err format_open(WeightSource **source, const char *path) {
  CHECK(file_exists(path), ERR_IO, "%s: no such file or folder; want " FORMATS_TEXT, path);
  for (const Format *f = formats; f->name; f++)
    if (f->is(path)) return f->open(source, path);
  FAIL(ERR_IO, "%s: neither a checkpoint, nor a folder with a config.json, nor a GGUF file; want " FORMATS_TEXT, path);
}

Err format_named(const Format **format, const char *name) {
  char known[200] = "";
  for (*format = formats; (*format)->name; ++*format) {
    if (strcmp((*format)->name, name) == 0) return ERR_OK;
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", (*format)->name);
  }
  FAIL(ERR_ARG, "--format %s: not known; it can be %s", name, known);
}
