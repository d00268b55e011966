// Hashes of bytes (xxHash): checksums of files and keys of names. Not against an adversary.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

// XXH3, 64 bits.
uint64_t hash64(const void *data, size_t bytes, uint64_t seed);

// The same over bytes that come in runs. hash_open gives NULL without memory; hash_end gives the hash and begins anew.
typedef struct HashState HashState;
HashState *hash_open(uint64_t seed);
void hash_add(HashState *h, const void *data, size_t bytes);
uint64_t hash_end(HashState *h);
void hash_close(HashState *h);

#endif
