// TensorBoard event files: records of protocol buffers with masked CRC-32C, as TensorBoard's readers want them.
//
// One file a start of the program: FOLDER/events.out.tfevents.SECONDS.HOST.PID. A resumed run says at which step it starts
// again, and TensorBoard drops what an earlier file says of that step and later ones. Nothing is allocated after
// tensorboard_open; each flush is one write. Formats: tensorflow/core/util/event.proto, summary.proto, lib/io/record_writer.
#ifndef TRAIN_TENSORBOARD_H
#define TRAIN_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

enum { TENSORBOARD_BUFFER_BYTES = 1 << 16, TENSORBOARD_TAG_BYTES = 128 };

typedef struct {
  int fd;
  char path[PATH_BYTES];
  uint8_t buffer[TENSORBOARD_BUFFER_BYTES];
  size_t used;
} TensorBoard;

// CRC-32C (Castagnoli), and the mask that records put over it.
uint32_t crc32c(const void *data, size_t bytes);
uint32_t crc32c_masked(const void *data, size_t bytes);

// first_step: the first step this start will write; what older files say from there on is void.
Err tensorboard_open(TensorBoard *t, const char *folder, int64_t first_step);
// One scalar of a step. wall_s: seconds since 1970. ERR_IO when the file cannot be written.
Err tensorboard_scalar(TensorBoard *t, const char *tag, int64_t step, double wall_s, double value);
Err tensorboard_flush(TensorBoard *t);
// Flushes and closes; safe on a zeroed one that was never opened when fd is -1.
Err tensorboard_close(TensorBoard *t);

#endif
