// Is this UTF-8? (What text means is the text room's affair.)
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

// The offset of the first byte that no valid UTF-8 has there, or `size` if all is valid. Overlong forms, surrogates and code
// points past U+10FFFF are invalid (Unicode 15, table 3-7). NUL is valid. Time and no memory in proportion to size.
size_t utf8_invalid_at(const char *text, size_t size);

#endif
