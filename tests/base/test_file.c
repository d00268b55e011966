#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static const char *in_folder(const char *name) {
  static char path[4][PATH_BYTES];
  static int turn;
  turn = (turn + 1) % 4;
  ASSERT_OK(path_join(path[turn], test_folder(), name));
  return path[turn];
}

static void expect_content(const char *path, const char *want) {
  char *text = NULL;
  size_t size = 0;
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  ASSERT_TEXT(text, want);
  free(text);
}

static size_t names_in_folder(void) {
  char **names = NULL;
  size_t n = 0;
  ASSERT_OK(folder_list(test_folder(), &names, &n));
  names_free(names, n);
  return n;
}

// Permissions do not bind root; as nobody they do.
static bool drop_root(void) {
  if (geteuid() != 0) return false;
  ASSERT(chmod(test_folder(), 0555) == 0 && seteuid(65534) == 0);
  return true;
}

static void regain_root(bool was_root) {
  if (was_root) ASSERT(seteuid(0) == 0);
}

TEST(a_file_appears_whole) {
  const char *path = in_folder("a");
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  ASSERT_OK(file_printf(&w, "%d and %s\n", 7, "eight"));
  ASSERT(!file_exists(path));
  ASSERT_OK(file_commit(&w));
  expect_content(path, "7 and eight\n");
  ASSERT_INT(names_in_folder(), 1);
}

TEST(an_abandoned_file_leaves_the_old_one) {
  const char *path = in_folder("a");
  ASSERT_OK(file_replace(path, "old", 3));
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  ASSERT_OK(file_write(&w, "new", 3));
  file_abandon(&w);
  file_abandon(&w);
  expect_content(path, "old");
  ASSERT_INT(names_in_folder(), 1);
  FileWriter zero = {0};
  file_abandon(&zero);
}

TEST(long_and_short_writes_keep_their_order) {
  enum { SIZE = 1 << 20 };
  const char *path = in_folder("big");
  uint8_t *data = malloc(SIZE);
  ASSERT(data);
  for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 2654435761u >> 13);
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  size_t at = 0;
  for (size_t part = 1; at < SIZE; part = part * 3 + 1) {
    size_t n = part < SIZE - at ? part : SIZE - at;
    ASSERT_OK(file_write(&w, data + at, n));
    at += n;
  }
  ASSERT_OK(file_commit(&w));
  FileMap f;
  ASSERT_OK(file_map(&f, path));
  ASSERT_INT(f.size, SIZE);
  ASSERT(memcmp(f.data, data, SIZE) == 0);
  file_unmap(&f);
  free(data);
}

