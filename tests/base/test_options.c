#include "base/options.h"

#include <float.h>
#include <stdlib.h>

#include "base/file.h"
#include "test.h"

typedef struct {
  int64_t steps;
  double lr;
  struct {
    bool on;
  } warm;
} Stage;

typedef struct {
  int64_t seed;
  struct {
    int64_t experts, top_k;
    double scale;
  } moe;
  struct {
    int schedule;
    char name[OPTION_TEXT_BYTES];
  } train;
  bool flash;
  int64_t n_stages;
  Stage stages[4];
} Config;

typedef struct {
  struct {
    double aux;
  } moe;
  int64_t big;
} Other;

static const char *const schedules[] = {"constant", "cosine", "linear", NULL};
static const Field stage_fields[] = {
    FIELD_INT(Stage, steps, 10, 1, 1000000, "steps of this stage"),
    FIELD_REAL(Stage, lr, 1e-3, 0, 1, "peak learning rate"),
    FIELD_BOOL(Stage, warm.on, false, "warm up"),
    {0},
};
static const Field config_fields[] = {
    FIELD_INT(Config, seed, 1234, 0, 4294967295, "seed of all random numbers"),
    FIELD_INT(Config, moe.experts, 16, 1, 1024, "experts"),
    FIELD_INT(Config, moe.top_k, 4, 1, 1024, "experts a token goes to"),
    FIELD_REAL(Config, moe.scale, 2.5, -INFINITY, INFINITY, "scale of the weights"),
    FIELD_ENUM(Config, train.schedule, 1, schedules, "learning-rate schedule"),
    FIELD_TEXT(Config, train.name, "run", "name of the run"),
    FIELD_BOOL(Config, flash, false, "flash attention"),
    FIELD_LIST(Config, stages, n_stages, 4, stage_fields, "stages"),
    {0},
};
static const Field other_fields[] = {
    FIELD_REAL(Other, moe.aux, 0, 0, 1, "auxiliary loss"),
    FIELD_INT(Other, big, -1, INT64_MIN, INT64_MAX, "a big number"),
    {0},
};

static Config config;
static Other other;

static Options bound(void) {
  Options o = {0};
  options_bind(&o, config_fields, &config);
  options_bind(&o, other_fields, &other);
  options_defaults(&o);
  return o;
}

static Err parse(const char *text) {
  Options o = bound();
  return options_parse(&o, text, strlen(text), "run.yaml");
}

static Err args(int argc, const char **given, int *left) {
  static const char *const others[] = {"--json", "--out", NULL};
  Options o = bound();
  char *argv[16] = {NULL};
  for (int i = 0; i < argc; i++) argv[i] = (char *)(uintptr_t)given[i];
  *left = argc;
  Err err = options_args(&o, left, argv, others);
  for (int i = 0; i < argc && !err; i++) given[i] = i < *left ? argv[i] : NULL;
  return err;
}

TEST(defaults_are_the_table) {
  (void)bound();
  ASSERT_INT(config.seed, 1234);
  ASSERT_INT(config.moe.top_k, 4);
  ASSERT(config.moe.scale == 2.5);
  ASSERT_INT(config.train.schedule, 1);
  ASSERT_TEXT(config.train.name, "run");
  ASSERT_INT(config.n_stages, 0);
  ASSERT_INT(other.big, -1);
}

TEST(yaml_sets_members) {
  ASSERT_OK(
      parse("seed: 7\nmoe: {top_k: 2, aux: 0.5}\ntrain:\n  schedule: linear\n  name: \"a: b\"\nflash: yes\n"
            "stages:\n  - steps: 5\n  - {lr: 1e-2, warm: {on: true}}\nbig: 9_000\n"));
  ASSERT_INT(config.seed, 7);
  ASSERT_INT(config.moe.top_k, 2);
  ASSERT_INT(config.moe.experts, 16);
  ASSERT(other.moe.aux == 0.5);
  ASSERT_INT(config.train.schedule, 2);
  ASSERT_TEXT(config.train.name, "a: b");
  ASSERT(config.flash);
  ASSERT_INT(config.n_stages, 2);
  ASSERT_INT(config.stages[0].steps, 5);
  ASSERT(config.stages[0].lr == 1e-3);
  ASSERT_INT(config.stages[1].steps, 10);
  ASSERT(config.stages[1].lr == 1e-2 && config.stages[1].warm.on);
  ASSERT_INT(other.big, 9000);
}

