// The model "BPE" of a tokenizer.json: reading its vocabulary and merges, and the ids of one word.
#include <stdlib.h>

#include "text/byte_level.h"
#include "text/hf.h"
#include "text/unicode.h"

enum { BYTE_PIECE_SIZE = 6 };  // "<0x0A>"

void hf_model_free(HfModel *m) {
  strmap_free(&m->vocab);
  strmap_free(&m->byte_words);
  bpe_table_free(&m->merges);
  bpe_table_free(&m->joints);
  free(m->item_of);
  free(m->char_first);
  *m = (HfModel){0};
}

// ---- vocabulary

static Err read_vocab(Hf *hf, const json_t *vocab, const char *where) {
  HfModel *m = &hf->model;
  const char *piece;
  json_t *id;
  json_object_foreach((json_t *)(uintptr_t)vocab, piece, id) {
    CHECK(json_is_integer(id), ERR_FORMAT, "%s.vocab: the id of \"%.100s\" is not an integer", where, piece);
    json_int_t v = json_integer_value(id);
    CHECK(v >= 0 && v < INT32_MAX / 2, ERR_FORMAT, "%s.vocab: \"%.100s\" has id %lld; 0 to %d is wanted", where, piece,
          (long long)v, INT32_MAX / 2 - 1);
    TRY(strmap_put(&m->vocab, piece, strlen(piece), (int32_t)v, NULL));
    if (v >= hf->ids) hf->ids = v + 1;
  }
  // A table by id must not be larger than what the file can have filled but for holes of a sane size.
  CHECK(hf->ids <= 16 * m->vocab.count + (1 << 20), ERR_FORMAT, "%s.vocab: %lld pieces, but an id of %lld", where,
        (long long)m->vocab.count, (long long)hf->ids - 1);
  m->item_of = malloc(((size_t)hf->ids + 1) * sizeof *m->item_of);
  CHECK(m->item_of, ERR_MEMORY, "%s.vocab: no memory for %lld ids", where, (long long)hf->ids);
  memset(m->item_of, 0xff, ((size_t)hf->ids + 1) * sizeof *m->item_of);
  for (int64_t i = 0; i < m->vocab.count; i++) {
    int64_t *of = &m->item_of[m->vocab.item[i].value];
    CHECK(*of < 0, ERR_FORMAT, "%s.vocab: id %d belongs to \"%.100s\" and to \"%.100s\"", where, m->vocab.item[i].value,
          strmap_text(&m->vocab, *of), strmap_text(&m->vocab, i));
    *of = i;
  }
  return ERR_OK;
}

// ---- merges

// The parts of one merge, from "a b" or ["a", "b"].
typedef struct {
  const char *left, *right;
  size_t left_size, right_size;
} MergeText;

static Err merge_text(const json_t *item, size_t i, const char *where, MergeText *out) {
  if (json_is_string(item)) {
    const char *text = json_string_value(item), *space = strchr(text, ' ');
    CHECK(space && space != text && space[1] && !strchr(space + 1, ' '), ERR_FORMAT,
          "%s.merges: merge %zu is \"%.100s\"; two pieces with a space between are wanted", where, i, text);
    *out = (MergeText){text, space + 1, (size_t)(space - text), strlen(space + 1)};
    return ERR_OK;
  }
  const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
  CHECK(json_array_size(item) == 2 && json_is_string(left) && json_is_string(right), ERR_FORMAT,
        "%s.merges: merge %zu is not a pair of pieces", where, i);
  *out = (MergeText){json_string_value(left), json_string_value(right), json_string_length(left), json_string_length(right)};
  return ERR_OK;
}

static Err piece_id(const HfModel *m, const char *piece, size_t size, size_t merge, const char *where, int32_t *id) {
  *id = strmap_get(&m->vocab, piece, size, -1);
  CHECK(*id >= 0, ERR_FORMAT, "%s.merges: merge %zu needs \"%.*s\", which is not in the vocabulary", where, merge,
        (int)(size < 200 ? size : 200), piece);
  return ERR_OK;
}

