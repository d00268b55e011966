#include "base/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/half.h"
#include "base/json.h"
#include "test.h"

static const char *golden(const char *file) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/golden/data/safetensors/%s", test_shared(), file);
  return path;
}

// What the Rust library takes and we refuse, and why.
static const struct {
  const char *file, *message;
} stricter[] = {
    {"duplicate_tensor.safetensors", "duplicate object key"},        // a name given twice
    {"duplicate_metadata_key.safetensors", "duplicate object key"},  // likewise
    {"shape_zero_times_huge.safetensors", "out of range"},           // a dimension past 2^63 - 1
};

static const char *stricter_message(const char *file) {
  for (int i = 0; i < 3; i++)
    if (strcmp(stricter[i].file, file) == 0) return stricter[i].message;
  return NULL;
}

// The first 16 hexadecimal digits of the bytes' SHA-256, by coreutils.
static void sha256_16(const void *data, size_t size, char out[17]) {
  char path[PATH_BYTES], command[PATH_BYTES + 32];
  ASSERT_OK(path_join(path, test_folder(), "bytes"));
  ASSERT_OK(file_replace(path, data, size));
  snprintf(command, sizeof command, "sha256sum < '%s'", path);
  FILE *pipe = popen(command, "r");
  ASSERT(pipe && fread(out, 1, 16, pipe) == 16);
  out[16] = '\0';
  pclose(pipe);
}

static void check_tensor(const SafeTensors *s, const json_t *want, const char *file) {
  const char *name, *dtype, *hash;
  ASSERT_OK(json_text(want, "name", file, &name));
  ASSERT_OK(json_text(want, "dtype", file, &dtype));
  ASSERT_OK(json_text(want, "sha256_16", file, &hash));
  const StTensor *t = safetensors_find(s, name);
  ASSERT_MSG(t, "%s: no tensor \"%s\"", file, name);
  if (t->type != ST_OTHER) ASSERT_TEXT(st_type_name(t->type), dtype);
  ASSERT(json_number_value(json_object_get(want, "bytes")) == (double)t->size);
  const json_t *shape = json_object_get(want, "shape");
  ASSERT_INT(t->n_dims, json_array_size(shape));
  for (int i = 0; i < t->n_dims; i++) ASSERT(json_number_value(json_array_get(shape, (size_t)i)) == (double)t->dim[i]);
  char got[17];
  sha256_16(t->data, t->size, got);
  ASSERT_TEXT(got, hash);
}

static void check_file(const char *file, bool accept, const json_t *tensors) {
  SafeTensors s;
  const char *message = stricter_message(file);
  if (!accept || message) {
    ASSERT_ERR(safetensors_open(&s, golden(file)), ERR_FORMAT, file);
    if (message) ASSERT_MSG(strstr(err_text(), message), "%s: %s", file, err_text());
    return;
  }
  ASSERT_OK(safetensors_open(&s, golden(file)));
  ASSERT_INT(s.count, json_array_size(tensors));
  size_t i;
  const json_t *want;
  json_array_foreach(tensors, i, want) check_tensor(&s, want, file);
  ASSERT(safetensors_find(&s, "no such tensor") == NULL);
  safetensors_close(&s);
}

TEST(every_verdict_of_the_reference) {
  char *text = NULL;
  size_t size = 0;
  const char *path = golden("verdicts.jsonl");
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  int files = 0;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (!*line) continue;
    json_t *row;
    const char *file, *verdict;
    ASSERT((row = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL)) != NULL);  // there is a dimension of 2^63
    ASSERT_OK(json_text(row, "file", path, &file));
    ASSERT_OK(json_text(row, "verdict", path, &verdict));
    check_file(file, strcmp(verdict, "accept") == 0, json_object_get(row, "tensors"));
    json_decref(row);
    files++;
  }
  ASSERT(files > 60);
  free(text);
}

