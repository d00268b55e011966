#include "infer/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const char *const stop_reason_names[] = {"none", "length", "context", "token", "text", "caller"};

// Holds text back as long as it might be the beginning of a stop text.
typedef struct {
  const GenerateOptions *o;
  Bytes pending;
  bool stopped;    // a stop text was found
  bool cancelled;  // the caller wants no more
} Output;

static bool is_stop_id(const GenerateOptions *o, int32_t id) {
  for (int64_t i = 0; i < o->n_stop_ids; i++)
    if (o->stop_ids[i] == id) return true;
  return false;
}

// Bytes of pending that are safe to give out: up to the first stop text (then *found), or up to an end that begins one.
static size_t safe_bytes(const Output *out, bool *found) {
  size_t safe = out->pending.size;
  *found = false;
  for (const char *const *stop = out->o->stop_texts; stop && *stop; stop++) {
    size_t n = strlen(*stop);
    const char *at = n ? memmem(out->pending.data, out->pending.size, *stop, n) : NULL;
    if (at) {
      *found = true;
      if ((size_t)(at - out->pending.data) < safe) safe = (size_t)(at - out->pending.data);
    }
  }
  for (const char *const *stop = out->o->stop_texts; stop && *stop && !*found; stop++)
    for (size_t n = strlen(*stop); n-- > 1;) {
      if (n > out->pending.size || memcmp(out->pending.data + out->pending.size - n, *stop, n) != 0) continue;
      if (out->pending.size - n < safe) safe = out->pending.size - n;
      break;
    }
  return safe;
}

static void give_out(Output *out, int32_t id, float logprob, bool last) {
  bool found;
  size_t safe = safe_bytes(out, &found);
  if (last && !found) safe = out->pending.size;
  if (out->o->on_text && !out->o->on_text(out->o->context, out->pending.data, safe, id, logprob)) out->cancelled = true;
  if (safe > 0) memmove(out->pending.data, out->pending.data + safe, out->pending.size - safe);
  out->pending.size -= safe;
  out->stopped = found;
}

// Where room ends within a character, its first bytes came as U+FFFD: no text.
static void drop_unfinished(Bytes *b, size_t from) {
  while (b->size >= from + 3 && memcmp(b->data + b->size - 3, "\xef\xbf\xbd", 3) == 0) b->size -= 3;
}

static Err generate_tokens(Session *s, Sampler *sampler, TextStream *stream, Output *out, GenerateResult *r) {
  const GenerateOptions *o = out->o;
  int32_t id = -1;
  float logprob = 0;
  r->stop = STOP_LENGTH;
  for (r->n_new = 0; r->n_new < o->max_new;) {
    if (s->kv.length == s->kv.capacity) {
      r->stop = STOP_CONTEXT;
      break;
    }
    TRY(sampler_choose(sampler, s->next, s->kv.length, &id));
    TRY(session_feed(s, &id, 1, true));
    logprob = s->logprob[s->kv.length - 1];
    sampler_see(sampler, &id, 1, 1);
    r->n_new++;
    if (is_stop_id(o, id)) {
      r->stop = STOP_TOKEN;
      break;
    }
    TRY(text_stream_push(stream, id, &out->pending));
    give_out(out, id, logprob, false);
    if (out->stopped || out->cancelled) {
      r->stop = out->stopped ? STOP_TEXT : STOP_CALLER;
      return ERR_OK;
    }
  }
  size_t certain = out->pending.size;
  TRY(text_stream_end(stream, &out->pending));
  if (r->stop != STOP_TOKEN) drop_unfinished(&out->pending, certain);
  if (out->pending.size) give_out(out, id, logprob, true);
  return ERR_OK;
}

Err generate(Session *s, const Tokenizer *t, const int32_t *prompt, int64_t n_prompt, bool score_prompt,
             const GenerateOptions *o, GenerateResult *r) {
  Err err = ERR_OK;
  Sampler sampler = {0};
  TextStream stream = {0};
  Output out = {.o = o};
  *r = (GenerateResult){.n_prompt = n_prompt};
  CHECK(n_prompt > 0 || s->kv.length > 0, ERR_ARG, "an empty prompt: give at least one token to begin from");
  TRY_OUT(sampler_open(&sampler, &o->sampler, s->engine->model->config.model.vocab));
  TRY_OUT(text_stream_open(&stream, t, o->keep_special));
  double start_s = clock_s();
  TRY_OUT(session_feed(s, prompt, n_prompt, score_prompt));
  r->prompt_s = clock_s() - start_s;
  sampler_see(&sampler, s->ids, s->kv.length, 1);
  TRY_OUT(text_stream_start(&stream, s->ids, s->kv.length));
  start_s = clock_s();
  TRY_OUT(generate_tokens(s, &sampler, &stream, &out, r));
  r->new_s = clock_s() - start_s;
out:
  text_stream_close(&stream);
  sampler_close(&sampler);
  bytes_free(&out.pending);
  return err;
}
