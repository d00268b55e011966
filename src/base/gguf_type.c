#include "base/gguf_type.h"

#include <strings.h>

#include "base/gguf_codec.h"

static const GgufType types[] = {
    {"F32", 0, 1, 4, decode_f32, encode_f32},
    {"F16", 1, 1, 2, decode_f16, encode_f16},
    {"Q4_0", 2, 32, 18, decode_q4_0, encode_q4_0},
    {"Q4_1", 3, 32, 20, decode_q4_1, NULL},
    {"Q5_0", 6, 32, 22, decode_q5_0, NULL},
    {"Q5_1", 7, 32, 24, decode_q5_1, NULL},
    {"Q8_0", 8, 32, 34, decode_q8_0, encode_q8_0},
    {"Q8_1", 9, 32, 36, NULL, NULL},
    {"Q2_K", 10, 256, 84, decode_q2_k, NULL},
    {"Q3_K", 11, 256, 110, decode_q3_k, NULL},
    {"Q4_K", 12, 256, 144, decode_q4_k, encode_q4_k},
    {"Q5_K", 13, 256, 176, decode_q5_k, NULL},
    {"Q6_K", 14, 256, 210, decode_q6_k, encode_q6_k},
    {"Q8_K", 15, 256, 292, NULL, NULL},
    {"IQ2_XXS", 16, 256, 66, NULL, NULL},
    {"IQ2_XS", 17, 256, 74, NULL, NULL},
    {"IQ3_XXS", 18, 256, 98, NULL, NULL},
    {"IQ1_S", 19, 256, 50, NULL, NULL},
    {"IQ4_NL", 20, 32, 18, decode_iq4_nl, NULL},
    {"IQ3_S", 21, 256, 110, NULL, NULL},
    {"IQ2_S", 22, 256, 82, NULL, NULL},
    {"IQ4_XS", 23, 256, 136, decode_iq4_xs, NULL},
    {"I8", 24, 1, 1, NULL, NULL},
    {"I16", 25, 1, 2, NULL, NULL},
    {"I32", 26, 1, 4, NULL, NULL},
    {"I64", 27, 1, 8, NULL, NULL},
    {"F64", 28, 1, 8, NULL, NULL},
    {"IQ1_M", 29, 256, 56, NULL, NULL},
    {"BF16", 30, 1, 2, decode_bf16, encode_bf16},
    {"TQ1_0", 34, 256, 54, decode_tq1_0, NULL},
    {"TQ2_0", 35, 256, 66, decode_tq2_0, NULL},
    {"MXFP4", 39, 32, 17, decode_mxfp4, NULL},
    {"NVFP4", 40, 64, 36, NULL, NULL},
    {"Q1_0", 41, 128, 18, NULL, NULL},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const GgufType *gguf_type_of(uint32_t code) {
  for (int i = 0; i < N_TYPES; i++)
    if (types[i].code == code) return &types[i];
  return NULL;
}

const GgufType *gguf_type_named(const char *name) {
  for (int i = 0; i < N_TYPES; i++)
    if (strcasecmp(types[i].name, name) == 0) return &types[i];
  return NULL;
}
