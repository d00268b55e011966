// A run's history as a picture: one SVG page, or a sketch for a terminal.
#ifndef TRAIN_PLOT_H
#define TRAIN_PLOT_H

#include <stdio.h>

#include "train/history.h"

// Loss and held-out loss, learning rate and gradient norm, throughput, and the load of every expert over time. title: shown on
// top, escaped.
void plot_svg(const History *h, const char *title, FILE *to);
// The loss in `columns` x `rows` characters (braille dots), with its range.
void plot_text(const History *h, int columns, int rows, FILE *to);

#endif
