// seeds: golden/data/bad/model_*.model golden/text/spm/char.model
// Any bytes as a SentencePiece model: refused with a message, or a tokenizer that encodes and decodes without harm.
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const TokenizerBackend *b, void *model) {
  static const char text[] =
      "Hello <s> 12345  it's \xe4\xbd\xa0\xe5\xa5\xbd\n\n e\xcc\x81 \xff\xfe  \xe2\x96\x81 aaaaaaaabababab zz ";
  void *work = NULL;
  Ids ids = {0};
  Bytes out = {0};
  if (b->work_open(model, &work)) abort();
  for (int special = 0; special < 2; special++) {
    ids.count = 0;
    if (b->encode(model, work, text, sizeof text - 1, (SpecialPolicy)special, &ids)) abort();
    for (int64_t i = 0; i < ids.count; i++)
      if (ids.id[i] < 0 || ids.id[i] >= b->vocab(model)) abort();
    if (b->decode(model, work, ids.id, ids.count, special, &out)) abort();
  }
  ids.count = 0;
  for (int32_t id = 0; id < 300 && id < b->vocab(model); id++)
    if (ids_push(&ids, id)) abort();
  if (b->decode(model, work, ids.id, ids.count, true, &out)) abort();
  ids_free(&ids);
  bytes_free(&out);
  b->work_close(work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const TokenizerBackend *backend = NULL;
  void *model = NULL;
  Err err = spm_open(&backend, &model, "fuzz", data, size);
  if (!err != (model != NULL) || (err && !*err_text())) abort();
  if (err) return 0;
  use(backend, model);
  backend->close(model);
  return 0;
}
