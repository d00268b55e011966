#include "base/gguf.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static const char *path_of(const char *name) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.2000s/%s", test_folder(), name);
  return path;
}

static const float numbers[64] = {1, -2, 3.5f};

static void write_small(const char *path) {
  GgufWriter w;
  const GgufText texts[] = {{"", 0}, {"é\0x", 4}};
  ASSERT_OK(gguf_create(&w, path));
  ASSERT_OK(gguf_put_text(&w, "general.architecture", "test", 4));
  ASSERT_OK(gguf_put_u32(&w, "u", 4000000000u));
  ASSERT_OK(gguf_put_f32(&w, "f", -1.5f));
  ASSERT_OK(gguf_put_bool(&w, "b", true));
  ASSERT_OK(gguf_put_texts(&w, "texts", texts, 2));
  ASSERT_OK(gguf_put_i32s(&w, "ints", (int32_t[]){-5, 7}, 2));
  ASSERT_OK(gguf_put_f32s(&w, "reals", numbers, 3));
  ASSERT_OK(gguf_put_u8s(&w, "bytes", "\xff\x01", 2));
  ASSERT_OK(gguf_declare(&w, "a", gguf_type_named("f32"), 2, (int64_t[]){3, 1}));  // 12 bytes: padding follows
  ASSERT_OK(gguf_declare(&w, "none", gguf_type_named("F32"), 1, (int64_t[]){0}));
  ASSERT_OK(gguf_declare(&w, "q", gguf_type_named("Q8_0"), 2, (int64_t[]){2, 32}));
  ASSERT_OK(gguf_begin(&w));
  ASSERT_OK(gguf_write(&w, numbers, 4));  // in parts
  ASSERT_OK(gguf_write(&w, numbers + 1, 8));
  uint8_t blocks[2 * 34];
  gguf_type_named("Q8_0")->encode(numbers, 2, blocks);
  ASSERT_OK(gguf_write(&w, blocks, sizeof blocks));
  ASSERT_OK(gguf_commit(&w));
}

TEST(what_is_written_is_read_back) {
  Gguf g;
  int64_t n = 0;
  double x = 0;
  bool b = false;
  GgufText text, texts[2];
  const GgufValue *v;
  write_small(path_of("a.gguf"));
  ASSERT(gguf_is(path_of("a.gguf")) && !gguf_is(test_folder()));
  ASSERT_OK(gguf_open(&g, path_of("a.gguf")));
  ASSERT_OK(gguf_text(&g, "general.architecture", true, &text));
  ASSERT(text.size == 4 && memcmp(text.data, "test", 4) == 0);
  ASSERT_OK(gguf_int(&g, "u", true, &n));
  ASSERT_INT(n, 4000000000);
  ASSERT_OK(gguf_real(&g, "f", true, &x));
  ASSERT_NEAR(x, -1.5, 0);
  ASSERT_OK(gguf_real(&g, "u", true, &x));
  ASSERT_NEAR(x, 4e9, 0);
  ASSERT_OK(gguf_bool(&g, "b", true, &b));
  ASSERT(b);
  ASSERT_OK(gguf_array(&g, "texts", true, GGUF_STRING, &v));
  gguf_array_texts(v, texts);
  ASSERT(texts[0].size == 0 && texts[1].size == 4 && memcmp(texts[1].data, "é\0x", 4) == 0);
  ASSERT_OK(gguf_array(&g, "ints", true, GGUF_I64, &v));
  ASSERT(v->count == 2 && gguf_array_int(v, 0) == -5 && gguf_array_int(v, 1) == 7);
  ASSERT_OK(gguf_array(&g, "reals", true, GGUF_F32, &v));
  ASSERT_NEAR(gguf_array_f32(v, 2), 3.5, 0);
  ASSERT_OK(gguf_array(&g, "bytes", true, GGUF_U8, &v));
  ASSERT_INT(gguf_array_int(v, 0), 255);
  const GgufTensor *t = gguf_tensor(&g, "q");
  ASSERT(t && t->n_dims == 2 && t->dim[0] == 2 && t->dim[1] == 32 && t->offset % GGUF_ALIGN == 0);
  float out[64];
  ASSERT_OK(gguf_read_f32(&g, t, 0, 64, out));
  for (int i = 0; i < 64; i++) ASSERT_NEAR(out[i], numbers[i], 3.5 / 254);
  ASSERT_OK(gguf_read_f32(&g, gguf_tensor(&g, "a"), 1, 2, out));
  ASSERT_NEAR(out[1], 3.5, 0);
  gguf_close(&g);
}

