// The reference library's answers on the golden tokenizers, and its refusals of broken files.
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "golden/golden_text_hf.h"
#include "test.h"
#include "text/tokenizer.h"

TEST(hf_golden) {
  char folder[PATH_BYTES];
  snprintf(folder, sizeof folder, "%s/golden/text/hf", test_shared());
  GoldenCount n = golden_text_hf(folder);
  ASSERT_INT(n.failed, 0);
  ASSERT(n.cases >= 1000);
}

// A place in a file, as a message may give it: "name:1:300", or "offset".
static bool names_it(const char *message, const char *thing) {
  if (strcmp(thing, "file") == 0) return strstr(message, ".json") != NULL;
  if (strcmp(thing, "line:column or byte offset") == 0) return strstr(message, "offset") != NULL;
  if (strcmp(thing, "position in the pattern") == 0) thing = "position 9 in the pattern";
  return strstr(message, thing) != NULL;
}

TEST(hf_broken_files_are_refused) {
  char path[PATH_BYTES], *lines;
  size_t size;
  int files = 0;
  snprintf(path, sizeof path, "%s/golden/data/bad/expect.jsonl", test_shared());
  ASSERT_OK(file_read(path, 1 << 24, &lines, &size));
  for (char *at = lines, *end; at < lines + size && (end = memchr(at, '\n', (size_t)(lines + size - at))); at = end + 1) {
    json_t *row;
    ASSERT_OK(json_parse(&row, at, (size_t)(end - at), path, true));
    const char *file, *verdict;
    ASSERT_OK(json_text(row, "file", path, &file));
    ASSERT_OK(json_text(row, "verdict", path, &verdict));
    if (strncmp(file, "tokenizer_", 10) == 0) {
      char target[PATH_BYTES];
      Tokenizer *t = NULL;
      files++;
      snprintf(target, sizeof target, "%s/golden/data/bad/%s", test_shared(), file);
      Err err = tokenizer_open(&t, target);
      ASSERT_MSG((err == ERR_OK) == (strcmp(verdict, "accept") == 0), "%s: %s", file, err ? err_text() : "accepted");
      const json_t *things = json_object_get(row, "message_names");
      for (size_t i = 0; err && i < json_array_size(things); i++) {
        const char *thing = json_string_value(json_array_get(things, i));
        ASSERT_MSG(names_it(err_text(), thing), "%s: \"%s\" does not name %s", file, err_text(), thing);
      }
      tokenizer_close(t);
    }
    json_decref(row);
  }
  free(lines);
  ASSERT(files >= 15);
}
