// A test an operation of the list: each version this machine can run against the reference (harness.h).
#include "ops/harness.h"
#include "test.h"

static const char this_file[] = __FILE__;  // within the list __FILE__ is the list

#define OP(name_, params, tolerance)                                                          \
  static const char *from_##name_(const Ops *o) { return o->name_##_from; }                   \
  static void test_##name_(void) { check_op(#name_, tolerance, from_##name_, &row_##name_); } \
  __attribute__((constructor)) static void register_##name_(void) {                           \
    static Test t = {.file = this_file, .name = #name_, .fn = test_##name_};                  \
    test_register(&t);                                                                        \
  }
#include "ops/ops.inc"
#undef OP
