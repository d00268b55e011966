// A chunk of input on its way: cut from a file, tokenised, written. Internal to data/build.c and data/sft_build.c.
#ifndef DATA_BUILD_CHUNK_H
#define DATA_BUILD_CHUNK_H

#include "data/build.h"
#include "data/jsonl.h"
#include "data/stream.h"

// Makes the folder of PREFIX. ERR_ARG if that is none, or leaves no room for `endings` bytes; `like` is one that could be.
Err build_output_folder(const char *output, int endings, const char *like);

// A place between two documents of the input.
typedef struct {
  int64_t file, offset, lines;  // offset in the unpacked file; lines before it
} BuildPlace;

typedef struct {
  int64_t line;  // in the chunk, from 0
  char reason[BUILD_NAME_BYTES / 2];
} BadLine;

typedef struct {
  // as read
  char *text;
  size_t size, capacity;
  int64_t file, offset;
  bool ends_file;
  int64_t consumed;  // packed bytes of all input up to its end
  // as tokenised
  Ids ids;    // of all sequences
  Ids shape;  // the length of each, and END_OF_CHUNK_DOCUMENT after each document
  int64_t lines, bad;
  BadLine named[BUILD_NAMED];
} Chunk;

enum { END_OF_CHUNK_DOCUMENT = -1 };

void chunk_free(Chunk *c);

typedef struct {
  const BuildOptions *option;
  const Inputs *inputs;
  Stream stream;
  bool open;
  int64_t file, first_offset;
  int64_t before;  // packed bytes of the files before this one
  char *carry;     // read, but of the next chunk
  size_t carry_size, carry_capacity;
} ChunkReader;

void chunk_reader_init(ChunkReader *r, const BuildOptions *o, const Inputs *inputs, const BuildPlace *from);
void chunk_reader_free(ChunkReader *r);
// The next chunk of whole documents; *got false at the end of all input.
Err chunk_read(ChunkReader *r, Chunk *c, bool *got);

// Tokenises it. Bad lines are counted in the chunk, other errors returned.
Err chunk_tokenise(Chunk *c, const BuildOptions *o, const Inputs *inputs, TokenizerWork *work, Strings *scratch);

#endif
