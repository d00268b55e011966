// Where a model's weights come from, tensor by tensor and without being held: a Hugging Face folder, a checkpoint, a GGUF file,
// the memory of a model. Whoever loads, converts or checks weights reads this and does not know the format; a format is read by
// whoever fills one (cli/formats.h lists them).
//
// A source has one tensor for each parameter of its configuration, of the parameter's name, shape and role; how that is made of
// what the files hold (another name, rows of a joint matrix, codes and scales) is the source's affair.
// Cost: memory for some chunks of a tensor, unless a source says otherwise. Determinism: the same files give the same bytes.
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/safetensors.h"
#include "model/config.h"
#include "nn/param.h"
#include "ops/ops.h"

typedef struct {
  char name[PARAM_NAME_BYTES];
  ParamRole role;
  int n_dims;
  int64_t dim[2], n;  // as the Param's
  StType type;        // of what read gives: F32, BF16, F16, F64
  void *own;          // the source's
} WeightTensor;

typedef struct WeightSource WeightSource;
struct WeightSource {
  const char *kind;       // "Hugging Face folder"
  char path[PATH_BYTES];  // what was opened
  ModelConfig config;
  int64_t step;          // of a checkpoint, -1: none
  Dtype type;            // what its makers compute in: bf16 where most weights are, or as a checkpoint's run file says
  WeightTensor *tensor;  // in the order they are best read in
  int64_t count;
  char tokenizer[PATH_BYTES];  // what tokenizer_open takes, "": none known
  // How the files lie that it was read from: an object of file name -> list of tensor names, or NULL. A writer of the same
  // format lays its files so. Owned.
  json_t *layout;
  // What is wrong, all of it: arrays of texts. Parameters that the files lack; tensors of another shape or type; tensors left
  // over.
  json_t *missing, *other, *left;
  void *own;
  Progress *progress;  // of the bytes read, in MB; NULL: nobody looks
  double read_bytes;
  struct WeightAhead *ahead;  // what is being read meanwhile, or NULL

  // Elements [first, first + n) of tensor i, in its type. Not to be called where faults were found. One call at a time, but
  // from different threads.
  Err (*read)(WeightSource *s, int64_t i, int64_t first, int64_t n, void *out);
  // Where tensor i comes from, for people: "lm_head.weight BF16 in model-00002-of-00002.safetensors".
  void (*describe)(const WeightSource *s, int64_t i, char *out, size_t size);
  // What takes reading: copies that must be equal. NULL: nothing to check.
  Err (*check)(WeightSource *s);
  // Writes the tokenizer's files to a folder. NULL: they are copied from `tokenizer`.
  Err (*write_tokenizer)(WeightSource *s, const char *folder);
  void (*close)(WeightSource *s);  // what is behind `own`
};

// ---- for those who make one
// A source with its tensors declared from the configuration: type F32 each, own NULL, in the order of the parameters.
Err weights_new(WeightSource **s, const char *kind, const char *path, const ModelConfig *config);
// Before weights_new: ERR_FORMAT if the configuration has far more tensors than `room`, which files cannot hold more tensors
// than (their elements, say). So a damaged number in a file takes no memory.
Err weights_want_room(const ModelConfig *config, double room, const char *path);
// NULL if there is none.
WeightTensor *weights_find(const WeightSource *s, const char *name);
// The first of that role, or NULL.
WeightTensor *weights_role(const WeightSource *s, ParamRole role);
// Whether more than half of the weights are of BF16.
bool weights_mostly_bf16(const WeightSource *s);
Err weights_fault(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- for those who read one
void weights_close(WeightSource *s);  // fine with NULL
// Before `read` of a source that was pumped is called by hand: ends what is being read meanwhile.
void weights_ahead_forget(WeightSource *s);
void weights_ahead_close(WeightSource *s);  // weights_close does it
// ERR_FORMAT that names the first faults of each kind. Before memory is taken for what a configuration merely claims.
Err weights_complete(const WeightSource *s);
// That, and what `check` finds.
Err weights_check(WeightSource *s);

// Reads tensor i whole and hands it to `sink` in runs of `type` (F32, BF16, F16: to nearest even). ERR_NUMERIC with name and
// place at the first weight that is not finite, or that `type` cannot hold, unless allow_nan.
typedef Err WeightSink(void *context, const void *data, size_t bytes);
Err weights_pump(WeightSource *s, int64_t i, StType type, bool allow_nan, WeightSink *sink, void *context);
// Tensor i whole as fp32, out[n]; else as weights_pump.
Err weights_read(WeightSource *s, int64_t i, bool allow_nan, float *out);

// Runs of a tensor's elements: [first + k * stride, + n) for k < count; the tensor's end cuts the last.
typedef struct {
  int64_t first, n, stride, count;
  size_t room;  // bytes for each element that what is made of them takes on its way
} WeightRuns;
typedef struct {
  const void *raw;  // elements [first, first + n) in the source's type
  int64_t first, n;
  void *room;
  const void *made;  // out: what goes to the sink, in `room` or `raw`
  size_t bytes;      // out: of it
} WeightRun;
// Makes of a run what goes to the sink. Several threads call it at once, each with a run of its own.
typedef Err WeightMake(void *context, WeightRun *run);
// What is made of the runs goes to `sink` in order, by the caller's thread. The next runs, and the begin of the next tensor,
// are read meanwhile by a thread of its own, and made by one for each processor (8 at most). The same bytes for any number.
Err weights_runs(WeightSource *s, int64_t i, const WeightRuns *runs, WeightMake *make, WeightSink *sink, void *context);
WeightRuns weights_whole(const WeightSource *s, int64_t i);  // all of tensor i
// Whether all are finite and can be held by `type` (F16; others hold any).
bool weights_fit(StType type, const float *x, int64_t n);
// ERR_NUMERIC that names the first element of such a run that does not fit; ERR_OK if all do.
Err weights_refuse(const WeightSource *s, int64_t i, int64_t first, int64_t n, StType type, const void *raw);

// Checks, then reads every tensor into the parameter of its name, as that is held; the list is that of the source's
// configuration.
Err weights_load(WeightSource *s, const ParamList *list, bool allow_nan);
// The weights of a list in memory; list and config are borrowed.
Err weights_of_params(WeightSource **s, const ModelConfig *config, const ParamList *list);

#endif
