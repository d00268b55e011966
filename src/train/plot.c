#include "train/plot.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_WIDTH = 1000, MARGIN = 64, POINTS_MAX = 1200, HEAT_ROWS_MAX = 384, HEAT_LEVELS = 16 };

typedef struct {
  double left, top, width, height;  // of the drawing area
  double x0, x1, y0, y1;            // what it shows
  bool log_y;
} Panel;

static double map_x(const Panel *p, double x) {
  return p->left + (p->x1 > p->x0 ? (x - p->x0) / (p->x1 - p->x0) : 0.5) * p->width;
}
static double map_y(const Panel *p, double y) {
  double at = p->log_y ? (log(y) - log(p->y0)) / (log(p->y1) - log(p->y0)) : (y - p->y0) / (p->y1 - p->y0);
  return p->top + (1 - at) * p->height;
}

// The next of 1, 2, 5 times a power of ten at or above x.
static double nice_step(double x) {
  double power = pow(10, floor(log10(x)));
  for (int i = 0; i < 3; i++) {
    const double factor[] = {1, 2, 5};
    if (factor[i] * power >= x * 0.999) return factor[i] * power;
  }
  return 10 * power;
}

// 1500 as 1.5k, so that labels stay short.
static void short_number(double x, char out[32]) {
  double a = fabs(x);
  if (a >= 1e9) snprintf(out, 32, "%.3gG", x * 1e-9);
  else if (a >= 1e6) snprintf(out, 32, "%.3gM", x * 1e-6);
  else if (a >= 1e4) snprintf(out, 32, "%.3gk", x * 1e-3);
  else if (a >= 1e-3 || a <= 0) snprintf(out, 32, "%.4g", x);
  else snprintf(out, 32, "%.1e", x);
}

static void put_escaped(FILE *to, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '<') fputs("&lt;", to);
    else if (c == '&') fputs("&amp;", to);
    else if (c == '"') fputs("&quot;", to);
    else fputc(c < 0x20 || c == 0x7f ? '?' : *text, to);
  }
}

static void label(FILE *to, double x, double y, const char *anchor, const char *class, const char *text) {
  fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
  put_escaped(to, text);
  fputs("</text>\n", to);
}

static void x_axis(const Panel *p, FILE *to) {
  char text[32];
  double step = p->x1 > p->x0 ? fmax(1, nice_step((p->x1 - p->x0) / 6)) : 1;
  for (double x = ceil(p->x0 / step) * step; x <= p->x1 + step * 1e-6; x += step) {
    short_number(x, text);
    fprintf(to, "<path d=\"M%.1f %.1fv4\" class=\"tick\"/>\n", map_x(p, x), p->top + p->height);
    label(to, map_x(p, x), p->top + p->height + 16, "middle", "small", text);
  }
}

static void y_line(const Panel *p, double y, FILE *to) {
  char text[32];
  short_number(y, text);
  fprintf(to, "<path d=\"M%.1f %.1fh%.1f\" class=\"grid\"/>\n", p->left, map_y(p, y), p->width);
  label(to, p->left - 6, map_y(p, y) + 4, "end", "small", text);
}

static void y_axis(const Panel *p, FILE *to) {
  if (p->log_y && p->y1 / p->y0 > 8) {
    for (double y = pow(10, ceil(log10(p->y0) - 1e-9)); y <= p->y1 * 1.001; y *= 10) y_line(p, y, to);
    return;
  }
  double step = nice_step((p->y1 - p->y0) / 5);
  for (double y = ceil(p->y0 / step) * step; y <= p->y1 + step * 1e-6; y += step) y_line(p, fabs(y) < step * 1e-6 ? 0 : y, to);
}

static void frame(const Panel *p, const char *title, FILE *to) {
  label(to, p->left, p->top - 8, "start", "title", title);
  y_axis(p, to);
  x_axis(p, to);
  fprintf(to, "<path d=\"M%.1f %.1fv%.1fh%.1f\" class=\"axis\"/>\n", p->left, p->top, p->height, p->width);
}

