// What was once measured of this processor, for the processes that come after: their choices, hence their bits, are then the
// same however busy the machine is. It is kept by processor (name and signature) in pleiad/processors.json below
// $XDG_CACHE_HOME, or below $HOME/.cache. A file that is missing, torn or foreign is as none, and one that cannot be written is
// no error: then it is measured again. Two processes that write at once leave one of the two files whole.
#ifndef OPS_CPU_REMEMBER_H
#define OPS_CPU_REMEMBER_H

#include <stdbool.h>
#include <stdint.h>

// Whether `key` is remembered of this processor; then *value is what.
bool remembered(const char *key, bool *value);
void remember(const char *key, bool value);
// The same of a list of `n` whole numbers: n where `numbers` is it; -1: nothing is remembered; else it is no such list.
int remembered_numbers(const char *key, int64_t *numbers, int n);
void remember_numbers(const char *key, const int64_t *numbers, int n);

#endif
