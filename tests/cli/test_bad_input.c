// Bad input, as a person meets it: by the program. Each must end with an exit code, one message that names the file and the
// place, and nothing half-written.
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "test.h"
#include "train/tiny.h"

// What lies in the test's folder.
static char *listing(void) {
  char *text = NULL;
  ASSERT_INT(program_shell(&text, "find . ! -name output ! -path './run*' | LC_ALL=C sort"), 0);
  return text;
}

static const char *error_line(const char *output, int *count) {
  const char *found = NULL;
  *count = 0;
  for (const char *at = output; at; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, "error: ", 7) != 0) continue;
    found = at;
    ++*count;
  }
  return found;
}

// The line must fail with one message that holds each of `names` (separated by |), and leave no file.
static void refused(const char *line, const char *names) {
  char *before = listing(), *output = NULL, parts[1024];
  int code = program_shell(&output, line), count;
  ASSERT_MSG(code == 1 || code == 2, "%s: exit code %d: %s", line, code, output);
  const char *error = error_line(output, &count);
  ASSERT_MSG(count == 1, "%s: %d messages: %s", line, count, output);
  ASSERT((size_t)snprintf(parts, sizeof parts, "%s", names) < sizeof parts);
  for (char *part = parts, *end; part; part = end) {
    end = strchr(part, '|');
    if (end) *end++ = '\0';
    ASSERT_MSG(strstr(error, part), "%s: no \"%s\" in: %s", line, part, error);
  }
  free(output);
  char *after = listing();
  ASSERT_MSG(strcmp(before, after) == 0, "%s: it left files: %s, before: %s", line, after, before);
  free(before);
  free(after);
}

static void refused_of(const char *names, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refused_of(const char *names, const char *format, ...) {
  char line[2 * PATH_BYTES];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  ASSERT(n < (int)sizeof line);
  refused(line, names);
}

static void done(const char *line, const char *part) {
  char *output = NULL;
  int code = program_shell(&output, line);
  ASSERT_MSG(code == 0 && strstr(output, part), "%s: exit code %d, want \"%s\" in: %s", line, code, part, output);
  free(output);
}

// ---- the shared folder of broken files

static const char *const tokenizer_lines[] = {"echo a | $P tokenize --tokenizer $B/%s",
                                              "echo 1 | $P detokenize --tokenizer $B/%s",
                                              "$P data build text.jsonl --tokenizer $B/%s --output out",
                                              "$P data info toy --check --tokenizer $B/%s",
                                              "$P train config.yaml --train.output=run2 --data.tokenizer=$B/%s",
                                              NULL};
static const char *const lines_lines[] = {"$P data build $B/%s --tokenizer t.model --output out",
                                          "$P data build --tokenizer t.model --output out --threads 3 text.jsonl $B/%s",
                                          "$P tokenizer train --input $B/%s --vocab 300 --output out.model", NULL};
static const char *const yaml_lines[] = {"$P train $B/%s", "$P train $B/%s --train.output=run2", NULL};
static const char *const json_lines[] = {
    "rm -rf m; mkdir m; cp $B/%s m/config.json; $P export m out; c=$?; rm -rf m; (exit $c)",
    "rm -rf m; mkdir m; cp $B/%s m/config.json; $P generate --model m --prompt a; c=$?; rm -rf m; (exit $c)",
    "rm -rf m; mkdir m; cp $B/%s m/config.json; $P eval --model m --data toy; c=$?; rm -rf m; (exit $c)", NULL};
static const char *const index_lines[] = {"$P data info $B/%s", "$P data show $B/%s",
                                          "$P train config.yaml --train.output=run2 --data.train=$B/%s", NULL};

static const char *const *lines_for(const char *reader) {
  if (strcmp(reader, "sentencepiece") == 0 || strcmp(reader, "tokenizer.json") == 0) return tokenizer_lines;
  if (strcmp(reader, "indexed") == 0) return index_lines;
  if (strcmp(reader, "jsonl") == 0) return lines_lines;
  if (strcmp(reader, "yaml") == 0) return yaml_lines;
  return strncmp(reader, "json", 4) == 0 ? json_lines : NULL;
}

// Reading the file by every command that reads such files.
static void bad_file(const json_t *row) {
  const char *file = NULL, *reader = NULL, *verdict = NULL;
  char name[256], names[300];
  ASSERT_OK(json_text(row, "file", "expect.jsonl", &file));
  ASSERT_OK(json_text(row, "reader", "expect.jsonl", &reader));
  ASSERT_OK(json_text(row, "verdict", "expect.jsonl", &verdict));
  const char *const *lines = lines_for(reader);
  if (!lines || strcmp(verdict, "reject") != 0) return;
  snprintf(name, sizeof name, "%s", file);
  char *dot = strrchr(name, '.');
  if (lines == index_lines) *dot = '\0';
  snprintf(names, sizeof names, "%s", lines == json_lines ? "config.json" : name);
  for (; *lines; lines++) {
    char line[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof line, *lines, name);
#pragma GCC diagnostic pop
    refused(line, names);
  }
}

static void bad_files(const char *reader) {
  char path[PATH_BYTES], *text;
  size_t size;
  ASSERT_OK(path_join(path, test_golden(), "data/bad/expect.jsonl"));
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  program_things();
  int rows = 0;
  for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
    json_t *row = NULL;
    const char *of = NULL;
    ASSERT_OK(json_parse(&row, at, (size_t)(end - at), "expect.jsonl", true));
    ASSERT_OK(json_text(row, "reader", "expect.jsonl", &of));
    if (strncmp(of, reader, strlen(reader)) == 0) bad_file(row), rows++;
    json_decref(row);
  }
  ASSERT(rows > 5);
  free(text);
}

