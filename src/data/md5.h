// MD5 (RFC 1321): Megatron names its cache files by it. Not for anything that needs security.
#ifndef DATA_MD5_H
#define DATA_MD5_H

#include <stddef.h>

enum { MD5_HEX_BYTES = 33 };

// The digest of data[0, size) as 32 lower-case hexadecimal digits and a NUL.
void md5_hex(const void *data, size_t size, char out[MD5_HEX_BYTES]);

#endif
