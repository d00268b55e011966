// GPT-2's byte level: every byte is shown as one printable character, and text is cut by one pattern before it is tokenised.
// Source: Radford et al. 2019, the table and the pattern of the published encoder.
#ifndef TEXT_BYTE_LEVEL_H
#define TEXT_BYTE_LEVEL_H

#include <stddef.h>
#include <stdint.h>

// The character of a byte: itself for printable ASCII and most of Latin-1, else 256, 257, ... in order of the byte.
uint32_t byte_level_char(uint8_t byte);
// The byte of a character, -1 if it is none of the 256.
int byte_level_byte(uint32_t code);

// The end of the word that begins at text[at] by the pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// of which every byte of valid UTF-8 is part of some match. at < size.
size_t byte_level_word(const char *text, size_t size, size_t at);

#endif