// Grows the range of y by a series; log panels take what is above 0.
static void cover(Panel *p, const Series *s, bool *any) {
  for (int64_t i = 0; i < s->count; i++) {
    if (p->log_y && !(s->y[i] > 0)) continue;
    if (!*any) p->y0 = p->y1 = s->y[i];
    *any = true;
    p->y0 = fmin(p->y0, s->y[i]);
    p->y1 = fmax(p->y1, s->y[i]);
  }
}

static void settle(Panel *p, bool any, bool from_zero) {
  if (!any) p->y0 = p->log_y ? 0.1 : 0, p->y1 = 1;
  if (p->log_y) {
    if (!(p->y1 > p->y0 * 1.01)) p->y0 /= 1.5, p->y1 *= 1.5;
    return;
  }
  if (from_zero) p->y0 = fmin(0, p->y0);
  double room = p->y1 > p->y0 ? 0.05 * (p->y1 - p->y0) : fmax(fabs(p->y1), 1) * 0.1;
  if (!from_zero) p->y0 -= room;
  p->y1 += room;
}

// The mean of points i - reach .. i + reach, as far as there are any on both sides alike.
static double mean_around(const double *y, int64_t n, int64_t i, int64_t reach) {
  if (i < reach) reach = i;
  if (n - 1 - i < reach) reach = n - 1 - i;
  double sum = 0;
  for (int64_t k = i - reach; k <= i + reach; k++) sum += y[k];
  return sum / (double)(2 * reach + 1);
}

// A line through at most POINTS_MAX points, each the mean of a run of steps, then smoothed over `reach` points on either side.
static void curve(const Panel *p, const Series *s, const char *class, int64_t reach, FILE *to) {
  double x[POINTS_MAX], y[POINTS_MAX];
  int64_t n = 0, run = (s->count + POINTS_MAX - 1) / POINTS_MAX;
  for (int64_t i = 0; i < s->count; i += run, n++) {
    double used = 0;
    x[n] = y[n] = 0;
    for (int64_t k = i; k < i + run && k < s->count; k++, used++) x[n] += s->x[k], y[n] += s->y[k];
    x[n] /= used, y[n] /= used;
  }
  bool begun = false;
  for (int64_t i = 0; i < n; i++) {
    double value = mean_around(y, n, i, reach);
    if (p->log_y && !(value > 0)) continue;
    if (!begun) fprintf(to, "<path class=\"%s\" d=\"M", class);
    fprintf(to, "%s%.1f %.1f", begun ? " " : "", map_x(p, x[i]), map_y(p, value));
    begun = true;
  }
  if (begun) fputs(n == 1 ? "h1\"/>\n" : "\"/>\n", to);
}

static void dots(const Panel *p, const Series *s, FILE *to) {
  for (int64_t i = 0; i < s->count; i++) {
    fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" class=\"eval\"><title>step %.0f: %.5g</title></circle>\n",
            map_x(p, s->x[i]), map_y(p, s->y[i]), s->count > 60 ? "1.6" : "3", s->x[i], s->y[i]);
  }
}

static void legend(double x, double y, const char *class, const char *text, FILE *to) {
  fprintf(to, "<path d=\"M%.1f %.1fh18\" class=\"%s\"/>\n", x, y - 4, class);
  label(to, x + 24, y, "start", "small", text);
}

static void plot_loss(const History *h, Panel p, FILE *to) {
  bool any = false;
  char text[128];
  cover(&p, &h->lm, &any);
  cover(&p, &h->eval, &any);
  settle(&p, any, false);
  frame(&p, "loss (nats a token)", to);
  curve(&p, &h->lm, "faint", 0, to);
  curve(&p, &h->lm, "line", h->lm.count < 200 ? h->lm.count / 40 : 5, to);
  dots(&p, &h->eval, to);
  double at = p.left + p.width;
  legend(at - 190, p.top + 14, "line", "training", to);
  if (!h->eval.count) return;
  if (h->bits.count)
    snprintf(text, sizeof text, "held-out: %.4f, %.3f bits/byte", h->eval.y[h->eval.count - 1], h->bits.y[h->bits.count - 1]);
  else snprintf(text, sizeof text, "held-out: %.4f", h->eval.y[h->eval.count - 1]);
  fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"eval\"/>\n", at - 181, p.top + 28);
  label(to, at - 166, p.top + 32, "start", "small", text);
}

