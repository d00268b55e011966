#include "base/json.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/utf8.h"
#include "test.h"

static json_t *parsed(const char *text) {
  json_t *root = NULL;
  ASSERT_OK(json_parse(&root, text, strlen(text), "x.json", true));
  return root;
}

static Err refused(const char *text) {
  json_t *root = NULL;
  Err err = json_parse(&root, text, strlen(text), "x.json", true);
  ASSERT(root == NULL);
  return err;
}

TEST(members_are_typed) {
  json_t *o = parsed("{\"i\": 3, \"r\": 2.5, \"b\": true, \"t\": \"x\", \"n\": null, \"z\": \"a\\u0000b\"}");
  int64_t i = 0;
  double r = 0;
  bool b = false;
  const char *t = NULL;
  ASSERT_OK(json_int(o, "i", "x", &i));
  ASSERT_OK(json_number(o, "r", "x", &r));
  ASSERT(i == 3 && r == 2.5);
  ASSERT_OK(json_number(o, "i", "x", &r));
  ASSERT_OK(json_bool_or(o, "b", "x", false, &b));
  ASSERT_OK(json_text(o, "t", "x", &t));
  ASSERT(r == 3 && b);
  ASSERT_TEXT(t, "x");
  ASSERT_OK(json_int_or(o, "n", "x", 9, &i));
  ASSERT_OK(json_number_or(o, "missing", "x", 0.5, &r));
  ASSERT_OK(json_bool_or(o, "missing", "x", true, &b));
  ASSERT_OK(json_text_or(o, "missing", "x", NULL, &t));
  ASSERT(i == 9 && r == 0.5 && b && !t);
  ASSERT_ERR(json_int(o, "r", "x.json", &i), ERR_FORMAT, "x.json: \"r\" is a number with a fraction; an integer is wanted");
  ASSERT_ERR(json_int(o, "q", "x.json", &i), ERR_FORMAT, "x.json: \"q\" is missing; an integer is wanted");
  ASSERT_ERR(json_int_or(o, "t", "x.json", 1, &i), ERR_FORMAT, "\"t\" is a string");
  ASSERT_ERR(json_text(o, "z", "x.json", &t), ERR_FORMAT, "\"z\" has a NUL");
  ASSERT_ERR(json_text(json_object_get(o, "i"), "q", "x.json", &t), ERR_FORMAT,
             "an object with \"q\" is wanted, found an integer");
  json_decref(o);
}

TEST(refusals_name_the_place) {
  ASSERT_ERR(refused("{\n  \"a\": 1,\n  \"b\": }"), ERR_FORMAT, "x.json:3:");
  ASSERT_ERR(refused(""), ERR_FORMAT, "empty");
  ASSERT_ERR(refused("{\"a\": 1, \"a\": 2}"), ERR_FORMAT, "duplicate object key near '\"a\"'");
  ASSERT_ERR(refused("[1, 2"), ERR_FORMAT, "(offset 5): the file ends within a value");
  ASSERT_ERR(refused("{\"big\": 1e999}"), ERR_FORMAT, "\"big\": the number is out of range");
  ASSERT_ERR(refused("[99999999999999999999]"), ERR_FORMAT, "a number out of range");
  ASSERT_ERR(refused("[NaN]"), ERR_FORMAT, "x.json:1:");
  ASSERT_ERR(refused("\xEF\xBB\xBF{}"), ERR_FORMAT, "UTF-8 byte order mark");
  ASSERT_ERR(refused("\"\\ud800\""), ERR_FORMAT, "\\uD800");
}

TEST(repeated_keys_are_data_where_allowed) {
  json_t *root = NULL;
  int64_t a = 0;
  ASSERT_OK(json_parse(&root, "{\"a\": 1, \"a\": 2}", 16, "x", false));
  ASSERT_OK(json_int(root, "a", "x", &a));
  ASSERT_INT(a, 2);
  json_decref(root);
}

TEST(depth_ends_at_the_limit) {
  char text[1026];
  for (int depth = 512; depth <= 513; depth++) {
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    json_t *root = NULL;
    Err err = json_parse(&root, text, 2 * (size_t)depth, "x", true);
    ASSERT_INT(err, depth == 512 ? ERR_OK : ERR_FORMAT);
    json_decref(root);
  }
  json_decref(parsed("\"[[[[ \\\" [[[[\""));  // brackets in strings do not nest
}

TEST(written_json_reads_back_in_order) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "x.json"));
  json_t *o = parsed("{\"z\": [1, 2.5, \"层\"], \"a\": {\"b\": null}, \"e\": 1e-300}"), *back = NULL;
  ASSERT_OK(json_write(o, path));
  ASSERT_OK(json_read(&back, path, true));
  ASSERT(json_equal(o, back));
  ASSERT_TEXT(json_object_iter_key(json_object_iter(back)), "z");
  json_decref(o);
  json_decref(back);
  ASSERT_ERR(json_read(&back, "/nowhere/x.json", true), ERR_IO, "/nowhere/x.json: no such file");
}

TEST(utf8_is_checked_by_the_table) {
  static const struct {
    const char *text;
    size_t size, bad;
  } cases[] = {
      {"", 0, 0},
      {"plain text that is long", 23, 23},
      {"\0", 1, 1},
      {"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 21, 21},
      {"ab\x80", 3, 2},
      {"\xC0\x80", 2, 0},  // overlong
      {"\xC1\xBF", 2, 0},
      {"\xE0\x9F\xBF", 3, 0},
      {"\xF0\x8F\xBF\xBF", 4, 0},
      {"12345678\xED\xA0\x80", 11, 8},  // a surrogate
      {"\xF4\x90\x80\x80", 4, 0},       // past U+10FFFF
      {"\xF5\x80\x80\x80", 4, 0},
      {"a\xE5\xB1", 3, 1},  // cut short
      {"\xE5\x41\x42", 3, 0},
      {"\xFF", 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    ASSERT_INT(utf8_invalid_at(cases[i].text, cases[i].size), cases[i].bad);
}