TEST(yaml_takes_dotted_keys_and_empty_files) {
  ASSERT_OK(parse("moe.top_k: 3\ntrain: {name: null}\n"));
  ASSERT_INT(config.moe.top_k, 3);
  ASSERT_TEXT(config.train.name, "");
  ASSERT_OK(parse(""));
  ASSERT_OK(parse("# nothing but a remark\n"));
  ASSERT_OK(parse("---\n"));
}

TEST(integers_may_be_written_with_an_exponent) {
  ASSERT_OK(parse("big: 2e9"));
  ASSERT_INT(other.big, 2000000000);
  ASSERT_OK(parse("big: -9223372036854775808"));
  ASSERT(other.big == INT64_MIN);
  ASSERT_ERR(parse("big: 9223372036854775808"), ERR_ARG, "out of range");
  ASSERT_ERR(parse("big: 1.5"), ERR_ARG, "an integer");
  ASSERT_ERR(parse("big: 1e30"), ERR_ARG, "out of range");
  ASSERT_ERR(parse("big: 0x10"), ERR_ARG, "an integer");
}

TEST(unknown_keys_name_the_nearest) {
  ASSERT_ERR(parse("seed: 1\nmoe: {topk: 2}"), ERR_ARG, "run.yaml:2: unknown option \"moe.topk\"; did you mean moe.top_k?");
  ASSERT_ERR(parse("mow: {top_k: 2}"), ERR_ARG, "did you mean moe?");
  ASSERT_ERR(parse("top_k: 2"), ERR_ARG, "did you mean moe.top_k?");
  ASSERT_ERR(parse("stages: [{stepz: 2}]"), ERR_ARG, "did you mean stages.N.steps?");
  ASSERT_ERR(parse("completely_else: 2"), ERR_ARG, "unknown option \"completely_else\"; --help");
}

TEST(wrong_types_say_what_was_wanted) {
  ASSERT_ERR(parse("seed: abc"), ERR_ARG, "run.yaml:1: seed is \"abc\"; an integer is wanted (seed of all random numbers)");
  ASSERT_ERR(parse("seed: \"4\""), ERR_ARG, "seed is the text \"4\"; an integer is wanted");
  ASSERT_ERR(parse("seed:"), ERR_ARG, "seed has no value");
  ASSERT_ERR(parse("seed: [1]"), ERR_FORMAT, "seed is a list; an integer is wanted");
  ASSERT_ERR(parse("seed: {a: 1}"), ERR_FORMAT, "seed is a map");
  ASSERT_ERR(parse("moe: 3"), ERR_FORMAT, "moe is a group of options; found a value");
  ASSERT_ERR(parse("stages: 3"), ERR_FORMAT, "stages is a list; found a value");
  ASSERT_ERR(parse("stages: [3]"), ERR_FORMAT, "stages.0 wants a map");
  ASSERT_ERR(parse("flash: maybe"), ERR_ARG, "true or false");
  ASSERT_ERR(parse("train: {schedule: cosinus}"), ERR_ARG, "did you mean cosine?");
  ASSERT_ERR(parse("train: {schedule: stepwise}"), ERR_ARG, "one of constant, cosine, linear");
  ASSERT_ERR(parse("moe: {scale: nan}"), ERR_ARG, "a number is wanted");
  ASSERT_ERR(parse("[1, 2]"), ERR_FORMAT, "a list where a map of options");
  ASSERT_ERR(parse("train: {name: \"a\\0b\"}"), ERR_FORMAT, "NUL");
}