static void plot_one(Panel p, const Series *s, const char *title, bool from_zero, FILE *to) {
  bool any = false;
  cover(&p, s, &any);
  settle(&p, any, from_zero);
  frame(&p, title, to);
  int64_t reach = from_zero ? 0 : s->count < 200 ? s->count / 40 : 5;
  if (reach) curve(&p, s, "faint", 0, to);
  curve(&p, s, "line", reach, to);
}

// ---- expert load: a cell's colour says load / mean load, blue below, white at 1, red above
static void heat_colour(int level, char out[8]) {
  static const double blue[3] = {43, 108, 176}, red[3] = {197, 48, 48};
  double v = 2 * (level + 0.5) / HEAT_LEVELS - 1;  // -1: no load, 0: the mean, 1: twice the mean or more
  int c[3];
  for (int i = 0; i < 3; i++) c[i] = (int)(255 + fabs(v) * ((v < 0 ? blue : red)[i] - 255));
  snprintf(out, 8, "#%02x%02x%02x", (unsigned)c[0] & 0xff, (unsigned)c[1] & 0xff, (unsigned)c[2] & 0xff);
}

static int heat_level(double ratio) {
  int level = (int)(ratio / 2 * HEAT_LEVELS);
  return level < 0 ? 0 : level >= HEAT_LEVELS ? HEAT_LEVELS - 1 : level;
}

// The greatest of the rows that share a line of the picture.
static double heat_at(const History *h, int64_t first, int64_t last, int64_t bin) {
  double most = 0;
  for (int64_t r = first; r < last; r++) most = fmax(most, h->heat[r * h->bins + bin]);
  return most;
}

static double heat_row_height(const History *h) {
  int64_t rows = h->layers * h->experts;
  return rows > HEAT_ROWS_MAX ? 1 : fmax(1, fmin(6, floor(HEAT_ROWS_MAX / (double)rows)));
}

static int64_t heat_rows(const History *h) {
  int64_t rows = h->layers * h->experts;
  return rows < HEAT_ROWS_MAX ? rows : HEAT_ROWS_MAX;
}

static void plot_heat(const History *h, Panel p, FILE *to) {
  int64_t rows = heat_rows(h), all = h->layers * h->experts;
  double each = heat_row_height(h), width = p.width / (double)h->bins;
  label(to, p.left, p.top - 8, "start", "title", "expert load / mean load");
  for (int level = 0; level < HEAT_LEVELS; level++) {  // a path a colour: rows of equal neighbours are one box
    char colour[8];
    heat_colour(level, colour);
    fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"10\" fill=\"%s\"/>\n",
            p.left + p.width - 8 * (HEAT_LEVELS - level) - 72, p.top - 18, colour);
    fprintf(to, "<path fill=\"%s\" d=\"", colour);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t b = 0, end; b < h->bins; b = end) {
        int64_t first = r * all / rows, last = (r + 1) * all / rows;
        int own = heat_level(heat_at(h, first, last, b));
        for (end = b + 1; end < h->bins && heat_level(heat_at(h, first, last, end)) == own;) end++;
        if (own == level)
          fprintf(to, "M%.1f %.1fh%.1fv%.1fh%.1fz", p.left + (double)b * width, p.top + (double)r * each,
                  (double)(end - b) * width, each, -(double)(end - b) * width);
      }
    fputs("\"/>\n", to);
  }
  label(to, p.left + p.width - 8 * HEAT_LEVELS - 78, p.top - 9, "end", "small", "0");
  label(to, p.left + p.width - 66, p.top - 9, "start", "small", "2 and more");
  for (int64_t l = 0; l < h->layers; l++) {
    char text[32];
    double y = p.top + (double)(l * rows) / (double)h->layers * each, high = (double)rows / (double)h->layers * each;
    snprintf(text, sizeof text, "%lld", (long long)l + 1);
    if (high >= 9 || l % 4 == 0) label(to, p.left - 6, y + high / 2 + 4, "end", "small", text);
    fprintf(to, "<path d=\"M%.1f %.1fh%.1f\" class=\"grid\"/>\n", p.left, y, p.width);
  }
  p.height = (double)rows * each;
  x_axis(&p, to);
  fprintf(
      to,
      "<text transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\" class=\"small\">layer with experts</text>\n",
      p.left - 34, p.top + p.height / 2);
}

