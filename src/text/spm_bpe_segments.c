// Encoding segment by segment, and the table of segments.
#include <stdlib.h>

#include "base/large.h"
#include "text/spm_bpe.h"

// ---- when the model is read

// The pairs of characters that stand side by side in tokens are those of `near`: a token's parts are tokens. A character that
// is a user-defined piece is joined to nothing.
static Err make_filter(Bpe *b, const BpeSpelling *spelling) {
  TRY(segments_open(&b->segments, b->near_count));
  for (uint32_t k = 1; k <= b->near_count; k++) {
    uint32_t left = (uint32_t)(b->near[k].key >> 43), right = b->near[k].key >> 22 & BPE_NONE;
    if ((spelling->user[left - b->merged_count] | spelling->user[right - b->merged_count]) & BPE_IS_USER) continue;
    char both[8];
    memcpy(both, b->text[left].data, b->text[left].size);
    memcpy(both + b->text[left].size, b->text[right].data, b->text[right].size);
    segments_join(&b->segments, (SpmText){both, b->text[left].size + b->text[right].size});
  }
  for (int64_t id = 0; id < b->pieces->count; id++)
    if (b->pieces->piece[id].type == SPM_USER_DEFINED) segments_join(&b->segments, b->pieces->piece[id].text);
  return ERR_OK;
}

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
  TRY(bpe_encode_parts(b, f->work, t.data, t.size, true, &used, &sink));
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
  TRY_OUT(make_filter(b, spelling));
  TRY_OUT(find_segments(b, spelling, &f));
  TRY_OUT(segments_hold(&b->segments, f.segment, f.count, &b->cut));
out:
  bpe_work_close(f.work);
  ids_free(&f.ids);
  free(f.segment);
  return err;
}

// ---- encoding

static __attribute__((noinline)) Err encode_other(const Bpe *b, BpeWork *w, const char *text, size_t size, SpmSink *sink) {
  int32_t id = size > SEGMENT_BYTES ? strmap_get(&b->segments.longer, text, size, -1) : -1;
  size_t used;
  if (id < 0) return bpe_encode_parts(b, w, text, size, true, &used, sink);
  spm_emit_id(sink, id);
  return ERR_OK;
}

// Encodes the segments of the text from `begin` on that end at end[0, count). All places are asked for before the first is
// looked at, so that memory is waited for once.
static Err encode_segments(const Bpe *b, BpeWork *w, const char *text, size_t begin, const size_t *end, int count,
                           SpmSink *sink) {
  const Segment *place[SEGMENT_BLOCK + 1];
  for (int i = 0; i < count; i++) {
    size_t from = i ? end[i - 1] : begin;
    place[i] = segments_place(&b->segments, text + from, end[i] - from);
    __builtin_prefetch(place[i]);
  }
  for (int i = 0; i < count; begin = end[i++]) {
    if (__builtin_expect(segment_is(place[i], text + begin, end[i] - begin), 1)) spm_emit_id(sink, place[i]->id);
    else TRY(encode_other(b, w, text + begin, end[i] - begin, sink));
  }
  return ERR_OK;
}

// The borders before the characters that begin in a block; *before is the last character read.
static uint64_t find_borders(const Segments *s, const char *block, uint64_t begins, uint32_t *before) {
  uint64_t borders = 0;
  uint32_t left = *before;
  for (; begins; begins &= begins - 1) {
    int i = __builtin_ctzll(begins);
    uint32_t right = segment_character(block + i);
    borders |= (segments_joined(s, left, right) ^ 1) << i;
    left = right;
  }
  *before = left;
  return borders;
}

Err bpe_encode_segments(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink) {
  uint64_t begins, open = 0;
  uint32_t before = 0;
  size_t begin = 0;
  bool valid = true;
  for (size_t at = 0; at < size; at += SEGMENT_BLOCK) {
    valid = segment_block(text + at, size - at, &begins, &open);
    if (!valid) break;
    size_t end[SEGMENT_BLOCK + 1];
    int count = 0;
    uint64_t borders = find_borders(&b->segments, text + at, begins, &before);
    if (at == 0) borders &= ~(uint64_t)1;  // the text's begin
    for (; borders; borders &= borders - 1) end[count++] = at + (size_t)__builtin_ctzll(borders);
    if (last && size - at <= SEGMENT_BLOCK) end[count++] = size;
    TRY(encode_segments(b, w, text, begin, end, count, sink));
    if (count) begin = end[count - 1];
  }
  *used = begin;
  if (valid && (begin || size == 0)) return ERR_OK;
  TRY(bpe_encode_parts(b, w, text + begin, size - begin, last, used, sink));
  *used += begin;
  return ERR_OK;
}
