#include "text/chat_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

// A place in the text that is known to lie between two tokens.
typedef struct {
  size_t byte;
  int64_t token;
} Cut;

typedef struct {
  const Chat *chat;
  const Tokenizer *t;
  TokenizerWork *w;
  const ChatRequest *q;
  ChatTokens *out;
  Ids part;
  Bytes bytes;
  Cut safe;  // the last cut at a special token, from where on text is encoded as if it were alone
} Masking;

void chat_tokens_free(ChatTokens *c) {
  jinja_output_free(&c->text);
  ids_free(&c->ids);
  free(c->spoken);
  *c = (ChatTokens){0};
}

// Whether encoding text[from.byte, byte) gives just the tokens that follow `from`.
static Err try_cut(Masking *m, Cut from, size_t byte, bool *fits) {
  const ChatTokens *c = m->out;
  m->part.count = 0;
  TRY(tokenizer_encode(m->t, m->w, c->text.text.data + from.byte, byte - from.byte, SPECIAL_PARSE, &m->part));
  *fits = m->part.count <= c->ids.count - from.token &&
          (m->part.count == 0 || memcmp(m->part.id, c->ids.id + from.token, (size_t)m->part.count * sizeof *m->part.id) == 0);
  return ERR_OK;
}

// The token that begins at a byte of the text.
static Err find_cut(Masking *m, size_t byte, const char *what, int64_t *token) {
  const ChatTokens *c = m->out;
  bool fits;
  if (byte == c->text.text.size) {
    *token = c->ids.count;
    return ERR_OK;
  }
  if (byte < m->safe.byte) m->safe = (Cut){0};
  Cut from = m->safe;
  TRY(try_cut(m, from, byte, &fits));
  if (!fits && from.byte > 0) {
    from = (Cut){0};
    TRY(try_cut(m, from, byte, &fits));
  }
  CHECK(fits, ERR_STATE,
        "no exact mask: the %s at byte %zu of the rendered text (after \"%.*s\") lies within a token; let the template put a "
        "special "
        "token or another kind of character there",
        what, byte, (int)(byte < 24 ? byte : 24), c->text.text.data + (byte < 24 ? 0 : byte - 24));
  *token = from.token + m->part.count;
  bool after = *token > 0 && tokenizer_is_special(m->t, c->ids.id[*token - 1]);
  bool before = *token < c->ids.count && tokenizer_is_special(m->t, c->ids.id[*token]);
  if (after || before) m->safe = (Cut){.byte = byte, .token = *token};
  return ERR_OK;
}

static Err mask_spans(Masking *m) {
  ChatTokens *c = m->out;
  for (int64_t i = 0; i < c->text.n_spans; i++) {
    int64_t begin, end;
    if (c->text.span[i].from == c->text.span[i].to) continue;
    TRY(find_cut(m, c->text.span[i].from, "beginning of a {% generation %} span", &begin));
    TRY(find_cut(m, c->text.span[i].to, "end of a {% generation %} span", &end));
    if (end > begin) memset(c->spoken + begin, 1, (size_t)(end - begin));
  }
  return ERR_OK;
}

static bool speaks(const json_t *message) {
  const char *role = json_string_value(json_object_get(message, "role"));
  return role && (strcmp(role, "assistant") == 0 || strcmp(role, "bot") == 0);
}

static Err encode_prefix(Masking *m, size_t count, bool generate, Ids *ids) {
  ChatRequest q = *m->q;
  JinjaOutput text = {0};
  json_t *before = json_array();
  for (size_t i = 0; i < count; i++) json_array_append(before, json_array_get(m->q->messages, i));
  q.messages = before;
  q.generate = generate;
  Err err = chat_render(m->chat, &q, &text);
  if (!err) err = tokenizer_encode(m->t, m->w, text.text.data, text.text.size, SPECIAL_PARSE, ids);
  jinja_output_free(&text);
  json_decref(before);
  return err;
}

static int64_t shared(const int32_t *a, int64_t n_a, const int32_t *b, int64_t n_b) {
  int64_t n = 0;
  while (n < n_a && n < n_b && a[n] == b[n]) n++;
  return n;
}

// The tokens of the template's prompt for an answer.
static Err answer_prompt(Masking *m, Ids *prompt) {
  size_t n = json_array_size(m->q->messages), first = 0;
  while (first < n && !speaks(json_array_get(m->q->messages, first))) first++;
  if (first == 0) first = n;  // nothing comes before the first answer: take the whole
  Ids without = {0};
  Err err = encode_prefix(m, first, false, &without);
  if (!err) err = encode_prefix(m, first, true, prompt);
  if (err) {
    err = ERR_HERE(ERR_STATE, "no exact mask: what comes before the first answer does not render: %s", err_text());
  } else {
    int64_t same = shared(without.id, without.count, prompt->id, prompt->count);
    prompt->count -= same;
    memmove(prompt->id, prompt->id + same, (size_t)prompt->count * sizeof *prompt->id);
  }
  ids_free(&without);
  return err;
}

