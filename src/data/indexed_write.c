// Writing, as a stream: the tokens go to PREFIX.bin.part, the lengths and document ends to PREFIX.idx.part as 32-bit records,
// of which the commit makes PREFIX.idx. So memory does not grow with the data, and a killed writer can go on from a mark.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/indexed.h"

enum { PART_BUFFER_BYTES = 1 << 18, END_OF_DOCUMENT = -1 };

// ---- one .part file
static Err part_open(PartFile *f, const char *prefix, const char *ending, int64_t size) {
  int n = snprintf(f->path, sizeof f->path, "%s%s", prefix, ending);
  CHECK(n > 0 && n < (int)sizeof f->path - 16, ERR_ARG, "%.100s...: a prefix longer than %d bytes", prefix, PATH_BYTES - 32);
  f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  CHECK(f->fd >= 0, ERR_IO, "%s: %s", f->path, strerror(errno));
  CHECK(flock(f->fd, LOCK_EX | LOCK_NB) == 0, ERR_STATE,
        "%s: another process is writing it; wait for it or choose another output", f->path);
  struct stat st;
  CHECK(fstat(f->fd, &st) == 0, ERR_IO, "%s: %s", f->path, strerror(errno));
  CHECK(st.st_size >= size, ERR_STATE, "%s: %lld bytes, but %lld were written before", f->path, (long long)st.st_size,
        (long long)size);
  CHECK(ftruncate(f->fd, size) == 0 && lseek(f->fd, size, SEEK_SET) == size, ERR_IO, "%s: %s", f->path, strerror(errno));
  f->buffer = malloc(PART_BUFFER_BYTES);
  CHECK(f->buffer, ERR_MEMORY, "no memory to write %s", f->path);
  return ERR_OK;
}

static Err part_flush(PartFile *f) {
  for (size_t done = 0; done < f->used;) {
    ssize_t n = write(f->fd, f->buffer + done, f->used - done);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0, ERR_IO, "%s: cannot write %zu bytes: %s", f->path, f->used - done,
          n < 0 ? strerror(errno) : "the system took none");
    done += (size_t)n;
  }
  f->used = 0;
  return ERR_OK;
}

static Err part_sync(PartFile *f) {
  TRY(part_flush(f));
  CHECK(fdatasync(f->fd) == 0, ERR_IO, "%s: cannot reach the disk: %s", f->path, strerror(errno));
  return ERR_OK;
}

static Err part_record(PartFile *f, int32_t value) {
  if (PART_BUFFER_BYTES - f->used < sizeof value) TRY(part_flush(f));
  memcpy(f->buffer + f->used, &value, sizeof value);
  f->used += sizeof value;
  return ERR_OK;
}

static void part_close(PartFile *f, bool keep) {
  if (f->buffer && f->fd >= 0 && !keep) (void)unlink(f->path);  // buffer: only the one who has the lock may remove it
  if (f->path[0] && f->fd >= 0) close(f->fd);
  free(f->buffer);
  *f = (PartFile){.fd = -1};
}

// ---- the pair
Err indexed_create(IndexedWriter *w, const char *prefix, TokenType type, const IndexedMark *from) {
  *w = (IndexedWriter){.type = type, .bin = {.fd = -1}, .index = {.fd = -1}};
  CHECK(type != TOKENS_F32 && type != TOKENS_F64, ERR_ARG, "%s: token ids are not written as %s", prefix,
        token_type_name(type));
  CHECK(strlen(prefix) < sizeof w->prefix - 32, ERR_ARG, "%.100s...: a prefix longer than %d bytes", prefix, PATH_BYTES - 32);
  memcpy(w->prefix, prefix, strlen(prefix) + 1);
  if (from) w->at = *from;
  Err err = part_open(&w->bin, prefix, ".bin.part", w->at.tokens * (int64_t)token_type_bytes(type));
  if (!err) err = part_open(&w->index, prefix, ".idx.part", w->at.records * (int64_t)sizeof(int32_t));
  if (err) indexed_abandon(w, true);
  return err;
}

static bool fits(int32_t id, TokenType type) {
  switch (type) {
    case TOKENS_U8: return id >= 0 && id <= UINT8_MAX;
    case TOKENS_I8: return id >= INT8_MIN && id <= INT8_MAX;
    case TOKENS_I16: return id >= INT16_MIN && id <= INT16_MAX;
    case TOKENS_U16: return id >= 0 && id <= UINT16_MAX;
    default: return true;
  }
}

static Err put_tokens(IndexedWriter *w, const int32_t *id, int64_t n) {
  PartFile *f = &w->bin;
  size_t size = token_type_bytes(w->type);
  for (int64_t i = 0; i < n; i++) {
    if (PART_BUFFER_BYTES - f->used < size) TRY(part_flush(f));
    CHECK(fits(id[i], w->type), ERR_FORMAT, "%s.bin: id %d does not fit %s", w->prefix, id[i], token_type_name(w->type));
    int64_t wide = id[i];
    memcpy(f->buffer + f->used, &wide, size);  // little-endian: the low bytes come first
    f->used += size;
  }
  return ERR_OK;
}

