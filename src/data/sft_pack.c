#include "data/sft_pack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "text/strmap.h"

const char *const sft_recipe_names[SFT_RECIPES + 1] = {"telechat2", "mindformers", "template", NULL};

enum { MASK_BIT = 1 << 30, SPECIALS = 10, SYSTEM = 0, USER = 1, BOT = 2, END = 3 };
static const char *const specials[SPECIALS] = {"<_system>",       "<_user>",         "<_bot>",      "<_end>",
                                               "<_start>",        "<_pad>",          "<tool_call>", "</tool_call>",
                                               "<tool_response>", "</tool_response>"};

// A dialog in the spill.
typedef struct {
  int64_t number, offset, tokens;
  int32_t system;  // -1: alone
} Waiting;

struct SftPacker {
  SftOptions option;
  TokenizerWork *work;
  int32_t special[SPECIALS];
  Ids newline;
  SftCounts counts;
  Ids dialog, header;  // being tokenised: ids with MASK_BIT
  // the sample being packed
  Ids sample;
  int32_t *id;
  uint8_t *mask;
  int64_t room;
  int64_t *numbers, *starts, dialogs, dialogs_room;
  bool last_fits;  // mindformers: whether the last dialog went into the sample that is open
  // telechat2
  StrMap systems;
  FileWriter spill;
  bool spilled;
  Waiting *waiting;
  int64_t waits, waits_room, spill_tokens;
};

// ---- tokens of a dialog
static Err add_text(SftPacker *p, const char *text, size_t size, int32_t mask, Ids *out) {
  int64_t from = out->count;
  TRY(tokenizer_encode(p->option.tokenizer, p->work, text, size, SPECIAL_PARSE, out));
  for (int64_t i = from; i < out->count; i++) out->id[i] |= mask;
  return ERR_OK;
}

static Err add_ids(Ids *out, const int32_t *id, int64_t n) {
  TRY(ids_reserve(out, n));
  memcpy(out->id + out->count, id, (size_t)n * sizeof *id);
  out->count += n;
  return ERR_OK;
}

static Err add_header(SftPacker *p, const char *system, size_t size, Ids *out) {
  TRY(ids_push(out, p->special[SYSTEM]));
  TRY(add_text(p, system, size, 0, out));
  return p->option.recipe == SFT_TELECHAT2 ? add_ids(out, p->newline.id, p->newline.count) : ERR_OK;
}

static Err add_turns(SftPacker *p, const SftDialog *d, Ids *out) {
  bool telechat2 = p->option.recipe == SFT_TELECHAT2;
  int32_t marker = telechat2 ? MASK_BIT : 0;
  for (int64_t i = 0; i < d->turns; i++) {
    const SftTurn *t = &d->turn[i];
    TRY(ids_push(out, p->special[t->answer ? BOT : USER] | marker));
    TRY(add_text(p, t->text, t->size, t->answer ? MASK_BIT : 0, out));
    if (!t->answer) continue;
    TRY(ids_push(out, p->special[END] | MASK_BIT));
    TRY(add_ids(out, p->newline.id, p->newline.count));
  }
  return ERR_OK;
}

// ---- the open sample
static Err sample_add(SftPacker *p, int64_t number, int64_t start) {
  if (p->dialogs == p->dialogs_room) {
    int64_t room = 2 * p->dialogs_room + 16;
    int64_t *numbers = realloc(p->numbers, (size_t)room * sizeof *numbers);
    if (numbers) p->numbers = numbers;
    int64_t *starts = realloc(p->starts, (size_t)room * sizeof *starts);
    if (starts) p->starts = starts;
    CHECK(numbers && starts, ERR_MEMORY, "no memory for %lld dialogs of a sample", (long long)room);
    p->dialogs_room = room;
  }
  p->numbers[p->dialogs] = number;
  p->starts[p->dialogs++] = start;
  return ERR_OK;
}

// Gives the sample away, without its last `less` tokens, and empties it.
static Err sample_give(SftPacker *p, int64_t less) {
  int64_t n = p->sample.count - less;
  if (n > p->room) {
    int32_t *id = realloc(p->id, (size_t)n * sizeof *id);
    if (id) p->id = id;
    uint8_t *mask = realloc(p->mask, (size_t)n);
    if (mask) p->mask = mask;
    CHECK(id && mask, ERR_MEMORY, "no memory for a sample of %lld tokens", (long long)n);
    p->room = n;
  }
  for (int64_t i = 0; i < n; i++) {
    p->id[i] = p->sample.id[i] & ~MASK_BIT;
    p->mask[i] = (p->sample.id[i] & MASK_BIT) != 0;
    p->counts.learnt += p->mask[i];
  }
  SftSample s = {p->id, p->mask, n, p->numbers, p->starts, p->dialogs};
  p->counts.samples++;
  p->counts.tokens += n;
  p->sample.count = 0;
  p->dialogs = 0;
  return p->option.take(p->option.context, &s);
}