TEST(values_of_another_kind_are_named) {
  Gguf g;
  int64_t n = 9;
  double x = 0;
  bool b = false;
  GgufText text;
  const GgufValue *v;
  write_small(path_of("a.gguf"));
  ASSERT_OK(gguf_open(&g, path_of("a.gguf")));
  ASSERT_OK(gguf_int(&g, "missing", false, &n));
  ASSERT_INT(n, 9);
  ASSERT_ERR(gguf_int(&g, "missing", true, &n), ERR_FORMAT, "\"missing\" is missing");
  ASSERT_ERR(gguf_int(&g, "f", true, &n), ERR_FORMAT, "\"f\" is of type f32; an integer is wanted");
  ASSERT_ERR(gguf_int(&g, "ints", true, &n), ERR_FORMAT, "an array of i32; an integer");
  ASSERT_ERR(gguf_real(&g, "b", true, &x), ERR_FORMAT, "a real number is wanted");
  ASSERT_ERR(gguf_bool(&g, "u", true, &b), ERR_FORMAT, "a bool is wanted");
  ASSERT_ERR(gguf_text(&g, "texts", true, &text), ERR_FORMAT, "a string is wanted");
  ASSERT_ERR(gguf_array(&g, "u", true, GGUF_I64, &v), ERR_FORMAT, "an array of integers is wanted");
  ASSERT_ERR(gguf_array(&g, "ints", true, GGUF_STRING, &v), ERR_FORMAT, "an array of string is wanted");
  gguf_close(&g);
}

