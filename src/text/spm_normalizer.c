#include "text/spm_normalizer.h"

#include <stdlib.h>

#include "text/utf8.h"

static const char space_symbol[] = "\xe2\x96\x81";  // U+2581
static const char replacement[] = "\xef\xbf\xbd";   // U+FFFD

// ---- the precompiled map: units of darts-clone's double array
static bool unit_has_leaf(uint32_t u) { return u >> 8 & 1; }
static uint32_t unit_value(uint32_t u) { return u & 0x7fffffffu; }
static uint32_t unit_label(uint32_t u) { return u & 0x800000ffu; }
static uint32_t unit_offset(uint32_t u) { return u >> 10 << ((u & 0x200u) >> 6); }

Err spm_normalizer_init(SpmNormalizer *n, const SpmNormalizerSpec *spec, const Trie *user, bool suffix, const char *path) {
  *n = (SpmNormalizer){.add_dummy_prefix = spec->add_dummy_prefix,
                       .remove_extra_whitespaces = spec->remove_extra_whitespaces,
                       .escape_whitespaces = spec->escape_whitespaces,
                       .suffix = suffix,
                       .user = user && user->count ? user : NULL};
  for (int c = 0; c < 256; c++) n->rules[c] = n->user && trie_step(n->user, 0, (uint8_t)c);
  n->plain = !spec->charsmap.size && !spec->remove_extra_whitespaces;
  if (!spec->charsmap.size) return ERR_OK;
  size_t size = spec->charsmap.size;
  uint32_t trie_bytes = 0;
  if (size > 4) memcpy(&trie_bytes, spec->charsmap.data, 4);
  CHECK(size > 4 && trie_bytes >= 1024 && trie_bytes % 1024 == 0 && trie_bytes < size - 4, ERR_FORMAT,
        "%s: the normalizer's map has %zu bytes and says that its trie takes %u of them, wanted a multiple of 1024", path, size,
        trie_bytes);
  CHECK(spec->charsmap.data[size - 1] == '\0', ERR_FORMAT, "%s: the strings of the normalizer's map do not end with a NUL",
        path);
  n->unit_count = trie_bytes / 4;
  n->strings_size = size - 4 - trie_bytes;
  n->unit = malloc(trie_bytes);
  n->strings = malloc(n->strings_size + 1);
  if (!n->unit || !n->strings) {
    spm_normalizer_free(n);
    FAIL(ERR_MEMORY, "%s: no memory for a normalizer's map of %zu bytes", path, size);
  }
  memcpy(n->unit, spec->charsmap.data + 4, trie_bytes);
  memcpy(n->strings, spec->charsmap.data + 4 + trie_bytes, n->strings_size);
  n->strings[n->strings_size] = '\0';
  for (uint32_t c = 0; c < 256; c++) {
    uint32_t first = unit_offset(n->unit[0]) ^ c;
    n->rules[c] |= first < n->unit_count && unit_label(n->unit[first]) == c;
  }
  return ERR_OK;
}

void spm_normalizer_free(SpmNormalizer *n) {
  free(n->unit);
  free(n->strings);
  *n = (SpmNormalizer){0};
}

// The longest rule that begins text[0, size): what it gives; *length 0 if there is none, or none that is in the strings.
static void longest_rule(const SpmNormalizer *n, const char *text, size_t size, size_t *length, SpmText *gives) {
  *length = 0;
  uint32_t value = 0, at = unit_offset(n->unit[0]);
  for (size_t i = 0; i < size; i++) {
    uint8_t c = (uint8_t)text[i];
    at ^= c;
    if (at >= n->unit_count) break;
    uint32_t unit = n->unit[at];
    if (unit_label(unit) != c) break;
    at ^= unit_offset(unit);
    if (at >= n->unit_count) break;
    if (!unit_has_leaf(unit)) continue;
    value = unit_value(n->unit[at]);
    *length = i + 1;
  }
  if (value >= n->strings_size) *length = 0;
  if (*length) *gives = (SpmText){n->strings + value, strlen(n->strings + value)};
}

// The next piece of the text and what it becomes before spaces are looked at.
static void next_part(const SpmNormalizer *n, const char *text, size_t size, size_t *length, SpmText *gives) {
  if (n->rules[(uint8_t)text[0]]) {
    if (n->user && trie_longest(n->user, text, size, length) >= 0) {
      *gives = (SpmText){text, *length};
      return;
    }
    *length = 0;
    if (n->unit) longest_rule(n, text, size, length, gives);
    if (*length) return;
  }
  uint32_t code;
  *length = utf8_char(text, size, &code);
  *gives = *length ? (SpmText){text, *length} : (SpmText){replacement, 3};
  if (!*length) *length = 1;
}

