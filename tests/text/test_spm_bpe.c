// Byte-pair encoding against its definition, and that its work is in proportion to the text.
#include <stdlib.h>

#include "base/rng.h"
#include "test.h"
#include "text/spm_bpe.h"
#include "text/spm_make.h"

typedef struct {
  Bytes bytes;
  SpmProto proto;
  SpmPieces pieces;
  Bpe bpe;
} Model;

static void model_open(Model *m) {
  make_options(&m->bytes, (MakeOptions){.type = SPM_BPE, .byte_fallback = false, .keep_spaces = true, .no_dummy_prefix = true});
  ASSERT_OK(spm_proto_parse(&m->proto, "made", m->bytes.data, m->bytes.size));
  ASSERT_OK(spm_pieces_init(&m->pieces, &m->proto, "made"));
  ASSERT_OK(bpe_init(&m->bpe, &m->pieces, true));
}

static void model_close(Model *m) {
  bpe_free(&m->bpe);
  spm_pieces_free(&m->pieces);
  spm_proto_free(&m->proto);
  bytes_free(&m->bytes);
}

// Encodes in parts of `chunk` bytes, as the tokenizer does; returns the steps counted.
static uint64_t encode(const Model *m, const Bytes *text, size_t chunk, Ids *out) {
  BpeWork *w;
  ASSERT_OK(bpe_work_open(&w));
  SpmSink sink = {.pieces = &m->pieces, .ids = out};
  out->count = 0;
  ASSERT_OK(ids_reserve(out, (int64_t)text->size + SPM_PADDING));
  size_t at = 0, given = 0;
  while (at < text->size) {
    given += chunk > given - at ? chunk : given - at;
    if (given > text->size) given = text->size;
    size_t used;
    ASSERT_OK(bpe_encode(&m->bpe, w, text->data + at, given - at, given == text->size, &used, &sink));
    at += used;
  }
  uint64_t steps = bpe_work_steps(w);
  bpe_work_close(w);
  return steps;
}

// The definition, on bytes: of all neighbours whose join is a piece join the best, the leftmost of equals.
static void define(const Model *m, const Bytes *text, Ids *out) {
  size_t n = text->size;
  size_t *begin = malloc((n + 1) * sizeof *begin);
  float *score = malloc((n + 1) * sizeof *score);
  ASSERT(begin && score);
  for (size_t i = 0; i <= n; i++) begin[i] = i;
#define LOOK(i)                                                                                                     \
  do {                                                                                                              \
    int32_t id_ = (i) + 2 > n ? -1 : spm_pieces_emit(&m->pieces, text->data + begin[i], begin[(i) + 2] - begin[i]); \
    score[i] = id_ < 0 ? -1e30f : m->pieces.piece[id_].score;                                                       \
  } while (0)
  for (size_t i = 0; i < n; i++) LOOK(i);
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
      if (score[i] > score[best]) best = i;
    if (n < 2 || score[best] <= -1e30f) break;
    memmove(begin + best + 1, begin + best + 2, (n - best - 1) * sizeof *begin);
    memmove(score + best + 1, score + best + 2, (n - best - 2) * sizeof *score);
    n--;
    LOOK(best);
    if (best) LOOK(best - 1);
  }
#undef LOOK
  out->count = 0;
  for (size_t i = 0; i < n; i++)
    ASSERT_OK(ids_push(out, spm_pieces_emit(&m->pieces, text->data + begin[i], begin[i + 1] - begin[i])));
  free(begin);
  free(score);
}

static void random_text(Rng r, uint64_t step, size_t size, unsigned letters, Bytes *text) {
  text->size = 0;
  ASSERT_OK(bytes_reserve(text, size + SPM_PADDING));
  for (size_t i = 0; i < size; i++) text->data[i] = (char)('a' + (unsigned)(rng_uniform(r, step, i) * letters));
  text->size = size;
}

// How the scores of a made vocabulary go.
typedef enum { BY_LENGTH, BY_LENGTH_TIES, BY_PAIR, ANYHOW, ANYHOW_TIES, KINDS } Scores;