static void write_plain(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  ASSERT(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

// Every beginning of a file is refused, and every file with one byte changed is refused or read within its bounds.
TEST(broken_files_are_refused) {
  FileMap f;
  Gguf g;
  write_small(path_of("a.gguf"));
  ASSERT_OK(file_map(&f, path_of("a.gguf")));
  size_t size = f.size;
  uint8_t *bytes = malloc(size);
  memcpy(bytes, f.data, size);
  file_unmap(&f);
  for (size_t n = 0; n < size - GGUF_ALIGN; n += 23) {
    write_plain(path_of("b.gguf"), bytes, n);
    ASSERT_ERR(gguf_open(&g, path_of("b.gguf")), ERR_FORMAT, "b.gguf");
  }
  for (size_t i = 0; i < size; i += 11) {
    bytes[i] ^= 0x41;
    write_plain(path_of("b.gguf"), bytes, size);
    bytes[i] ^= 0x41;
    if (gguf_open(&g, path_of("b.gguf")) != ERR_OK) continue;
    for (int64_t k = 0; k < g.n_tensors; k++)
      ASSERT(g.tensor[k].offset <= g.size && g.tensor[k].size <= g.size - g.tensor[k].offset);
    gguf_close(&g);
  }
  free(bytes);
}

TEST(a_writer_keeps_its_word) {
  GgufWriter w;
  ASSERT_OK(gguf_create(&w, path_of("w.gguf")));
  ASSERT_ERR(gguf_declare(&w, "x", gguf_type_named("Q4_K"), 1, (int64_t[]){128}), ERR_SHAPE, "a multiple of 256");
  char name[80];
  memset(name, 'n', sizeof name);
  name[64] = '\0';
  ASSERT_ERR(gguf_declare(&w, name, gguf_type_named("F32"), 1, (int64_t[]){1}), ERR_ARG, "more than 63");
  ASSERT_OK(gguf_declare(&w, "x", gguf_type_named("F32"), 1, (int64_t[]){2}));
  ASSERT_OK(gguf_begin(&w));
  ASSERT_OK(gguf_write(&w, numbers, 4));
  ASSERT_ERR(gguf_commit(&w), ERR_SHAPE, "4 of its 8 bytes");
  ASSERT_OK(gguf_write(&w, numbers, 4));
  ASSERT_ERR(gguf_write(&w, numbers, 4), ERR_SHAPE, "more than were declared");
  gguf_abandon(&w);
  ASSERT(!file_exists(path_of("w.gguf")));
}

// ---- encoding

static double rms_error(const GgufType *type, const uint8_t *blocks, const float *x, int64_t n) {
  float y[1024];
  double sum = 0;
  ASSERT(n <= 1024);
  type->decode(blocks, n / type->block, y);
  for (int64_t i = 0; i < n; i++) sum += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
  return sqrt(sum / (double)n);
}

// On the rows that ggml's reference encoded: the same bytes for the simple types, and no row worse for the searched ones.
TEST(encoding_is_ggmls_or_better) {
  static const struct {
    const char *type, *tensor;
    bool same;
  } cases[] = {{"F16", "f16", true},   {"BF16", "bf16", true},  {"Q8_0", "q8_0", true},
               {"Q4_0", "q4_0", true}, {"Q4_K", "q4_k", false}, {"Q6_K", "q6_k", false}};
  char path[PATH_BYTES];
  Gguf g;
  float x[3 * 512];
  uint8_t blocks[sizeof x], theirs[sizeof x];
  ASSERT_OK(path_join(path, test_golden(), "data/gguf/quants.gguf"));
  ASSERT_OK(gguf_open(&g, path));
  ASSERT_OK(gguf_read_f32(&g, gguf_tensor(&g, "f32"), 0, 3 * 512, x));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const GgufType *type = gguf_type_named(cases[i].type);
    const GgufTensor *t = gguf_tensor(&g, cases[i].tensor);
    type->encode(x, 3 * 512 / type->block, blocks);
    ASSERT(t->size <= sizeof theirs);
    ASSERT_OK(gguf_read(&g, t, 0, t->size, theirs));
    if (cases[i].same) ASSERT_MSG(memcmp(blocks, theirs, t->size) == 0, "%s differs", type->name);
    for (int row = 0; row < 3; row++) {
      size_t at = (size_t)row * t->size / 3;
      double ours = rms_error(type, blocks + at, x + 512 * row, 512), ggmls = rms_error(type, theirs + at, x + 512 * row, 512);
      ASSERT_MSG(ours <= ggmls, "%s row %d: %g, ggml's reference %g", type->name, row, ours, ggmls);
    }
  }
  gguf_close(&g);
}

// All zeros, one spike, all alike, tiny, huge, and numbers that are none: blocks that decode to something near, or to anything
// where nothing is near, without a fault.
TEST(odd_blocks_are_encoded) {
  static const char *const types[] = {"F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"};
  static const double error[] = {1e-3, 4e-3, 5e-3, 0.07, 0.07, 0.02};
  uint8_t blocks[1024];
  float x[256], y[256];
  for (int i = 0; i < 6; i++)
    for (int kind = 0; kind < 7; kind++) {
      const GgufType *type = gguf_type_named(types[i]);
      double most = 0;
      rng_fill_normal(rng_named(1, "odd"), 0, 0, x, 256, 0, 1);
      for (int k = 0; k < 256; k++) {
        if (kind == 0) x[k] = 0;
        if (kind == 1) x[k] = k == 77 ? -3.0f : 0;
        if (kind == 2) x[k] = 0.37f;
        if (kind == 3) x[k] = -0.37f;
        if (kind == 4) x[k] *= 1e-3f;
        if (kind == 5) x[k] = k % 2 ? NAN : -INFINITY;
        if (kind == 6) x[k] *= 1e30f;
        most = fmax(most, fabs((double)x[k]));
      }
      type->encode(x, 256 / type->block, blocks);
      type->decode(blocks, 256 / type->block, y);
      for (int k = 0; k < 256 && kind < 5; k++)
        ASSERT_MSG(fabs((double)x[k] - (double)y[k]) <= error[i] * most * (kind == 4 ? 3 : 1), "%s kind %d: %g became %g",
                   type->name, kind, (double)x[k], (double)y[k]);
    }
}
