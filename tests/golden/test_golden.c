// The golden cases: the project's own copy always, the folder `shared` where it is there; and what the walk makes of trees that
// are broken.
#include <stdlib.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "golden/golden_run.h"
#include "test.h"

static const char *own_tree(void) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/tests/golden/cases", test_root());
  return path;
}

static const char *shared_tree(void) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/golden", test_shared());
  return path;
}

static GoldenCount run(const char *tree, const char *only) {
  GoldenRun *r;
  ASSERT_OK(golden_run(&r, tree, only));
  GoldenCount n = golden_total(r, "");
  printf("     %s: %lld cases, %lld comparisons\n", only, (long long)n.cases, (long long)n.comparisons);
  for (int i = 0; i < r->n_notes; i++) printf("     not read: %s: needs %s\n", r->note[i].what, r->note[i].needs);
  golden_run_close(r);
  return n;
}

static void all_right(const char *tree, const char *only) {
  GoldenCount n = run(tree, only);
  ASSERT(n.cases > 0 && n.comparisons > n.cases);
  ASSERT_INT(n.failed, 0);
}

TEST(own_ops) { all_right(own_tree(), "ops"); }
TEST(own_text) { all_right(own_tree(), "text"); }
TEST(own_data) { all_right(own_tree(), "data"); }
SLOW_TEST(own_models) { all_right(own_tree(), "models"); }
TEST(shared_ops) { all_right(shared_tree(), "ops"); }
TEST(shared_text) { all_right(shared_tree(), "text"); }
TEST(shared_data) { all_right(shared_tree(), "data"); }
SLOW_TEST(shared_models) { all_right(shared_tree(), "models"); }

// ---- trees that are broken

// A file of the own tree, changed or cut by `change`, alone in a tree at the same place; what the walk counts there.
typedef size_t ChangeFn(char *bytes, size_t size);

static size_t whole(char *bytes, size_t size) {
  (void)bytes;
  return size;
}
static size_t half(char *bytes, size_t size) {
  (void)bytes;
  return size / 2;
}
static size_t nothing(char *bytes, size_t size) {
  (void)bytes;
  (void)size;
  return 0;
}
static size_t last_bit(char *bytes, size_t size) {
  bytes[size - 1] ^= 1;
  return size;
}

static GoldenCount changed_as(const char *file, const char *as, ChangeFn *change) {
  char path[PATH_BYTES], *bytes;
  size_t size;
  ASSERT_OK(path_join(path, own_tree(), file));
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  ASSERT_OK(path_join(path, test_folder(), as));
  *strrchr(path, '/') = '\0';
  ASSERT_OK(folder_make(path));
  ASSERT_OK(path_join(path, test_folder(), as));
  ASSERT_OK(file_replace(path, bytes, change(bytes, size)));
  free(bytes);
  return run(test_folder(), "");
}

static GoldenCount changed(const char *file, ChangeFn *change) { return changed_as(file, file, change); }

TEST(a_file_alone_is_enough) {
  GoldenCount n = changed("ops/swiglu.safetensors", whole);
  ASSERT(n.cases >= 2 && n.failed == 0);
}

TEST(a_changed_number_is_a_failure) { ASSERT(changed("ops/swiglu.safetensors", last_bit).failed > 0); }
TEST(a_cut_file_is_a_failure) { ASSERT(changed("ops/swiglu.safetensors", half).failed > 0); }
TEST(an_empty_file_is_a_failure) { ASSERT(changed("ops/swiglu.safetensors", nothing).failed > 0); }
TEST(cut_lines_are_a_failure) { ASSERT(changed("data/gpt/masks.jsonl", half).failed > 0); }
TEST(no_lines_are_a_failure) { ASSERT(changed("data/gpt/splits.jsonl", nothing).failed > 0); }
TEST(rows_without_their_model_are_a_failure) {
  ASSERT(changed_as("text/hf/gpt2/ids.jsonl", "text/hf/new_name/ids.jsonl", whole).failed > 0);
}
TEST(a_model_without_its_numbers_is_a_failure) { ASSERT(changed("models/moe_mla/config.json", whole).failed > 0); }
TEST(orders_without_their_data_are_a_failure) { ASSERT(changed("data/gpt/cases.jsonl", whole).failed > 0); }

// The shapes of a case that do not fit each other would be read past their ends.
TEST(shapes_that_do_not_fit_are_a_failure) {
  static const float zeros[12] = {0};
  static const int64_t shape[3][2] = {{3, 4}, {2, 2}, {3, 4}};
  static const char *const names[3] = {"new.gate", "new.up", "new.dy"};
  char path[PATH_BYTES];
  SafeTensorsWriter w;
  ASSERT_OK(path_join(path, test_folder(), "ops"));
  ASSERT_OK(folder_make(path));
  ASSERT_OK(path_join(path, test_folder(), "ops/swiglu.safetensors"));
  ASSERT_OK(safetensors_create(&w, path));
  for (int i = 0; i < 3; i++) ASSERT_OK(safetensors_declare(&w, names[i], ST_F32, 2, shape[i]));
  ASSERT_OK(safetensors_begin(&w));
  for (int i = 0; i < 3; i++) ASSERT_OK(safetensors_write(&w, zeros, (size_t)(shape[i][0] * shape[i][1]) * sizeof(float)));
  ASSERT_OK(safetensors_commit(&w));
  GoldenCount n = run(test_folder(), "");
  ASSERT(n.failed > 0 && n.failed < 40);
}

TEST(what_has_no_reader_is_named) {
  char path[PATH_BYTES];
  GoldenRun *r;
  ASSERT_OK(path_join(path, test_folder(), "ops"));
  ASSERT_OK(folder_make(path));
  ASSERT_OK(path_join(path, test_folder(), "ops/new_op.safetensors"));
  ASSERT_OK(file_replace(path, "x", 1));
  ASSERT_OK(golden_run(&r, test_folder(), NULL));
  ASSERT_INT(r->n_counts, 0);
  ASSERT_INT(r->n_notes, 1);
  ASSERT(strstr(r->note[0].what, "ops") != NULL);
  golden_run_close(r);
  ASSERT_ERR(golden_run(&r, "/nowhere/at/all", NULL), ERR_IO, "/nowhere/at/all");
}

TEST(the_program_fails_with_its_tree) {
  char command[2 * PATH_BYTES], program[PATH_BYTES];
  snprintf(program, sizeof program, "%s", test_program());
  *strrchr(program, '/') = '\0';
  changed("ops/swiglu.safetensors", half);
  snprintf(command, sizeof command, "'%.2000s/pleiad_golden' --json --golden '%.2000s' >'%.2000s/out' 2>&1", program,
           test_folder(), test_folder());
  ASSERT(system(command) != 0);
  snprintf(command, sizeof command, "tail -n 1 '%.2000s/out' | grep -q '^{\"passed\":false.*ops/swiglu.safetensors'",
           test_folder());
  ASSERT(system(command) == 0);
}