TEST(printf_of_any_length) {
  char longer[3000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  const char *path = in_folder("p");
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  ASSERT_OK(file_printf(&w, "%s", longer));
  ASSERT_OK(file_commit(&w));
  expect_content(path, longer);
}

TEST(reading_says_what_is_wrong) {
  FileMap f;
  char *text = NULL;
  size_t size = 0;
  ASSERT_ERR(file_map(&f, in_folder("missing")), ERR_IO, "missing: no such file");
  ASSERT_ERR(file_map(&f, test_folder()), ERR_IO, "is a folder; a file is wanted");
  ASSERT_ERR(file_map(&f, "/dev/null"), ERR_IO, "/dev/null is a device; a plain file is wanted");
  ASSERT_ERR(file_read(test_folder(), 10, &text, &size), ERR_IO, "is a folder");
  ASSERT_OK(file_replace(in_folder("long"), "0123456789a", 11));
  ASSERT_ERR(file_read(in_folder("long"), 10, &text, &size), ERR_FORMAT, "larger than 10 bytes");
  ASSERT_OK(file_read(in_folder("long"), 11, &text, &size));
  ASSERT_INT(size, 11);
  free(text);
  ASSERT(chmod(in_folder("long"), 0) == 0);
  bool was_root = drop_root();
  ASSERT_ERR(file_map(&f, in_folder("long")), ERR_IO, "Permission denied");
  regain_root(was_root);
}

// One that nobody writes to would be waited for.
TEST(what_is_no_file_is_refused_and_not_waited_for) {
  FileMap f;
  char path[PATH_BYTES], *text;
  size_t size;
  int fd;
  snprintf(path, sizeof path, "%.2000s/pipe", test_folder());
  ASSERT(mkfifo(path, 0600) == 0 && !file_is_plain(path));
  ASSERT_ERR(file_map(&f, path), ERR_IO, "pipe is a named pipe; a plain file is wanted");
  ASSERT_ERR(file_read(path, 10, &text, &size), ERR_IO, "is a named pipe; a plain file is wanted, or what another program");
  ASSERT_ERR(file_open(path, &fd), ERR_IO, "is a named pipe");
  ASSERT_INT(fd, -1);
  ASSERT_ERR(file_open("/dev/tty0", &fd), ERR_IO, "/dev/tty0");
  ASSERT_ERR(file_read("/dev/zero", 10, &text, &size), ERR_IO, "/dev/zero is a device");
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT(chdir(test_folder()) == 0 && bind(s, (struct sockaddr *)&name, sizeof name) == 0);
  ASSERT_ERR(file_read("socket", 10, &text, &size), ERR_IO, "socket is a socket; a plain file is wanted");
  close(s);
}

// A shell's <(command) is a pipe that was handed over.
TEST(a_pipe_that_was_handed_over_is_read) {
  int end[2];
  char path[64], *text = NULL;
  size_t size = 0;
  ASSERT(pipe(end) == 0);
  pid_t child = fork();
  if (child == 0) {
    usleep(20000);
    _exit(write(end[1], "late", 4) != 4);
  }
  close(end[1]);
  snprintf(path, sizeof path, "/dev/fd/%d", end[0]);
  ASSERT_OK(file_read(path, 10, &text, &size));
  ASSERT_TEXT(text, "late");
  free(text);
  close(end[0]);
  ASSERT(waitpid(child, NULL, 0) == child);
}

TEST(an_empty_file_maps) {
  FileMap f;
  ASSERT_OK(file_replace(in_folder("empty"), "", 0));
  ASSERT_OK(file_map(&f, in_folder("empty")));
  ASSERT(f.size == 0 && f.data != NULL);
  file_unmap(&f);
}

// /dev/zero has no end: reading stops at the limit.
TEST(an_endless_file_ends) {
  char *text = NULL;
  size_t size = 0;
  char path[64];
  int fd = open("/dev/zero", O_RDONLY);
  snprintf(path, sizeof path, "/dev/fd/%d", fd);
  ASSERT_ERR(file_read(path, 1 << 20, &text, &size), ERR_FORMAT, "larger than 1048576 bytes");
  close(fd);
}

// A limit on the file's size stands in for a full disk: the write fails within, and nothing half-written stays.
TEST(no_space_left_names_the_file_and_cleans_up) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {1 << 20, 1 << 20};
  ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const char *path = in_folder("full");
  FileWriter w;
  char block[65536] = {0};
  ASSERT_OK(file_create(&w, path));
  Err err = ERR_OK;
  for (int i = 0; i < 100 && !err; i++) err = file_write(&w, block, sizeof block);
  ASSERT_ERR(err, ERR_IO, "full: no space left after 1048576 bytes");
  file_abandon(&w);
  ASSERT_INT(names_in_folder(), 0);
  char *big = calloc(1, 2 << 20);
  ASSERT_ERR(file_replace(path, big, 2 << 20), ERR_IO, "no space left");
  ASSERT_INT(names_in_folder(), 0);
  free(big);
}

