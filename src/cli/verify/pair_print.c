// The report of `verify A B`, for people and as JSON.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verify/commands.h"
#include "cli/verify/pair.h"

enum { ROWS_MAX = 20, MEANINGS_MAX = 8, MEANING_BYTES = 400 };

// ---- what it means

typedef struct {
  char text[MEANINGS_MAX][MEANING_BYTES];
  int n;
} Meaning;

__attribute__((format(printf, 2, 3))) static void mean(Meaning *m, const char *format, ...) {
  if (m->n == MEANINGS_MAX) return;
  va_list args;
  va_start(args, format);
  vsnprintf(m->text[m->n++], MEANING_BYTES, format, args);
  va_end(args);
}

static bool same_recipe(const Pair *p) {
  for (int i = 0; i < p->n_config; i++)
    if (strcmp(p->config[i].key, "train.output") != 0 && strcmp(p->config[i].key, "train.threads") != 0) return false;
  return true;
}

static void mean_runs(Meaning *m, const Pair *p) {
  for (int i = 0; i < p->n_config && !same_recipe(p); i++)
    if (strcmp(p->config[i].key, "train.output") != 0) {
      mean(m, "The run files differ (%s): the two are not the same training.", p->config[i].key);
      break;
    }
  if (*p->a.machine && *p->b.machine && strcmp(p->a.machine, p->b.machine) != 0)
    mean(
        m,
        "They did not run alike (%s; %s). Threads change no bit; another instruction set, type or version may round otherwise.",
        p->a.machine, p->b.machine);
  int64_t step = p->n_logs ? p->log[0].step : -1;
  if (step == 1) mean(m, "The runs are apart from the first step on.");
  else if (step > 1)
    mean(m, "The runs are one to the bit up to step %lld and apart from step %lld on.", (long long)(step - 1), (long long)step);
  for (int i = 0; i < p->n_logs; i++)
    if (p->log[i].step < 0 && p->log[i].last_a != p->log[i].last_b) {
      mean(m, "As far as both go they are one; %s has gone further.", p->log[i].last_a > p->log[i].last_b ? "A" : "B");
      break;
    }
  if (step >= 0 && p->n_equal && p->equal[p->n_equal - 1] >= step)
    mean(m, "The checkpoint of step %lld, after that, is equal: only the log differs, or it was changed.",
         (long long)p->equal[p->n_equal - 1]);
}

static bool is_moment(const char *name) { return strchr(name, '/') != NULL; }

static void mean_arrays(Meaning *m, const Pair *p) {
  int64_t weights = 0, moments = 0, shapes = 0, broken = 0;
  double greatest = 0;
  for (int64_t i = 0; i < p->n_arrays; i++) {
    const PairArray *a = &p->array[i];
    shapes += a->problem != NULL;
    weights += !a->problem && !is_moment(a->array.name);
    moments += !a->problem && is_moment(a->array.name);
    broken += a->difference.not_finite > 0;
    if (!a->problem) greatest = fmax(greatest, a->difference.relative);
  }
  if (shapes) mean(m, "%lld arrays are not in both, or of another shape: these are two models.", (long long)shapes);
  if (broken) mean(m, "%lld arrays hold NaN or infinities on one side: look at that side's log before it.", (long long)broken);
  if (p->numbers_differing == 1)
    mean(m, "One number of %lld differs: a byte changed in memory, on disk or by hand. Arithmetic does not do that.",
         (long long)p->numbers_compared);
  else if (weights + moments > 0 && greatest < 1e-4 && !shapes)
    mean(m,
         "All differences are small (%.1e of an array's greatest number at most): sums in another order, not another recipe.",
         greatest);
  else if (weights + moments > 0 && greatest > 0.1)
    mean(m, "Differences as large as the numbers themselves: trained apart, or from other beginnings.");
  if (weights == 0 && moments > 0)
    mean(m, "Only the optimiser's moments differ; the weights are equal: what is computed now is equal, what follows is not.");
  if (p->n_arrays == 0 && p->n_state > 0) mean(m, "All numbers are equal; only counters differ (%s).", p->state[0].key);
}

