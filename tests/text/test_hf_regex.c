#include "text/hf_regex.h"

#include <string.h>

#include "test.h"

// The first match of `pattern` in `text` must be [begin, end).
static void matches(const char *pattern, const char *text, size_t begin, size_t end) {
  HfRegex *r;
  HfMatch *m;
  HfScan scan = {0};
  bool found;
  size_t from = 0, to = 0;
  ASSERT_OK(hf_regex_open(&r, pattern, strlen(pattern), false, "test"));
  ASSERT_OK(hf_match_open(&m));
  ASSERT_OK(hf_regex_next(r, m, text, strlen(text), &scan, &found, &from, &to));
  ASSERT_MSG(found && from == begin && to == end, "%s in \"%s\": %s [%zu, %zu), wanted [%zu, %zu)", pattern, text,
             found ? "found" : "nothing, not", from, to, begin, end);
  hf_match_close(m);
  hf_regex_close(r);
}

// PCRE2's \p{Han} takes the ideographic full stop and brackets too, Oniguruma's does not.
TEST(scripts_are_without_their_extensions) {
  matches("[\\p{Han}]+", "」。模块", 6, 12);
  matches("\\p{Han}+", "。模块", 3, 9);
  matches("[^\\p{Han}]+", "模。", 3, 6);
  matches("\\P{Han}+", "模。", 3, 6);
  matches("\\p{^Han}+", "模。", 3, 6);
  matches("[\\p{Hiragana}\\p{Katakana}]+", "ー、あア", 6, 12);  // the long vowel mark is of both, and Common
  matches("\\p{Lu}\\p{L}+\\p{N}", "a Bc1", 2, 5);
}
