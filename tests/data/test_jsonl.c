#include <stdlib.h>

#include "data/jsonl.h"
#include "test.h"

static Strings out;

static Err parse(const char *line) { return jsonl_text(line, strlen(line), "text", &out); }

#define ASSERT_STRING(i, want)                                          \
  do {                                                                  \
    size_t start_ = (i) ? out.end[(i)-1] : 0, n_ = out.end[i] - start_; \
    ASSERT_INT(n_, strlen(want));                                       \
    ASSERT(memcmp(out.data + start_, want, n_) == 0);                   \
  } while (0)

TEST(a_text_is_found_among_other_keys) {
  ASSERT_OK(parse(
      "{\"id\": {\"text\": [1, {\"text\": \"no\"}]}, \"text\": \"yes\", \"z\": [[], {}, [{}], true, false, null, -0.5e+10]}"));
  ASSERT_INT(out.count, 1);
  ASSERT_STRING(0, "yes");
  ASSERT_OK(parse("  \t{ \"text\" :\"spaces\" } \r"));
  ASSERT_STRING(0, "spaces");
  strings_free(&out);
}

TEST(the_last_of_a_repeated_key_wins) {
  ASSERT_OK(parse("{\"text\": {\"a\": 1}, \"text\": \"b\", \"te\\u0078t\": \"c\"}"));
  ASSERT_STRING(0, "c");
  ASSERT_ERR(parse("{\"text\": \"b\", \"text\": 1}"), ERR_FORMAT, "\"text\" is not a string");
  strings_free(&out);
}

TEST(a_list_of_strings_is_kept_apart) {
  ASSERT_OK(parse("{\"text\": [\"a\", \"\", \"bc\"]}"));
  ASSERT_INT(out.count, 3);
  ASSERT_STRING(0, "a");
  ASSERT_STRING(1, "");
  ASSERT_STRING(2, "bc");
  ASSERT_OK(parse("{\"text\": []}"));
  ASSERT_INT(out.count, 0);
  ASSERT_ERR(parse("{\"text\": [\"a\", 1]}"), ERR_FORMAT, "not a string");
  ASSERT_ERR(parse("{\"text\": [\"a\",]}"), ERR_FORMAT, "']' where a value is due");
  strings_free(&out);
}

TEST(escapes_become_their_bytes) {
  ASSERT_OK(parse("{\"text\": \"\\u4f60\\u597d \\ud83d\\ude00 \\u00e9\\/\\b\\f\\n\\r\\t\\\"\\\\\"}"));
  ASSERT_STRING(0, "你好 😀 é/\b\f\n\r\t\"\\");
  ASSERT_OK(parse("{\"text\": \"\\u0000\"}"));
  ASSERT_INT(out.end[0], 1);
  ASSERT_INT(out.data[0], 0);
  strings_free(&out);
}

TEST(numbers_may_be_of_any_size) {
  ASSERT_OK(parse("{\"text\":\"x\",\"n\":1e400,\"m\":-0,\"k\":12345678901234567890123}"));
  ASSERT_ERR(parse("{\"text\":\"x\",\"n\":01}"), ERR_FORMAT, "comma");
  ASSERT_ERR(parse("{\"text\":\"x\",\"n\":1.}"), ERR_FORMAT, "digit");
  ASSERT_ERR(parse("{\"text\":\"x\",\"n\":NaN}"), ERR_FORMAT, "'N' where a value is due");
  strings_free(&out);
}

