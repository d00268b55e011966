// The SentencePiece format as a backend of the tokenizer: normaliser, model, special tokens.
#include <stdlib.h>

#include "text/specials.h"
#include "text/spm_bpe.h"
#include "text/spm_decode.h"
#include "text/spm_normalizer.h"
#include "text/spm_unigram.h"

enum { CHUNK_BYTES = 4 << 10 };  // of normalised text at a time: it stays in the cache

typedef struct {
  SpmPieces pieces;
  SpmModelType type;
  SpmNormalizer normalizer;
  SpmDecoder decoder;
  Bpe bpe;  // bpe and char models
  Unigram unigram;
  Specials specials;
  int32_t bos, eos, pad;
} Spm;

typedef struct {
  Bytes normal;  // normalised text not encoded yet
  Bytes scratch;
  BpeWork *bpe;
  UnigramWork unigram;
} SpmWork;

static const char *spm_kind(const void *model) {
  static const char *const names[] = {"", "sentencepiece unigram", "sentencepiece bpe", "sentencepiece word",
                                      "sentencepiece char"};
  return names[((const Spm *)model)->type];
}

static int64_t spm_vocab(const void *model) { return ((const Spm *)model)->pieces.count; }

static int32_t spm_find(const void *model, const char *name, size_t size) {
  const Spm *m = model;
  for (int64_t i = 0; i < m->specials.count; i++)
    if (m->specials.token[i].size == size && memcmp(m->specials.token[i].name, name, size) == 0) return m->specials.token[i].id;
  return spm_pieces_find(&m->pieces, name, size);
}

static const char *spm_piece(const void *model, int32_t id) {
  const Spm *m = model;
  return id >= 0 && id < m->pieces.count ? m->pieces.piece[id].text.data : NULL;
}

static bool spm_is_special(const void *model, int32_t id) { return specials_of(&((const Spm *)model)->specials, id) != NULL; }

static void spm_ends(const void *model, int32_t *bos, int32_t *eos, int32_t *pad) {
  const Spm *m = model;
  *bos = m->bos, *eos = m->eos, *pad = m->pad;
}

static Err spm_set_specials(void *model, const char *const *names, const int32_t *ids, int64_t count) {
  Spm *m = model;
  return specials_set(&m->specials, names, ids, count, m->pieces.count);
}

static void spm_work_close(void *work) {
  SpmWork *w = work;
  if (!w) return;
  bytes_free(&w->normal);
  bytes_free(&w->scratch);
  bpe_work_close(w->bpe);
  unigram_work_free(&w->unigram);
  free(w);
}

