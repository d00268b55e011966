// Any bytes as a dialog: read, or refused with a reason; what was read has text for every turn.
// seeds: golden/data/sft/dialogs.jsonl golden/data/sft/messages.jsonl golden/data/bad/lines_*.jsonl golden/data/bad/json_*.json
#include <stdlib.h>
#include <string.h>

#include "data/sft_dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  SftDialog d = {0};
  const char *at = (const char *)data, *end = at + size;
  while (at < end) {  // line after line into one dialog, as a build does
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    Err err = sft_dialog_read(&d, at, (size_t)(stop - at));
    if (err && !*err_text()) abort();
    for (int64_t i = 0; !err && i < d.turns; i++)
      if (d.turn[i].text[d.turn[i].size] != '\0') abort();
    at = newline ? newline + 1 : end;
  }
  sft_dialog_free(&d);
  return 0;
}
