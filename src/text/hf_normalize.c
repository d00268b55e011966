// Normalizers: Unicode forms (utf8proc), case, spaces, prefixes and replacements.
#include <stdlib.h>
#include <utf8proc.h>

#include "text/hf.h"
#include "text/unicode.h"

void hf_normalizer_free(HfNormalizer *n) {
  hf_regex_close(n->regex);
  free(n->text);
}

static Err read_sequence(Hf *hf, const json_t *node, const char *where) {
  const json_t *list = json_object_get(node, "normalizers");
  CHECK(json_is_array(list), ERR_FORMAT, "%s.normalizers: an array is wanted", where);
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)list, i, item) {
    char place[512];
    snprintf(place, sizeof place, "%.400s.normalizers[%zu]", where, i);
    CHECK(!json_is_null(item), ERR_FORMAT, "%s: null; a normalizer is wanted", place);
    TRY(hf_read_normalizer(hf, item, place));
  }
  return ERR_OK;
}

Err hf_read_normalizer(Hf *hf, const json_t *node, const char *where) {
  static const char *const plain[] = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase"};  // in the order of HfNormalizerKind
  if (!node || json_is_null(node)) return ERR_OK;
  const char *type;
  TRY(hf_type(node, where, &type));
  if (strcmp(type, "Sequence") == 0) return read_sequence(hf, node, where);
  CHECK(hf->n_normalizers < HF_STEPS_MAX, ERR_FORMAT, "%s: more than %d normalizers", where, HF_STEPS_MAX);
  HfNormalizer *n = &hf->normalizer[hf->n_normalizers++];
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    if (strcmp(type, plain[i]) != 0) continue;
    n->kind = (HfNormalizerKind)i;
    return ERR_OK;
  }
  if (strcmp(type, "Strip") == 0) {
    n->kind = HF_STRIP;
    TRY(json_bool_or(node, "strip_left", where, true, &n->left));
    return json_bool_or(node, "strip_right", where, true, &n->right);
  }
  if (strcmp(type, "Prepend") == 0) {
    n->kind = HF_PREPEND;
    return hf_read_text(node, "prepend", where, &n->text, &n->size);
  }
  if (strcmp(type, "Replace") == 0) {
    n->kind = HF_REPLACE;
    TRY(hf_read_pattern(node, "pattern", where, &n->regex));
    return hf_read_text(node, "content", where, &n->text, &n->size);
  }
  FAIL(ERR_FORMAT, "%s.type: \"%s\" is not supported (NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, Sequence are)",
       where, type);
}

// ---- Unicode forms

// Characters that no form changes and that no neighbour can join: the common text of most languages goes by untouched.
static bool form_leaves(uint32_t c, bool compatible, bool decompose) {
  if (c < 0xA0) return true;
  if (c >= 0x4E00 && c <= 0x9FFF) return true;                        // CJK ideographs
  if (c >= 0x3001 && c <= 0x3020) return true;                        // CJK punctuation
  if (c >= 0xFF01 && c <= 0xFF5E) return !compatible;                 // full-width forms
  if (c < 0x300) return !compatible && !decompose;                    // Latin letters, composed ones too
  if (c >= 0x2012 && c <= 0x201E) return !compatible || c != 0x2017;  // dashes, quotation marks
  return false;
}

static Err codes_reserve(HfWork *w, int64_t want) {
  if (w->n_codes >= want) return ERR_OK;
  want += want / 2 + 256;
  uint32_t *codes = realloc(w->codes, (size_t)want * sizeof *codes);
  CHECK(codes, ERR_MEMORY, "no memory to normalise %lld characters", (long long)want);
  w->codes = codes;
  w->n_codes = want;
  return ERR_OK;
}

// Orders each run of combining marks by their class, equal ones as they came: a merge sort, since runs may be long.
static void sort_marks(uint32_t *code, uint32_t *spare, int64_t n) {
  if (n < 2) return;
  int64_t half = n / 2, i = 0, j = half, k = 0;
  sort_marks(code, spare, half);
  sort_marks(code + half, spare, n - half);
  while (i < half || j < n) {
    bool left = j == n || (i < half && utf8proc_get_property((int32_t)code[i])->combining_class <=
                                           utf8proc_get_property((int32_t)code[j])->combining_class);
    spare[k++] = left ? code[i++] : code[j++];
  }
  memcpy(code, spare, (size_t)n * sizeof *code);
}

