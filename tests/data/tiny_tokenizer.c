#include "data/tiny_tokenizer.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/file.h"

Err tiny_tokenizer_named(Tokenizer **t, const char *folder, const char *const *name) {
  char path[PATH_BYTES];
  FileWriter w = {0};
  TRY(path_join(path, folder, "tokenizer.json"));
  TRY(file_create(&w, path));
  TRY(file_printf(&w, "{\"version\": \"1.0\", \"added_tokens\": ["));
  for (int i = 0; name[i]; i++)
    TRY(file_printf(&w,
                    "%s{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                    "\"normalized\": false, \"special\": true}",
                    i ? ", " : "", TINY_EOD + i, name[i]));
  TRY(file_printf(&w,
                  "], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                  "\"trim_offsets\": true, \"use_regex\": false}, \"post_processor\": null, \"decoder\": {\"type\": "
                  "\"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {"));
  int others = 256;
  for (int byte = 0; byte < 256;
       byte++) {  // the letter that stands for a byte: itself where it is visible, else from U+0100 on
    bool visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    TRY(file_printf(&w, "\"\\u%04x\": %d, ", (unsigned)(visible ? byte : others++), byte));
  }
  for (int i = 0; name[i]; i++) TRY(file_printf(&w, "%s\"%s\": %d", i ? ", " : "", name[i], TINY_EOD + i));
  TRY(file_printf(&w, "}}}\n"));
  TRY(file_commit(&w));
  return tokenizer_open(t, path);
}

Err tiny_tokenizer_open(Tokenizer **t, const char *folder) {
  static const char *const eod[] = {"</s>", NULL};
  return tiny_tokenizer_named(t, folder, eod);
}