static Err spm_work_open(const void *model, void **work) {
  (void)model;
  SpmWork *w = calloc(1, sizeof *w);
  CHECK(w, ERR_MEMORY, "no memory for a tokenizer's work");
  Err err = bpe_work_open(&w->bpe);
  if (err) {
    spm_work_close(w);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *work = w;
  return ERR_OK;
}

static Err encode_normal(const Spm *m, SpmWork *w, bool last, size_t *used, SpmSink *sink) {
  const char *text = w->normal.data;
  size_t size = w->normal.size;
  switch (m->type) {
    case SPM_UNIGRAM: return unigram_encode(&m->unigram, &w->unigram, text, size, last, used, sink);
    case SPM_WORD: word_encode(&m->pieces, text, size, last, used, sink); return ERR_OK;
    default: return bpe_encode(&m->bpe, w->bpe, text, size, last, used, sink);
  }
}

// A text without special tokens. Normalised and encoded chunk by chunk; what could not be cut stays for the next, and a chunk
// is never shorter than what stayed, so that a text without any place to cut is looked at a bounded number of times.
static Err encode_text(const Spm *m, SpmWork *w, const char *text, size_t size, Ids *out) {
  SpmNormalizing s = {0};
  SpmSink sink = {.pieces = &m->pieces, .ids = out};
  w->normal.size = 0;
  w->unigram.score = 0;
  while (size && !s.done) {
    size_t limit = w->normal.size > CHUNK_BYTES ? w->normal.size : CHUNK_BYTES, used;
    TRY(spm_normalize(&m->normalizer, &s, text, size, limit, &w->normal));
    TRY(bytes_reserve(&w->normal, SPM_PADDING));
    TRY(ids_reserve(out, (int64_t)w->normal.size + SPM_PADDING));
    TRY(encode_normal(m, w, s.done, &used, &sink));
    w->normal.size -= used;
    memmove(w->normal.data, w->normal.data + used, w->normal.size);
  }
  return ERR_OK;
}

static Err spm_encode(const void *model, void *work, const char *text, size_t size, SpecialPolicy special, Ids *out) {
  const Spm *m = model;
  size_t at = 0;
  while (special == SPECIAL_PARSE) {
    size_t found;
    const Special *token = specials_find(&m->specials, text, size, at, &found);
    if (!token) break;
    TRY(encode_text(m, work, text + at, found - at, out));
    TRY(ids_push(out, token->id));
    at = found + token->size;
  }
  return at < size ? encode_text(m, work, text + at, size - at, out) : ERR_OK;
}

static Err spm_normal_form(const void *model, const char *text, size_t size, Bytes *out) {
  SpmNormalizing s = {0};
  while (size && !s.done) TRY(spm_normalize(&((const Spm *)model)->normalizer, &s, text, size, CHUNK_BYTES, out));
  return ERR_OK;
}

static Err spm_decode(const void *model, void *work, const int32_t *id, int64_t count, bool keep_special, Bytes *out) {
  const Spm *m = model;
  SpmWork *w = work;
  for (int64_t i = 0; i < count; i++)
    CHECK(id[i] >= 0 && id[i] < m->pieces.count, ERR_ARG, "id %d at place %lld is out of range: the model's ids are 0 .. %lld",
          id[i], (long long)i, (long long)m->pieces.count - 1);
  for (int64_t i = 0; i < count;) {
    const Special *token = NULL;
    int64_t end = i;
    while (end < count && !(token = specials_of(&m->specials, id[end]))) end++;
    TRY(spm_decode_run(&m->decoder, id + i, end - i, &w->scratch, out));
    if (token && keep_special) TRY(bytes_append(out, token->name, token->size));
    i = end + 1;
  }
  return ERR_OK;
}

static void spm_close(void *model) {
  Spm *m = model;
  if (!m) return;
  specials_free(&m->specials);
  unigram_free(&m->unigram);
  bpe_free(&m->bpe);
  spm_decoder_free(&m->decoder);
  spm_normalizer_free(&m->normalizer);
  spm_pieces_free(&m->pieces);
  free(m);
}

// The special tokens of a model alone are its control pieces.
static Err control_pieces(Spm *m) {
  int64_t count = 0;
  for (int64_t i = 0; i < m->pieces.count; i++) count += m->pieces.piece[i].type == SPM_CONTROL;
  if (!count) return ERR_OK;
  const char **names = malloc((size_t)count * sizeof *names);
  int32_t *ids = malloc((size_t)count * sizeof *ids);
  count = 0;
  for (int32_t i = 0; names && ids && i < m->pieces.count; i++) {
    if (m->pieces.piece[i].type != SPM_CONTROL) continue;
    names[count] = m->pieces.piece[i].text.data;
    ids[count++] = i;
  }
  Err err = names && ids ? spm_set_specials(m, names, ids, count) : ERR_HERE(ERR_MEMORY, "no memory for special tokens");
  free(names);
  free(ids);
  return err;
}

// The reference finds these by their text, and only control pieces count.
static int32_t end_piece(const Spm *m, SpmText name) {
  int32_t id = spm_pieces_find(&m->pieces, name.data, name.size);
  return id >= 0 && m->pieces.piece[id].type == SPM_CONTROL ? id : -1;
}

static Err init(Spm *m, const SpmProto *p, const char *path) {
  m->type = p->type;
  TRY(spm_pieces_init(&m->pieces, p, path));
  TRY(spm_normalizer_init(&m->normalizer, &p->normalizer, &m->pieces.user, p->treat_whitespace_as_suffix, path));
  TRY(spm_decoder_init(&m->decoder, &m->pieces, p, path));
  if (p->type == SPM_BPE || p->type == SPM_CHAR) TRY(bpe_init(&m->bpe, &m->pieces, p->type == SPM_BPE));
  if (p->type == SPM_UNIGRAM) TRY(unigram_init(&m->unigram, &m->pieces, path));
  m->bos = end_piece(m, p->bos_piece);
  m->eos = end_piece(m, p->eos_piece);
  m->pad = end_piece(m, p->pad_piece);
  return control_pieces(m);
}

Err spm_open(const TokenizerBackend **backend, void **model, const char *path, const void *data, size_t size) {
  static const TokenizerBackend table = {.kind = spm_kind,
                                         .vocab = spm_vocab,
                                         .find = spm_find,
                                         .piece = spm_piece,
                                         .is_special = spm_is_special,
                                         .ends = spm_ends,
                                         .set_specials = spm_set_specials,
                                         .work_open = spm_work_open,
                                         .work_close = spm_work_close,
                                         .encode = spm_encode,
                                         .encode_special = spm_encode,  // a SentencePiece model has no post-processor
                                         .normalize = spm_normal_form,
                                         .decode = spm_decode,
                                         .close = spm_close};
  *model = NULL;
  *backend = &table;
  SpmProto proto;
  TRY(spm_proto_parse(&proto, path, data, size));
  Spm *m = calloc(1, sizeof *m);
  Err err = m ? init(m, &proto, path) : ERR_HERE(ERR_MEMORY, "%s: no memory", path);
  spm_proto_free(&proto);
  if (err) {
    spm_close(m);
    return err_frame(err, __func__, __FILE__, __LINE__);
  }
  *model = m;
  return ERR_OK;
}