// The first symbols that may stand at the end (or beginning) of a piece: its last (first) character, or a byte's or the
// unknown's piece, whose names are longer than a character.
enum { EDGES_MAX = 3 };
static int edge_symbols(const HfModel *m, int32_t id, bool last, int32_t out[EDGES_MAX]) {
  const StrMapItem *item = &m->vocab.item[m->item_of[id]];
  const char *text = m->vocab.pool + item->at;
  size_t size = item->size, letter = size == 0 ? 0 : last ? size - utf8_back(text, size) : utf8_size(text[0]);
  size_t unk = m->unk >= 0 ? m->vocab.item[m->item_of[m->unk]].size : 0;
  const size_t wanted[EDGES_MAX] = {letter, BYTE_PIECE_SIZE, unk};
  int n = 0;
  for (int i = 0; i < EDGES_MAX; i++) {
    if (wanted[i] > size) continue;
    const char *edge = last ? text + size - wanted[i] : text;
    int32_t found = strmap_get(&m->vocab, edge, wanted[i], -1);
    if (found < 0 || (i == 1 && memcmp(edge, "<0x", 3) != 0) || (i == 2 && found != m->unk)) continue;
    out[n++] = found;
  }
  return n;
}

static Err read_merges(HfModel *m, const json_t *merges, const char *where) {
  size_t n = json_array_size(merges);
  CHECK(n < INT32_MAX / 8, ERR_FORMAT, "%s.merges: %zu merges", where, n);
  TRY(bpe_table_init(&m->merges, (int64_t)n));
  TRY(bpe_table_init(&m->joints, 0));
  Bytes joined = {0};
  Err err = ERR_OK;
  for (size_t i = 0; i < n; i++) {
    MergeText t = {0};
    int32_t left, right, merged, a[EDGES_MAX], b[EDGES_MAX];
    TRY_OUT(merge_text(json_array_get(merges, i), i, where, &t));
    TRY_OUT(piece_id(m, t.left, t.left_size, i, where, &left));
    TRY_OUT(piece_id(m, t.right, t.right_size, i, where, &right));
    joined.size = 0;
    TRY_OUT(bytes_append(&joined, t.left, t.left_size));
    TRY_OUT(bytes_append(&joined, t.right, t.right_size));
    TRY_OUT(piece_id(m, joined.data, joined.size, i, where, &merged));
    TRY_OUT(bpe_table_add(&m->merges, left, right, (int32_t)i, merged));
    int n_a = edge_symbols(m, left, true, a), n_b = edge_symbols(m, right, false, b);
    for (int j = 0; j < n_a * n_b; j++) TRY_OUT(bpe_table_add(&m->joints, a[j % n_a], b[j / n_a], 0, 0));
  }
out:
  bytes_free(&joined);
  return err;
}

// ---- tables for the first symbols

static Err read_byte_words(HfModel *m) {
  Bytes bytes = {0};
  Err err = ERR_OK;
  for (int64_t i = 0; i < m->vocab.count; i++) {
    const StrMapItem *item = &m->vocab.item[i];
    bool all = item->size > 0;
    bytes.size = 0;
    for (size_t at = 0; all && at < item->size;) {
      int byte = byte_level_byte(utf8_next(m->vocab.pool + item->at, &at));
      all = byte >= 0;
      TRY_OUT(bytes_append(&bytes, &(char){(char)byte}, 1));
    }
    if (all) TRY_OUT(strmap_put(&m->byte_words, bytes.data, bytes.size, item->value, NULL));
  }
out:
  bytes_free(&bytes);
  return err;
}

static Err first_symbols(Hf *hf) {
  HfModel *m = &hf->model;
  for (int b = 0; b < 256; b++) {
    char piece[8];
    int n = snprintf(piece, sizeof piece, "<0x%02X>", b);
    m->byte_piece[b] = strmap_get(&m->vocab, piece, (size_t)n, -1);
    size_t size = utf8_write(piece, byte_level_char((uint8_t)b));
    m->byte_first[b] = strmap_get(&m->vocab, piece, size, -1);
  }
  m->byte_level = hf->n_pretokens > 0 && hf->pretoken[hf->n_pretokens - 1].kind == HF_BYTE_LEVEL;
  if (m->byte_level) return m->ignore_merges ? read_byte_words(m) : ERR_OK;
  m->char_first = malloc(HF_CHARS * sizeof *m->char_first);
  CHECK(m->char_first, ERR_MEMORY, "no memory for a table of characters");
  memset(m->char_first, 0xff, HF_CHARS * sizeof *m->char_first);
  for (int64_t i = 0; i < m->vocab.count; i++) {
    const StrMapItem *item = &m->vocab.item[i];
    if (item->size == 0 || item->size != utf8_size(m->vocab.pool[item->at])) continue;
    size_t at = 0;
    uint32_t c = utf8_next(m->vocab.pool + item->at, &at);
    if (c < HF_CHARS) m->char_first[c] = item->value;
  }
  return ERR_OK;
}

static Err refuse_member(const json_t *node, const char *key, const char *where) {
  const json_t *v = json_object_get(node, key);
  if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0)) return ERR_OK;
  FAIL(ERR_FORMAT, "%s.%s is set; pieces with marks of their place in a word are not supported", where, key);
}

