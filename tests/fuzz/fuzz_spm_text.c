// seeds: golden/text/templates/*.jinja
// Any bytes as a text for models of each type: ids in range, the same ids whatever was encoded before, and decoding gives back
// what the normaliser kept. The first byte chooses the model.
#include <stdlib.h>
#include <string.h>

#include "text/proto_write.h"
#include "text/spm_proto.h"
#include "text/tokenizer_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 8 };

static const TokenizerBackend *backend;
static void *models[MODELS], *works[MODELS];

static void check(Err err) {
  if (err) abort();
}

static void piece(Bytes *model, const char *text, float score, uint8_t type) {
  Bytes body = {0};
  check(proto_put_bytes(&body, 1, text, strlen(text)));
  check(proto_put_float(&body, 2, score));
  check(proto_put_int(&body, 3, type));
  check(proto_put_bytes(model, 1, body.data, body.size));
  bytes_free(&body);
}

// Model types 1 .. 4, each with byte fallback, spaces kept and a user-defined piece, and without.
static void make(int which) {
  static const char *const pieces[] = {"a",
                                       "b",
                                       "aa",
                                       "ab",
                                       "ba",
                                       "aab",
                                       "abab",
                                       "aaaa",
                                       "\xe2\x96\x81",
                                       "\342\226\201a",
                                       "\xe2\x96\x81\xe2\x96\x81",
                                       "1",
                                       "\xe4\xbd\xa0",
                                       "\xe5\xa5\xbd",
                                       "\xe4\xbd\xa0\xe5\xa5\xbd",
                                       "e\xcc\x81",
                                       "{",
                                       "\"",
                                       "te",
                                       "tex",
                                       "ext"};
  bool full = which >= 4;
  Bytes b = {0}, trainer = {0}, normalizer = {0};
  piece(&b, "<unk>", 0, 2);
  piece(&b, "<s>", 0, 3);
  for (unsigned i = 0; full && i < 256; i++) {
    char name[8] = {'<', '0', 'x', "0123456789ABCDEF"[i >> 4], "0123456789ABCDEF"[i & 15], '>', 0};
    piece(&b, name, 0, 6);
  }
  for (int i = 0; i < (int)(sizeof pieces / sizeof pieces[0]); i++)
    piece(&b, pieces[i], -(float)((i * 7) % 21 / 2), full && i == 5 ? 5 : 1);
  if (full) piece(&b, "<sep>", 0, 4);
  check(proto_put_int(&trainer, 3, which % 4 + 1));  // model_type
  check(proto_put_int(&trainer, 35, full));          // byte_fallback
  check(proto_put_int(&normalizer, 4, !full));       // remove_extra_whitespaces
  check(proto_put_bytes(&b, 2, trainer.data, trainer.size));
  check(proto_put_bytes(&b, 3, normalizer.data, normalizer.size));
  if (spm_open(&backend, &models[which], "made", b.data, b.size)) abort();
  if (backend->work_open(models[which], &works[which])) abort();
  bytes_free(&b);
  bytes_free(&trainer);
  bytes_free(&normalizer);
}

// What decoding must give: the normal form, spaces for U+2581, without the dummy prefix.
static void check_text(int which, const char *text, size_t size, const Bytes *got) {
  Bytes want = {0};
  if (backend->normalize(models[which], text, size, &want)) abort();
  size_t n = 0;
  for (size_t i = 0; i < want.size;) {
    bool space = want.size - i >= 3 && memcmp(want.data + i, "\xe2\x96\x81", 3) == 0;
    if (space && i == 0) {
      i += 3;
      continue;
    }
    want.data[n++] = space ? ' ' : want.data[i];
    i += space ? 3 : 1;
  }
  if (n != got->size || (n && memcmp(want.data, got->data, n) != 0)) abort();
  bytes_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int i = 0; i < MODELS && !models[i]; i++) make(i);
  if (size == 0) return 0;
  int which = data[0] % MODELS;
  const char *text = (const char *)data + 1;
  void *work = works[which];
  Ids first = {0}, second = {0};
  Bytes back = {0};
  if (backend->encode(models[which], work, text, --size, SPECIAL_TEXT, &first)) abort();
  if (backend->encode(models[which], work, text, size, SPECIAL_TEXT, &second)) abort();
  if (first.count != second.count || (first.count && memcmp(first.id, second.id, (size_t)first.count * sizeof *first.id) != 0))
    abort();
  for (int64_t i = 0; i < first.count; i++)
    if (first.id[i] < 0 || first.id[i] >= backend->vocab(models[which])) abort();
  if (backend->decode(models[which], work, first.id, first.count, false, &back)) abort();
  // Byte fallback loses nothing; but an unknown word takes its U+2581 along as bytes.
  if (which >= 4 && which % 4 + 1 != SPM_WORD) check_text(which, text, size, &back);
  ids_free(&first);
  ids_free(&second);
  bytes_free(&back);
  return 0;
}
