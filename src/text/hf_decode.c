// Decoders: a list of tokens goes through each and comes out joined.
#include <stdlib.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/hf.h"
#include "text/unicode.h"

void hf_decoder_free(HfDecoder *d) {
  hf_regex_close(d->regex);
  free(d->text);
}

// ---- reading

static Err read_sequence(Hf *hf, const json_t *node, const char *where) {
  const json_t *list = json_object_get(node, "decoders");
  CHECK(json_is_array(list), ERR_FORMAT, "%s.decoders: an array is wanted", where);
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)list, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s.decoders[%zu]", where, i);
    CHECK(!json_is_null(item), ERR_FORMAT, "%s: null; a decoder is wanted", place);
    TRY(hf_read_decoder(hf, item, place));
  }
  return ERR_OK;
}

static Err read_letter(const json_t *node, const char *key, const char *where, uint32_t *letter) {
  const char *text;
  size_t at = 0;
  TRY(json_text(node, key, where, &text));
  if (*text) *letter = utf8_next(text, &at);
  CHECK(at > 0 && !text[at], ERR_FORMAT, "%s.%s: \"%s\"; one character is wanted", where, key, text);
  return ERR_OK;
}

static Err read_strip(HfDecoder *d, const json_t *node, const char *where) {
  d->kind = HF_D_STRIP;
  TRY(read_letter(node, "content", where, &d->letter));
  TRY(json_int_or(node, "start", where, 0, &d->start));
  TRY(json_int_or(node, "stop", where, 0, &d->stop));
  CHECK(d->start >= 0 && d->stop >= 0, ERR_FORMAT, "%s: start and stop must not be negative", where);
  return ERR_OK;
}

static Err read_metaspace(HfDecoder *d, const json_t *node, const char *where) {
  const char *scheme;
  d->kind = HF_D_METASPACE;
  TRY(read_letter(node, "replacement", where, &d->letter));
  TRY(json_text_or(node, "prepend_scheme", where, "always", &scheme));
  TRY(json_bool_or(node, "add_prefix_space", where, true, &d->prefixed));
  if (strcmp(scheme, "never") == 0) d->prefixed = false;
  return ERR_OK;
}

Err hf_read_decoder(Hf *hf, const json_t *node, const char *where) {
  if (!node || json_is_null(node)) return ERR_OK;
  hf->has_decoder = true;
  const char *type;
  TRY(hf_type(node, where, &type));
  if (strcmp(type, "Sequence") == 0) return read_sequence(hf, node, where);
  CHECK(hf->n_decoders < HF_STEPS_MAX, ERR_FORMAT, "%s: more than %d decoders", where, HF_STEPS_MAX);
  HfDecoder *d = &hf->decoder[hf->n_decoders++];
  if (strcmp(type, "Strip") == 0) return read_strip(d, node, where);
  if (strcmp(type, "Metaspace") == 0) return read_metaspace(d, node, where);
  if (strcmp(type, "Replace") == 0) {
    d->kind = HF_D_REPLACE;
    TRY(hf_read_pattern(node, "pattern", where, &d->regex));
    return hf_read_text(node, "content", where, &d->text, &d->size);
  }
  if (strcmp(type, "ByteLevel") == 0) d->kind = HF_D_BYTE_LEVEL;
  else if (strcmp(type, "ByteFallback") == 0) d->kind = HF_D_BYTE_FALLBACK;
  else if (strcmp(type, "Fuse") == 0) d->kind = HF_D_FUSE;
  else
    FAIL(ERR_FORMAT,
         "%s.type: \"%s\" is not supported (ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence are)", where,
         type);
  return ERR_OK;
}

// ---- a list of tokens: their bytes, and where each ends

typedef struct {
  Bytes *text;
  HfEnds *ends;
} List;