static double json_value(const json_t *v) {
  const char *text = json_string_value(v);
  if (!text) return json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
  return strcmp(text, "nan") == 0    ? NAN
         : strcmp(text, "inf") == 0  ? INFINITY
         : strcmp(text, "-inf") == 0 ? -INFINITY
                                     : -12345.0;
}

// Every value of the float types, to the bit.
static void check_values(const char *tensors, const char *values) {
  SafeTensors s;
  json_t *root;
  ASSERT_OK(safetensors_open(&s, golden(tensors)));
  ASSERT((root = json_load_file(golden(values), JSON_DECODE_INT_AS_REAL, NULL)) != NULL);  // there are values of 2^64 - 1
  int compared = 0;
  for (int64_t k = 0; k < s.count; k++) {
    const StTensor *t = &s.tensor[k];
    const json_t *want = json_object_get(root, t->name);
    float got[512];
    int64_t n = st_elements(t);
    bool is_float = t->type == ST_F32 || t->type == ST_F64 || t->type == ST_F16 || t->type == ST_BF16 ||
                    t->type == ST_F8_E4M3 || t->type == ST_F8_E5M2;
    if (!want || !is_float) continue;
    ASSERT_INT(json_array_size(want), n);
    ASSERT(n <= 512);
    ASSERT_OK(st_read_f32(t, 0, n, got));
    for (int64_t i = 0; i < n; i++) {
      float wanted = (float)json_value(json_array_get(want, (size_t)i));
      bool same = isnan(wanted) ? isnan(got[i]) : f32_bits(wanted) == f32_bits(got[i]);
      ASSERT_MSG(same, "%s[%lld] is %.9g, want %.9g", t->name, (long long)i, got[i], wanted);
    }
    float last;
    ASSERT_OK(st_read_f32(t, n - 1, 1, &last));
    ASSERT(memcmp(&last, &got[n - 1], 4) == 0);
    compared++;
  }
  ASSERT(compared >= 2);
  json_decref(root);
  safetensors_close(&s);
}

TEST(every_value_of_every_float_type) {
  check_values("ok_all_dtypes.safetensors", "ok_all_dtypes.values.json");
  check_values("ok_fp8_codes.safetensors", "ok_fp8_codes.values.json");
}

static Err write_sample(const char *path) {
  static const int64_t two_three[] = {2, 3}, empty[] = {0, 4}, three[] = {3};
  static const float a[6] = {1, 2, 3, 4, 5, 6};
  static const uint8_t b[3] = {7, 8, 9};
  static const double c = 0.1;
  SafeTensorsWriter w;
  TRY(safetensors_create(&w, path));
  TRY(safetensors_meta(&w, "format", "pt"));
  TRY(safetensors_declare(&w, "none", ST_F32, 2, empty));
  TRY(safetensors_declare(&w, "layer.0.权重", ST_F32, 2, two_three));
  TRY(safetensors_declare(&w, "b", ST_U8, 1, three));
  TRY(safetensors_declare(&w, "scalar", ST_F64, 0, NULL));
  TRY(safetensors_begin(&w));
  TRY(safetensors_write(&w, a, 10));  // in parts that do not mind elements
  TRY(safetensors_write(&w, (const char *)a + 10, sizeof a - 10));
  TRY(safetensors_write(&w, b, sizeof b));
  TRY(safetensors_write(&w, &c, sizeof c));
  return safetensors_commit(&w);
}

