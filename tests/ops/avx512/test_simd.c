#include "ops/cpu/avx512/simd.h"

#define LEVEL_ISA ISA_AVX512
#include "ops/simd_cases.inc"

TEST(exp_is_within_one_ulp_everywhere) { check_exp(); }
TEST(exp2_is_within_one_ulp_everywhere) { check_exp2(); }
TEST(bf16_rounds_as_one_value_does) { check_bf16(); }
TEST(first_lanes_only) { check_first_lanes(); }
