// The broken files beside the checkout whose readers are base's: each is refused, and the message names what is listed for it.
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/options.h"
#include "test.h"

typedef struct {
  int64_t seed;
} Seed;

static const Field seed_fields[] = {FIELD_INT(Seed, seed, 0, 0, 9, "a number"), {0}};

// What our message must hold, in our words, for each thing that the table lists.
static const struct {
  const char *file, *parts[3];
} cases[] = {
    {"json_deep_10000.json", {"nesting deeper than the limit", "offset 512"}},
    {"json_deep_objects.json", {"nesting"}},
    {"json_nul.json", {"offset 8"}},
    {"json_bad_utf8.json", {"offset 7", "invalid UTF-8"}},
    {"json_number_huge.json", {"\"n\"", "out of range"}},
    {"json_two_documents.json", {"offset 3"}},
    {"json_utf16.json", {"UTF-16 byte order mark"}},
    {"yaml_billion_laughs.yaml", {".yaml:1:", "aliases are not supported"}},
    {"yaml_self_alias.yaml", {".yaml:1:", "alias"}},
    {"yaml_tab_indent.yaml", {".yaml:2:", "tab"}},
    {"yaml_duplicate_key.yaml", {".yaml:2:", "seed", "line 1"}},
    {"yaml_deep.yaml", {"nesting"}},
    {"yaml_bad_utf8.yaml", {".yaml:1:", "UTF-8"}},
    {"yaml_unknown_tag.yaml", {".yaml:1:", "tag"}},
    {"yaml_unterminated.yaml", {"line 1"}},
    {"yaml_undefined_alias.yaml", {".yaml:1:", "nope"}},
    {"yaml_nul.yaml", {".yaml:1:"}},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static Err read_one(const char *path) {
  if (strstr(path, ".yaml")) {
    Seed seed;
    Options o = {0};
    options_bind(&o, seed_fields, &seed);
    options_defaults(&o);
    return options_load(&o, path);
  }
  json_t *root = NULL;
  Err err = json_read(&root, path, true);
  json_decref(root);
  return err;
}

static void check(const char *folder, const char *file) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, folder, file));
  ASSERT_MSG(read_one(path) != ERR_OK, "%s was taken", file);
  ASSERT_MSG(strstr(err_text(), file), "\"%s\" does not name the file", err_text());
  int found = 0;
  for (int i = 0; i < N_CASES; i++) {
    if (strcmp(cases[i].file, file) != 0) continue;
    found = 1;
    for (int p = 0; p < 3 && cases[i].parts[p]; p++)
      ASSERT_MSG(strstr(err_text(), cases[i].parts[p]), "\"%s\" does not name \"%s\"", err_text(), cases[i].parts[p]);
  }
  ASSERT_MSG(found, "%s: its message is not checked; add it to the table", file);
}

// Driven by the table beside the files, so that a new file cannot be forgotten.
TEST(every_broken_json_and_yaml_is_refused) {
  char folder[PATH_BYTES], path[PATH_BYTES];
  ASSERT_OK(path_join(folder, test_shared(), "golden/data/bad"));
  ASSERT_OK(path_join(path, folder, "expect.jsonl"));
  char *text = NULL;
  size_t size = 0;
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  int checked = 0;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (!*line) continue;
    json_t *row = NULL;
    ASSERT_OK(json_parse(&row, line, strlen(line), path, true));
    const char *reader = NULL, *file = NULL;
    ASSERT_OK(json_text(row, "reader", path, &reader));
    ASSERT_OK(json_text(row, "file", path, &file));
    bool json = strcmp(reader, "json") == 0 || strcmp(reader, "json (integer field)") == 0;
    if (json || strcmp(reader, "yaml") == 0) {
      check(folder, file);
      checked++;
    }
    json_decref(row);
  }
  ASSERT_INT(checked, N_CASES);
  free(text);
}

// The lines themselves, as one document each: data/ adds the file and line.
TEST(a_bad_json_line_is_refused) {
  static const struct {
    const char *line;
    size_t size;
    const char *part;
  } lines[] = {{"{\"text\": \"a", 11, "ends within a value"},
               {"{\"text\": \"a\xff\"}", 14, "line 2:1:12 (offset 11): invalid UTF-8"},
               {"\0\0\0", 3, "NUL"},
               {"", 0, "empty"},
               {"\xff\xfe{\0", 4, "UTF-16"}};
  for (int i = 0; i < 5; i++) {
    json_t *root = NULL;
    ASSERT_ERR(json_parse(&root, lines[i].line, lines[i].size, "line 2", false), ERR_FORMAT, lines[i].part);
    ASSERT(root == NULL);
  }
}