static float score_of(Scores scores, size_t size, int count, double random) {
  switch (scores) {
    case BY_LENGTH: return -1000 * (float)size - (float)(100 * random);
    case BY_LENGTH_TIES: return (float)(-(int)(size + 1) / 2);
    case BY_PAIR: return (float)-count;
    case ANYHOW: return (float)(-100 * random);
    default: return (float)(int)(-5 * random);
  }
}

// A random text for a piece: of letters, or (BY_PAIR) of two earlier pieces, as training makes them.
static size_t random_piece(Rng r, uint64_t step, uint64_t k, unsigned letters, Scores scores, char seen[][16], int count,
                           char *text) {
  size_t size = 0;
  for (int part = 0; scores == BY_PAIR && part < 2; part++) {
    uint64_t pick = (uint64_t)(rng_uniform(r, step, 16 * k + 11 + (uint64_t)part) * ((double)letters + count));
    if (pick < letters) text[size++] = (char)('a' + pick);
    else
      for (const char *from = seen[pick - letters]; *from && size < 15;) text[size++] = *from++;
  }
  if (scores == BY_PAIR) return size;
  size = 2 + (size_t)(rng_uniform(r, step, 16 * k) * 5);
  for (size_t i = 0; i < size; i++) text[i] = (char)('a' + (unsigned)(rng_uniform(r, step, 16 * k + 1 + i) * letters));
  return size;
}

// A vocabulary over a few letters, all of which stand together: nothing is ever cut.
static void random_model(Model *m, Rng r, uint64_t step, unsigned letters, int pieces, Scores scores) {
  make_reserved(&m->bytes, false);
  for (unsigned i = 0; i < letters; i++) make_piece(&m->bytes, (char[]){(char)('a' + i), 0}, 1, -1000, SPM_NORMAL);
  char seen[1024][16] = {{0}};
  int count = 0;
  for (uint64_t k = 0; count < pieces && k < 100000; k++) {
    char text[16] = {0};
    size_t size = random_piece(r, step, k, letters, scores, seen, count, text);
    bool twice = size > 12;
    for (int i = 0; i < count; i++) twice |= strcmp(seen[i], text) == 0;
    if (twice) continue;
    memcpy(seen[count++], text, sizeof text);
    make_piece(&m->bytes, text, size, score_of(scores, size, count, rng_uniform(r, step, 16 * k + 10)), SPM_NORMAL);
  }
  model_open(m);
}

static void expect_same(const Ids *got, const Ids *want, int model, size_t chunk) {
  ASSERT_INT(got->count, want->count);
  for (int64_t i = 0; i < got->count; i++)
    ASSERT_MSG(got->id[i] == want->id[i], "model %d, parts of %zu: id %lld is %d, want %d", model, chunk, (long long)i,
               got->id[i], want->id[i]);
}

// In parts that are often shorter than what is certain, and with all there is at once.
TEST(bpe_is_its_definition) {
  Rng r = rng_named(1, "spm bpe test");
  int whole = 0;
  for (uint64_t step = 0; step < 10 * KINDS; step++) {
    Model m = {0};
    Bytes text = {0};
    Ids got = {0}, want = {0};
    Scores scores = (Scores)(step % KINDS);
    unsigned letters = 1 + (unsigned)(step / KINDS) % 4;
    random_model(&m, r, 2 * step, letters, letters == 1 ? 4 : 20 + 4 * (int)step, scores);
    whole += m.bpe.whole;
    ASSERT(!m.bpe.whole || scores >= BY_PAIR);
    random_text(r, 2 * step + 1, step % 9 == 5 ? 30 : 3000, letters, &text);
    define(&m, &text, &want);
    for (size_t chunk = 1; chunk < 10000; chunk *= 5) {
      encode(&m, &text, chunk, &got);
      expect_same(&got, &want, (int)step, chunk);
    }
    ids_free(&got);
    ids_free(&want);
    bytes_free(&text);
    model_close(&m);
  }
  ASSERT(whole > 0 && whole < 25);
}

