// What GGUF calls things: its architectures against the families of config.json, its keys against that file's keys, its
// tensors against the parameters. Three tables that reading and writing share. Internal to model/.
#ifndef MODEL_GGUF_ARCH_H
#define MODEL_GGUF_ARCH_H

#include "base/gguf.h"
#include "model/config.h"
#include "nn/param.h"

typedef enum { GGUF_LLAMA, GGUF_QWEN2, GGUF_QWEN3, GGUF_DEEPSEEK2, GGUF_ARCHS } GgufArch;
extern const char *const gguf_arch_names[GGUF_ARCHS + 1];

// The architecture of a family; GGUF_ARCHS if it has none.
GgufArch gguf_arch_of(int family);

// A key below the architecture's name and the key of config.json with the same meaning.
typedef enum { GGUF_KEY_INT, GGUF_KEY_REAL, GGUF_KEY_BOOL } GgufKeyKind;
typedef struct {
  const char *gguf, *hf;  // gguf NULL ends the table
  GgufKeyKind kind;
  unsigned archs;   // 1 << GgufArch
  double fallback;  // what its absence means; NAN: it must be there
} GgufKey;
extern const GgufKey gguf_keys[];

// Where a parameter lies.
typedef enum {
  GGUF_WHOLE,   // a tensor of its own
  GGUF_TURNED,  // the same with the rows of each head in the order of interleaved rotary: row 2i + j is our row j * half + i
  GGUF_EXPERT,  // one matrix of a stack
  GGUF_HEADS,   // kv_b: the key part of each head turned over in one stack, the value part in another
} GgufHow;
typedef struct {
  GgufHow how;
  char name[GGUF_NAME_BYTES];   // GGUF_HEADS: of the tensor that older files have whole
  char key[GGUF_NAME_BYTES];    // GGUF_HEADS
  char value[GGUF_NAME_BYTES];  // GGUF_HEADS
  int64_t heads;                // GGUF_TURNED, GGUF_HEADS
  int64_t expert;               // GGUF_EXPERT
} GgufPlace;
// false: the format has no place for it.
bool gguf_place(GgufArch arch, const ModelConfig *c, const char *param, GgufPlace *out);
// GGUF_TURNED: the file's row of our row; per_head: rows of a head, even.
int64_t gguf_turned_row(int64_t row, int64_t per_head);

// Llama 3's stretched frequencies are a tensor of factors [rotary columns / 2].
#define GGUF_ROPE_FREQS "rope_freqs.weight"
enum { GGUF_ROPE_FACTORS_MAX = 4096 };
// factor[i] = plain frequency / stretched frequency, for at most GGUF_ROPE_FACTORS_MAX (gguf_config_check).
void gguf_rope_factors(const ModelConfig *c, float *factor);
// What llama.cpp's YaRN multiplies attention with.
double gguf_yarn_factor(double factor);
// What TeleChat3's YaRN multiplies attention with, as a factor of what llama.cpp's does.
double gguf_telechat3_factor(double factor);

#endif
