// Reads long runs of files, ahead of whoever reads them: past the page cache where its pages are not there and the disk is
// fast.
//
// A stream serves the files of one reader, one after the other; what it holds is of the one that was last read in order. A file
// handed to it stays open, under its number, as long as the stream. Reads that do not follow each other go to the file itself.
// One caller at a time, from any thread. Errors are those of file_read_at, whose bytes it gives.
// Memory: 12 MiB and two threads once a run is longer than 1 MiB, none before. Cost: a copy.
#ifndef BASE_FILE_STREAM_H
#define BASE_FILE_STREAM_H

#include <stddef.h>

#include "base/err.h"

typedef struct FileStream FileStream;

Err file_stream_open(FileStream **stream);
void file_stream_close(FileStream *stream);  // fine with NULL
// Bytes [offset, offset + size) of an open file; path: for messages. stream NULL: file_read_at.
Err file_stream_read(FileStream *stream, int fd, const char *path, size_t offset, size_t size, void *out);

#endif