static SpmText symbol_of(const SpmNormalizer *n) {
  return n->escape_whitespaces ? (SpmText){space_symbol, 3} : (SpmText){" ", 1};
}

static Err write_held(const SpmNormalizer *n, SpmNormalizing *s, Bytes *out) {
  SpmText symbol = symbol_of(n);
  for (; s->held; s->held--) TRY(bytes_append(out, symbol.data, symbol.size));
  return ERR_OK;
}

// Writes a part; space symbols are held back where those at the end of the text fall away.
static Err write_part(const SpmNormalizer *n, SpmNormalizing *s, SpmText part, Bytes *out) {
  SpmText symbol = symbol_of(n);
  for (size_t i = 0; i < part.size;) {
    bool space = part.data[i] == ' ';
    bool literal = !space && part.size - i >= symbol.size && memcmp(part.data + i, symbol.data, symbol.size) == 0;
    if (space || literal) {
      if (n->remove_extra_whitespaces) s->held++;
      else TRY(bytes_append(out, symbol.data, symbol.size));
      i += space ? 1 : symbol.size;
      continue;
    }
    if (s->held) TRY(write_held(n, s, out));
    TRY(bytes_append(out, part.data + i++, 1));
  }
  return ERR_OK;
}

static Err begin(const SpmNormalizer *n, SpmNormalizing *s, const char *text, size_t size, Bytes *out) {
  s->begun = true;
  s->after_space = n->remove_extra_whitespaces;
  while (n->remove_extra_whitespaces && s->at < size) {
    size_t length;
    SpmText part;
    next_part(n, text + s->at, size - s->at, &length, &part);
    if (part.size != 1 || part.data[0] != ' ') break;
    s->at += length;
  }
  if (s->at == size) {
    s->done = true;
    return ERR_OK;
  }
  return n->add_dummy_prefix && !n->suffix ? write_part(n, s, (SpmText){" ", 1}, out) : ERR_OK;
}

// Whether a character of three bytes, but none of those that need a closer look, stands at s, readable for four.
static inline bool is_three(const char *s) {
  uint32_t word;
  memcpy(&word, s, 4);
  return (word & 0xc0c0f0) == 0x8080e0 && (word & 0xf) != 0 && (word & 0xf) != 0xd;
}

// The loop where only spaces and broken UTF-8 change: no part is longer than three bytes a byte of text.
static Err normalize_plain(const SpmNormalizer *n, SpmNormalizing *s, const char *text, size_t size, size_t limit, Bytes *out) {
  size_t left = size - s->at, take = left < limit ? left : limit;
  TRY(bytes_reserve(out, 3 * take + 8));
  char *to = out->data + out->size;
  const char *from = text + s->at, *end = from + take, *text_end = text + size;
  bool escape = n->escape_whitespaces;
  while (from < end) {
    if (*from == ' ' && escape) {
      memcpy(to, space_symbol, 3);
      to += 3;
      from++;
    } else if (*from >= 0) {
      *to++ = *from++;
    } else if (text_end - from >= 4 && is_three(from)) {
      memcpy(to, from, 4);  // a fixed size is one move; what is too much is overwritten
      to += 3;
      from += 3;
    } else {
      uint32_t code;
      size_t length = utf8_char(from, (size_t)(text_end - from), &code);
      memcpy(to, length ? from : replacement, length ? length : 3);
      to += length ? length : 3;
      from += length ? length : 1;
    }
  }
  s->at = (size_t)(from - text);
  out->size = (size_t)(to - out->data);
  return ERR_OK;
}

Err spm_normalize(const SpmNormalizer *n, SpmNormalizing *s, const char *text, size_t size, size_t limit, Bytes *out) {
  if (!s->begun) TRY(begin(n, s, text, size, out));
  if (s->done) return ERR_OK;
  size_t start = out->size;
  if (n->plain) {
    TRY(normalize_plain(n, s, text, size, limit, out));
  } else {
    while (s->at < size && out->size - start < limit) {
      size_t length;
      SpmText part;
      next_part(n, text + s->at, size - s->at, &length, &part);
      s->at += length;
      while (s->after_space && part.size && part.data[0] == ' ') part = (SpmText){part.data + 1, part.size - 1};
      if (!part.size) continue;
      TRY(write_part(n, s, part, out));
      s->after_space = n->remove_extra_whitespaces && part.data[part.size - 1] == ' ';
    }
  }
  if (s->at < size) return ERR_OK;
  s->done = true;
  return n->add_dummy_prefix && n->suffix ? bytes_append(out, symbol_of(n).data, symbol_of(n).size) : ERR_OK;
}