// Long files are written by another thread, and what that meets comes back.
TEST(no_space_left_of_a_long_file) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {10 << 20, 10 << 20};
  ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const size_t size = 1 << 20;
  char *block = test_memory(size);
  FileWriter w;
  ASSERT_OK(file_create(&w, in_folder("full")));
  Err err = ERR_OK;
  for (int i = 0; i < 100 && !err; i++) err = file_write(&w, block, size);
  ASSERT_ERR(err, ERR_IO, "full: no space left after 10485760 bytes");
  file_abandon(&w);
  ASSERT_OK(file_create(&w, in_folder("full")));
  for (int i = 0; i < 11; i++) ASSERT_OK(file_write(&w, block, size));
  ASSERT_ERR(file_commit(&w), ERR_IO, "full: no space left after 10485760 bytes");
  ASSERT_INT(names_in_folder(), 0);
}

TEST(a_long_file_is_what_was_written) {
  const size_t size = 31000003;  // its end past the page cache, but for what is no whole unit
  uint8_t *data = test_memory(size);
  for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 7 + i / 65521);
  const char *path = in_folder("long");
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  size_t step = 1;
  for (size_t at = 0; at < size; at += step) {
    step = step * 3 % 1000003 + 1;
    if (step > size - at) step = size - at;
    ASSERT_OK(file_write(&w, data + at, step));
  }
  ASSERT_OK(file_commit(&w));
  FileMap map;
  ASSERT_OK(file_map(&map, path));
  ASSERT_INT((int64_t)map.size, (int64_t)size);
  ASSERT(memcmp(map.data, data, size) == 0);
  file_unmap(&map);
}

// ... and where that stops within a unit, the rest is tried in the other way.
TEST(no_space_left_past_the_page_cache) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {(20 << 20) + 1000, (20 << 20) + 1000};
  ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const size_t size = 1 << 20;
  char *block = test_memory(size);
  FileWriter w;
  ASSERT_OK(file_create(&w, in_folder("full")));
  Err err = ERR_OK;
  for (int i = 0; i < 100 && !err; i++) err = file_write(&w, block, size);
  ASSERT_ERR(err, ERR_IO, "full: no space left after 20972520 bytes");
  file_abandon(&w);
  ASSERT_INT(names_in_folder(), 0);
}

TEST(no_space_left_shows_at_commit_too) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {100, 100};
  ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  FileWriter w;
  char block[200] = {0};
  ASSERT_OK(file_create(&w, in_folder("full")));
  ASSERT_OK(file_write(&w, block, sizeof block));  // in the buffer still
  ASSERT_ERR(file_commit(&w), ERR_IO, "no space left");
  ASSERT_INT(names_in_folder(), 0);
}

TEST(targets_that_cannot_be_written) {
  FileWriter w;
  ASSERT_ERR(file_create(&w, in_folder("no/such/folder")), ERR_IO, "its folder does not exist");
  file_abandon(&w);
  ASSERT_ERR(file_create(&w, test_folder()), ERR_IO, "is a folder");
  file_abandon(&w);
  ASSERT_ERR(file_create(&w, "/proc/pleiad"), ERR_IO, "/proc/pleiad: cannot be written");
  file_abandon(&w);
  ASSERT_OK(file_replace(in_folder("file"), "", 0));
  ASSERT_ERR(file_create(&w, in_folder("file/x")), ERR_IO, "Not a directory");
  file_abandon(&w);
  ASSERT(chmod(test_folder(), 0555) == 0);
  bool was_root = drop_root();
  ASSERT_ERR(file_create(&w, in_folder("x")), ERR_IO, "Permission denied");
  file_abandon(&w);
  regain_root(was_root);
  ASSERT(chmod(test_folder(), 0755) == 0);
}

