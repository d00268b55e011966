// The calls in a text that begins with <tool_call>, for parse_back.c.
#ifndef TEXT_PARSE_CALLS_H
#define TEXT_PARSE_CALLS_H

#include "text/parse_back.h"

// Adds the calls to p; *valid is false, and nothing is added, where the text is plain after all.
Err parse_calls(ParseBack *p, const char *text, size_t size, bool *valid);

#endif
