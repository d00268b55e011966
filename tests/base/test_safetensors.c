#include "base/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/half.h"
#include "base/json.h"
#include "test.h"

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

TEST(a_header_alone_says_the_same) {
  char path[PATH_BYTES];
  SafeTensors whole, header;
  ASSERT_OK(path_join(path, test_folder(), "a.safetensors"));
  ASSERT_OK(write_sample(path));
  ASSERT_OK(safetensors_open(&whole, path));
  ASSERT_OK(safetensors_open_header(&header, path));
  ASSERT_INT(header.count, whole.count);
  for (int64_t i = 0; i < whole.count; i++) {
    const StTensor *a = &whole.tensor[i], *b = safetensors_find(&header, a->name);
    char bytes[64];
    ASSERT(b && b->size == a->size && b->type == a->type && !b->data && a->size <= sizeof bytes);
    ASSERT_OK(safetensors_read(&header, b, 0, b->size, bytes));
    ASSERT(memcmp(bytes, a->data, a->size) == 0);
    ASSERT_OK(safetensors_read(&whole, a, a->size, 0, bytes));
    if (a->size < 2) continue;
    ASSERT_OK(safetensors_read(&header, b, 1, b->size - 1, bytes));
    ASSERT(memcmp(bytes, (const char *)a->data + 1, a->size - 1) == 0);
  }
  safetensors_close(&whole);
  ASSERT(truncate(path, (off_t)header.map.size - 1) == 0);  // under its reader
  char byte;
  const StTensor *last = &header.tensor[header.count - 1];
  ASSERT_ERR(safetensors_read(&header, last, last->size - 1, 1, &byte), ERR_IO, "ends at offset");
  safetensors_close(&header);
  ASSERT_ERR(safetensors_open_header(&header, test_folder()), ERR_IO, "is a folder");
  ASSERT_ERR(safetensors_open_header(&header, "/nowhere/at/all"), ERR_IO, "no such file");
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
    ASSERT_ERR(safetensors_open_header(&s, path), ERR_FORMAT, "d.safetensors");
  }
}

TEST(the_longest_shape_has_a_text) {
  const int64_t most = INT64_MAX, longest[TENSOR_DIMS] = {most, most, most, most, most, most, most, most};
  char text[DIMS_TEXT_BYTES];
  dims_text(TENSOR_DIMS, longest, text);
  ASSERT_INT(strlen(text), 8 * 19 + 7 * 2 + 2);
  ASSERT_INT(text[strlen(text) - 1], ']');
  dims_text(0, NULL, text);
  ASSERT_TEXT(text, "[]");
}
