// Which strings may be pieces: SentencePiece's rules of length, spaces, digits and scripts.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "text/bpe_train_parts.h"
#include "text/unicode.h"

enum { CODES = 0x110000, SPACE = 0x2581, LONG_VOWEL = 0x30FC };
enum { SCRIPT_COMMON, SCRIPT_INHERITED, SCRIPT_HAN, SCRIPTS_NAMED, SCRIPT_ANY = 255 };

// Unicode's scripts (a version of PCRE2 that lacks one leaves its letters in Common). Hiragana and Katakana count as Han.
static const char *const script_names[] = {
    "Inherited",
    "Han",
    "Hiragana",
    "Katakana",
    "Latin",
    "Greek",
    "Cyrillic",
    "Hangul",
    "Arabic",
    "Hebrew",
    "Thai",
    "Devanagari",
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cypro_Minoan",
    "Deseret",
    "Dives_Akuru",
    "Dogra",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Gujarati",
    "Gunjala_Gondi",
    "Gurmukhi",
    "Hanifi_Rohingya",
    "Hanunoo",
    "Hatran",
    "Imperial_Aramaic",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Kawi",
    "Kayah_Li",
    "Kharoshthi",
    "Khitan_Small_Script",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "Lao",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Makasar",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Masaram_Gondi",
    "Medefaidrin",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "Nabataean",
    "Nag_Mundari",
    "Nandinagari",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Nushu",
    "Nyiakeng_Puachue_Hmong",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_Sogdian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Old_Uyghur",
    "Oriya",
    "Osage",
    "Osmanya",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Phags_Pa",
    "Phoenician",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sinhala",
    "Sogdian",
    "Sora_Sompeng",
    "Soyombo",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tamil",
    "Tangsa",
    "Tangut",
    "Telugu",
    "Thaana",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Warang_Citi",
    "Yezidi",
    "Yi",
    "Zanabazar_Square",
};
enum { N_SCRIPTS = sizeof script_names / sizeof script_names[0] };
_Static_assert(N_SCRIPTS + SCRIPTS_NAMED < SCRIPT_ANY, "scripts are bytes");

static uint8_t script_number(size_t i) {
  if (i == 0) return SCRIPT_INHERITED;
  return i <= 3 ? SCRIPT_HAN : (uint8_t)(SCRIPTS_NAMED + i);
}

// Marks the letters of one script among `letters`.
static Err mark_script(PieceRules *r, size_t script, const Bytes *letters) {
  char pattern[64];
  int n = snprintf(pattern, sizeof pattern, "\\p{sc:%s}", script_names[script]), code;
  PCRE2_SIZE at;
  pcre2_code *p = pcre2_compile((PCRE2_SPTR)pattern, (size_t)n, PCRE2_UTF, &code, &at, NULL);
  if (!p) return ERR_OK;
  pcre2_match_data *match = pcre2_match_data_create(1, NULL);
  if (!match) {
    pcre2_code_free(p);
    FAIL(ERR_MEMORY, "no memory for a table of scripts");
  }
  for (size_t from = 0; from < letters->size;) {
    if (pcre2_match(p, (PCRE2_SPTR)letters->data, letters->size, from, PCRE2_NO_UTF_CHECK, match, NULL) < 0) break;
    size_t where = pcre2_get_ovector_pointer(match)[0];
    r->script[utf8_next(letters->data, &where)] = script_number(script);
    from = where;
  }
  pcre2_match_data_free(match);
  pcre2_code_free(p);
  return ERR_OK;
}

Err piece_rules_open(PieceRules *r, const TrainOptions *o, const StrMap *alphabet) {
  *r = (PieceRules){.o = o, .script = calloc(CODES, 1)};
  CHECK(r->script, ERR_MEMORY, "no memory for a table of scripts");
  Bytes letters = {0};
  Err err = ERR_OK;
  for (int64_t i = 0; i < alphabet->count; i++)
    TRY_OUT(bytes_append(&letters, strmap_text(alphabet, i), alphabet->item[i].size));
  for (size_t i = 0; i < N_SCRIPTS; i++) TRY_OUT(mark_script(r, i, &letters));
  r->script[LONG_VOWEL] = SCRIPT_HAN;
out:
  bytes_free(&letters);
  if (err) piece_rules_close(r);
  return err;
}

void piece_rules_close(PieceRules *r) {
  free(r->script);
  r->script = NULL;
}

static bool is_digit(uint32_t c) { return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19); }

bool piece_rules_allow(const PieceRules *r, const char *text, size_t size, int64_t chars) {
  const TrainOptions *o = r->o;
  if (chars > o->max_piece_length) return false;
  bool only_spaces = true;
  for (size_t at = 0; only_spaces && at < size;) only_spaces = utf8_next(text, &at) == SPACE;
  uint8_t last = SCRIPT_ANY;
  int64_t place = 0;
  for (size_t at = 0; at < size; place++) {
    uint32_t c = utf8_next(text, &at);
    if (c == SPACE) {
      if (o->allow_whitespace_only && only_spaces) continue;
      if (place > 0 && (o->split_by_whitespace || place == chars - 1)) return false;
      continue;
    }
    uint8_t script = r->script[c];
    if (script == SCRIPT_INHERITED) script = last;
    if (is_digit(c)) {
      if (!o->split_by_number) script = SCRIPT_ANY;
      if (o->split_digits && chars > 1) return false;
    }
    if (o->split_by_script && script != SCRIPT_ANY && last != SCRIPT_ANY && last != script) return false;
    last = script;
  }
  return true;
}