TEST(what_is_written_is_read_back) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "a.safetensors"));
  ASSERT_OK(write_sample(path));
  SafeTensors s;
  ASSERT_OK(safetensors_open(&s, path));
  ASSERT_INT(s.count, 4);
  ASSERT_INT(s.meta_count, 1);
  ASSERT_TEXT(s.meta[0], "format");
  ASSERT_TEXT(s.meta[1], "pt");
  const int64_t two_three[] = {2, 3}, three_two[] = {3, 2};
  const StTensor *t = NULL;
  ASSERT_OK(safetensors_want(&s, "layer.0.权重", ST_F32, 2, two_three, &t));
  float got[6];
  ASSERT_OK(st_read_f32(t, 0, 6, got));
  for (int i = 0; i < 6; i++) ASSERT(got[i] == (float)(i + 1));
  ASSERT_INT((uintptr_t)t->data % 8, 0);
  ASSERT_ERR(safetensors_want(&s, "layer.0.权重", ST_F32, 2, three_two, &t), ERR_FORMAT, "is F32 [2, 3]; F32 [3, 2] is wanted");
  ASSERT_ERR(safetensors_want(&s, "layer.0.权重", ST_BF16, -1, NULL, &t), ERR_FORMAT, "BF16 of any shape is wanted");
  ASSERT_ERR(safetensors_want(&s, "layer.1", ST_F32, -1, NULL, &t), ERR_FORMAT, "a.safetensors: tensor \"layer.1\" is missing");
  ASSERT_OK(safetensors_want(&s, "scalar", ST_F64, 0, NULL, &t));
  ASSERT_OK(st_read_f32(t, 0, 1, got));
  ASSERT(got[0] == 0.1f);
  ASSERT_ERR(st_read_f32(safetensors_find(&s, "b"), 0, 1, got), ERR_FORMAT, "a floating type is wanted");
  safetensors_close(&s);
}

TEST(a_writer_keeps_its_word) {
  char path[PATH_BYTES];
  const int64_t two[] = {2};
  SafeTensorsWriter w;
  ASSERT_OK(path_join(path, test_folder(), "b.safetensors"));
  ASSERT_OK(safetensors_create(&w, path));
  ASSERT_OK(safetensors_declare(&w, "a", ST_F32, 1, two));
  ASSERT_OK(safetensors_begin(&w));
  ASSERT_OK(safetensors_write(&w, "1234", 4));
  ASSERT_ERR(safetensors_commit(&w), ERR_SHAPE, "has 4 of its 8 bytes");
  ASSERT_ERR(safetensors_write(&w, "123456789", 9), ERR_SHAPE, "5 bytes more");
  safetensors_abandon(&w);
  ASSERT(!file_exists(path));
  ASSERT_OK(safetensors_create(&w, path));
  ASSERT_OK(safetensors_declare(&w, "a", ST_F32, 1, two));
  ASSERT_OK(safetensors_declare(&w, "a", ST_F32, 1, two));
  ASSERT_ERR(safetensors_begin(&w), ERR_ARG, "declared twice");
  safetensors_abandon(&w);
  ASSERT_OK(safetensors_create(&w, path));
  ASSERT_OK(safetensors_declare(&w, "\xff", ST_F32, 1, two));
  ASSERT_ERR(safetensors_begin(&w), ERR_ARG, "not UTF-8");
  safetensors_abandon(&w);
}

TEST(foreign_files_are_named_for_what_they_are) {
  char path[PATH_BYTES];
  SafeTensors s;
  ASSERT_OK(path_join(path, test_folder(), "c.safetensors"));
  static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
  ASSERT_OK(file_replace(path, pointer, sizeof pointer - 1));
  ASSERT_ERR(safetensors_open(&s, path), ERR_FORMAT, "Git LFS pointer");
  ASSERT_OK(file_replace(path, "", 0));
  ASSERT_ERR(safetensors_open(&s, path), ERR_FORMAT, "empty");
  ASSERT_ERR(safetensors_open(&s, test_folder()), ERR_IO, "is a folder");
  ASSERT_ERR(safetensors_open(&s, "/nowhere/at/all"), ERR_IO, "/nowhere/at/all: no such file");
}

// Cut anywhere, a file is refused and never read past its end.
TEST(truncated_files_are_refused) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "d.safetensors"));
  ASSERT_OK(write_sample(path));
  FileMap whole;
  ASSERT_OK(file_map(&whole, path));
  size_t size = whole.size;
  file_unmap(&whole);
  while (size-- > 0) {
    SafeTensors s;
    ASSERT(truncate(path, (off_t)size) == 0);
    ASSERT_ERR(safetensors_open(&s, path), ERR_FORMAT, "d.safetensors");
  }
}
