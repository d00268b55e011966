#include "data/gpt_cache.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/log.h"
#include "data/npy.h"

// ---- the description, as Python writes it
static void put_letter(FILE *f, utf8proc_int32_t c) {
  switch (c) {
    case '"': fputs("\\\"", f); return;
    case '\\': fputs("\\\\", f); return;
    case '\n': fputs("\\n", f); return;
    case '\r': fputs("\\r", f); return;
    case '\t': fputs("\\t", f); return;
    case '\b': fputs("\\b", f); return;
    case '\f': fputs("\\f", f); return;
    default: break;
  }
  if (c >= ' ' && c <= '~') fputc(c, f);
  else if (c < 0x10000) fprintf(f, "\\u%04x", (unsigned)c);
  else fprintf(f, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)), (unsigned)(0xDC00 + ((c - 0x10000) & 0x3FF)));
}

static void put_text(FILE *f, const char *text) {
  const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text, *end = p + strlen(text);
  fputc('"', f);
  while (p < end) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate(p, end - p, &c);
    if (n < 1) {  // a byte of a path that is not UTF-8: Python's surrogateescape
      c = 0xDC00 + *p;
      n = 1;
    }
    p += n;
    put_letter(f, c);
  }
  fputc('"', f);
}

// The shortest digits that read back as the same number.
static void put_real(FILE *f, double x) {
  char text[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, x);
    if (strtod(text, NULL) == x) break;
  }
  fprintf(f, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void put_matrix(FILE *f, const Split *s) {
  fputs("    \"split_matrix\": [\n", f);
  for (int i = 0; i < SPLITS; i++) {
    const char *comma = i + 1 < SPLITS ? "," : "";
    if (!s->present[i]) {
      fprintf(f, "        null%s\n", comma);
      continue;
    }
    fputs("        [\n            ", f);
    if (i == 0) fputc('0', f);  // the first edge is Python's integer 0
    else put_real(f, s->begin[i]);
    fputs(",\n            ", f);
    put_real(f, s->end[i]);
    fprintf(f, "\n        ]%s\n", comma);
  }
  fputs("    ],\n", f);
}

Err gpt_cache_describe(const char *prefix, const char *split, SplitPart part, const GptOptions *option, char **text,
                       char md5[MD5_HEX_BYTES]) {
  Split s;
  size_t size = 0;
  *text = NULL;
  TRY(split_parse(&s, split));
  FILE *f = open_memstream(text, &size);
  CHECK(f, ERR_MEMORY, "no memory to describe %s", prefix);
  fputs("{\n    \"class\": \"GPTDataset\",\n    \"dataset_path\": ", f);
  put_text(f, prefix);
  if (option->samples == ONE_EPOCH) fputs(",\n    \"num_samples\": null", f);
  else fprintf(f, ",\n    \"num_samples\": %lld", (long long)option->samples);
  fprintf(f, ",\n    \"index_split\": \"%s\",\n    \"random_seed\": %u,\n    \"sequence_length\": %lld,\n    \"split\": ",
          split_name(part), option->seed, (long long)option->T);
  put_text(f, split);
  fputs(",\n", f);
  put_matrix(f, &s);
  fputs("    \"tokenizer\": null\n}", f);
  CHECK(fclose(f) == 0 && *text, ERR_MEMORY, "no memory to describe %s", prefix);
  md5_hex(*text, size, md5);
  return ERR_OK;
}

// ---- the files
typedef struct {
  char description[PATH_BYTES], document[PATH_BYTES], sample[PATH_BYTES], shuffle[PATH_BYTES];
} CacheNames;

static Err cache_names(CacheNames *c, const char *folder, const char *md5, SplitPart part) {
  struct {
    char *path;
    const char *ending;
  } file[] = {{c->description, "description.txt"},
              {c->document, "document_index.npy"},
              {c->sample, "sample_index.npy"},
              {c->shuffle, "shuffle_index.npy"}};
  for (int i = 0; i < 4; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s-GPTDataset-%s-%s", md5, split_name(part), file[i].ending);
    TRY(path_join(file[i].path, folder, name));
  }
  return ERR_OK;
}

static Err load_documents(GptDataset *g, const char *path) {
  Npy a;
  TRY(npy_open_as(&a, path, 'i', 4, 1, &g->entries));
  memcpy(g->document_index, a.data, (size_t)g->entries * 4);
  npy_close(&a);
  for (int64_t i = 0; i < g->entries; i++) {
    int32_t s = g->document_index[i];
    CHECK(s >= g->begin && s < g->end, ERR_FORMAT, "%s: entry %lld is sequence %d, outside [%lld, %lld)", path, (long long)i, s,
          (long long)g->begin, (long long)g->end);
  }
  return ERR_OK;
}

static Err load_samples(GptDataset *g, const char *path) {
  Npy a;
  Err err = ERR_OK;
  TRY(npy_open(&a, path));
  CHECK_OUT(a.kind == 'i' && a.size >= 4 && a.n_dims == 2 && a.dim[0] == g->samples + 1 && a.dim[1] == 2, ERR_FORMAT,
            "%s: not %lld pairs of integers", path, (long long)g->samples + 1);
  for (int64_t i = 0, before = 0; i <= g->samples; i++) {
    int64_t position = npy_int(&a, 2 * i), offset = npy_int(&a, 2 * i + 1);
    CHECK_OUT(position >= before && position < g->entries, ERR_FORMAT,
              "%s: sample %lld begins at entry %lld, after %lld, of %lld", path, (long long)i, (long long)position,
              (long long)before, (long long)g->entries);
    CHECK_OUT(offset >= 0 && offset <= indexed_length(g->data, g->document_index[position]), ERR_FORMAT,
              "%s: sample %lld begins at token %lld, past the end of its sequence", path, (long long)i, (long long)offset);
    g->sample_index[2 * i] = before = position;
    g->sample_index[2 * i + 1] = offset;
  }
out:
  npy_close(&a);
  return err;
}

static Err load_shuffle(GptDataset *g, const char *path) {
  Npy a;
  TRY(npy_open_as(&a, path, 'u', 4, 1, &g->samples));
  memcpy(g->shuffle_index, a.data, (size_t)g->samples * 4);
  npy_close(&a);
  for (int64_t i = 0; i < g->samples; i++) {
    CHECK(g->shuffle_index[i] < (uint64_t)g->samples, ERR_FORMAT, "%s: entry %lld is %u, of %lld samples", path, (long long)i,
          g->shuffle_index[i], (long long)g->samples);
  }
  return ERR_OK;
}

static Err cache_load(GptDataset *g, const CacheNames *c, const Indexed *data, int64_t begin, int64_t end,
                      const GptOptions *option) {
  Err err = ERR_OK;
  TRY(gpt_dataset_plan(g, data, begin, end, option));
  TRY_OUT(gpt_dataset_take(g));
  TRY_OUT(load_documents(g, c->document));
  TRY_OUT(load_samples(g, c->sample));
  TRY_OUT(load_shuffle(g, c->shuffle));
  return ERR_OK;
out:
  gpt_dataset_free(g);
  return err;
}

static Err cache_save(const GptDataset *g, const CacheNames *c, const char *folder, const char *description) {
  TRY(folder_make(folder));
  TRY(npy_write(c->document, 'i', 4, 1, &g->entries, g->document_index));
  TRY(npy_write(c->sample, 'i', 8, 2, (const int64_t[]){g->samples + 1, 2}, g->sample_index));
  TRY(npy_write(c->shuffle, 'u', 4, 1, &g->samples, g->shuffle_index));
  return file_replace(c->description, description, strlen(description));  // last: the others are whole when it is there
}

Err gpt_cache_build(GptDataset *g, const Indexed *data, const char *split, SplitPart part, const GptOptions *option,
                    const char *folder) {
  Split s;
  int64_t begin, end;
  TRY(split_parse(&s, split));
  split_range(&s, part, data->sequences, &begin, &end);
  CHECK(begin < end, ERR_CONFIG, "%s: split \"%s\" gives the %s part none of the %lld sequences", data->prefix, split,
        split_name(part), (long long)data->sequences);
  if (!folder) return gpt_dataset_build(g, data, begin, end, option);
  char *description = NULL, md5[MD5_HEX_BYTES];
  CacheNames names;
  Err err = gpt_cache_describe(data->prefix, split, part, option, &description, md5);
  if (err) goto out;
  TRY_OUT(cache_names(&names, folder, md5, part));
  if (file_exists(names.description)) {
    if (cache_load(g, &names, data, begin, end, option) == ERR_OK) goto out;
    log_warn("%s; the cache is built again", err_text());
  }
  TRY_OUT(gpt_dataset_build(g, data, begin, end, option));
  if (cache_save(g, &names, folder, description) != ERR_OK) log_warn("the sample order is not cached: %s", err_text());
out:
  free(description);
  return err;
}
