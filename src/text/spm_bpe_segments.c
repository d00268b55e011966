// Encoding segment by segment, and the table of segments.
#include <stdlib.h>

#include "base/large.h"
#include "text/spm_bpe.h"

// ---- when the model is read

// Segments on their way into their table.
typedef struct {
  BpeWork *work;
  Ids ids;
  Segment *segment;
  uint32_t count;
} Finding;

// The longer ones go to their map.
static Err put_segment(Bpe *b, Finding *f, SpmText t, int32_t id) {
  if (t.size > SEGMENT_BYTES) return strmap_put(&b->segments.longer, t.data, t.size, id, NULL);
  f->segment[f->count] = segment_of(t.data, t.size);
  f->segment[f->count++].id = id;
  return ERR_OK;
}

// Puts the text if it is encoded to one id.
static Err try_segment(Bpe *b, Finding *f, SpmText t) {
  SpmSink sink = {.pieces = b->pieces, .ids = &f->ids};
  size_t used;
  f->ids.count = 0;
  TRY(ids_reserve(&f->ids, (int64_t)t.size + SPM_PADDING));
  TRY(bpe_encode(b, f->work, t.data, t.size, true, &used, &sink));
  return f->ids.count == 1 && !sink.after_unknown ? put_segment(b, f, t, f->ids.id[0]) : ERR_OK;
}

static bool has_user(const Bpe *b, const BpeSpelling *spelling, uint32_t s) {
  uint8_t any = 0;
  for (size_t i = spelling->first[s]; i < spelling->first[s + 1]; i++)
    any |= spelling->user[spelling->symbol[i] - b->merged_count];
  return any;
}

// The texts that are encoded to one id: tokens, but where a user-defined piece may be in them; single characters and
// user-defined pieces.
static Err find_segments(Bpe *b, const BpeSpelling *spelling, Finding *f) {
  for (uint32_t s = 0; s < b->merged_count; s++) {
    if (has_user(b, spelling, s)) TRY(try_segment(b, f, b->text[s]));
    else if (b->token[s].length) TRY(put_segment(b, f, b->text[s], b->emit[s]));
  }
  for (int64_t id = 0; id < b->pieces->count; id++) {
    const SpmPiece *p = &b->pieces->piece[id];
    bool single = p->type == SPM_NORMAL && p->text.size <= utf8_announced(*p->text.data);
    if (single || p->type == SPM_USER_DEFINED) TRY(try_segment(b, f, p->text));
  }
  return ERR_OK;
}

Err bpe_find_segments(Bpe *b, const BpeSpelling *spelling) {
  if (b->whole) return ERR_OK;
  Finding f = {.segment = malloc_large((size_t)b->pieces->count * sizeof *f.segment)};
  Err err = ERR_OK;
  CHECK_OUT(f.segment, ERR_MEMORY, "no memory for %lld pieces", (long long)b->pieces->count);
  TRY_OUT(bpe_work_open(&f.work));
  TRY_OUT(find_segments(b, spelling, &f));
  TRY_OUT(segments_hold(&b->segments, f.segment, f.count, &b->cut));
out:
  bpe_work_close(f.work);
  ids_free(&f.ids);
  free(f.segment);
  return err;
}

// ---- encoding

enum { BATCH = 32 };

static __attribute__((noinline)) Err encode_other(const Bpe *b, BpeWork *w, const char *text, const uint32_t *segment,
                                                  SpmSink *sink) {
  const uint32_t at = w->at[segment[0]], size = w->at[segment[1]] - at;
  int32_t id = size > SEGMENT_BYTES ? strmap_get(&b->segments.longer, text + at, size, -1) : -1;
  if (id < 0) return bpe_encode_items(b, w, text, segment[0], segment[1], sink);
  spm_emit_id(sink, id);
  return ERR_OK;
}

// All places are asked for before the first is looked at, so that memory is waited for once.
static Err encode_batch(const Bpe *b, BpeWork *w, const char *text, const uint32_t *segment, uint32_t count, SpmSink *sink) {
  const Segment *place[BATCH];
  uint32_t at[BATCH + 1];
  for (uint32_t i = 0; i <= count; i++) at[i] = w->at[segment[i]];
  for (uint32_t i = 0; i < count; i++) {
    place[i] = segments_place(&b->segments, text + at[i], at[i + 1] - at[i]);
    __builtin_prefetch(place[i]);
  }
  for (uint32_t i = 0; i < count; i++) {
    if (__builtin_expect(segment_is(place[i], text + at[i], at[i + 1] - at[i]), 1)) spm_emit_id(sink, place[i]->id);
    else TRY(encode_other(b, w, text, segment + i, sink));
  }
  return ERR_OK;
}

Err bpe_encode_segments(const Bpe *b, BpeWork *w, const char *text, uint32_t count, SpmSink *sink) {
  if (!b->cut) return count ? bpe_encode_items(b, w, text, 0, w->segment[count], sink) : ERR_OK;
  for (uint32_t i = 0; i < count; i += BATCH)
    TRY(encode_batch(b, w, text, w->segment + i, count - i < BATCH ? count - i : BATCH, sink));
  return ERR_OK;
}
