#include "text/byte_level.h"

#include "text/unicode.h"

enum { FIRST_SHIFTED = 256, SHIFTED = 68 };  // 0..32, 127..160 and 173 are not printable

uint32_t byte_level_char(uint8_t b) {
  if (b <= 32) return FIRST_SHIFTED + b;
  if (b >= 127 && b <= 160) return FIRST_SHIFTED + 33u + (b - 127u);
  if (b == 173) return FIRST_SHIFTED + SHIFTED - 1;
  return b;
}

int byte_level_byte(uint32_t c) {
  if (c >= FIRST_SHIFTED + SHIFTED) return -1;
  if (c >= FIRST_SHIFTED) {
    int n = (int)c - FIRST_SHIFTED;
    return n < 33 ? n : n < SHIFTED - 1 ? 127 + n - 33 : 173;
  }
  return byte_level_char((uint8_t)c) == c ? (int)c : -1;
}

static inline UnicodeClass class_at(const char *text, size_t *at) {
  static const uint8_t ascii[128] = {
      ['\t' ... '\r'] = CLASS_SPACE, [' '] = CLASS_SPACE,          ['0' ... '9'] = CLASS_NUMBER,
      ['A' ... 'Z'] = CLASS_LETTER,  ['a' ... 'z'] = CLASS_LETTER,
  };
  uint8_t b = (uint8_t)text[*at];
  if (b < 0x80) {
    *at += 1;
    return (UnicodeClass)ascii[b];
  }
  return unicode_class(utf8_next(text, at));
}

// The end of the run of characters of one class from `at`.
static size_t run_end(const char *text, size_t size, size_t at, UnicodeClass want) {
  while (at < size) {
    size_t next = at;
    if (class_at(text, &next) != want) break;
    at = next;
  }
  return at;
}

// 's 't 're 've 'm 'll 'd after the apostrophe at `at`: bytes of the match, 0 if none.
static size_t contraction(const char *text, size_t size, size_t at) {
  if (at + 1 >= size) return 0;
  char a = text[at + 1], b = at + 2 < size ? text[at + 2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
  return 0;
}

size_t byte_level_word(const char *text, size_t size, size_t at) {
  if (text[at] == '\'') {
    size_t n = contraction(text, size, at);
    if (n) return at + n;
  }
  size_t next = at;
  UnicodeClass first = class_at(text, &next);
  if (first != CLASS_SPACE) return run_end(text, size, next, first);
  if (text[at] == ' ' && next < size) {
    size_t after = next;
    UnicodeClass second = class_at(text, &after);
    if (second != CLASS_SPACE) return run_end(text, size, after, second);
  }
  size_t end = run_end(text, size, next, CLASS_SPACE);
  if (end == size) return end;
  size_t last = utf8_back(text, end);  // \s+(?!\S) leaves the last space to the word after it
  return last > at ? last : end;
}
