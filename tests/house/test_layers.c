// The house keeps its own rules: arrows between rooms, headers that stand alone, files and functions of a size to read.
#include <stdarg.h>
#include <stdlib.h>

#include "base/file.h"
#include "test.h"

// A room and the rooms it may include, besides itself. An arrow more is a decision: docs/style.md.
static const struct {
  const char *room, *may[12];
} rooms[] = {
    {"base", {NULL}},
    {"text", {"base"}},
    {"data", {"base", "text"}},
    {"ops", {"base"}},
    {"nn", {"base", "ops"}},
    {"model", {"base", "ops", "nn"}},
    {"comm", {"base"}},
    {"schedule", {"base", "comm"}},
    {"train", {"base", "text", "data", "ops", "nn", "model", "comm", "schedule"}},
    {"infer", {"base", "text", "ops", "nn", "model"}},
    {"cli", {"base", "text", "data", "ops", "nn", "model", "comm", "schedule", "train", "infer"}},
};
enum { N_ROOMS = sizeof rooms / sizeof rooms[0], LINES_MAX = 800, FUNCTION_LINES_MAX = 70, DEPTH_MAX = 16 };

typedef void Visit(const char *path, const char *text);

static int faults;

__attribute__((format(printf, 2, 3))) static void fault(const char *path, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  %s: ", path);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  faults++;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

// Calls visit for every file below root/folder whose name ends so ("" for all), with its path below the root.
static void walk(const char *folder, const char *end, int depth, Visit *visit) {
  char path[PATH_BYTES], below[PATH_BYTES], **names = NULL;
  size_t count = 0;
  ASSERT(depth < DEPTH_MAX);
  ASSERT_OK(path_join(path, test_root(), folder));
  ASSERT_OK(folder_list(path, &names, &count));
  for (size_t i = 0; i < count; i++) {
    if (names[i][0] == '.' || strncmp(names[i], "build", 5) == 0 || strcmp(names[i], "runs") == 0) continue;
    ASSERT_OK(path_join(below, folder, names[i]));
    ASSERT_OK(path_join(path, test_root(), below));
    if (file_is_folder(path)) {
      walk(below, end, depth + 1, visit);
    } else if (ends_with(below, end)) {
      char *text = NULL;
      size_t size = 0;
      ASSERT_OK(file_read(path, 1 << 28, &text, &size));
      if (strlen(text) == size) visit(below, text);  // bytes beyond text have no lines to judge
      free(text);
    }
  }
  names_free(names, count);
}

static void walk_sources(const char *folder, Visit *visit) {
  walk(folder, ".c", 0, visit);
  walk(folder, ".h", 0, visit);
}

static int room_index(const char *name, size_t size) {
  for (int i = 0; i < N_ROOMS; i++)
    if (strlen(rooms[i].room) == size && strncmp(rooms[i].room, name, size) == 0) return i;
  return -1;
}

static bool may_include(int room, const char *other, size_t size) {
  if (room_index(other, size) == room) return true;
  for (int i = 0; rooms[room].may[i]; i++)
    if (strlen(rooms[room].may[i]) == size && strncmp(rooms[room].may[i], other, size) == 0) return true;
  return false;
}

// path: "src/room/..."
static void check_arrows(const char *path, const char *text) {
  const char *name = path + 4;
  int room = room_index(name, strcspn(name, "/"));
  if (room < 0) {
    fault(path, "no such room in the table of this test");
    return;
  }
  static const char start[] = "#include \"";
  for (const char *at = strstr(text, start); at; at = strstr(at + 1, start)) {
    const char *included = at + sizeof start - 1;
    size_t size = strcspn(included, "/\"");
    if (included[size] != '/') fault(path, "includes \"%.*s\" without its room", (int)size, included);
    else if (!may_include(room, included, size))
      fault(path, "%s may not include from %.*s", rooms[room].room, (int)size, included);
  }
}

TEST(arrows_between_rooms) {
  walk_sources("src", check_arrows);
  ASSERT_INT(faults, 0);
}

static void check_sizes(const char *path, const char *text) {
  int line = 0, begun = 0;
  for (const char *at = text; *at; line++) {
    size_t n = strcspn(at, "\n");
    bool top = *at != ' ' && *at != '#' && *at != '}' && *at != '/';
    if (top && n >= 3 && strncmp(at + n - 3, ") {", 3) == 0) begun = line + 1;
    if (*at == '}' && begun) {
      int lines = line + 2 - begun;
      if (lines > FUNCTION_LINES_MAX)
        fault(path, "line %d: a function of %d lines; %d at most", begun, lines, FUNCTION_LINES_MAX);
      begun = 0;
    }
    at += n + (at[n] == '\n');
  }
  if (line > LINES_MAX) fault(path, "%d lines; %d at most", line, LINES_MAX);
}

TEST(files_and_functions_are_of_a_size_to_read) {
  walk_sources("src", check_sizes);
  walk_sources("tests", check_sizes);
  ASSERT_INT(faults, 0);
}

// What belongs to the place where the project is made, not to the project. (Spelt in parts, or this file would name them.)
static void check_names(const char *path, const char *text) {
  static const char *const foreign[] = {
      "/wo"
      "rk/",
      "HELP"
      "ERS.md",
      "/ro"
      "ot/",
      "/ho"
      "me/"};
  for (int i = 0; i < 4; i++)
    if (strstr(text, foreign[i])) fault(path, "names %s", foreign[i]);
}

TEST(nothing_names_the_place_it_was_made) {
  walk("", "", 0, check_names);
  ASSERT_INT(faults, 0);
}

static void check_header(const char *path, const char *text) {
  static const char wide[] = "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mf16c";
  char command[4 * PATH_BYTES + 256];
  const char *compiler = getenv("CC"), *root = test_root(), *isa = strstr(path, "/cpu/") ? wide : "";
  (void)text;
  snprintf(command, sizeof command,
           "%s -std=c11 -D_GNU_SOURCE -fsyntax-only -Wall -Wno-unused -Werror %s -I '%s/src' -I '%s/tests' -x c '%s/%s'",
           compiler ? compiler : "cc", isa, root, root, root, path);
  if (system(command) != 0) fault(path, "does not compile alone");
}

SLOW_TEST(every_header_compiles_alone) {
  walk("src", ".h", 0, check_header);
  walk("tests", ".h", 0, check_header);
  ASSERT_INT(faults, 0);
}

static void check_guard(const char *path, const char *text) {
  char guard[256], *p = guard;
  for (const char *c = path + (strncmp(path, "src/", 4) == 0 ? 4 : 0); *c && p < guard + sizeof guard - 1; c++)
    *p++ = *c == '/' || *c == '.' || *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
  *p = '\0';
  char want[600];
  snprintf(want, sizeof want, "#ifndef %s\n#define %s\n", guard, guard);
  if (!strstr(text, want)) fault(path, "its guard is not %s", guard);
  if (strncmp(text, "//", 2) != 0) fault(path, "does not begin by saying what it is for");
}

TEST(headers_are_guarded_and_say_what_they_are_for) {
  walk("src", ".h", 0, check_guard);
  ASSERT_INT(faults, 0);
}
