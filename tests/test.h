// A test is a function that registers itself:
//
//   TEST(arena_measures) { ASSERT(x == 1); ASSERT_NEAR(y, 2.0, 1e-6); ASSERT_OK(file_map(&f, path)); }
//
// `pleiad_tests [substring]...` runs those whose "file/name" holds one of the substrings (all without), `--list` names them,
// `--fast` leaves out those marked SLOW_TEST, `--jobs=1` runs one at a time, `--amx` gives all tests AMX, emulated where there
// is none. A failed assertion ends its test. The last line is "N passed, N failed[, N skipped]".
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

typedef struct Test {
  const char *file, *name;
  void (*fn)(void);
  bool slow;
  struct Test *next;
} Test;

void test_register(Test *t);
_Noreturn void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Ends the test as skipped, and says why.
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The folder `shared` beside the checkout, or skips the test.
const char *test_shared(void);
// Whether it is there.
bool test_has_shared(void);
// The fullest tree of golden cases at hand: golden/ of that folder, else the project's own copy, which lacks a model.
const char *test_golden(void);
// A fresh empty folder of this test's own, removed at its end.
const char *test_folder(void);
// Zeroed memory, aligned to 64 bytes, that goes back at the end of the test.
void *test_memory(size_t size);
// The pleiad program under test (build/pleiad beside the test program).
const char *test_program(void);
// The checkout's root.
const char *test_root(void);

#define TEST_(name_, slow_)                                                                \
  static void test_##name_(void);                                                          \
  __attribute__((constructor)) static void register_##name_(void) {                        \
    static Test t = {.file = __FILE__, .name = #name_, .fn = test_##name_, .slow = slow_}; \
    test_register(&t);                                                                     \
  }                                                                                        \
  static void test_##name_(void)
#define TEST(name_) TEST_(name_, false)
#define SLOW_TEST(name_) TEST_(name_, true)

#define ASSERT(ok)                                                 \
  do {                                                             \
    if (!(ok)) test_fail(__FILE__, __LINE__, "not true: %s", #ok); \
  } while (0)
#define ASSERT_MSG(ok, ...)                                \
  do {                                                     \
    if (!(ok)) test_fail(__FILE__, __LINE__, __VA_ARGS__); \
  } while (0)
#define ASSERT_INT(got, want)                                                                     \
  do {                                                                                            \
    long long got_ = (long long)(got), want_ = (long long)(want);                                 \
    if (got_ != want_) test_fail(__FILE__, __LINE__, "%s is %lld, want %lld", #got, got_, want_); \
  } while (0)
// Fails on NaN too.
#define ASSERT_NEAR(got, want, tolerance)                                                                       \
  do {                                                                                                          \
    double got_ = (double)(got), want_ = (double)(want), d_ = got_ - want_;                                     \
    if (!((d_ < 0 ? -d_ : d_) <= (tolerance)))                                                                  \
      test_fail(__FILE__, __LINE__, "%s is %.9g, want %.9g within %g", #got, got_, want_, (double)(tolerance)); \
  } while (0)
#define ASSERT_TEXT(got, want)                                                                                   \
  do {                                                                                                           \
    const char *got_ = (got), *want_ = (want);                                                                   \
    if (strcmp(got_, want_) != 0) test_fail(__FILE__, __LINE__, "%s is \"%s\", want \"%s\"", #got, got_, want_); \
  } while (0)
#define ASSERT_OK(call)                                                               \
  do {                                                                                \
    if ((call) != ERR_OK) test_fail(__FILE__, __LINE__, "%s: %s", #call, err_text()); \
  } while (0)
// The call must fail with this kind, and its message must hold `part`.
#define ASSERT_ERR(call, kind, part)                                                                                          \
  do {                                                                                                                        \
    Err got_ = (call);                                                                                                        \
    if (got_ != (kind))                                                                                                       \
      test_fail(__FILE__, __LINE__, "%s gave %s (%s), want %s", #call, err_kind_name(got_), got_ ? err_text() : "",           \
                err_kind_name(kind));                                                                                         \
    if (!strstr(err_text(), part)) test_fail(__FILE__, __LINE__, "%s: \"%s\" does not name \"%s\"", #call, err_text(), part); \
  } while (0)

#endif
