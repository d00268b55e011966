// A dialog as people write it in a line of JSON, in one of two forms:
//   {"system": "...", "dialog": [{"role": "user" | "bot", "content": "..."}, ...], "multiturn": bool, "tool": bool} TeleChat2's
//   {"messages": [{"role": "system" | "user" | "assistant", "content": "..."}, ...]}                                   messages
// Other members are let be. A missing system text is an empty one. Where multiturn and tool are not said, they are found: more
// than one answer; "<tool_call>" in an answer or "<tools>" in the system text.
#ifndef DATA_SFT_DIALOG_H
#define DATA_SFT_DIALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

typedef struct {
  const char *text;
  size_t size;
  bool answer;  // of the bot; else of the user
} SftTurn;

typedef struct {
  json_t *root;  // owns the texts
  const char *system;
  size_t system_size;
  SftTurn *turn;
  int64_t turns, capacity;
  bool alone;  // not packed with others by the TeleChat2 recipe: multiturn or tool
} SftDialog;

// Reads line[0, size) into *d (starts as {0}; what it held before is freed, unless the line is no JSON). ERR_FORMAT says what
// is wrong, not in which file and line.
Err sft_dialog_read(SftDialog *d, const char *line, size_t size);
// The same of a line that is parsed already, of which it keeps a reference.
Err sft_dialog_take(SftDialog *d, json_t *root);
void sft_dialog_free(SftDialog *d);

#endif