TEST(ranges_are_kept) {
  ASSERT_ERR(parse("\nmoe: {top_k: 0}"), ERR_ARG,
             "run.yaml:2: moe.top_k is 0, out of range; 1 to 1024 is wanted (experts a token goes to)");
  ASSERT_ERR(parse("moe: {aux: 1.5}"), ERR_ARG, "0 to 1");
  ASSERT_ERR(parse("seed: 4294967296"), ERR_ARG, "0 to 4294967295");
  ASSERT_ERR(parse("stages: [{}, {}, {}, {}, {}]"), ERR_FORMAT, "at most 4");
  ASSERT_OK(parse("moe: {scale: -.inf}"));
  ASSERT(config.moe.scale == -INFINITY);
}

TEST(duplicates_name_both_lines) {
  ASSERT_ERR(parse("seed: 1\nseed: 2"), ERR_FORMAT, "run.yaml:2: seed is given twice; first in line 1");
  ASSERT_ERR(parse("moe: {top_k: 1}\nflash: on\nmoe.top_k: 2"), ERR_FORMAT,
             "run.yaml:3: moe.top_k is given twice; first in line 1");
  ASSERT_ERR(parse("moe: {top_k: 1}\nmoe: {aux: 0}"), ERR_FORMAT, "moe is given twice");
}

TEST(yaml_beyond_configurations_is_refused) {
  ASSERT_ERR(parse("seed: 1\n---\nseed: 2"), ERR_FORMAT, "run.yaml:2: a second document");
  ASSERT_ERR(parse("seed: &a 1"), ERR_FORMAT, "anchor &a");
  ASSERT_ERR(parse("seed: !!int 1"), ERR_FORMAT, "tag");
  ASSERT_ERR(parse("moe:\n\ttop_k: 2"), ERR_FORMAT, "run.yaml:2: column 1: a tab");
  ASSERT_ERR(parse("? [a, b]\n: 1"), ERR_FORMAT, "where the name of an option is wanted");
}

TEST(arguments_are_taken_in_order) {
  const char *given[] = {"train",         "run.yaml", "--moe.top_k", "2",  "--json",           "--flash", "--seed=9",
                         "--moe.top_k=3", "--out=x",  "--moe.scale", "-1", "--stages.0.steps", "7"};
  int left = 0;
  ASSERT_OK(args(13, given, &left));
  ASSERT_INT(left, 4);
  ASSERT_TEXT(given[1], "run.yaml");
  ASSERT_TEXT(given[2], "--json");
  ASSERT_TEXT(given[3], "--out=x");
  ASSERT_INT(config.moe.top_k, 3);
  ASSERT_INT(config.seed, 9);
  ASSERT(config.flash && config.moe.scale == -1);
  ASSERT_INT(config.n_stages, 1);
  ASSERT_INT(config.stages[0].steps, 7);
}

TEST(a_bool_stands_alone_or_takes_a_word) {
  const char *off[] = {"train", "--flash", "off", "rest"}, *alone[] = {"train", "--flash", "rest"};
  int left = 0;
  ASSERT_OK(args(4, off, &left));
  ASSERT(!config.flash);
  ASSERT_INT(left, 2);
  ASSERT_OK(args(3, alone, &left));
  ASSERT(config.flash);
  ASSERT_INT(left, 2);
}

TEST(two_dashes_end_the_options) {
  const char *given[] = {"train", "--seed", "2", "--", "--seed", "3"};
  int left = 0;
  ASSERT_OK(args(6, given, &left));
  ASSERT_INT(config.seed, 2);
  ASSERT_INT(left, 4);
  ASSERT_TEXT(given[2], "--seed");
}

