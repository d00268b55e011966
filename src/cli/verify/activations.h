// Two models on the same tokens: activations on their way, logits, loss, and gradients, to the bit.
#ifndef CLI_VERIFY_ACTIVATIONS_H
#define CLI_VERIFY_ACTIVATIONS_H

#include "cli/verify/verify.h"

// a, b: whatever names a model (cli/formats.h); of the same shapes, else ERR_SHAPE names the first difference. Lines: what a
// trace has (cli/verify/trace.h) and the routers' choices, in the order of computing; the loss; then the gradients of the
// parameters that differ most. Errors are over the greatest number of a's tensor, or the norm of its gradient; any difference
// is counted as failed. fp32.
Err verify_activations(VerifyCase *report, const char *a, const char *b, int threads);

#endif
