// What Megatron-LM, MindFormers and TeleChat-52B call a parameter, and what they join in one tensor (names_megatron.inc,
// names_mindformers.inc, names_telechat_52b.inc).
#ifndef MODEL_HF_NAMES_H
#define MODEL_HF_NAMES_H

#include "model/config.h"
#include "model/hf_piece.h"
#include "nn/param.h"

typedef enum {
  JOIN_NONE,  // as it is
  JOIN_Q,     // of queries, keys and values, group by group
  JOIN_K,
  JOIN_V,
  JOIN_GATE,  // the first half of the rows; up: the second
  JOIN_UP,
  JOIN_STACK_GATE,  // of all experts, each turned over
  JOIN_STACK_UP,
  JOIN_STACK_DOWN,
  JOIN_TURNED,       // [in, out]
  JOIN_TURNED_GATE,  // the same, the first half of the columns; up: the second
  JOIN_TURNED_UP,
  JOIN_TURNED_Q,  // the first third of the columns; keys, values: the second, the third
  JOIN_TURNED_K,
  JOIN_TURNED_V
} Join;

enum { OTHER_NAME_BYTES = PARAM_NAME_BYTES + 64 };

typedef struct {
  char name[OTHER_NAME_BYTES];
  Join join;
  int64_t expert;  // of a stack
} OtherName;

// The next form after `*row` (0 at first) that parameter `name`, as the configuration's family calls it, has elsewhere; false:
// no more.
bool other_name(const ModelConfig *c, const char *name, int64_t *row, OtherName *out);
// The shape that the tensor must have for a parameter of `dim`, and, when `piece` is the whole tensor, which part of it the
// parameter is.
int join_shape(const ModelConfig *c, const OtherName *other, int n_dims, const int64_t *dim, int64_t want[2]);
void join_piece(const ModelConfig *c, const OtherName *other, int n_dims, const int64_t *dim, Piece *piece);

#endif
