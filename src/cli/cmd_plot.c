// pleiad plot
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "schedule/schedule.h"
#include "train/plot.h"

static const char help_text[] =
    "pleiad plot RUN [--out FILE.svg] [--json]\n"
    "pleiad plot --schedule [--chunks C] [--micro-batches M] [--late-weights] [--out FILE.svg] [--json]\n"
    "\n"
    "Draws a run: loss, learning rate, gradient norm, throughput, expert load. RUN is the folder of a run, also of one that is "
    "still going.\n"
    "The picture goes to RUN/plot.svg or --out; a sketch of the loss goes to the terminal.\n"
    "\n"
    "--schedule draws one training step instead: which move (F forward, B backward, I backward to the input, W to the weights) "
    "of\n"
    "which chunk of blocks and which micro-batch comes when, and what is kept at the worst. Chunks: 4, micro-batches: 2,\n"
    "--late-weights as train.late_weights has it; the picture goes to --out.\n"
    "--json: one JSON object instead of the sketch.\n";

enum { SKETCH_COLUMNS = 64, SKETCH_ROWS = 10 };

static Err write_svg(const History *h, const char *title, const char *path) {
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  CHECK(f, ERR_MEMORY, "no memory for the picture");
  plot_svg(h, title, f);
  Err err = fclose(f) == 0 ? file_replace(path, text, size) : ERR_HERE(ERR_MEMORY, "no memory for the picture");
  free(text);
  return err;
}

static json_t *last_or_null(const Series *s) {
  return s->count && isfinite(s->y[s->count - 1]) ? json_real(s->y[s->count - 1]) : json_null();
}

static json_t *history_json(const History *h, const char *picture) {
  return json_pack("{s:o, s:I, s:o, s:o}", "picture", cli_json_text(picture, strlen(picture)), "step",
                   (json_int_t)h->loss.x[h->loss.count - 1], "loss", last_or_null(&h->lm), "eval_loss", last_or_null(&h->eval));
}

static Err draw(const History *h, const char *folder, const char *out, bool json) {
  char title[PATH_BYTES + 96], path[PATH_BYTES];
  snprintf(title, sizeof title, "%s: step %.0f, loss %.4f", folder, h->loss.x[h->loss.count - 1], h->lm.y[h->lm.count - 1]);
  TRY(path_join(path, folder, "plot.svg"));
  TRY(write_svg(h, title, out ? out : path));
  if (json) return cli_json(history_json(h, out ? out : path), "the history");
  plot_text(h, SKETCH_COLUMNS, SKETCH_ROWS, stdout);
  if (h->eval.count) printf("held-out loss %.4f at step %.0f\n", h->eval.y[h->eval.count - 1], h->eval.x[h->eval.count - 1]);
  printf("%s\n", out ? out : path);
  return ERR_OK;
}

// A step of training, without a run.
static Err plot_schedule(int argc, char **argv, const char *out, bool json) {
  static const char *const known[] = {"--chunks", "--micro-batches", "--late-weights", "--out", "--json", NULL};
  enum { CHUNKS_MAX = 1000, TURNS_SHOWN = 64 };
  int64_t chunks = 4, micro_batches = 2;
  bool late = cli_flag(&argc, argv, "--late-weights");
  TRY(cli_int(&argc, argv, "--chunks", 1, CHUNKS_MAX, &chunks));
  TRY(cli_int(&argc, argv, "--micro-batches", 1, CHUNKS_MAX, &micro_batches));
  TRY(cli_no_more(argc, argv, known));
  Schedule s = {0};
  ScheduleLoad load;
  char *text = NULL;
  size_t size;
  Err err = ERR_OK;
  TRY(schedule_build(&s, (ScheduleShape){chunks, micro_batches, late}));
  TRY_OUT(schedule_check(&s, &load));
  if (out) {
    FILE *f = open_memstream(&text, &size);
    CHECK_OUT(f, ERR_MEMORY, "no memory for the picture");
    schedule_draw_svg(&s, NULL, f);
    CHECK_OUT(fclose(f) == 0, ERR_MEMORY, "no memory for the picture");
    TRY_OUT(file_replace(out, text, size));
  }
  if (json) {
    err = cli_json(json_pack("{s:o, s:I, s:I, s:I}", "picture", out ? cli_json_text(out, strlen(out)) : json_null(), "turns",
                             (json_int_t)s.count, "chunks_kept", (json_int_t)load.in_flight, "micro_batches_kept",
                             (json_int_t)load.micro_batches),
                   "the schedule");
    goto out;
  }
  schedule_draw_text(&s, TURNS_SHOWN, stdout);
  printf("%lld turns; at the worst %lld chunks of %lld micro-batch%s are kept\n", (long long)s.count, (long long)load.in_flight,
         (long long)load.micro_batches, load.micro_batches == 1 ? "" : "es");
  if (out) printf("%s\n", out);
out:
  free(text);
  schedule_free(&s);
  return err;
}

Err cmd_plot(int argc, char **argv) {
  static const char *const known[] = {"--out", "--schedule", "--json", NULL};
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  const char *out = NULL;
  TRY(cli_value(&argc, argv, "--out", &out));
  bool json = cli_flag(&argc, argv, "--json");
  if (cli_flag(&argc, argv, "--schedule")) return plot_schedule(argc, argv, out, json);
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "plot needs a run's folder: pleiad plot RUN [--out FILE.svg]");
  const char *folder = argv[1];
  argv[1] = argv[0];
  TRY(cli_no_more(argc - 1, argv + 1, known));
  History h;
  Err err = history_read(&h, folder);
  if (!err) err = draw(&h, folder, out, json);
  history_free(&h);
  return err;
}
