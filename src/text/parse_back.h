// What a chat model wrote, parsed back: reasoning, content, tool calls. Whole, or as it comes: every way to cut the output into
// pieces gives the same.
//
// Reasoning is what stands after the first <think> (or from the beginning) up to the first </think> after it; without one all
// is reasoning. What stands before <think> is dropped. Content is the rest as it is. Calls are looked for in the content:
// - CALLS_JSON: <tool_call>{"name": ..., "arguments": ...}</tool_call>, the last one may lack its end. Content ends at the
// first
//   call. If any of them is no such JSON, all is content and there is no call.
// - CALLS_PARAMETERS: <tool_call>NAME<param_key>K</param_key><param_value>V</param_value>...</tool_call>; names, keys and
// values
//   are trimmed. A value whose type in the tool's schema is "string" is text; another is read as JSON, else as a Python
//   literal, else it is text. A call without end or name is none; content ends at the first <tool_call> if there is a call.
// Arguments are JSON as Python's json.dumps(ensure_ascii=False) writes it: keys in order, the last of a repeated key, NaN.
// After vLLM's deepseek_r1 and hermes parsers, and ms-swift's for TeleChat3-Coder.
#ifndef TEXT_PARSE_BACK_H
#define TEXT_PARSE_BACK_H

#include <jansson.h>

#include "text/tokenizer.h"

typedef enum {
  REASONING_NONE,    // tags are text
  REASONING_OPEN,    // as above: the prompt began the reasoning already, or the model does
  REASONING_TAGGED,  // only if the output begins with <think> (after white space)
} ParseReasoning;
typedef enum { CALLS_NONE, CALLS_JSON, CALLS_PARAMETERS } ParseCalls;

typedef struct {
  ParseReasoning reasoning;
  ParseCalls calls;
} ParseForm;

// What a template's source and the end of a prompt rendered by it say about the form of an answer: reasoning where the template
// names </think>, OPEN where the prompt ends with <think> (and white space); calls by the tags that it names. A form of calls
// that is not known here is CALLS_NONE.
ParseForm parse_form(const char *source, size_t source_size, const char *prompt, size_t prompt_size);

typedef struct {
  char *name, *arguments;  // NUL-terminated, owned
} ParsedCall;

// What became certain by a piece; points into the ParseBack until its next call.
typedef struct {
  bool withdrawn;  // a late <think> makes all that was given out so far void (also of this ParseBack's texts)
  const char *reasoning, *content;
  size_t reasoning_size, content_size;
} ParseDelta;

typedef struct {
  Bytes reasoning, content;  // what is certain so far
  bool has_reasoning;        // false: there is none, not an empty one. Content that is empty is none
  ParsedCall *call;          // after parse_back_end
  int64_t n_calls;
  // the parser's own
  ParseForm form;
  const json_t *tools;
  Bytes all;
  size_t scanned;     // where the search for the next tag goes on
  size_t from;        // what is not given out yet
  size_t first_call;  // where the first <tool_call> stands, once it is found
  enum { IN_BEGINNING, IN_REASONING, IN_CONTENT, IN_CALLS } place;
  bool opened;  // <think> was found
} ParseBack;

// tools: as given to the template, or NULL; borrowed.
void parse_back_open(ParseBack *p, ParseForm form, const json_t *tools);
void parse_back_close(ParseBack *p);
Err parse_back_push(ParseBack *p, const char *text, size_t size, ParseDelta *delta);
// The output ends. Calls come only here, since what follows one may show that it is none. Memory: a few times the output.
Err parse_back_end(ParseBack *p, ParseDelta *delta);

#endif