TEST(a_bad_line_says_why_and_where) {
  static const struct {
    const char *line, *says;
  } bad[] = {{"", "empty line"},
             {" \t\r", "empty line"},
             {"[\"text\"]", "not an object"},
             {"{\"txt\": \"a\"}", "no \"text\" key"},
             {"{\"text\": null}", "\"text\" is not a string"},
             {"{\"text\": \"cut", "ends within a string"},
             {"{\"text\": \"a\"} x", "trailing bytes"},
             {"{\"text\": \"a\",}", "'}' where a key is due"},
             {"{'text': 'a'}", "byte 1: ''' where a key is due"},
             {"{\"text\": \"a\x01\"}", "byte 11: control character 0x01"},
             {"{\"text\": \"\\x\"}", "byte 10: an unknown escape"},
             {"{\"text\": \"\\u12\"}", "byte 10: an unknown escape"},
             {"{\"text\": \"\\ud800 \"}", "byte 10: lone surrogate escape \\ud800"},
             {"{\"text\": \"\\ud800\\u0041\"}", "lone surrogate"},
             {"{\"text\": \"\\udc00\"}", "lone surrogate"},
             {"{\"text\": \"bad \xF0(\x8C\xBC\"}", "byte 14 of the line: invalid UTF-8"},
             {"\xEF\xBB\xBF{\"text\": \"a\"}", "byte order mark"},
             {"\xFF\xFE{", "UTF-16 byte order mark"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) ASSERT_ERR(parse(bad[i].line), ERR_FORMAT, bad[i].says);
  ASSERT_ERR(jsonl_text("\0\0\0", 3, "text", &out), ERR_FORMAT, "NUL bytes (a hole left by a crash?)");
  strings_free(&out);
}

TEST(nesting_is_limited) {
  enum { DEEP = 100000 };
  char *line = malloc(DEEP + 16);
  strcpy(line, "{\"text\": ");
  memset(line + 9, '[', DEEP);
  ASSERT_ERR(jsonl_text(line, DEEP + 9, "text", &out), ERR_FORMAT, "nesting deeper than the limit of 512");
  free(line);
  strings_free(&out);
}

static int choose(const char *line) {
  static const char *const keys[] = {"text", "bytes"};
  int which = -1;
  ASSERT_OK(jsonl_string(line, strlen(line), keys, 2, &out, &which));
  return which;
}

TEST(the_first_of_several_keys_that_has_a_string_is_taken) {
  ASSERT_INT(choose("{\"bytes\": \"b\", \"text\": \"t\"}"), 0);
  ASSERT_STRING(0, "t");
  ASSERT_INT(choose("{\"text\": \"t\", \"bytes\": \"b\"}"), 0);
  ASSERT_STRING(0, "t");
  ASSERT_INT(choose("{\"text\": null, \"bytes\": \"b\"}"), 1);
  ASSERT_STRING(0, "b");
  ASSERT_INT(choose("{\"bytes\": \"b\", \"text\": [\"t\"]}"), 1);
  ASSERT_STRING(0, "b");
  ASSERT_INT(choose("{\"bytes\": \"b\", \"bytes\": \"c\\u4f60\\u597d\"}"), 1);
  ASSERT_STRING(0, "c你好");
  ASSERT_INT(choose("{\"text\": \"t\", \"text\": 1}"), 2);
  ASSERT_INT(choose("{}"), 2);
  int which;
  const char *key = "text";
  ASSERT_ERR(jsonl_string("{\"text\": \"a\"", 12, &key, 1, &out, &which), ERR_FORMAT, "a comma or }");
  ASSERT_ERR(jsonl_string("[]", 2, &key, 1, &out, &which), ERR_FORMAT, "not an object");
  strings_free(&out);
}

TEST(a_list_of_ids_is_read) {
  static const struct {
    const char *line, *says;
  } bad[] = {{"{}", "no \"ids\" key"},
             {"{\"ids\": 1}", "\"ids\" is not a list"},
             {"{\"ids\": [1, 2.0]}", "\"ids\"[1] is not an id"},
             {"{\"ids\": [1, 2, 1e3]}", "\"ids\"[2] is not an id"},
             {"{\"ids\": [\"1\"]}", "\"ids\"[0] is not an id"},
             {"{\"ids\": [2147483648]}", "\"ids\"[0] is not an id"},
             {"{\"ids\": [-2147483649]}", "\"ids\"[0] is not an id"},
             {"{\"ids\": [99999999999999999999999999]}", "\"ids\"[0] is not an id"},
             {"{\"ids\": [01]}", "a comma or ]"},
             {"{\"ids\": [1,]}", "']' where a value is due"},
             {"{\"ids\": [1", "ends within"},
             {"{\"ids\": [-]}", "a value"}};
  static const int32_t want[] = {7, 0, -0, 12, -2147483647 - 1, 2147483647};
  const char *line = "{\"x\": [5], \"ids\": [3], \"ids\": [0 , -0,12,-2147483648, 2147483647 ] }";
  Ids ids = {0};
  ASSERT_OK(ids_push(&ids, 7));
  ASSERT_OK(jsonl_ids(line, strlen(line), "ids", &ids));
  ASSERT_INT(ids.count, 6);
  for (int i = 0; i < 6; i++) ASSERT_INT(ids.id[i], want[i]);
  ASSERT_OK(jsonl_ids("{\"ids\":[]}", 10, "ids", &ids));
  ASSERT_INT(ids.count, 6);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    ASSERT_ERR(jsonl_ids(bad[i].line, strlen(bad[i].line), "ids", &ids), ERR_FORMAT, bad[i].says);
  ids_free(&ids);
}