static Err list_end(List l) {
  HfEnds *e = l.ends;
  if (e->count == e->capacity) {
    int64_t capacity = e->capacity + e->capacity / 2 + 256;
    size_t *end = realloc(e->end, (size_t)capacity * sizeof *end);
    CHECK(end, ERR_MEMORY, "no memory to decode %lld tokens", (long long)capacity);
    e->end = end;
    e->capacity = capacity;
  }
  e->end[e->count++] = l.text->size;
  return ERR_OK;
}

static Err list_add(List l, const char *text, size_t size) {
  TRY(bytes_append(l.text, text, size));
  return list_end(l);
}

// ---- the decoders, each from one list to another

// Broken UTF-8 as U+FFFD, one for each longest beginning of a valid character (Unicode 15, section 3.9).
static Err append_lossy(Bytes *out, const char *text, size_t size) {
  const uint8_t *b = (const uint8_t *)text;
  TRY(bytes_reserve(out, size));
  for (size_t at = 0; at < size;) {
    uint8_t c = b[at];
    size_t want = c < 0x80                ? 1
                  : c >= 0xC2 && c < 0xE0 ? 2
                  : c >= 0xE0 && c < 0xF0 ? 3
                  : c >= 0xF0 && c < 0xF5 ? 4
                                          : 0,
           have = want > 0;
    uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    while (have && have < want && at + have < size && b[at + have] >= low && b[at + have] <= high) {
      have++;
      low = 0x80;
      high = 0xBF;
    }
    if (have && have == want) {
      TRY(bytes_append(out, text + at, want));
      at += want;
    } else {
      TRY(bytes_append(out, "\xEF\xBF\xBD", 3));
      at += have ? have : 1;
    }
  }
  return ERR_OK;
}

// The bytes that a token's characters stand for; the token as it is where one of them stands for none.
static Err append_byte_level(Bytes *out, const char *text, size_t size) {
  TRY(bytes_reserve(out, size));
  size_t before = out->size;
  for (size_t at = 0; at < size;) {
    int byte = byte_level_byte(utf8_next(text, &at));
    if (byte < 0) {
      out->size = before;
      return bytes_append(out, text, size);
    }
    out->data[out->size++] = (char)byte;
  }
  return ERR_OK;
}

static Err decode_replace(const HfDecoder *d, HfMatch *match, const char *text, size_t size, List to) {
  HfScan scan = {0};
  size_t done = 0, begin, end;
  for (bool found = size > 0; found;) {
    TRY(hf_regex_next(d->regex, match, text, size, &scan, &found, &begin, &end));
    if (!found) break;
    TRY(bytes_append(to.text, text + done, begin - done));
    TRY(bytes_append(to.text, d->text, d->size));
    done = end;
  }
  return list_add(to, text + done, size - done);
}

static Err decode_strip(const HfDecoder *d, const char *text, size_t size, List to) {
  size_t begin = 0;
  for (int64_t i = 0; i < d->start && begin < size; i++) {
    size_t next = begin;
    if (utf8_next(text, &next) != d->letter) break;
    begin = next;
  }
  for (int64_t i = 0; i < d->stop && size > begin; i++) {
    size_t at = utf8_back(text, size), next = at;
    if (utf8_next(text, &next) != d->letter) break;
    size = at;
  }
  return list_add(to, text + begin, size - begin);
}

static Err decode_metaspace(const HfDecoder *d, const char *text, size_t size, bool first, List to) {
  for (size_t at = 0; at < size;) {
    size_t from = at;
    bool meta = utf8_next(text, &at) == d->letter;
    if (!meta) TRY(bytes_append(to.text, text + from, at - from));
    else if (!first || !d->prefixed) TRY(bytes_append(to.text, " ", 1));
  }
  return list_end(to);
}

// "<0x0A>" as its byte, -1 if the token is none.
static int byte_of(const char *text, size_t size) {
  if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
  int value = 0;
  for (int i = 3; i < 5; i++) {
    char c = text[i];
    int digit = hex_digit(c);
    // The reference reads "+A" as a number too.
    if (digit < 0 && !(i == 3 && c == '+')) return -1;
    if (digit >= 0) value = value * 16 + digit;
  }
  return value;
}