Err hf_read_model(Hf *hf, const json_t *node, const char *where) {
  CHECK(json_is_object(node), ERR_FORMAT, "%s: %s; an object is wanted", where, node ? "not an object" : "missing");
  HfModel *m = &hf->model;
  const char *type, *unk;
  TRY(json_text_or(node, "type", where, "BPE", &type));
  CHECK(strcmp(type, "BPE") == 0, ERR_FORMAT,
        "%s.type: \"%s\" is not supported (BPE is); a SentencePiece unigram model can be read from its .model file", where,
        type);
  TRY(refuse_member(node, "continuing_subword_prefix", where));
  TRY(refuse_member(node, "end_of_word_suffix", where));
  const json_t *dropout = json_object_get(node, "dropout");
  CHECK(!dropout || json_is_null(dropout) || json_number_value(dropout) == 0.0, ERR_FORMAT,
        "%s.dropout is set, which makes ids random; set it to null", where);
  TRY(json_bool_or(node, "fuse_unk", where, false, &m->fuse_unk));
  TRY(json_bool_or(node, "byte_fallback", where, false, &m->byte_fallback));
  TRY(json_bool_or(node, "ignore_merges", where, false, &m->ignore_merges));
  const json_t *vocab = json_object_get(node, "vocab"), *merges = json_object_get(node, "merges");
  CHECK(json_is_object(vocab), ERR_FORMAT, "%s.vocab: %s; an object of pieces and ids is wanted", where,
        vocab ? "not an object" : "missing");
  CHECK(json_is_array(merges), ERR_FORMAT, "%s.merges: %s; an array is wanted", where, merges ? "not an array" : "missing");
  TRY(read_vocab(hf, vocab, where));
  TRY(json_text_or(node, "unk_token", where, NULL, &unk));
  m->has_unk_name = unk != NULL;
  m->unk = unk ? strmap_get(&m->vocab, unk, strlen(unk), -1) : -1;
  CHECK(!unk || m->unk >= 0, ERR_FORMAT, "%s.unk_token: \"%.100s\" is not in the vocabulary", where, unk ? unk : "");
  TRY(read_merges(m, merges, where));
  return first_symbols(hf);
}

// ---- the ids of a word

// Words merged lately, by their first symbols or their bytes: a table of fixed size, where a newer word takes an older one's
// place.
enum { CACHE_WORDS = 1 << 14, CACHE_KEY_BYTES = 32, CACHE_IDS = 7 };
typedef enum { KEY_BYTES = 0x40, KEY_SYMBOLS = 0x80 } KeyKind;
typedef struct {
  uint8_t kind_size, n_ids;  // KeyKind | bytes of the key; 0: empty
  char key[CACHE_KEY_BYTES];
  int32_t id[CACHE_IDS];
} CacheWord;
struct HfCache {
  CacheWord word[CACHE_WORDS];
};

Err hf_cache_open(HfCache **cache) {
  *cache = calloc(1, sizeof **cache);
  CHECK(*cache, ERR_MEMORY, "no memory for a table of words");
  return ERR_OK;
}

static inline uint64_t key_hash(const char *key, size_t size) {
  uint64_t h = size;
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t v;
    memcpy(&v, key + i, 8);
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  uint64_t v = 0;
  for (size_t i = size & ~(size_t)7; i < size; i++) v = v << 8 | (uint8_t)key[i];
  h = (h ^ v) * 0x9e3779b97f4a7c15u;
  return h >> 40;
}

// The place of a key, NULL if it is too long to be kept.
static CacheWord *cache_slot(HfCache *c, const void *key, size_t size) {
  return size && size <= CACHE_KEY_BYTES ? &c->word[key_hash(key, size) % CACHE_WORDS] : NULL;
}

static bool cache_hit(const CacheWord *c, KeyKind kind, const void *key, size_t size) {
  return c && c->kind_size == ((size_t)kind | size) && memcmp(c->key, key, size) == 0;
}

static void cache_keep(CacheWord *c, KeyKind kind, const void *key, size_t size, const int32_t *id, int64_t count) {
  if (!c || count > CACHE_IDS) return;
  c->kind_size = (uint8_t)((size_t)kind | size);
  memcpy(c->key, key, size);
  c->n_ids = (uint8_t)count;
  memcpy(c->id, id, (size_t)count * sizeof *id);
}

static Err cache_give(const CacheWord *c, Ids *out) {
  TRY(ids_reserve(out, CACHE_IDS));
  memcpy(out->id + out->count, c->id, c->n_ids * sizeof *out->id);
  out->count += c->n_ids;
  return ERR_OK;
}