// ---- mindformers
static Err mindformers_add(SftPacker *p, int64_t number) {
  int64_t L = p->option.length, n = p->dialog.count;
  p->last_fits = n <= L && p->sample.count + n <= L;
  if (n > L) {
    p->counts.dropped++;
    return ERR_OK;
  }
  if (!p->last_fits) TRY(sample_give(p, 0));
  TRY(sample_add(p, number, p->sample.count));
  return add_ids(&p->sample, p->dialog.id, n);
}

static Err mindformers_finish(SftPacker *p) {
  if (p->sample.count == 0) return ERR_OK;
  if (!p->option.original || p->last_fits) return sample_give(p, 0);
  p->counts.dropped += p->dialogs;
  return ERR_OK;
}

// ---- telechat2
static Err telechat2_add(SftPacker *p, const SftDialog *d, int64_t number) {
  if (p->waits == p->waits_room) {
    int64_t room = 2 * p->waits_room + 256;
    Waiting *grown = realloc(p->waiting, (size_t)room * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld dialogs", (long long)room);
    p->waiting = grown;
    p->waits_room = room;
  }
  int64_t system = -1;
  if (!d->alone) TRY(strmap_put(&p->systems, d->system, d->system_size, 0, &system));
  CHECK(system < INT32_MAX, ERR_MEMORY, "more than %d system texts", INT32_MAX);
  p->waiting[p->waits++] = (Waiting){number, p->spill_tokens, p->dialog.count, (int32_t)system};
  p->spill_tokens += p->dialog.count;
  return file_write(&p->spill, p->dialog.id, (size_t)p->dialog.count * sizeof *p->dialog.id);
}

static int by_system_text(const void *a, const void *b, void *context) {
  const SftPacker *p = context;
  const StrMapItem *x = &p->systems.item[*(const int32_t *)a], *y = &p->systems.item[*(const int32_t *)b];
  size_t least = x->size < y->size ? x->size : y->size;
  int c = memcmp(p->systems.pool + x->at, p->systems.pool + y->at, least);
  return c ? c : (x->size > y->size) - (x->size < y->size);
}

static int by_rank(const void *a, const void *b, void *context) {
  const int32_t *rank = context;
  const Waiting *x = a, *y = b;
  int32_t r = x->system < 0 ? INT32_MAX : rank[x->system], s = y->system < 0 ? INT32_MAX : rank[y->system];
  if (r != s) return r < s ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

// Packs by the order of their system texts; the ones alone last; each in the order of the input.
static Err sort_waiting(SftPacker *p) {
  size_t n = (size_t)p->systems.count;
  int32_t *order = malloc((2 * n + 1) * sizeof *order), *rank = order + n;
  CHECK(order, ERR_MEMORY, "no memory to sort %zu system texts", n);
  for (size_t i = 0; i < n; i++) order[i] = (int32_t)i;
  qsort_r(order, n, sizeof *order, by_system_text, p);
  for (size_t i = 0; i < n; i++) rank[order[i]] = (int32_t)i;
  qsort_r(p->waiting, (size_t)p->waits, sizeof *p->waiting, by_rank, rank);
  free(order);
  return ERR_OK;
}

static bool ends_with_newline(const SftPacker *p, const Ids *ids) {
  int64_t n = p->newline.count;
  return ids->count >= n && memcmp(ids->id + ids->count - n, p->newline.id, (size_t)n * sizeof *ids->id) == 0;
}

// The sample of one system text ends. `last`: of this text.
static Err pack_end(SftPacker *p, bool last) {
  bool alone = p->dialogs == 0;
  if (alone && !p->option.original) {
    p->sample.count = 0;
    return ERR_OK;
  }
  bool keep = (last && p->option.original) || !ends_with_newline(p, &p->sample);
  return sample_give(p, keep ? 0 : p->newline.count);
}

static Err pack_add(SftPacker *p, const Waiting *w, const int32_t *id) {
  int64_t L = p->option.length;
  if (p->sample.count == 0) TRY(add_ids(&p->sample, p->header.id, p->header.count));
  bool fits = p->sample.count + w->tokens <= L;
  if (!fits && (p->option.original || p->dialogs > 0)) {
    TRY(pack_end(p, false));
    TRY(add_ids(&p->sample, p->header.id, p->header.count));
    fits = !p->option.original && p->header.count + w->tokens <= L;
  }
  if (!fits) {
    p->counts.dropped++;
    return ERR_OK;
  }
  TRY(sample_add(p, w->number, 0));
  return add_ids(&p->sample, id, w->tokens);
}

static Err give_packs(SftPacker *p, const int32_t *spill) {
  for (int64_t i = 0; i < p->waits; i++) {
    const Waiting *w = &p->waiting[i];
    const int32_t *id = spill + w->offset;
    if (w->system < 0) {
      TRY(sample_add(p, w->number, 0));
      TRY(add_ids(&p->sample, id, w->tokens));
      TRY(sample_give(p, ends_with_newline(p, &p->sample) ? p->newline.count : 0));
      continue;
    }
    if (i == 0 || w[-1].system != w->system) {
      const StrMapItem *s = &p->systems.item[w->system];
      p->header.count = 0;
      TRY(add_header(p, p->systems.pool + s->at, s->size, &p->header));
    }
    TRY(pack_add(p, w, id));
    if (i + 1 == p->waits || w[1].system != w->system) TRY(pack_end(p, true));
  }
  return ERR_OK;
}

static Err telechat2_finish(SftPacker *p) {
  TRY(sort_waiting(p));
  TRY(file_commit(&p->spill));
  p->spilled = true;
  if (p->spill_tokens == 0) return ERR_OK;
  FileMap map;
  TRY(file_map(&map, p->option.spill));
  Err err = give_packs(p, (const int32_t *)(const void *)map.data);
  file_unmap(&map);
  return err;
}

// ---- the whole
static Err take_specials(SftPacker *p) {
  int32_t ids[SPECIALS];
  const char *names[SPECIALS];
  int64_t count = 0;
  int wanted = p->option.recipe == SFT_TELECHAT2 ? 6 : SPECIALS;  // that one has no tools among its tokens
  for (int i = 0; i < wanted; i++) {
    p->special[i] = tokenizer_id(p->option.tokenizer, specials[i]);
    CHECK(p->special[i] >= 0 || i > END, ERR_ARG,
          "the tokenizer has no token %s; %s needs <_system>, <_user>, <_bot> and <_end>", specials[i],
          sft_recipe_names[p->option.recipe]);
    if (p->special[i] < 0) continue;
    names[count] = specials[i];
    ids[count++] = p->special[i];
  }
  return tokenizer_set_specials(p->option.tokenizer, names, ids, count);
}

static Err open_packer(SftPacker *p) {
  CHECK(p->option.length >= 2, ERR_ARG, "samples of %lld tokens; 2 at least are wanted", (long long)p->option.length);
  CHECK(tokenizer_vocab(p->option.tokenizer) < MASK_BIT, ERR_ARG, "a vocabulary of more than %d tokens", MASK_BIT);
  if (p->option.recipe != SFT_TEMPLATE) TRY(take_specials(p));
  TRY(tokenizer_work_open(&p->work, p->option.tokenizer));
  TRY(tokenizer_encode(p->option.tokenizer, p->work, "\n", 1, SPECIAL_PARSE, &p->newline));
  return p->option.recipe == SFT_TELECHAT2 ? file_create(&p->spill, p->option.spill) : ERR_OK;
}

Err sft_packer_open(SftPacker **out, const SftOptions *option) {
  *out = NULL;
  SftPacker *p = calloc(1, sizeof *p);
  CHECK(p, ERR_MEMORY, "no memory for a packer");
  p->option = *option;
  Err err = open_packer(p);
  if (err) sft_packer_close(p);
  else *out = p;
  return err;
}

Err sft_packer_add(SftPacker *p, const SftDialog *d, int64_t number) {
  bool telechat2 = p->option.recipe == SFT_TELECHAT2;
  p->dialog.count = 0;
  p->counts.dialogs++;
  if (!telechat2 || d->alone) TRY(add_header(p, d->system, d->system_size, &p->dialog));
  TRY(add_turns(p, d, &p->dialog));
  return telechat2 ? telechat2_add(p, d, number) : mindformers_add(p, number);
}

Err sft_packer_add_tokens(SftPacker *p, const Ids *ids, const uint8_t *mask, int64_t number) {
  p->dialog.count = 0;
  p->counts.dialogs++;
  TRY(add_ids(&p->dialog, ids->id, ids->count));
  for (int64_t i = 0; i < ids->count; i++) p->dialog.id[i] |= mask[i] ? MASK_BIT : 0;
  return mindformers_add(p, number);
}

Err sft_packer_finish(SftPacker *p, SftCounts *counts) {
  Err err = p->option.recipe == SFT_TELECHAT2 ? telechat2_finish(p) : mindformers_finish(p);
  *counts = p->counts;
  return err;
}

void sft_packer_close(SftPacker *p) {
  if (!p) return;
  file_abandon(&p->spill);
  if (p->spilled) (void)unlink(p->option.spill);
  tokenizer_work_close(p->work);
  ids_free(&p->newline);
  ids_free(&p->dialog);
  ids_free(&p->header);
  ids_free(&p->sample);
  strmap_free(&p->systems);
  free(p->id);
  free(p->mask);
  free(p->numbers);
  free(p->starts);
  free(p->waiting);
  free(p);
}