// A run of byte tokens becomes its text, or as many U+FFFD as it has bytes where that is not UTF-8.
static Err end_bytes(Bytes *run, List to) {
  if (run->size == 0) return ERR_OK;
  if (utf8_invalid_at(run->data, run->size) == run->size) {
    TRY(list_add(to, run->data, run->size));
  } else {
    for (size_t i = 0; i < run->size; i++) TRY(list_add(to, "\xEF\xBF\xBD", 3));
  }
  run->size = 0;
  return ERR_OK;
}

static Err decode_token(const HfDecoder *d, HfWork *w, const char *text, size_t size, bool first, Bytes *run, List to) {
  switch (d->kind) {
    case HF_D_BYTE_LEVEL: return append_byte_level(run, text, size);
    case HF_D_REPLACE: return decode_replace(d, w->match, text, size, to);
    case HF_D_STRIP: return decode_strip(d, text, size, to);
    case HF_D_METASPACE: return decode_metaspace(d, text, size, first, to);
    case HF_D_FUSE: return bytes_append(to.text, text, size);
    case HF_D_BYTE_FALLBACK: break;
  }
  int byte = byte_of(text, size);
  if (byte >= 0) return bytes_append(run, &(char){(char)byte}, 1);
  TRY(end_bytes(run, to));
  return list_add(to, text, size);
}

static Err decode_step(const HfDecoder *d, HfWork *w, List from, List to) {
  Bytes *run = &w->valid;  // free while decoding
  to.text->size = run->size = 0;
  to.ends->count = 0;
  TRY(bytes_reserve(to.text, 1));  // an empty list has a place too
  TRY(bytes_reserve(run, 1));
  size_t begin = 0;
  for (int64_t i = 0; i < from.ends->count; i++) {
    size_t end = from.ends->end[i];
    TRY(decode_token(d, w, from.text->data + begin, end - begin, i == 0, run, to));
    begin = end;
  }
  if (d->kind == HF_D_BYTE_FALLBACK) return end_bytes(run, to);
  if (d->kind == HF_D_BYTE_LEVEL) {
    TRY(append_lossy(to.text, run->data, run->size));
    return list_end(to);
  }
  return d->kind == HF_D_FUSE ? list_end(to) : ERR_OK;
}

Err hf_decode(const void *model, void *work, const int32_t *id, int64_t count, bool keep_special, Bytes *out) {
  const Hf *hf = model;
  HfWork *w = work;
  List list[2] = {{&w->list[0], &w->ends[0]}, {&w->list[1], &w->ends[1]}};
  list[0].text->size = 0;
  list[0].ends->count = 0;
  TRY(bytes_reserve(list[0].text, 1));
  for (int64_t i = 0; i < count; i++) {
    CHECK(id[i] >= 0 && id[i] < hf->ids, ERR_ARG, "token %lld: id %d is not in 0 .. %lld", (long long)i, id[i],
          (long long)hf->ids - 1);
    int32_t a = hf->added_of[id[i]];
    if (a >= 0) {
      if (keep_special || !hf->added[a].special) TRY(list_add(list[0], hf->added[a].decoded, hf->added[a].decoded_size));
      continue;
    }
    int64_t item = hf->model.item_of[id[i]];
    if (item >= 0) TRY(list_add(list[0], strmap_text(&hf->model.vocab, item), hf->model.vocab.item[item].size));
  }
  int at = 0;
  for (int i = 0; i < hf->n_decoders; i++, at ^= 1) TRY(decode_step(&hf->decoder[i], w, list[at], list[at ^ 1]));
  if (hf->has_decoder) return bytes_append(out, list[at].text->data, list[at].text->size);
  size_t begin = 0;
  for (int64_t i = 0; i < list[0].ends->count; i++) {  // without a decoder: tokens with spaces between
    if (i) TRY(bytes_append(out, " ", 1));
    TRY(bytes_append(out, list[0].text->data + begin, list[0].ends->end[i] - begin));
    begin = list[0].ends->end[i];
  }
  return ERR_OK;
}
