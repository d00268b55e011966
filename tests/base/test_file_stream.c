#include "base/file_stream.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

enum { SIZE = 30000001 };

static uint8_t *make_file(const char *name, char path[PATH_BYTES], int *fd) {
  uint8_t *data = test_memory(SIZE);
  for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 7 + i / 65521 + (size_t)name[0]);
  ASSERT_OK(path_join(path, test_folder(), name));
  ASSERT_OK(file_replace(path, data, SIZE));
  ASSERT_OK(file_open(path, fd));
  ASSERT(posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  return data;
}

static void expect(FileStream *s, int fd, const char *path, const uint8_t *data, size_t offset, size_t size) {
  static uint8_t out[SIZE];
  memset(out, 0, size);
  ASSERT_OK(file_stream_read(s, fd, path, offset, size, out));
  ASSERT(memcmp(out, data + offset, size) == 0);
}

// In order with sizes of all kinds, from the cache and past it.
TEST(a_file_is_read_in_order) {
  char path[PATH_BYTES];
  int fd;
  const uint8_t *data = make_file("a", path, &fd);
  FileStream *s;
  ASSERT_OK(file_stream_open(&s));
  for (int turn = 0; turn < 3; turn++) {
    if (turn == 1) ASSERT(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    size_t step = 1;
    for (size_t at = 0; at < SIZE; at += step) {
      step = step * 5 % 2000003 + 1;
      if (step > SIZE - at) step = SIZE - at;
      expect(s, fd, path, data, at, step);
    }
  }
  file_stream_close(s);
  close(fd);
}

// Runs that end anywhere, jumps forth and back, and two files by turns.
TEST(files_are_read_in_any_order) {
  char path[2][PATH_BYTES];
  int fd[2];
  const uint8_t *data[2];
  data[0] = make_file("a", path[0], &fd[0]);
  data[1] = make_file("b", path[1], &fd[1]);
  FileStream *s;
  ASSERT_OK(file_stream_open(&s));
  for (uint64_t turn = 0; turn < 60; turn++) {
    uint64_t random = (turn + 1) * 0x9e3779b97f4a7c15u;
    int which = (int)(random % 2);
    size_t at = (random >> 8) % SIZE, step = (random >> 40) % 700001 + 1;
    for (int i = 0; i < 12 && at + step < SIZE; i++, at += step) expect(s, fd[which], path[which], data[which], at, step);
  }
  file_stream_close(s);
  close(fd[0]);
  close(fd[1]);
}

TEST(what_lies_past_the_end_is_named) {
  char path[PATH_BYTES];
  uint8_t out[100];
  int fd;
  const uint8_t *data = make_file("a", path, &fd);
  FileStream *s;
  ASSERT_OK(file_stream_open(&s));
  for (size_t at = 20000001; at < SIZE; at += 1000000) expect(s, fd, path, data, at, 1000000);
  ASSERT_ERR(file_stream_read(s, fd, path, SIZE - 50, 100, out), ERR_IO, "a: ends at offset 30000001");
  ASSERT_ERR(file_stream_read(s, fd, path, SIZE, 100, out), ERR_IO, "a: ends at offset 30000001");
  expect(s, fd, path, data, 5, 100);
  file_stream_close(s);
  close(fd);
}
