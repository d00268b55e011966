#include "cli/tokenizer_config.h"

#include <string.h>

#include "model/hf_files.h"

static void set_name(json_t *j, const char *key, const Tokenizer *t, int32_t id) {
  const char *name = id >= 0 ? tokenizer_piece(t, id) : NULL;
  if (name) json_object_set_new(j, key, json_string(name));
}

static Err write_config(const Tokenizer *t, const char *folder) {
  char path[PATH_BYTES];
  json_t *j = json_pack("{s:s, s:b, s:b, s:b, s:b}", "tokenizer_class", "LlamaTokenizer", "legacy", 0, "add_bos_token", 0,
                        "add_eos_token", 0, "clean_up_tokenization_spaces", 0);
  CHECK(j, ERR_MEMORY, "%s: no memory for a tokenizer_config.json", folder);
  set_name(j, "bos_token", t, tokenizer_bos(t));
  set_name(j, "eos_token", t, tokenizer_eos(t));
  set_name(j, "pad_token", t, tokenizer_pad(t));
  set_name(j, "unk_token", t, 0);  // SentencePiece's trainers put it there
  Err err = path_join(path, folder, "tokenizer_config.json");
  if (!err) err = json_write(j, path);
  json_decref(j);
  return err;
}

static Err write_both(WeightSource *s, const char *folder) {
  Tokenizer *t;
  TRY(hf_copy_tokenizer(s->tokenizer, folder));
  TRY(tokenizer_open(&t, s->tokenizer));
  Err err = write_config(t, folder);
  tokenizer_close(t);
  return err;
}

void tokenizer_config_add(WeightSource *s, const Tokenizer *t) {
  bool bare = strncmp(tokenizer_kind(t), "sentencepiece", 13) == 0 && !folder_holds(s->tokenizer, "tokenizer_config.json");
  if (bare && !s->write_tokenizer) s->write_tokenizer = write_both;
}