static Meaning meaning_of(const Pair *p) {
  Meaning m = {.n = 0};
  if (p->a.kind == SIDE_RUN && p->b.kind == SIDE_RUN) mean_runs(&m, p);
  if (p->differs >= 0) mean_arrays(&m, p);
  if (pair_equal(p)) mean(&m, "What was compared is equal to the bit.");
  return m;
}

// ---- text

static void ulp_text(int64_t ulp, char out[24]) {
  if (ulp < 0) snprintf(out, 24, "-");
  else if (ulp >= 1000000000) snprintf(out, 24, "%.1e", (double)ulp);
  else snprintf(out, 24, "%lld", (long long)ulp);
}

static void print_side(const char *letter, const Side *s) {
  printf("%s: %s (%s", letter, s->path, side_names[s->kind]);
  if (s->n_steps)
    printf(", %lld checkpoints, steps %lld to %lld", (long long)s->n_steps, (long long)s->step[0],
           (long long)s->step[s->n_steps - 1]);
  printf("%s%s)\n", *s->machine ? "; " : "", s->machine);
}

static void print_texts(const char *title, const PairText *text, int n) {
  if (n == 0) return;
  printf("\n%s\n  %-36s %-28s %s\n", title, "", "A", "B");
  for (int i = 0; i < n && i < ROWS_MAX; i++) printf("  %-36s %-28s %s\n", text[i].key, text[i].a, text[i].b);
  if (n > ROWS_MAX) printf("  ... and %d more\n", n - ROWS_MAX);
}

static void print_log(const PairLog *l) {
  if (l->step < 0) {
    printf("\n%s: %lld steps, equal (but for times)\n", l->file, (long long)l->lines);
    return;
  }
  printf("\n%s: %lld steps are equal; the first that differs is step %lld\n  %-36s %-24s %-24s %10s %9s\n", l->file,
         (long long)l->lines, (long long)l->step, "", "A", "B", "ulp", "relative");
  for (int i = 0; i < l->n_texts && i < ROWS_MAX; i++) {
    char ulp[24];
    ulp_text(l->difference[i].ulp, ulp);
    printf("  %-36s %-24s %-24s %10s %9.1e\n", l->text[i].key, l->text[i].a, l->text[i].b, ulp, l->difference[i].relative);
  }
  if (l->n_texts > ROWS_MAX) printf("  ... and %d more\n", l->n_texts - ROWS_MAX);
}

static void print_array(const PairArray *a) {
  char place[64], ulp[24];
  const Difference *d = &a->difference;
  if (a->problem) {
    printf("  %-60s %s\n", a->array.name, a->problem);
    return;
  }
  element_place(&a->array, d->first, place);
  ulp_text(d->ulp, ulp);
  printf("  %-60s %9lld of %-9lld %9.1e %9.1e %10s  first %s: %.9g, %.9g\n", a->array.name, (long long)d->differing,
         (long long)d->elements, d->relative, d->greatest, ulp, place, d->a, d->b);
}

static void print_checkpoints(const Pair *p) {
  bool steps = p->a.kind != SIDE_MODEL && p->b.kind != SIDE_MODEL;
  if (p->n_equal) {
    printf("\n%lld %s compared, equal to the bit", (long long)p->n_equal, p->n_equal == 1 ? "pair" : "pairs of checkpoints");
    for (int64_t i = 0; steps && i < p->n_equal && i < ROWS_MAX; i++)
      printf("%s %lld", i ? "," : ": step", (long long)p->equal[i]);
    printf("%s\n", p->n_equal > ROWS_MAX ? ", ..." : "");
  }
  if (p->differs < 0) return;
  if (steps) printf("\nthe first that differs is the checkpoint of step %lld:", (long long)p->differs);
  else printf("\nthe weights differ:");
  printf(" %lld of %lld arrays, %lld of %lld numbers\n", (long long)p->n_arrays, (long long)p->arrays_compared,
         (long long)p->numbers_differing, (long long)p->numbers_compared);
  if (p->n_arrays)
    printf("  %-60s %-22s %9s %9s %10s\n", "array, the worst first", "numbers that differ", "relative", "absolute", "ulp");
  for (int64_t i = 0; i < p->n_arrays && i < ROWS_MAX; i++) print_array(&p->array[i]);
  if (p->n_arrays > ROWS_MAX) printf("  ... and %lld more (--json has all)\n", (long long)(p->n_arrays - ROWS_MAX));
  print_texts("counters of that checkpoint that differ", p->state, p->n_state);
}