SLOW_TEST(broken_models_are_refused_by_each_command) { bad_files("sentencepiece"); }
SLOW_TEST(broken_tokenizers_are_refused_by_each_command) { bad_files("tokenizer.json"); }
SLOW_TEST(broken_token_files_are_refused_by_each_command) { bad_files("indexed"); }
SLOW_TEST(broken_lines_are_refused_by_each_command) { bad_files("jsonl"); }
SLOW_TEST(broken_run_files_are_refused_by_each_command) { bad_files("yaml"); }
SLOW_TEST(broken_configurations_are_refused_by_each_command) { bad_files("json"); }

// ---- missing, empty, foreign, a folder

TEST(files_that_are_not_there_are_named) {
  program_things();
  refused("echo a | $P tokenize --tokenizer nothing.model", "nothing.model");
  refused("$P data info nothing", "nothing.idx");
  refused("$P data show nothing", "nothing.idx");
  refused("$P data build nothing.jsonl --tokenizer t.model --output out", "nothing.jsonl");
  refused("$P tokenizer train --input nothing --vocab 300 --output out.model", "nothing");
  refused("$P train nothing.yaml", "nothing.yaml");
  refused("$P train config.yaml --train.output=run2 --data.train=nothing", "nothing");
  refused("$P eval --model nothing --data toy", "nothing");
  refused("$P generate --model nothing --prompt a", "nothing");
  refused("$P export nothing out", "nothing");
  refused("$P plot nothing", "nothing");
}

TEST(files_of_another_kind_are_refused) {
  program_things();
  done(": >empty; mkdir hollow; echo made", "made");
  static const char *const things[] = {"empty",      "hollow",      "toy.idx", "toy.bin",
                                       "text.jsonl", "config.yaml", "t.model", "/dev/null"};
  for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
    const char *it = things[i];
    if (strcmp(it, "t.model") != 0) {
      refused_of(it, "echo a | $P tokenize --tokenizer %s", it);
      refused_of(it, "$P data build text.jsonl --tokenizer %s --output out", it);
    }
    if (strcmp(it, "config.yaml") != 0 && strcmp(it, "empty") != 0 && strcmp(it, "/dev/null") != 0)
      refused_of(it, "$P train %s", it);
    refused_of(it, "$P generate --model %s --prompt a", it);
    refused_of(it, "$P eval --model %s --data toy", it);
    refused_of(it, "$P export %s out", it);
    refused_of(it, "$P plot %s", it);
  }
  refused("cp t.model other.idx; $P data info other; c=$?; rm other.idx; (exit $c)", "other.idx");
  refused("cp toy.bin other.idx; cp toy.idx other.bin; $P data info other; c=$?; rm other.idx other.bin; (exit $c)",
          "other.idx");
  refused("cp toy.idx other.idx; head -c 100 toy.bin >other.bin; $P data info other; c=$?; rm other.idx other.bin; (exit $c)",
          "other.bin|bin size 100");
  refused("mkdir r; echo '{}' >r/metrics.jsonl; $P plot r; c=$?; rm -r r; (exit $c)", "r");
}