TEST(arguments_are_refused_with_the_nearest) {
  const char *unknown[] = {"train", "--moe.topk", "2"}, *like_other[] = {"train", "--jsom"};
  const char *missing[] = {"train", "--seed"}, *wrong[] = {"train", "--seed=x"}, *index[] = {"train", "--stages.3.lr", "1"};
  int left = 0;
  ASSERT_ERR(args(3, unknown, &left), ERR_ARG, "did you mean --moe.top_k?");
  ASSERT_ERR(args(2, like_other, &left), ERR_ARG, "did you mean --json?");
  ASSERT_ERR(args(2, missing, &left), ERR_ARG, "--seed needs a value: an integer");
  ASSERT_ERR(args(2, wrong, &left), ERR_ARG, "--seed: seed is \"x\"");
  ASSERT_ERR(args(3, index, &left), ERR_ARG, "stages is a list that has 0");
}

TEST(set_takes_one_value) {
  Options o = bound();
  ASSERT_OK(options_set(&o, "moe.aux", "0.25", "test"));
  ASSERT(other.moe.aux == 0.25);
  ASSERT_ERR(options_set(&o, "moe.auxx", "1", "test"), ERR_ARG, "test: unknown option");
  char longer[OPTION_TEXT_BYTES + 1];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  ASSERT_ERR(options_set(&o, "train.name", longer, "test"), ERR_ARG, "at most 1023 fit");
  ASSERT_ERR(options_set(&o, "train.name", "a\xff", "test"), ERR_ARG, "not valid UTF-8 at byte 1");
}

TEST(what_is_written_reads_back_to_the_same_bits) {
  Options o = bound();
  static const double reals[] = {0.1, 1.0 / 3, 1e-308, 5e-324, DBL_MAX, -INFINITY, 123456789.0, -0.0, 1e22};
  static const char *const texts[] = {
      "", "null", "a: b # c", "\"\\\n\t\x01\x7f", "层.权重 \xC2\x85 \xE2\x80\xA8 \xEF\xBB\xBF ☃", " lead", "'"};
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "out.yaml"));
  for (int i = 0; i < 9; i++) {
    config.moe.scale = reals[i];
    snprintf(config.train.name, OPTION_TEXT_BYTES, "%s", texts[i % 7]);
    config.seed = 17 + i;
    config.flash = i % 2;
    config.train.schedule = i % 3;
    other.big = i % 2 ? INT64_MIN : INT64_MAX;
    config.n_stages = i % 4;
    for (int s = 0; s < i % 4; s++) config.stages[s] = (Stage){.steps = s + 2, .lr = reals[0] / (s + 1), .warm.on = s % 2};
    Config was = config;
    Other other_was = other;
    ASSERT_OK(options_write(&o, path, i % 2));
    memset(config.stages, 0, sizeof config.stages);
    options_defaults(&o);
    ASSERT_OK(options_load(&o, path));
    ASSERT(memcmp(&was.moe, &config.moe, sizeof was.moe) == 0);
    ASSERT_TEXT(config.train.name, was.train.name);
    ASSERT(was.seed == config.seed && was.flash == config.flash && was.train.schedule == config.train.schedule);
    ASSERT(memcmp(&other_was, &other, sizeof other) == 0);
    ASSERT_INT(config.n_stages, was.n_stages);
    for (int s = 0; s < config.n_stages; s++)
      ASSERT(config.stages[s].steps == was.stages[s].steps && config.stages[s].lr == was.stages[s].lr &&
             config.stages[s].warm.on == was.stages[s].warm.on);
  }
}

TEST(help_names_every_option) {
  Options o = bound();
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  options_help(&o, to);
  fclose(to);
  static const char *const wanted[] = {"--moe.top_k", "(1 to 1024; default 4)", "--stages.N.warm.on",
                                       "one of constant, cosine, linear; default cosine", "--big"};
  for (int i = 0; i < 5; i++) ASSERT_MSG(strstr(text, wanted[i]), "no %s in:\n%s", wanted[i], text);
  free(text);
}

TEST(nearest_name) {
  static const char *const names[] = {"train", "tokenize", "tokenizer", "plot", NULL};
  ASSERT_TEXT(name_nearest("trian", names), "train");
  ASSERT_TEXT(name_nearest("tokeniser", names), "tokenizer");
  ASSERT(name_nearest("zebra", names) == NULL);
  ASSERT(name_nearest("", names) == NULL);
}
