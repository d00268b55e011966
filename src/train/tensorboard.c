#include "train/tensorboard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/half.h"

uint32_t crc32c(const void *data, size_t bytes) {
  static uint32_t table[256];
  if (!table[1])
    for (uint32_t i = 256;
         i-- > 0;) {  // entry 1, which says that the table is there, comes nearly last; a second filling writes the same
      uint32_t c = i;
      for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
      table[i] = c;
    }
  const uint8_t *p = data;
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < bytes; i++) crc = (crc >> 8) ^ table[(crc ^ p[i]) & 0xff];
  return crc ^ 0xffffffffu;
}

uint32_t crc32c_masked(const void *data, size_t bytes) {
  uint32_t c = crc32c(data, bytes);
  return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

// ---- protocol buffers: a message in a buffer large enough for every message here
typedef struct {
  uint8_t data[512];
  size_t size;
} Message;

static void put_bytes(Message *m, const void *data, size_t size) {
  assert(m->size + size <= sizeof m->data);
  memcpy(m->data + m->size, data, size);
  m->size += size;
}
static void put_varint(Message *m, uint64_t v) {
  do {
    uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    put_bytes(m, &byte, 1);
    v >>= 7;
  } while (v);
}
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
static void put_key(Message *m, uint32_t field, uint32_t wire) { put_varint(m, field << 3 | wire); }
static void put_fixed(Message *m, uint64_t bits, int bytes) {  // little endian
  for (int i = 0; i < bytes; i++) {
    uint8_t byte = (uint8_t)(bits >> (8 * i));
    put_bytes(m, &byte, 1);
  }
}
static void put_double(Message *m, uint32_t field, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  put_key(m, field, WIRE_FIXED64);
  put_fixed(m, bits, 8);
}
static void put_text(Message *m, uint32_t field, const void *data, size_t size) {
  put_key(m, field, WIRE_BYTES);
  put_varint(m, size);
  put_bytes(m, data, size);
}

static Err put_record(TensorBoard *t, const Message *event) {
  if (t->used + event->size + 16 > sizeof t->buffer) TRY(tensorboard_flush(t));
  Message head = {.size = 0}, tail = {.size = 0};
  put_fixed(&head, event->size, 8);
  put_fixed(&head, crc32c_masked(head.data, 8), 4);
  put_fixed(&tail, crc32c_masked(event->data, event->size), 4);
  const Message *part[3] = {&head, event, &tail};
  for (int i = 0; i < 3; i++) {
    memcpy(t->buffer + t->used, part[i]->data, part[i]->size);
    t->used += part[i]->size;
  }
  return ERR_OK;
}

static Message event_of(double wall_s, int64_t step) {
  Message m = {.size = 0};
  put_double(&m, 1, wall_s);
  if (step) put_key(&m, 2, WIRE_VARINT), put_varint(&m, (uint64_t)step);
  return m;
}

Err tensorboard_open(TensorBoard *t, const char *folder, int64_t first_step) {
  *t = (TensorBoard){.fd = -1};
  char host[64] = "host", name[160];
  gethostname(host, sizeof host - 1);
  double now = clock_wall_s();
  snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%d", (long long)now, host, (int)getpid());
  TRY(path_join(t->path, folder, name));
  t->fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  CHECK(t->fd >= 0, ERR_IO, "%s: cannot be made: %s", t->path, strerror(errno));
  Message version = event_of(now, 0);
  static const char magic[] = "brain.Event:2";
  put_text(&version, 3, magic, sizeof magic - 1);
  TRY(put_record(t, &version));
  if (first_step > 1) {
    Message start = event_of(now, first_step);
    static const uint8_t session_start[] = {1 << 3 | WIRE_VARINT, 1};
    put_text(&start, 7, session_start, sizeof session_start);
    TRY(put_record(t, &start));
  }
  return tensorboard_flush(t);
}

Err tensorboard_scalar(TensorBoard *t, const char *tag, int64_t step, double wall_s, double value) {
  Message item = {.size = 0}, summary = {.size = 0};
  size_t n = strlen(tag);
  put_text(&item, 1, tag, n < TENSORBOARD_TAG_BYTES ? n : TENSORBOARD_TAG_BYTES);
  put_key(&item, 2, WIRE_FIXED32);
  put_fixed(&item, f32_bits((float)value), 4);
  put_text(&summary, 1, item.data, item.size);
  Message event = event_of(wall_s, step);
  put_text(&event, 5, summary.data, summary.size);
  return put_record(t, &event);
}

Err tensorboard_flush(TensorBoard *t) {
  for (size_t at = 0; at < t->used;) {
    ssize_t n = write(t->fd, t->buffer + at, t->used - at);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0, ERR_IO, "%s: cannot be written: %s", t->path, strerror(errno));
    at += (size_t)n;
  }
  t->used = 0;
  return ERR_OK;
}

Err tensorboard_close(TensorBoard *t) {
  if (t->fd < 0) return ERR_OK;
  Err err = tensorboard_flush(t);
  close(t->fd);
  t->fd = -1;
  return err;
}
