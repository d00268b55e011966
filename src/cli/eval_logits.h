// Logits of a model on given ids, as a file: to compare with what other programs compute.
#ifndef CLI_EVAL_LOGITS_H
#define CLI_EVAL_LOGITS_H

#include "cli/opened.h"

// ids_path: safetensors with "input_ids", I64 [B, T]. out_path: safetensors with "logits", F32 [B, T, V]: row t is of what
// comes after tokens 0 .. t. The model is open and not prepared. ERR_FORMAT, ERR_ARG: an id out of range, T beyond the model's
// positions. Cost: B T decoding steps, memory for one row.
Err eval_logits(Opened *m, const char *ids_path, const char *out_path);

#endif
