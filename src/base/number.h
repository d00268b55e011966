// Numbers within names: "model.layers.7.", "model-00002-of-00007.safetensors".
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

// Passes `prefix` and the decimal digits after it (leading zeros too, neither sign nor space), and gives their number, from 0
// up. false, with *text and *out as they were: another prefix, no digit, or a number beyond int64.
bool number_take(const char **text, const char *prefix, int64_t *out);

#endif
