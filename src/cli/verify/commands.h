// What `pleiad verify` can do. Each prints its report, with `json` one object as the last line, and
// returns ERR_NUMERIC where something differs that should not.
#ifndef CLI_VERIFY_COMMANDS_H
#define CLI_VERIFY_COMMANDS_H

#include <stdbool.h>

#include "base/json.h"
#include "cli/verify/verify.h"

// Case folders, or folders of them.
Err verify_cases_command(int n, char **folders, int threads, Dtype type, bool json);
// Two runs, checkpoints or models, to the bit.
Err verify_pair_command(const char *a, const char *b, bool json);

// Two models on the same tokens.
Err verify_activations_command(const char *a, const char *b, int threads, bool json);
// A model, or the model of a run file, against itself.
Err verify_self_command(const char *path, int threads, bool json);
// A model against a trace of another program's.
Err verify_trace_command(const char *trace, const char *path, int threads, bool json);
// A report as a table; its lines as JSON.
void verify_print_case(const VerifyCase *v);
json_t *verify_lines_json(const VerifyCase *v);

#endif