// The two types a builder writes, a buffer's worth at a time.
static Err put_tokens_fast(IndexedWriter *w, const int32_t *id, int64_t n) {
  PartFile *f = &w->bin;
  size_t size = token_type_bytes(w->type);
  while (n > 0) {
    if (PART_BUFFER_BYTES - f->used < size) TRY(part_flush(f));
    int64_t room = (int64_t)((PART_BUFFER_BYTES - f->used) / size), take = n < room ? n : room;
    uint8_t *out = f->buffer + f->used;
    bool good = true;
    if (w->type == TOKENS_I32) {
      memcpy(out, id, (size_t)take * 4);
    } else {
      for (int64_t i = 0; i < take; i++) {
        uint16_t narrow = (uint16_t)id[i];
        good &= narrow == id[i];
        memcpy(out + 2 * i, &narrow, 2);
      }
    }
    if (!good) return put_tokens(w, id, take);  // says which
    f->used += (size_t)take * size;
    id += take;
    n -= take;
  }
  return ERR_OK;
}

Err indexed_add(IndexedWriter *w, const int32_t *id, int64_t n) {
  CHECK(n <= INT32_MAX, ERR_FORMAT, "%s: a sequence of %lld tokens; the format holds %d at most", w->prefix, (long long)n,
        INT32_MAX);
  bool fast = w->type == TOKENS_I32 || w->type == TOKENS_U16;
  TRY(fast ? put_tokens_fast(w, id, n) : put_tokens(w, id, n));
  TRY(part_record(&w->index, (int32_t)n));
  w->at.tokens += n;
  w->at.sequences++;
  w->at.records++;
  return ERR_OK;
}

Err indexed_end_document(IndexedWriter *w) {
  TRY(part_record(&w->index, END_OF_DOCUMENT));
  w->at.documents++;
  w->at.records++;
  return ERR_OK;
}

Err indexed_sync(IndexedWriter *w, IndexedMark *mark) {
  TRY(part_sync(&w->bin));
  TRY(part_sync(&w->index));
  *mark = w->at;
  return ERR_OK;
}

// Writes the .idx from the records: lengths, then offsets, then documents; three passes over a map.
static Err write_index(const IndexedWriter *w, FileWriter *out, const FileMap *records) {
  uint8_t head[INDEXED_HEADER_BYTES] = "MMIDIDX";
  uint64_t version = 1, sequences = (uint64_t)w->at.sequences, documents = (uint64_t)w->at.documents + 1;
  memcpy(head + 9, &version, 8);
  head[17] = (uint8_t)w->type;
  memcpy(head + 18, &sequences, 8);
  memcpy(head + 26, &documents, 8);
  TRY(file_write(out, head, sizeof head));
  const int32_t *record = (const int32_t *)(const void *)records->data;
  int64_t n = (int64_t)(records->size / sizeof *record), offset = 0, sequence = 0;
  for (int64_t i = 0; i < n; i++) {
    if (record[i] != END_OF_DOCUMENT) TRY(file_write(out, &record[i], sizeof record[i]));
  }
  for (int64_t i = 0; i < n; i++) {
    if (record[i] == END_OF_DOCUMENT) continue;
    TRY(file_write(out, &offset, sizeof offset));
    offset += record[i] * (int64_t)token_type_bytes(w->type);
  }
  TRY(file_write(out, &sequence, sizeof sequence));
  for (int64_t i = 0; i < n; i++) {
    if (record[i] == END_OF_DOCUMENT) TRY(file_write(out, &sequence, sizeof sequence));
    sequence += record[i] != END_OF_DOCUMENT;
  }
  return ERR_OK;
}

Err indexed_commit(IndexedWriter *w) {
  char bin[PATH_BYTES], index[PATH_BYTES], folder[PATH_BYTES];
  snprintf(bin, sizeof bin, "%.*s.bin", PATH_BYTES - 32, w->prefix);
  snprintf(index, sizeof index, "%.*s.idx", PATH_BYTES - 32, w->prefix);
  FileWriter out = {0};
  FileMap records = {0};
  Err err = ERR_OK;
  IndexedMark mark;
  TRY_OUT(indexed_sync(w, &mark));
  TRY_OUT(file_map(&records, w->index.path));
  TRY_OUT(file_create(&out, index));
  TRY_OUT(write_index(w, &out, &records));
  // An old .idx never stands beside the new .bin.
  CHECK_OUT(unlink(index) == 0 || errno == ENOENT, ERR_IO, "%s: cannot replace: %s", index, strerror(errno));
  CHECK_OUT(rename(w->bin.path, bin) == 0, ERR_IO, "%s: cannot become %s: %s", w->bin.path, bin, strerror(errno));
  TRY_OUT(file_commit(&out));
  (void)unlink(w->index.path);
  path_folder(folder, bin);
  TRY_OUT(folder_sync(folder));
out:
  file_abandon(&out);
  if (records.path) file_unmap(&records);
  if (!err) indexed_abandon(w, true);
  return err;
}

void indexed_abandon(IndexedWriter *w, bool keep) {
  part_close(&w->bin, keep);
  part_close(&w->index, keep);
}