// Merges first symbols that no merge can join with what is around them, and appends the ids.
static Err merge_part(const HfModel *m, HfWork *w, int32_t *first, int64_t count, Ids *out) {
  if (count == 1) return ids_push(out, first[0]);
  size_t size = (size_t)count * sizeof *first;
  char key[CACHE_KEY_BYTES];  // merging is in place
  CacheWord *slot = cache_slot(w->cache, first, size);
  if (cache_hit(slot, KEY_SYMBOLS, first, size)) return cache_give(slot, out);
  if (slot) memcpy(key, first, size);
  int64_t n = count;
  TRY(bpe_merge(&m->merges, &w->bpe, first, &n));
  TRY(ids_reserve(out, n));
  memcpy(out->id + out->count, first, (size_t)n * sizeof *first);
  out->count += n;
  cache_keep(slot, KEY_SYMBOLS, key, size, first, n);
  return ERR_OK;
}

// Unknown characters wait until a known one comes, since the file may want neighbours as one.
typedef struct {
  const HfModel *m;
  Ids *first;
  bool unknown;
} Symbols;

static Err push_known(Symbols *s, int32_t id) {
  if (s->unknown) TRY(ids_push(s->first, s->m->unk));
  s->unknown = false;
  return ids_push(s->first, id);
}

static Err push_unknown(Symbols *s, const char *text, size_t size) {
  const HfModel *m = s->m;
  bool bytes = m->byte_fallback;
  for (size_t i = 0; bytes && i < size; i++) bytes = m->byte_piece[(uint8_t)text[i]] >= 0;
  if (bytes) {  // a waiting unknown stays behind these, as it does in the reference
    for (size_t i = 0; i < size; i++) TRY(ids_push(s->first, m->byte_piece[(uint8_t)text[i]]));
    return ERR_OK;
  }
  if (!m->has_unk_name) return ERR_OK;  // no name for the unknown: it is dropped
  if (s->unknown && !m->fuse_unk) TRY(ids_push(s->first, m->unk));
  s->unknown = true;
  return ERR_OK;
}

static Err text_symbols(Symbols *s, const char *text, size_t size) {
  const HfModel *m = s->m;
  TRY(ids_reserve(s->first, (int64_t)size));
  for (size_t at = 0; at < size;) {
    size_t from = at;
    uint32_t c = utf8_next(text, &at);
    int32_t id = c < HF_CHARS ? m->char_first[c] : strmap_get(&m->vocab, text + from, at - from, -1);
    TRY(id >= 0 ? push_known(s, id) : push_unknown(s, text + from, at - from));
  }
  return ERR_OK;
}

static Err byte_symbols(Symbols *s, const char *text, size_t size) {
  TRY(ids_reserve(s->first, (int64_t)size));
  for (size_t i = 0; i < size; i++) {
    int32_t id = s->m->byte_first[(uint8_t)text[i]];
    char shown[4];
    TRY(id >= 0 ? push_known(s, id) : push_unknown(s, shown, utf8_write(shown, byte_level_char((uint8_t)text[i]))));
  }
  return ERR_OK;
}

static Err merge_word(const HfModel *m, HfWork *w, const char *text, size_t size, Ids *out) {
  w->first.count = 0;
  Symbols s = {m, &w->first, false};
  TRY(m->byte_level ? byte_symbols(&s, text, size) : text_symbols(&s, text, size));
  if (s.unknown) TRY(ids_push(s.first, m->unk));
  int32_t *id = w->first.id;
  int64_t n = w->first.count;
  for (int64_t begin = 0, i = 1; begin < n; i++) {
    if (i < n && bpe_find(&m->joints, id[i - 1], id[i])) continue;
    TRY(merge_part(m, w, id + begin, i - begin, out));
    begin = i;
  }
  return ERR_OK;
}

Err hf_model_word(const HfModel *m, HfWork *w, const char *text, size_t size, Ids *out) {
  CacheWord *slot = m->byte_level ? cache_slot(w->cache, text, size) : NULL;
  if (cache_hit(slot, KEY_BYTES, text, size)) return cache_give(slot, out);
  int64_t before = out->count;
  TRY(ids_reserve(out, CACHE_IDS));
  if (m->ignore_merges) {
    int32_t whole = strmap_get(m->byte_level ? &m->byte_words : &m->vocab, text, size, -1);
    if (whole >= 0) return ids_push(out, whole);
  }
  TRY(merge_word(m, w, text, size, out));
  cache_keep(slot, KEY_BYTES, text, size, out->id + before, out->count - before);
  return ERR_OK;
}
