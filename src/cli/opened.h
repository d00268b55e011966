// A model opened for reading, from whatever a user names (cli/formats.h).
#ifndef CLI_OPENED_H
#define CLI_OPENED_H

#include "base/file.h"
#include "model/model.h"
#include "text/tokenizer.h"

typedef struct {
  Dev dev;
  Model model;
  Dtype type;             // DT_Q8: weights of 8 bits, the rest as with bf16
  Arena weights;          // as the arithmetic wants them, and tables; no fp32 masters beside others
  Tokenizer *tokenizer;   // NULL if none is known
  char from[PATH_BYTES];  // the checkpoint or folder that was read
  int64_t step;           // -1 where there is none
} Opened;

// What a model can be computed in: "stored" (as it was trained or stored), then "fp32", "bf16", "int8" and the types of these.
extern const char *const opened_dtype_names[5];
extern const Dtype opened_dtypes[4];

typedef struct {
  const char *path;
  const char *tokenizer;  // NULL: the one that the run or the folder names
  const char *dtype;      // of opened_dtype_names, but not "stored": NULL
  int threads;            // 0: one a core
  int64_t positions;      // longest sequence; 0: what the model allows
} OpenOptions;

// Takes --model PATH, --tokenizer F, --dtype T, --threads N out of argv; what argv does not say stays
// as it is in *o. ERR_ARG without a path.
Err open_options(OpenOptions *o, int *argc, char **argv);
// *m must stay where it is until opened_close, which is safe after an error.
Err opened_open(Opened *m, const OpenOptions *o);
void opened_close(Opened *m);

#endif