TEST(files_that_may_not_be_read_are_named) {
  if (geteuid() == 0) test_skip("root may read everything");
  program_things();
  refused("chmod 0 toy.bin; $P data info toy --check; c=$?; chmod 600 toy.bin; (exit $c)", "toy.bin|ermission");
}

// ---- writing

TEST(no_space_left_is_said_and_leaves_nothing) {
  program_things();
  const char *limit = "trap '' XFSZ; ulimit -f 0";
  refused_of("out.bin", "(%s; $P data build text.jsonl --tokenizer t.model --output out) 2>&1 | cat; rm -f out.journal; exit 1",
             limit);
  refused_of("out.model", "(%s; $P tokenizer train --input text.jsonl --vocab 300 --output out.model) 2>&1 | cat; exit 1",
             limit);
  done("$P train config.yaml && echo trained", "trained");
  refused_of("out", "(%s; $P export run out) 2>&1 | cat; rm -rf out; exit 1", limit);
  refused_of("plot.svg", "(%s; $P plot run --out plot.svg) 2>&1 | cat; exit 1", limit);
  refused_of("standard output", "echo a | $P tokenize --tokenizer t.model 2>&1 >/dev/full");
}

TEST(a_target_that_cannot_be_written_is_named) {
  program_things();
  done("$P train config.yaml && echo trained", "trained");
  static const char *const places[] = {"/proc/nothing", "toy.bin/out"}, *const named[] = {"/proc/nothing", "toy.bin"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *it = places[i];
    refused_of(named[i], "$P data build text.jsonl --tokenizer t.model --output %s", it);
    refused_of(named[i], "$P tokenizer train --input text.jsonl --vocab 300 --output %s.model", it);
    refused_of(named[i], "$P train config.yaml --train.output=%s", it);
    refused_of(named[i], "$P export run %s", it);
    refused_of(named[i], "$P plot run --out %s.svg", it);
  }
}

// ---- runs

// A checkpoint that cannot be written costs the run nothing, but for the last: what was trained would be lost in silence.
TEST(a_last_checkpoint_that_cannot_be_written_is_an_error) {
  program_things();
  char *output = NULL;
  int code = program_shell(&output, "trap '' XFSZ; ulimit -f 60; $P train config.yaml --train.output=run");
  ASSERT_MSG(code == 1 && strstr(output, "error: the checkpoint of the last step, 2, is not written: ") &&
                 strstr(output, "shard-0000.bin"),
             "exit code %d: %s", code, output);
  free(output);
  done("$P train config.yaml --train.output=run && ls run/checkpoints", "step-2");
}

TEST(lengths_beyond_the_model_are_refused) {
  program_things();
  refused("$P train config.yaml --train.output=run2 --data.seq_length=65", "data.seq_length|model.max_length");
  done("$P train config.yaml --train.output=run --model.vocab=300 && echo trained", "trained");
  refused("$P eval --model run --data toy --seq_length 65", "65|64");
  refused("head -n 40 text.jsonl | $P generate --model run --tokenizer t.model", "64");
}

TEST(weights_that_are_not_numbers_are_refused) {
  program_things();
  done(
      "$P train config.yaml --train.output=run --guard.nan=go_on --guard.spike=go_on --optimizer.clip=0 --lr.peak=1000 "
      "--lr.low=1000 --model.vocab=300 "
      "--train.steps=40 && echo trained",
      "trained");
  refused("$P export run out", "is nan|--allow-nan");
  char *output = NULL;
  int code = program_shell(&output, "$P eval --model run --data toy");
  ASSERT_MSG(code == 1 && strstr(output, "error: "), "eval: exit code %d: %s", code, output);
  free(output);
  code = program_shell(&output, "$P generate --model run --tokenizer t.model --prompt a --max-new 4");
  ASSERT_MSG(code == 1 && strstr(output, "error: "), "generate: exit code %d: %s", code, output);
  free(output);
}