// Where turn and prompt part, the text must part between two tokens too: not where one token is the beginning of the other.
static bool parts_cleanly(const Masking *m, int32_t a, int32_t b) {
  if (tokenizer_is_special(m->t, a) || tokenizer_is_special(m->t, b)) return true;
  const char *x = tokenizer_piece(m->t, a), *y = tokenizer_piece(m->t, b);
  size_t n = strlen(x) < strlen(y) ? strlen(x) : strlen(y);
  return strncmp(x, y, n) != 0;
}

// The end of what is spoken in [begin, end): without white space after the last special token.
static Err spoken_end(Masking *m, int64_t begin, int64_t *end) {
  const int32_t *id = m->out->ids.id;
  int64_t last = *end;
  while (last > begin && !tokenizer_is_special(m->t, id[last - 1])) last--;
  if (last == begin) return ERR_OK;
  m->bytes.size = 0;
  TRY(tokenizer_decode(m->t, m->w, id + last, *end - last, true, &m->bytes));
  for (size_t i = 0; i < m->bytes.size; i++)
    if (!strchr(" \t\r\n", m->bytes.data[i]) || !m->bytes.data[i]) return ERR_OK;
  *end = last;
  return ERR_OK;
}

static Err mask_turn(Masking *m, const JinjaTurn *turn, const Ids *prompt) {
  ChatTokens *c = m->out;
  int64_t begin, end;
  TRY(find_cut(m, turn->begin, "beginning of an answer", &begin));
  TRY(find_cut(m, turn->end, "end of an answer", &end));
  int64_t head = shared(c->ids.id + begin, end - begin, prompt->id, prompt->count);
  CHECK(head > 0 || prompt->count == 0, ERR_STATE,
        "no exact mask: messages[%lld] does not begin as the template's prompt for an answer does; give the template {%% "
        "generation "
        "%%} blocks",
        (long long)turn->index);
  CHECK(head == prompt->count || head == end - begin || parts_cleanly(m, prompt->id[head], c->ids.id[begin + head]), ERR_STATE,
        "no exact mask: messages[%lld] and the template's prompt for an answer part within a token; give the template {%% "
        "generation "
        "%%} blocks",
        (long long)turn->index);
  begin += head;
  TRY(spoken_end(m, begin, &end));
  if (end > begin) memset(c->spoken + begin, 1, (size_t)(end - begin));
  return ERR_OK;
}

static Err mask_turns(Masking *m) {
  const JinjaOutput *o = &m->out->text;
  int64_t answers = 0;
  for (size_t i = 0; i < json_array_size(m->q->messages); i++) answers += speaks(json_array_get(m->q->messages, i));
  if (answers == 0) return ERR_OK;
  CHECK(o->n_turns > 0, ERR_STATE,
        "no exact mask: the template does not loop over `messages`, so whose text is whose is not known; give it {%% "
        "generation %%} "
        "blocks");
  Ids prompt = {0};
  int64_t before = -1;
  Err err = answer_prompt(m, &prompt);
  for (int64_t i = 0; !err && i < o->n_turns; i++) {
    const JinjaTurn *turn = &o->turn[i];
    CHECK_OUT(turn->index > before, ERR_STATE,
              "no exact mask: the template writes messages[%lld] out of order or twice; give it {%% generation %%} blocks",
              (long long)turn->index);
    before = turn->index;
    if (speaks(json_array_get(m->q->messages, (size_t)turn->index))) TRY_OUT(mask_turn(m, turn, &prompt));
  }
out:
  ids_free(&prompt);
  return err;
}

static Err make_mask(Masking *m) {
  ChatTokens *c = m->out;
  if (c->ids.count + 1 > c->spoken_capacity) {
    uint8_t *grown = realloc(c->spoken, (size_t)c->ids.count + 1);
    CHECK(grown, ERR_MEMORY, "no memory for a mask of %lld tokens", (long long)c->ids.count);
    c->spoken = grown;
    c->spoken_capacity = c->ids.count + 1;
  }
  memset(c->spoken, 0, (size_t)c->ids.count + 1);
  return c->from_turns ? mask_turns(m) : mask_spans(m);
}

Err chat_encode(const Chat *chat, const Tokenizer *t, TokenizerWork *w, const ChatRequest *q, bool mask, ChatTokens *out) {
  Masking m = {.chat = chat, .t = t, .w = w, .q = q, .out = out};
  out->ids.count = 0;
  TRY(chat_render(chat, q, &out->text));
  TRY(tokenizer_encode(t, w, out->text.text.data, out->text.text.size, SPECIAL_PARSE, &out->ids));
  if (!mask) return ERR_OK;
  bool generation;
  TRY(chat_has_generation(chat, q, &generation));
  out->from_turns = !generation;
  Err err = make_mask(&m);
  ids_free(&m.part);
  bytes_free(&m.bytes);
  return err;
}
