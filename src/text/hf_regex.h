// The patterns of tokenizer.json: written for Oniguruma (Ruby's syntax), run by PCRE2.
//
// What the two read differently is rewritten first: \s \w \h and their opposites by Unicode's properties as Oniguruma has them,
// \p{Han} and other scripts (there: the script alone, in PCRE2 its extensions too, punctuation that it shares), \uHHHH, (?m)
// (there: the dot takes newlines), {n,m}+ (there: a repeat of a repeat). Intersections of classes (&&) and classes
// within classes are refused. A compiled pattern is shared by threads; what a match writes lies in a HfMatch of the calling
// thread.
#ifndef TEXT_HF_REGEX_H
#define TEXT_HF_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct HfRegex HfRegex;
typedef struct HfMatch HfMatch;

// `where` names the pattern's place for messages ("tokenizer.json: pre_tokenizer.pattern"). A literal pattern matches itself.
// ERR_FORMAT gives the position in the pattern.
Err hf_regex_open(HfRegex **r, const char *pattern, size_t size, bool literal, const char *where);
void hf_regex_close(HfRegex *r);

Err hf_match_open(HfMatch **m);
void hf_match_close(HfMatch *m);

// Finds the matches of r in text[0, size), valid UTF-8, one after the other, as Oniguruma's users do: an empty match directly
// after another match does not count. Start with *state = {0}; *found is false after the last.
typedef struct {
  size_t from, last_end;
  bool any;
} HfScan;
Err hf_regex_next(const HfRegex *r, HfMatch *m, const char *text, size_t size, HfScan *state, bool *found, size_t *begin,
                  size_t *end);

#endif