TEST(a_checkpoint_of_another_model_is_named) {
  program_things();
  done("$P train config.yaml --train.output=run && echo trained", "trained");
  refused("$P train config.yaml --train.output=run --model.width=24 --train.steps=4", "model.width");
  refused("for f in run/checkpoints/step-2/shard*; do head -c 1000 $f >x; mv x $f; done; $P eval --model run --data toy",
          "shard-0000");
}

// What changed between two runs in a folder is told line by line.
TEST(changes_since_the_checkpoint_are_told) {
  program_things();
  done("$P train config.yaml --train.output=run --model.vocab=400 && echo trained", "trained");
  done("$P train config.yaml --train.output=run --model.vocab=400 --train.steps=3",
       "since the checkpoint: \"steps: 2\" is now \"steps: 3\"\n");
  done(
      "$P data build text.jsonl --tokenizer t.model --output toy >made 2>&1; rm made; $P train config.yaml --train.output=run "
      "--model.vocab=400 --train.steps=4",
      "toy: 300 sequences");
}

// Its numbers will not be those of a run that never stopped.
TEST(a_run_that_goes_on_by_other_instructions_says_so) {
  if (!__builtin_cpu_supports("avx2")) test_skip("needs AVX2 to go on by other instructions");
  program_things();
  done("PLEIAD_ISA=ref $P train config.yaml && echo trained", "trained");
  done("PLEIAD_ISA=avx2 $P train config.yaml --train.steps=4", "computed by ref (bf16 products by ref), goes on by avx2");
  char *output = NULL;
  ASSERT_INT(program_shell(&output, "PLEIAD_ISA=avx2 $P train config.yaml --train.steps=6"), 0);
  ASSERT_MSG(!strstr(output, "computed by"), "%s", output);
  free(output);
}

// Few documents: none, one that is shorter than a sequence.
TEST(too_little_data_is_said) {
  program_things();
  done(": >none.jsonl; $P data build none.jsonl --tokenizer t.model --output none", "the input holds no documents");
  done("echo '{\"text\": \"a\"}' >one.jsonl; $P data build one.jsonl --tokenizer t.model --output one", "1 documents");
  done("$P data info none", "documents   0");
  refused("$P data show none", "none holds no documents");
  refused("$P train config.yaml --train.output=run2 --model.vocab=400 --data.train=none", "none");
  refused("$P tokenizer train --input none.jsonl --vocab 300 --output out.model", "no text");
  char *output = NULL;  // one document is read again and again, as Megatron's datasets do
  int code = program_shell(&output, "$P train config.yaml --train.output=run2 --model.vocab=400 --data.train=one");
  ASSERT_MSG(code == 0 || strstr(output, "error: "), "exit code %d: %s", code, output);
  free(output);
}

TEST(two_runs_in_one_folder_are_named) {
  program_things();
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "run"));
  ASSERT_OK(folder_make(path));
  int lock = -1;
  ASSERT_OK(folder_lock(&lock, path));
  refused("$P train config.yaml", "run");
  folder_unlock(&lock);
  done("$P train config.yaml && echo trained", "trained");
}

// A terminal that closes: the run ends after its step, with a checkpoint; a reader that goes away ends a command without a
// word.
TEST(a_terminal_that_closes_ends_a_run_with_a_checkpoint) {
  program_things();
  done(
      "$P train config.yaml --train.steps=100000 >/dev/null 2>&1 & p=$!; i=0; while [ ! -s run/metrics.jsonl ] && [ $i -lt 500 "
      "]; do "
      "sleep 0.02; i=$((i + 1)); done; kill -HUP $p; wait $p && ls run/checkpoints/*/manifest.json",
      "manifest.json");
  char *output = NULL;
  ASSERT_INT(program_shell(&output, "yes 'some words' | head -n 20000 | $P tokenize --tokenizer t.model | head -n 1 | wc -l"),
             0);
  ASSERT_MSG(strstr(output, "1") && !strstr(output, "error"), "%s", output);
  free(output);
}
