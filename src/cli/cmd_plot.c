// pleiad plot
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "train/plot.h"

static const char help_text[] =
    "pleiad plot RUN [--out FILE.svg]\n"
    "\n"
    "Draws a run: loss, learning rate, gradient norm, throughput, expert load. RUN is the folder of a run, also of one that is "
    "still going.\n"
    "The picture goes to RUN/plot.svg or --out; a sketch of the loss goes to the terminal.\n";

enum { SKETCH_COLUMNS = 64, SKETCH_ROWS = 10 };

static Err write_svg(const History *h, const char *title, const char *path) {
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  CHECK(f, ERR_MEMORY, "no memory for the picture");
  plot_svg(h, title, f);
  Err err = fclose(f) == 0 ? file_replace(path, text, size)
                           : err_set(ERR_MEMORY, __func__, __FILE__, __LINE__, "no memory for the picture");
  free(text);
  return err;
}

static Err draw(const History *h, const char *folder, const char *out) {
  char title[PATH_BYTES + 96], path[PATH_BYTES];
  snprintf(title, sizeof title, "%s: step %.0f, loss %.4f", folder, h->loss.x[h->loss.count - 1], h->lm.y[h->lm.count - 1]);
  TRY(path_join(path, folder, "plot.svg"));
  TRY(write_svg(h, title, out ? out : path));
  plot_text(h, SKETCH_COLUMNS, SKETCH_ROWS, stdout);
  if (h->eval.count) printf("held-out loss %.4f at step %.0f\n", h->eval.y[h->eval.count - 1], h->eval.x[h->eval.count - 1]);
  printf("%s\n", out ? out : path);
  return ERR_OK;
}

Err cmd_plot(int argc, char **argv) {
  static const char *const known[] = {"--out", NULL};
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  const char *out = NULL;
  TRY(cli_value(&argc, argv, "--out", &out));
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "plot needs a run's folder: pleiad plot RUN [--out FILE.svg]");
  const char *folder = argv[1];
  argv[1] = argv[0];
  TRY(cli_no_more(argc - 1, argv + 1, known));
  History h;
  Err err = history_read(&h, folder);
  if (!err) err = draw(&h, folder, out);
  history_free(&h);
  return err;
}