static Err decompose(HfWork *w, const char *text, size_t size, utf8proc_option_t options, int64_t *count) {
  int64_t n = 0;
  for (size_t at = 0; at < size;) {
    uint32_t c = utf8_next(text, &at);
    TRY(codes_reserve(w, n + 32));
    int boundary = 0;
    utf8proc_ssize_t made = utf8proc_decompose_char((int32_t)c, (int32_t *)w->codes + n, w->n_codes - n, options, &boundary);
    CHECK(made >= 0 && made <= 32, ERR_FORMAT, "U+%04X cannot be normalised: %s", (unsigned)c, utf8proc_errmsg(made));
    n += made;
  }
  TRY(codes_reserve(w, 2 * n));
  for (int64_t i = 0; i < n;) {
    int64_t end = i;
    while (end < n && utf8proc_get_property((int32_t)w->codes[end])->combining_class != 0) end++;
    sort_marks(w->codes + i, w->codes + n, end - i);
    i = end > i ? end : i + 1;
  }
  *count = n;
  return ERR_OK;
}

static Err apply_form(HfWork *w, HfNormalizerKind kind, const char *text, size_t size, Bytes *out) {
  bool compatible = kind == HF_NFKC || kind == HF_NFKD, apart = kind == HF_NFD || kind == HF_NFKD, same = true;
  for (size_t at = 0; same && at < size;) same = form_leaves(utf8_next(text, &at), compatible, apart);
  if (same) return bytes_append(out, text, size);
  int64_t n = 0;
  unsigned options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0u);
  TRY(decompose(w, text, size, (utf8proc_option_t)options, &n));
  if (!apart) n = utf8proc_normalize_utf32((int32_t *)w->codes, n, (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  TRY(bytes_reserve(out, (size_t)n * 4));
  for (int64_t i = 0; i < n; i++) out->size += utf8_write(out->data + out->size, w->codes[i]);
  return ERR_OK;
}

// ---- the others

static Err apply_lowercase(const char *text, size_t size, Bytes *out) {
  TRY(bytes_reserve(out, size + size / 2 + 8));
  for (size_t at = 0; at < size;) {
    uint32_t c = utf8_next(text, &at);
    TRY(bytes_reserve(out, 8));
    if (c == 0x130) {  // the only letter whose lower case is two characters
      memcpy(out->data + out->size, "i\xCC\x87", 3);
      out->size += 3;
      continue;
    }
    out->size += utf8_write(out->data + out->size,
                            c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : (uint32_t)utf8proc_tolower((int32_t)c));
  }
  return ERR_OK;
}

static Err apply_strip(const HfNormalizer *n, const char *text, size_t size, Bytes *out) {
  size_t begin = 0, end = size;
  for (size_t at = 0; n->left && at < size && unicode_is_space(utf8_next(text, &at));) begin = at;
  while (n->right && end > begin) {
    size_t at = utf8_back(text, end), next = at;
    if (!unicode_is_space(utf8_next(text, &next))) break;
    end = at;
  }
  return bytes_append(out, text + begin, end - begin);
}

static Err apply_replace(const HfNormalizer *n, HfWork *w, const char *text, size_t size, Bytes *out) {
  HfScan scan = {0};
  size_t done = 0, begin, end;
  for (bool found = size > 0; found;) {
    TRY(hf_regex_next(n->regex, w->match, text, size, &scan, &found, &begin, &end));
    if (!found) break;
    TRY(bytes_append(out, text + done, begin - done));
    TRY(bytes_append(out, n->text, n->size));
    done = end;
  }
  return bytes_append(out, text + done, size - done);
}

Err hf_normalize(const Hf *hf, HfWork *w, const char *text, size_t size, const char **out, size_t *out_size) {
  for (int i = 0; i < hf->n_normalizers; i++) {
    const HfNormalizer *n = &hf->normalizer[i];
    Bytes *to = &w->normal[i & 1];  // `text` lies in the other one
    to->size = 0;
    TRY(bytes_reserve(to, 1));  // an empty text has a place too
    switch (n->kind) {
      case HF_LOWERCASE: TRY(apply_lowercase(text, size, to)); break;
      case HF_STRIP: TRY(apply_strip(n, text, size, to)); break;
      case HF_PREPEND:
        if (size > 0) TRY(bytes_append(to, n->text, n->size));
        TRY(bytes_append(to, text, size));
        break;
      case HF_REPLACE: TRY(apply_replace(n, w, text, size, to)); break;
      default: TRY(apply_form(w, n->kind, text, size, to)); break;
    }
    text = to->data;
    size = to->size;
  }
  *out = text;
  *out_size = size;
  return ERR_OK;
}