// Short texts by one work: some models cut, some do not, some have equal scores.
TEST(bpe_of_many_short_texts_is_its_definition) {
  Rng r = rng_named(3, "spm bpe test");
  int64_t texts = 0;
  for (uint64_t step = 0; step < 50; step++) {
    Model m = {0};
    Bytes text = {0};
    Ids got = {0}, want = {0};
    BpeWork *w;
    unsigned letters = 2 + (unsigned)step % 12;
    random_model(&m, r, 1000 + step, letters, 3 + 5 * ((int)step % 10), (Scores)(step % KINDS));
    ASSERT_OK(bpe_work_open(&w));
    for (uint64_t k = 0; k < 2100; k++, texts++) {
      size_t size = 1 + (size_t)(rng_uniform(r, 3000 + step, k) * (k % 100 ? 40 : 400)), used;
      random_text(r, 2000 + step * 4000 + k, size, letters, &text);
      define(&m, &text, &want);
      got.count = 0;
      ASSERT_OK(ids_reserve(&got, (int64_t)size + SPM_PADDING));
      ASSERT_OK(bpe_encode(&m.bpe, w, text.data, size, true, &used, &(SpmSink){.pieces = &m.pieces, .ids = &got}));
      ASSERT_MSG(got.count == want.count && memcmp(got.id, want.id, (size_t)got.count * sizeof *got.id) == 0,
                 "model %d, text %.*s", (int)step, (int)size, text.data);
    }
    bpe_work_close(w);
    ids_free(&got);
    ids_free(&want);
    bytes_free(&text);
    model_close(&m);
  }
  ASSERT(texts > 100000);
}

// Pieces of up to 300 letters, all beginnings and ends of one another, as no training makes them.
TEST(bpe_of_long_pieces_is_its_definition) {
  Rng r = rng_named(4, "spm bpe test");
  for (int kind = 0; kind < 3; kind++) {
    Model m = {0};
    Bytes text = {0};
    Ids got = {0}, want = {0};
    make_reserved(&m.bytes, false);
    for (int i = 0; i < 2; i++) make_piece(&m.bytes, i ? "b" : "a", 1, -1000, SPM_NORMAL);
    for (size_t n = 2; n <= 300; n++) {
      char run[301];
      for (size_t i = 0; i < n; i++) run[i] = kind == 1 && i % 2 ? 'b' : 'a';
      if (kind == 2) run[0] = 'b';
      make_piece(&m.bytes, run, n, -(float)n, SPM_NORMAL);
    }
    model_open(&m);
    ASSERT_INT(m.bpe.whole, false);
    random_text(r, (uint64_t)kind, 2500, 1, &text);
    for (size_t i = 1; i < text.size; i += kind == 1 ? 2 : 401) text.data[i] = 'b';
    define(&m, &text, &want);
    for (size_t chunk = 7; chunk < 10000; chunk *= 20) {
      encode(&m, &text, chunk, &got);
      expect_same(&got, &want, kind, chunk);
    }
    ids_free(&got);
    ids_free(&want);
    bytes_free(&text);
    model_close(&m);
  }
}

// The longest user-defined piece at each place, from the left; what lies between is encoded as if it stood alone.
static void define_with_users(const Model *m, const Bytes *text, Ids *out) {
  Bytes between = {0};
  Ids ids = {0};
  out->count = 0;
  for (size_t at = 0, length; at <= text->size; at += length) {
    int32_t id = at < text->size ? trie_longest(&m->pieces.user, text->data + at, text->size - at, &length) : -1;
    if (id < 0) length = 1;
    if (id < 0 && at < text->size) {
      ASSERT_OK(bytes_append(&between, text->data + at, 1));
      continue;
    }
    if (between.size) define(m, &between, &ids);
    for (int64_t i = 0; between.size && i < ids.count; i++) ASSERT_OK(ids_push(out, ids.id[i]));
    if (id >= 0) ASSERT_OK(ids_push(out, id));
    between.size = 0;
  }
  bytes_free(&between);
  ids_free(&ids);
}

// User-defined pieces of one letter that no other piece holds, and of that among others, some of more than are looked at
// together; they begin with one letter, or with any.
static void add_users(Bytes *model, Rng r, uint64_t step, unsigned letters, unsigned first) {
  static const size_t sizes[] = {1, 2, 3, 5, 17, 30, 70, 64};
  for (uint64_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    char text[80];
    for (size_t i = 0; i < sizes[k]; i++) text[i] = (char)('a' + (unsigned)(rng_uniform(r, step, 100 * k + i) * letters));
    text[k > 0] = (char)('a' + letters);
    if (k) text[0] = (char)('a' + k * first % letters);
    make_piece(model, text, sizes[k], 0, SPM_USER_DEFINED);
  }
}

