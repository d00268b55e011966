// seeds: golden/data/bad/tokenizer_*.json golden/text/hf/*/tokenizer.json
// Any bytes as a tokenizer.json: refused with a message, or a tokenizer that encodes and decodes without harm.
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const TokenizerBackend *b, void *model) {
  static const char text[] =
      "Hello <s> 12345  it's \xe4\xbd\xa0\xe5\xa5\xbd\n\n e\xcc\x81 \xff\xfe <|im_start|> both  [MASK] zz";
  void *work = NULL;
  Ids ids = {0};
  Bytes out = {0};
  if (b->work_open(model, &work)) abort();
  for (int special = 0; special < 2; special++) {
    ids.count = 0;
    Err err = b->encode_special(model, work, text, sizeof text - 1, (SpecialPolicy)special, &ids);
    if (err && !*err_text()) abort();
    for (int64_t i = 0; i < ids.count; i++)
      if (ids.id[i] < 0 || ids.id[i] >= b->vocab(model)) abort();
    if (!err) (void)b->decode(model, work, ids.id, ids.count, special, &out);
  }
  (void)b->piece(model, 0);
  ids_free(&ids);
  bytes_free(&out);
  b->work_close(work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const TokenizerBackend *backend = NULL;
  void *model = NULL;
  Err err = hf_tokenizer_open(&backend, &model, "fuzz", data, size);
  if (!err != (model != NULL) || (err && !*err_text())) abort();
  if (err) return 0;
  use(backend, model);
  backend->close(model);
  return 0;
}
