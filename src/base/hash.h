// Hashes of bytes (xxHash): checksums of files and keys of names. Not against an adversary.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

// XXH3, 64 bits.
uint64_t hash64(const void *data, size_t bytes, uint64_t seed);

#endif
