// --json: whatever happens, the last line of the standard output is one JSON object.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "test.h"

// The object that `line`, a line of shell, prints last; the exit code must be `code`.
static json_t *object_of(const char *line, int code) {
  char *output = NULL;
  int got = program_shell(&output, line);
  ASSERT_MSG(got == code, "%s: exit code %d, want %d: %s", line, got, code, output);
  size_t size = strlen(output);
  ASSERT_MSG(size > 1 && output[size - 1] == '\n', "%s: no line: %s", line, output);
  output[size - 1] = '\0';
  const char *last = strrchr(output, '\n');
  last = last ? last + 1 : output;
  json_t *o = json_loads(last, JSON_ALLOW_NUL, NULL);
  ASSERT_MSG(json_is_object(o), "%s: no JSON object: %s", line, last);
  free(output);
  return o;
}

static void tells(const char *line, const char *key) {
  json_t *o = object_of(line, 0);
  ASSERT_MSG(json_object_get(o, key), "%s: no \"%s\"", line, key);
  json_decref(o);
}

static void fails(const char *line, int code) {
  json_t *o = object_of(line, code);
  const char *error = json_string_value(json_object_get(o, "error"));
  ASSERT_MSG(error && *error && json_integer_value(json_object_get(o, "exit_code")) == code, "%s", line);
  json_decref(o);
}

TEST(every_command_ends_with_an_object) {
  program_things();
  tells("$P version --json", "version");
  tells("$P help --json", "commands");
  tells("$P --help --json", "commands");
  tells("$P help bench --json", "benches");
  tells("$P help train --json", "help");
  tells("$P bench train --help --json", "help");
  tells("$P info --json", "processor");
  tells("$P tokenizer train --input text.jsonl --vocab 300 --byte-fallback --output u.model --json", "vocab");
  tells("echo 'word 7' | $P tokenize --tokenizer t.model --json", "tokens");
  tells("echo '{\"text\": \"word 7\"}' | $P tokenize --tokenizer t.model --jsonl --json", "tokens");
  tells("echo 260 261 | $P detokenize --tokenizer t.model --json", "text_bytes");
  tells("$P data build text.jsonl --tokenizer t.model --output text --json", "documents");
  tells("$P data info text --json", "tokens");
  tells("$P data show text --tokenizer t.model --json", "sequences");
  tells("$P train config.yaml --train.output=run --model.vocab=300 --data.train=text --data.tokenizer=t.model --json", "loss");
  tells("$P info run --json", "parameters");
  tells("$P eval --model run --data text --json", "perplexity");
  tells("$P generate --model run --prompt word --max-new 3 --json", "ids");
  tells("echo word | $P chat --model run --max-new 3 --json", "messages");
  tells("$P plot run --json", "picture");
  tells("$P plot --schedule --json", "turns");
  tells("$P export run hf --json", "parameters");
  tells("$P import hf --out back --json", "parameters");
  tells("$P verify run run --json", "equal");
  tells("$P bench data --tokens 100000 --json", "scan_mb_s");
}

TEST(what_fails_says_so_in_an_object) {
  static const char *const lines[] = {"info no",
                                      "tokenize --tokenizer no",
                                      "detokenize --tokenizer no",
                                      "data info no",
                                      "data show no",
                                      "train no.yaml",
                                      "eval --model no",
                                      "chat --model no",
                                      "generate --model no --prompt a",
                                      "export no out",
                                      "import no --out out",
                                      "plot no",
                                      "verify no",
                                      "bench train no",
                                      "bench tokenize --tokenizer no",
                                      "bench data no",
                                      "import-config no",
                                      "data build no --tokenizer no --output out"};
  char line[PATH_BYTES];
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    snprintf(line, sizeof line, "$P %s --json", lines[i]);
    fails(line, 1);
  }
  fails("$P --json", 2);
  fails("$P trian --json", 2);
  fails("$P train --json", 2);
  fails("$P generate --json --model", 2);
  fails("$P info \"$(printf 'no\\377')\" --json", 1);  // a name that is not UTF-8
}

// What a model says need not be UTF-8; and where it must stop within a character, none is shown.
TEST(text_of_broken_bytes_is_an_object_too) {
  program_things();
  tells("$P train config.yaml --train.output=run --model.vocab=300 --data.train=toy --json", "loss");
  for (int seed = 1; seed < 9; seed++) {
    char line[PATH_BYTES];
    snprintf(
        line, sizeof line,
        "$P generate --model run --tokenizer t.model --prompt a --max-new 9 --temperature 50 --top_k 0 --top_p 1 --seed %d "
        "--json",
        seed);
    json_t *o = object_of(line, 0);
    const json_t *text = json_object_get(o, "text"), *stop = json_object_get(o, "stop");
    const char *said = json_string_value(text);
    size_t size = json_string_length(text);
    bool broken = said && size >= 3 && memcmp(said + size - 3, "\xEF\xBF\xBD", 3) == 0;
    ASSERT_MSG(json_is_string(text) && (!broken || strcmp(json_string_value(stop), "token") == 0), "seed %d: \"%s\"", seed,
               said);
    json_decref(o);
  }
  tells("$P data show toy --tokenizer t.model --json", "sequences");
}
