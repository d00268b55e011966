// Encoding segment by segment, and the table of segments.
#include <stdlib.h>

#include "text/spm_bpe.h"

// ---- when the model is read

static bool is_user(const Bpe *b, SpmText t) {
  size_t length;
  return trie_longest(&b->pieces->user, t.data, t.size, &length) >= 0 && length == t.size;
}

// The pairs of characters that stand side by side in tokens are those of `near`: a token's parts are tokens. A character that
// is a user-defined piece is joined to nothing.
static Err make_filter(Bpe *b) {
  TRY(segments_open(&b->segments, b->near_count));
  for (uint32_t k = 1; k <= b->near_count; k++) {
    SpmText left = b->text[b->near[k].key >> 43], right = b->text[b->near[k].key >> 22 & BPE_NONE];
    if (is_user(b, left) || is_user(b, right)) continue;
    char both[8];
    memcpy(both, left.data, left.size);
    memcpy(both + left.size, right.data, right.size);
    segments_join(&b->segments, (SpmText){both, left.size + right.size});
  }
  for (int64_t id = 0; id < b->pieces->count; id++)
    if (b->pieces->piece[id].type == SPM_USER_DEFINED) segments_join(&b->segments, b->pieces->piece[id].text);
  return ERR_OK;
}

// The pieces whose text is encoded to one id. The longer ones go to their map, the others to segment[0, *count).
static Err find_segments(Bpe *b, BpeWork *w, Ids *ids, Segment *segment, uint32_t *count) {
  for (int64_t id = 0; id < b->pieces->count; id++) {
    const SpmPiece *p = &b->pieces->piece[id];
    SpmText t = p->text;
    if ((p->type != SPM_NORMAL && p->type != SPM_USER_DEFINED) || !t.size) continue;
    SpmSink sink = {.pieces = b->pieces, .ids = ids};
    size_t used;
    ids->count = 0;
    TRY(ids_reserve(ids, (int64_t)t.size + SPM_PADDING));
    TRY(bpe_encode_parts(b, w, t.data, t.size, true, &used, &sink));
    if (ids->count != 1 || sink.after_unknown) continue;
    if (t.size > SEGMENT_BYTES) {
      TRY(strmap_put(&b->segments.longer, t.data, t.size, ids->id[0], NULL));
    } else {
      segment[*count] = segment_of(t.data, t.size);
      segment[(*count)++].id = ids->id[0];
    }
  }
  return ERR_OK;
}

Err bpe_find_segments(Bpe *b) {
  if (b->whole) return ERR_OK;
  BpeWork *w = NULL;
  Ids ids = {0};
  uint32_t count = 0;
  Segment *segment = malloc((size_t)b->pieces->count * sizeof *segment);
  Err err = ERR_OK;
  CHECK_OUT(segment, ERR_MEMORY, "no memory for %lld pieces", (long long)b->pieces->count);
  TRY_OUT(bpe_work_open(&w));
  TRY_OUT(make_filter(b));
  TRY_OUT(find_segments(b, w, &ids, segment, &count));
  TRY_OUT(segments_hold(&b->segments, segment, count, &b->cut));
out:
  bpe_work_close(w);
  ids_free(&ids);
  free(segment);
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