static const char style[] =
    "<style>text{font-family:'DejaVu "
    "Sans',Helvetica,Arial,sans-serif;fill:#333}.head{font-size:17px;font-weight:bold}.title{font-size:13px;"
    "font-weight:bold}.small{font-size:11px;fill:#666}.grid{stroke:#e6e6e6;fill:none}.axis{stroke:#999;fill:none}.tick{stroke:#"
    "999}"
    ".line{stroke:#2b6cb0;stroke-width:1.6;fill:none}.faint{stroke:#2b6cb0;stroke-opacity:.28;fill:none}.eval{fill:#d9480f}</"
    "style>\n";

void plot_svg(const History *h, const char *title, FILE *to) {
  double x0 = h->loss.x[0], x1 = h->loss.x[h->loss.count - 1], wide = PAGE_WIDTH - 2 * MARGIN, half = (wide - MARGIN) / 2;
  double heat = h->heat ? (double)heat_rows(h) * heat_row_height(h) + 80 : 0, height = 760 + heat;
  Panel loss = {MARGIN, 90, wide, 260, x0, x1, 0, 0, false};
  Panel left = {MARGIN, 420, half, 110, x0, x1, 0, 0, false},
        right = {MARGIN + half + MARGIN, 420, half, 110, x0, x1, 0, 0, true};
  Panel rate = left, balance = left, load = {MARGIN, 770, wide, 0, h->heat_first, h->heat_last, 0, 0, false};
  rate.top = balance.top = 600;
  balance.left = right.left;
  if (!h->imbalance.count) rate.width = wide;
  fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n", PAGE_WIDTH,
          height, PAGE_WIDTH, height);
  fputs(style, to);
  fprintf(to, "<rect width=\"%d\" height=\"%.0f\" fill=\"#fff\"/>\n", PAGE_WIDTH, height);
  label(to, MARGIN, 36, "start", "head", title);
  plot_loss(h, loss, to);
  plot_one(left, &h->lr, "learning rate", true, to);
  plot_one(right, &h->norm, "gradient norm", false, to);
  plot_one(rate, &h->rate, "tokens a second", true, to);
  if (h->imbalance.count) plot_one(balance, &h->imbalance, "busiest expert / mean", false, to);
  if (h->heat) plot_heat(h, load, to);
  label(to, PAGE_WIDTH / 2.0, height - 14, "middle", "small", "step");
  fputs("</svg>\n", to);
}

// ---- the terminal
static const unsigned char dot_bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

static void put_braille(unsigned char bits, FILE *to) {
  fputc(0xe2, to);  // U+2800 + bits
  fputc(0xa0 | bits >> 6, to);
  fputc(0x80 | (bits & 0x3f), to);
}

void plot_text(const History *h, int columns, int rows, FILE *to) {
  const Series *s = &h->lm;
  int width = 2 * columns, height = 4 * rows;
  double low = INFINITY, high = -INFINITY;
  double *mean = calloc((size_t)width, sizeof *mean);
  unsigned char *cell = calloc((size_t)(columns * rows), 1);
  if (!mean || !cell || s->count == 0) goto out;  // a sketch less is no error
  for (int x = 0; x < width; x++) {
    int64_t begin = s->count * x / width, end = s->count * (x + 1) / width;
    if (end == begin) end = begin + 1;
    for (int64_t i = begin; i < end; i++) mean[x] += s->y[i] / (double)(end - begin);
    low = fmin(low, mean[x]), high = fmax(high, mean[x]);
  }
  for (int x = 0; x < width; x++) {
    int y = high > low ? (int)lround((high - mean[x]) / (high - low) * (height - 1)) : height / 2;
    cell[y / 4 * columns + x / 2] |= dot_bit[y % 4][x % 2];
  }
  for (int r = 0; r < rows; r++) {
    if (r == 0 || r == rows - 1) fprintf(to, "%8.4f ", r ? low : high);
    else fprintf(to, "%8s ", "");
    for (int c = 0; c < columns; c++) put_braille(cell[r * columns + c], to);
    fputc('\n', to);
  }
  fprintf(to, "%8s step %.0f to %.0f\n", "loss", s->x[0], s->x[s->count - 1]);
out:
  free(mean);
  free(cell);
}
