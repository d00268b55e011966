// Values as Python has them: what JSON holds, and what a chat template makes of it.
//
// Numbers, texts and containers behave as Python's do (comparison, order, truth, str, repr, json.dumps), since templates are
// written against them. A value never changes, so it may be shared; it lives in a Workspace. Text is valid UTF-8 of known
// length; positions in it count code points. Errors are those that Python would raise, as ERR_FORMAT; containers nested deeper
// than VALUE_DEPTH_MAX are ERR_FORMAT too.
#ifndef TEXT_VALUE_H
#define TEXT_VALUE_H

#include <jansson.h>
#include <stdbool.h>

#include "text/workspace.h"

enum { VALUE_DEPTH_MAX = 600 };

typedef enum {
  VALUE_UNDEFINED,  // Jinja's: `text` says what is undefined
  VALUE_NONE,
  VALUE_BOOL,
  VALUE_INT,
  VALUE_BIG,  // a whole number past 64 bits, as its digits: printed and compared, not calculated with
  VALUE_FLOAT,
  VALUE_TEXT,
  VALUE_LIST,
  VALUE_MAP,
  VALUE_NAMESPACE,  // Jinja's namespace(): the one map that can change
  VALUE_OTHER       // a loop, macro, function, method: `other` is its owner's affair
} ValueKind;

// What Python calls the sequence; a generator can be walked once and has no length.
typedef enum { LIST_LIST, LIST_TUPLE, LIST_VIEW, LIST_RANGE, LIST_GENERATOR } ListKind;

typedef struct ValueList ValueList;
typedef struct ValueMap ValueMap;

typedef struct {
  ValueKind kind;
  bool safe;  // text marked as safe (markup)
  uint8_t other_kind;
  union {
    bool yes;
    int64_t integer;
    double real;
    const char *text;  // VALUE_TEXT, VALUE_BIG, VALUE_UNDEFINED (`size` bytes each)
    ValueList *list;
    ValueMap *map;
    const void *other;
  };
  size_t size;
} Value;

struct ValueList {
  ListKind kind;
  bool walked;  // of a generator
  int64_t count;
  Value *item;
};

struct ValueMap {
  int64_t count, capacity;
  Value *key, *value;  // in the order of insertion
  int64_t mark;        // the caller's; -1
};

static inline Value value_none(void) { return (Value){.kind = VALUE_NONE}; }
static inline Value value_bool(bool yes) { return (Value){.kind = VALUE_BOOL, .yes = yes}; }
static inline Value value_int(int64_t i) { return (Value){.kind = VALUE_INT, .integer = i}; }
static inline Value value_real(double x) { return (Value){.kind = VALUE_FLOAT, .real = x}; }
static inline Value value_text(const char *text, size_t size) {
  return (Value){.kind = VALUE_TEXT, .text = text, .size = size};
}
static inline Value value_built(const Builder *b) { return value_text(b->data ? b->data : "", b->size); }
static inline Value value_undefined(const char *what) { return (Value){.kind = VALUE_UNDEFINED, .text = what}; }
static inline bool value_is_text(Value v, const char *text, size_t size) {
  return v.kind == VALUE_TEXT && v.size == size && __builtin_memcmp(v.text, text, size) == 0;
}

Err value_copy_text(Workspace *w, const char *text, size_t size, Value *out);
Err value_list(Workspace *w, ListKind kind, int64_t count, Value *out);  // items are VALUE_UNDEFINED at first
Err value_map(Workspace *w, Value *out);
// Adds a key, or changes the value of the one that is there (which keeps its place).
Err value_put(Workspace *w, ValueMap *m, Value key, Value value);
// NULL if there is none.
const Value *value_get(Workspace *w, const ValueMap *m, Value key);
const Value *value_get_text(const ValueMap *m, const char *key, size_t size);

// Everything in a JSON value; strings are borrowed from it.
Err value_from_json(Workspace *w, const json_t *json, Value *out);
// The text of one JSON value as Python's json.loads takes it: NaN and Infinity, whole numbers of any size, the last of repeated
// keys; ERR_FORMAT says what is wrong where. With `literal`: a Python literal instead (None, True, 'text', (1, 2), ...), as
// ast.literal_eval takes it, of the types that JSON can hold.
Err value_read(Workspace *w, const char *text, size_t size, bool literal, Value *out);
// What stands between the quotes of a Python string, without its escapes.
Err value_unescape(Workspace *w, const char *text, size_t size, Value *out);
// A Python number: 12, 1_000, 0x1f, 1.5e-3; without a sign.
Err value_number(Workspace *w, const char *text, size_t size, Value *out);

bool value_true(Value v);
const char *value_type_name(Value v);  // Python's: "str", "NoneType", ...
bool value_is_number(Value v);         // int, float, bool
// int within 64 bits, or bool, which is one of Python's; and which.
static inline bool value_is_whole(Value v) { return v.kind == VALUE_INT || v.kind == VALUE_BOOL; }
static inline int64_t value_whole(Value v) { return v.kind == VALUE_BOOL ? v.yes : v.integer; }
// a == b
Err value_equal(Workspace *w, Value a, Value b, bool *equal);
// a < b is -1, a == b 0, a > b 1; 2 where a NaN is compared. ERR_FORMAT where Python has no order.
Err value_order(Workspace *w, Value a, Value b, int *order);
// needle in haystack
Err value_contains(Workspace *w, Value haystack, Value needle, bool *found);
// What a for loop walks: items, keys, characters; a generator is used up by it.
Err value_walk(Workspace *w, Value v, ValueList **items);

// str(v) and repr(v), appended.
Err value_str(Builder *b, Value v);
Err value_repr(Builder *b, Value v);
// The shortest decimal that reads back as x, as Python prints it; `out` holds 32 bytes.
size_t value_real_text(char out[32], double x);

typedef struct {
  bool ascii;  // \uXXXX for all that is not ASCII
  bool sort_keys;
  const char *indent;        // of one level, NULL: all on one line
  const char *item, *colon;  // separators, NUL-terminated
} JsonStyle;
extern const JsonStyle json_style_plain;  // ", " and ": ", on one line, as UTF-8
// json.dumps(v), appended.
Err value_json(Builder *b, Value v, const JsonStyle *style);

// ---- text by code points
int64_t text_length(const char *text, size_t size);
// The byte where the character `index` begins, 0 <= index <= length.
size_t text_offset(const char *text, size_t size, int64_t index);
bool text_is_space(uint32_t code);  // str.isspace of one character
// The first place of `part` at or after `from`; SIZE_MAX if none. Counts steps.
Err text_find(Workspace *w, Value text, Value part, size_t from, size_t *at);

#endif
