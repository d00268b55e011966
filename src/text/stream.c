#include "text/stream.h"

#include <stdlib.h>
#include <string.h>

// Tokens may each end inside the next character, so more than one character's bytes can be waiting; bytes that are truly broken
// are shown after that many.
enum { HELD_IDS_MAX = 16 };

Err text_stream_open(TextStream *s, const Tokenizer *t, bool keep_special) {
  *s = (TextStream){.tokenizer = t, .keep_special = keep_special};
  return tokenizer_work_open(&s->work, t);
}

void text_stream_close(TextStream *s) {
  tokenizer_work_close(s->work);
  ids_free(&s->ids);
  bytes_free(&s->before);
  bytes_free(&s->after);
  *s = (TextStream){0};
}

Err text_stream_start(TextStream *s, const int32_t *ids, int64_t count) {
  s->ids.count = 0;
  for (int64_t i = count > STREAM_CONTEXT ? count - STREAM_CONTEXT : 0; i < count; i++) TRY(ids_push(&s->ids, ids[i]));
  s->done = s->ids.count;
  s->begin[0] = 0;
  s->n_begin = s->done > 0;
  return ERR_OK;
}

static Err decode(TextStream *s, int64_t count, Bytes *out) {
  out->size = 0;
  return tokenizer_decode(s->tokenizer, s->work, s->ids.id, count, s->keep_special, out);
}

// Whether the last character may still change: a decoder shows an unfinished one as U+FFFD.
static bool unfinished(const Bytes *b) { return b->size >= 3 && memcmp(b->data + b->size - 3, "\xEF\xBF\xBD", 3) == 0; }

// Keeps the last few pieces, whole: a window that began inside a character, or with a dropped leading space, would decode
// otherwise.
static void keep_context(TextStream *s) {
  if (s->n_begin == STREAM_CONTEXT) {
    int64_t drop = s->begin[1];
    memmove(s->ids.id, s->ids.id + drop, (size_t)(s->ids.count - drop) * sizeof *s->ids.id);
    s->ids.count -= drop;
    s->done -= drop;
    for (int i = 1; i < STREAM_CONTEXT; i++) s->begin[i - 1] = s->begin[i] - drop;
    s->n_begin--;
  }
  s->begin[s->n_begin++] = s->done;
  s->done = s->ids.count;
}

static Err give(TextStream *s, Bytes *out) {
  TRY(decode(s, s->done, &s->before));
  if (s->after.size > s->before.size) TRY(bytes_append(out, s->after.data + s->before.size, s->after.size - s->before.size));
  keep_context(s);
  return ERR_OK;
}

Err text_stream_push(TextStream *s, int32_t id, Bytes *out) {
  TRY(ids_push(&s->ids, id));
  TRY(decode(s, s->ids.count, &s->after));
  if (unfinished(&s->after) && s->ids.count - s->done < HELD_IDS_MAX) return ERR_OK;
  return give(s, out);
}

Err text_stream_end(TextStream *s, Bytes *out) {
  if (s->done == s->ids.count) return ERR_OK;
  TRY(decode(s, s->ids.count, &s->after));
  return give(s, out);
}