// A text of letters with pieces among them.
static void random_mix(Rng r, uint64_t step, const Model *m, size_t size, unsigned letters, Bytes *text) {
  text->size = 0;
  for (uint64_t k = 0; text->size < size; k++) {
    double u = rng_uniform(r, step, 2 * k), v = rng_uniform(r, step, 2 * k + 1);
    const SpmPiece *piece = &m->pieces.piece[(int64_t)(v * (double)m->pieces.count)];
    bool known = piece->type == SPM_NORMAL || piece->type == SPM_USER_DEFINED;
    if (u < 0.3 && known) ASSERT_OK(bytes_append(text, piece->text.data, piece->text.size));
    else ASSERT_OK(bytes_append(text, (char[]){(char)('a' + (unsigned)(v * (letters + 1)))}, 1));
  }
  ASSERT_OK(bytes_reserve(text, SPM_PADDING));
}

TEST(bpe_user_pieces_cut_the_text) {
  Rng r = rng_named(5, "spm bpe test");
  bool any[2] = {false};
  for (uint64_t step = 0; step < 40; step++) {
    Model m = {0};
    Bytes text = {0};
    Ids got = {0}, want = {0};
    unsigned letters = 2 + (unsigned)step % 10;
    add_users(&m.bytes, r, 3 * step, letters, (unsigned)step % 3 ? 1 : 0);
    random_model(&m, r, 3 * step + 1, letters, 40, (Scores)(step / 2 % BY_PAIR));
    any[m.bpe.starter_count > BPE_STARTERS] = true;
    random_mix(r, 3 * step + 2, &m, 2500, letters, &text);
    define_with_users(&m, &text, &want);
    for (size_t chunk = 1; chunk < 10000; chunk *= 5) {
      encode(&m, &text, chunk, &got);
      expect_same(&got, &want, (int)step, chunk);
    }
    ids_free(&got);
    ids_free(&want);
    bytes_free(&text);
    model_close(&m);
  }
  ASSERT(any[0] && any[1]);
}

// Eight times the text is eight times the work: where nothing can be cut, in runs of one letter and of two, and in noise.
TEST(bpe_work_is_linear) {
  Rng r = rng_named(2, "spm bpe test");
  Model m = {0};
  make_reserved(&m.bytes, false);
  char run[65];
  memset(run, 'a', sizeof run);
  for (size_t n = 1; n <= 64; n *= 2) make_piece(&m.bytes, run, n, -(float)n, SPM_NORMAL);
  static const char *const pieces[] = {"b", "ab", "ba", "abab", "bb", "aab", "abb", "abababab"};
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) make_piece(&m.bytes, pieces[i], 0, -100 - (float)i, SPM_NORMAL);
  model_open(&m);
  ASSERT(!m.bpe.whole);
  for (int kind = 0; kind < 3; kind++) {
    uint64_t steps[2];
    for (int k = 0; k < 2; k++) {
      Bytes text = {0};
      Ids ids = {0};
      size_t size = k ? 8 << 17 : 1 << 17;
      random_text(r, 0, size, kind == 2 ? 2 : 1, &text);
      for (size_t i = 1; kind == 1 && i < size; i += 2) text.data[i] = 'b';
      steps[k] = encode(&m, &text, 1 << 10, &ids);
      ids_free(&ids);
      bytes_free(&text);
    }
    ASSERT(steps[0] > 1 << 17);
    ASSERT_MSG((double)steps[1] < 8.2 * (double)steps[0], "kind %d: %llu steps, then %llu", kind, (unsigned long long)steps[0],
               (unsigned long long)steps[1]);
    ASSERT_MSG((double)steps[0] < 32.0 * (1 << 17), "kind %d: %llu steps for 2^17 characters", kind,
               (unsigned long long)steps[0]);
  }
  model_close(&m);
}
