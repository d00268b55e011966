// A parsed chat template.
#ifndef TEXT_JINJA_TREE_H
#define TEXT_JINJA_TREE_H

#include "text/jinja.h"
#include "text/strmap.h"
#include "text/value.h"

typedef enum {
  // expressions
  NODE_CONST,    // value
  NODE_NAME,     // symbol
  NODE_TUPLE,    // list
  NODE_LIST,     // list
  NODE_MAP,      // list: key, value, key, value
  NODE_ATTR,     // a.value
  NODE_ITEM,     // a[b]
  NODE_SLICE,    // a[b:c:d]
  NODE_CALL,     // a(list)
  NODE_NAMED,    // value=a, in the list of a call
  NODE_FILTER,   // a|builtin(list)
  NODE_TEST,     // a is builtin(list)
  NODE_NOT,      // not a
  NODE_SIGN,     // op a
  NODE_AND,      // a and b
  NODE_OR,       // a or b
  NODE_MATH,     // a op b
  NODE_CONCAT,   // list joined by ~
  NODE_COMPARE,  // a, then the NODE_OPERANDs of list
  NODE_OPERAND,  // op a
  NODE_CHOICE,   // b if a else c (NULL: undefined)
  // statements
  NODE_BODY,        // list
  NODE_TEXT,        // value
  NODE_PRINT,       // a
  NODE_IF,          // a: b, else c (NULL)
  NODE_FOR,         // a in b if c: d; else e
  NODE_SET,         // a = b; a may be NODE_NAME, NODE_ATTR of a name, NODE_TUPLE
  NODE_SET_BLOCK,   // a = what d writes, through the filters b (NULL)
  NODE_FILTERED,    // what d writes, through the filters b
  NODE_MACRO,       // symbol(list of NODE_PARAMETER): d
  NODE_PARAMETER,   // symbol, default a (NULL)
  NODE_WITH,        // list of NODE_SET: d
  NODE_GENERATION,  // d
  NODE_BREAK,
  NODE_CONTINUE,
  NODE_PIECE  // stands for the text that a filter block wrote: value, set when rendering
} NodeKind;

typedef enum {
  OP_NONE,
  OP_ADD,
  OP_SUB,
  OP_MUL,
  OP_DIV,
  OP_FLOORDIV,
  OP_MOD,
  OP_POW,
  OP_EQ,
  OP_NE,
  OP_LT,
  OP_LE,
  OP_GT,
  OP_GE,
  OP_IN,
  OP_NOT_IN
} Op;

typedef struct JinjaNode JinjaNode;
typedef struct Builtin Builtin;

struct JinjaNode {
  NodeKind kind;
  Op op;
  uint32_t at;     // byte in the source
  int depth;       // of the tree below, 1 for a leaf
  int32_t symbol;  // index of the name
  JinjaNode *a, *b, *c, *d, *e;
  JinjaNode **list;
  int64_t count, named;  // of the list; those at its end that are NODE_NAMED
  const Builtin *builtin;
  int32_t *missing;  // of a NODE_BODY with a scope of its own: what is undefined at its beginning
  int64_t n_missing;
  Value value;
};

struct Jinja {
  Workspace memory;  // of the tree
  char *name;
  char *source;  // with its newlines as Jinja takes them
  size_t size;
  StrMap symbols;
  int32_t loop_symbol;  // of "loop"
  JinjaNode *root;
  bool generation;
};

// Formats NAME:LINE:COLUMN of a byte of the source.
void jinja_place(const Jinja *t, size_t at, char out[256]);
// Sets the error with the place in front.
void jinja_fail(const Jinja *t, size_t at, const char *function, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
#define JINJA_FAIL(t, at, ...)                                        \
  do {                                                                \
    jinja_fail((t), (at), __func__, __FILE__, __LINE__, __VA_ARGS__); \
    return ERR_FORMAT;                                                \
  } while (0)

// ---- tokens
typedef enum {
  TOKEN_TEXT,
  TOKEN_PRINT,
  TOKEN_PRINT_END,
  TOKEN_BLOCK,
  TOKEN_BLOCK_END,
  TOKEN_NAME,
  TOKEN_STRING,
  TOKEN_NUMBER,
  TOKEN_OPERATOR,
  TOKEN_END
} TokenKind;

typedef struct {
  TokenKind kind;
  uint32_t at;       // byte in the source
  const char *text;  // a text, name or operator (as written); NULL for a number or string
  uint32_t size;
  Value value;  // of a number or string
} Token;

// Cuts t->source. The tokens live in t->memory; the last one is TOKEN_END.
Err jinja_lex(Jinja *t, Token **tokens, int64_t *count);

// ---- parsing
typedef struct {
  Jinja *t;
  Token *token;                               // the current one
  int nesting;                                // of calls of the parser
  int in_for, in_loop, in_macro, in_capture;  // what the place lies in; in_loop: a loop that can be broken out of
  bool in_filter;                             // of a for, which has no `loop` yet
} Parser;

// Bounds the way down: call it before a part that may hold its like, and p->nesting-- after it.
Err parser_enter(Parser *p);
Err parser_node(Parser *p, NodeKind kind, size_t at, JinjaNode **out);
// The node's depth from its children; ERR_FORMAT past the limit.
Err parser_close(Parser *p, JinjaNode *n);
bool parser_is(const Parser *p, TokenKind kind, const char *text);  // text NULL: any
bool parser_take(Parser *p, TokenKind kind, const char *text);
Err parser_expect(Parser *p, TokenKind kind, const char *text);
// The current token in words, for messages.
const char *parser_found(const Parser *p, char out[80]);
Err parser_symbol(Parser *p, const char *name, size_t size, int32_t *symbol);

typedef struct {
  JinjaNode **item;
  int64_t count, capacity;
} NodeList;
Err parser_push(Parser *p, NodeList *l, JinjaNode *n);
void parser_list(JinjaNode *n, const NodeList *l);

// An expression; `choice`: with `x if y else z` in it.
Err parse_expression(Parser *p, bool choice, JinjaNode **out);
// Expressions with commas between them: one, or a tuple. Ends before `stop` (a name) too, if not NULL.
Err parse_tuple(Parser *p, bool choice, const char *stop, JinjaNode **out);
// `|filter(...)|...` after n.
Err parse_filters(Parser *p, JinjaNode *n, JinjaNode **out);
// `filter(...)` whose name is next, on n.
Err parse_filter(Parser *p, JinjaNode *n, JinjaNode **out);
// Statements up to a block that ends or splits them (else, elif, end...), whose name is then the current token.
Err parse_body(Parser *p, JinjaNode **out);

// Fills in `missing` of every body.
Err jinja_scopes(Jinja *t);

#endif
