// Lines that are not JSON.
#include "base/json.h"
#include "test.h"

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