TEST(folders_are_made_listed_removed) {
  ASSERT_OK(folder_make(in_folder("a/b/c")));
  ASSERT_OK(folder_make(in_folder("a/b/c/")));
  ASSERT(file_is_folder(in_folder("a/b/c")));
  ASSERT_OK(file_replace(in_folder("a/z"), "", 0));
  ASSERT_OK(file_replace(in_folder("a/b/y"), "", 0));
  ASSERT(symlink("/", in_folder("a/link")) == 0);
  char **names = NULL;
  size_t n = 0;
  ASSERT_OK(folder_list(in_folder("a"), &names, &n));
  ASSERT_INT(n, 3);
  ASSERT_TEXT(names[0], "b");
  ASSERT_TEXT(names[1], "link");
  ASSERT_TEXT(names[2], "z");
  names_free(names, n);
  ASSERT_ERR(folder_make(in_folder("a/z/q")), ERR_IO, "z is a file");
  ASSERT_OK(folder_remove(in_folder("a")));  // the link, not what it points at
  ASSERT_OK(folder_remove(in_folder("a")));
  ASSERT_INT(names_in_folder(), 0);
  ASSERT_ERR(folder_list(in_folder("a"), &names, &n), ERR_IO, "no such folder");
}

TEST(a_lock_keeps_the_second_process_out) {
  int lock = -1, ready[2], go[2];
  char byte = 0;
  ASSERT(pipe(ready) == 0 && pipe(go) == 0);
  const char *folder = test_folder();
  pid_t child = fork();
  if (child == 0) {
    int mine = -1;
    Err err = folder_lock(&mine, folder);
    if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
    _exit((int)err);  // without unlocking, as a crash would
  }
  ASSERT(read(ready[0], &byte, 1) == 1);
  char owner[64];
  snprintf(owner, sizeof owner, "in use by process %ld", (long)child);
  ASSERT_ERR(folder_lock(&lock, folder), ERR_STATE, owner);
  ASSERT_INT(lock, -1);
  ASSERT(write(go[1], &byte, 1) == 1);
  int status = 0;
  ASSERT(waitpid(child, &status, 0) == child && status == 0);
  ASSERT_OK(folder_lock(&lock, folder));  // the lock died with its process
  int second = -1;
  ASSERT_ERR(folder_lock(&second, folder), ERR_STATE, "in use by");
  folder_unlock(&lock);
  ASSERT_OK(folder_lock(&second, folder));
  folder_unlock(&second);
}

TEST(paths_join_and_end) {
  char out[PATH_BYTES], longer[PATH_BYTES];
  ASSERT_OK(path_join(out, "a", "b"));
  ASSERT_TEXT(out, "a/b");
  ASSERT_OK(path_join(out, "a/", "b"));
  ASSERT_TEXT(out, "a/b");
  ASSERT_OK(path_join(out, "", "b"));
  ASSERT_TEXT(out, "b");
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  ASSERT_ERR(path_join(out, longer, "b"), ERR_ARG, "a path longer than 4095 bytes");
  FileWriter w;
  ASSERT_ERR(file_create(&w, longer), ERR_ARG, "a path longer");
}

TEST(a_path_is_a_folder_and_a_name) {
  static const char *const paths[][3] = {{"name", ".", "name"},   {"/name", "/", "name"},      {"a/b", "a", "b"},
                                         {"/a/b.c", "/a", "b.c"}, {"../x/y/z", "../x/y", "z"}, {"a/", "a", ""}};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    char folder[PATH_BYTES];
    path_folder(folder, paths[i][0]);
    ASSERT_TEXT(folder, paths[i][1]);
    ASSERT_TEXT(path_name(paths[i][0]), paths[i][2]);
  }
}

TEST(a_folder_holds_what_lies_in_it) {
  ASSERT_OK(file_replace(in_folder("a.yaml"), "", 0));
  ASSERT(folder_holds(test_folder(), "a.yaml") && !folder_holds(test_folder(), "b.yaml"));
  ASSERT(!folder_holds(in_folder("nowhere"), "a.yaml") && !folder_holds(in_folder("a.yaml"), "a.yaml"));
  ASSERT(path_ends("a.yaml", ".yaml") && path_ends(".gz", ".gz") && !path_ends("gz", ".gz") && !path_ends("a.gz.b", ".gz"));
}