static void print_text(const Pair *p, const Meaning *m) {
  print_side("A", &p->a);
  print_side("B", &p->b);
  print_texts("keys of the run files that differ", p->config, p->n_config);
  for (int i = 0; i < p->n_logs; i++) print_log(&p->log[i]);
  print_checkpoints(p);
  printf("\n%s\n", pair_equal(p) ? "EQUAL" : "DIFFERENT");
  for (int i = 0; i < m->n; i++) printf("  %s\n", m->text[i]);
}

// ---- JSON

static json_t *real_json(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *difference_json(const Difference *d) {
  return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "elements", (json_int_t)d->elements, "differing",
                   (json_int_t)d->differing, "first", (json_int_t)d->first, "a", real_json(d->a), "b", real_json(d->b), "ulp",
                   d->ulp < 0 ? json_null() : json_integer(d->ulp), "absolute", real_json(d->greatest), "relative",
                   real_json(d->relative));
}

static json_t *texts_json(const PairText *text, const Difference *difference, int n) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    json_t *one = json_pack("{s:s, s:s, s:s}", "key", text[i].key, "a", text[i].a, "b", text[i].b);
    if (difference) json_object_set_new(one, "difference", difference_json(&difference[i]));
    json_array_append_new(list, one);
  }
  return list;
}

static json_t *arrays_json(const Pair *p) {
  json_t *list = json_array();
  for (int64_t i = 0; i < p->n_arrays; i++) {
    char place[64] = "";
    if (!p->array[i].problem) element_place(&p->array[i].array, p->array[i].difference.first, place);
    json_array_append_new(
        list, json_pack("{s:s, s:s?, s:s, s:o}", "name", p->array[i].array.name, "problem", p->array[i].problem, "place", place,
                        "difference", difference_json(&p->array[i].difference)));
  }
  return list;
}

static json_t *logs_json(const Pair *p) {
  json_t *list = json_array();
  for (int i = 0; i < p->n_logs; i++) {
    const PairLog *l = &p->log[i];
    json_array_append_new(list, json_pack("{s:s, s:I, s:o, s:o}", "file", l->file, "equal_steps", (json_int_t)l->lines, "step",
                                          l->step < 0 ? json_null() : json_integer(l->step), "members",
                                          texts_json(l->text, l->difference, l->n_texts)));
  }
  return list;
}

static Err print_json(const Pair *p, const Meaning *m) {
  json_t *equal = json_array(), *meaning = json_array();
  for (int64_t i = 0; i < p->n_equal; i++) json_array_append_new(equal, json_integer(p->equal[i]));
  for (int i = 0; i < m->n; i++) json_array_append_new(meaning, json_string(m->text[i]));
  json_t *all =
      json_pack("{s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "equal", pair_equal(p), "a", p->a.path, "b",
                p->b.path, "configuration", texts_json(p->config, NULL, p->n_config), "logs", logs_json(p), "equal_steps",
                equal, "first_step", p->differs < 0 ? json_null() : json_integer(p->differs), "state",
                texts_json(p->state, NULL, p->n_state), "numbers_compared", (json_int_t)p->numbers_compared,
                "numbers_differing", (json_int_t)p->numbers_differing, "arrays", arrays_json(p), "meaning", meaning);
  return cli_json(all, "the report");
}

Err verify_pair_command(const char *a, const char *b, bool json) {
  Pair *p = calloc(1, sizeof *p);
  CHECK(p, ERR_MEMORY, "no memory to compare %s", a);
  Err err = pair_compare(p, a, b);
  bool equal = !err && pair_equal(p);
  if (!err) {
    Meaning m = meaning_of(p);
    print_text(p, &m);
    if (json) err = print_json(p, &m);
  }
  pair_free(p);
  free(p);
  TRY(err);
  CHECK(equal, ERR_NUMERIC, "%s and %s differ", a, b);
  return ERR_OK;
}
