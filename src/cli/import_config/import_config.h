// Configurations of others to ours: MindFormers YAML files and Megatron-LM argument lists.
//
// A *table* says of every key what becomes of it: mapped to a key of ours, without meaning here, or refused, and why. The same
// table is what the program does and what docs/import-config.md shows. A key that is not in the table is refused, with its
// place and the nearest known one; so is a value that a rule does not know. Nothing is dropped in silence.
#ifndef CLI_IMPORT_CONFIG_IMPORT_CONFIG_H
#define CLI_IMPORT_CONFIG_IMPORT_CONFIG_H

#include "base/file.h"
#include "base/options.h"
#include "base/yaml_tree.h"
#include "cli/generate_config.h"
#include "train/config.h"

enum { IMPORT_KEY_BYTES = 256, IMPORT_VALUE_BYTES = OPTION_TEXT_BYTES, IMPORT_KEYS_MAX = 4096, IMPORT_NOTES_MAX = 32 };

typedef enum { IMPORT_MAPPED, IMPORT_NOTHING, IMPORT_REFUSED, IMPORT_FATES } ImportFate;
extern const char *const import_fate_names[IMPORT_FATES + 1];  // "mapped", "no_meaning", "refused"

// A key of theirs with its value, as text: true and false in lower case, null, a list as "[a, b]".
typedef struct {
  char key[IMPORT_KEY_BYTES];
  int line;  // in the file; 0 on the command line
  char value[IMPORT_VALUE_BYTES];
  const YamlNode *node;  // a list's, to be looked into; else NULL
  int item;              // which element of the list of maps it lies in
} ImportKey;

typedef struct Import Import;
typedef Err ImportTake(Import *m, const ImportKey *k);

typedef struct {
  const char *key;  // "optimizer.betas"; a part * stands for any one, ** at the end for all that follow
  ImportFate fate;
  const char *target;  // MAPPED: the keys of ours, as people are told
  const char *to;      // the field that takes the value; NULL: `take` does
  // MAPPED: "theirs=ours|..." where words differ; NOTHING: the values it is true of, others are refused. NULL: all
  const char *values;
  ImportTake *take;
  const char *why;  // NOTHING: "has no meaning here because ..."; REFUSED, and of other values: "... because"
} ImportRule;

// The words of the tables (import_mindformers.inc, import_megatron.inc).
#define IMPORT_MAP(key, to) {key, IMPORT_MAPPED, to, to, NULL, NULL, NULL},
#define IMPORT_WORDS(key, to, words) {key, IMPORT_MAPPED, to, to, words, NULL, NULL},
// Into a field of ImportFacts, from which target is made.
#define IMPORT_FACT(key, to, target, how) {key, IMPORT_MAPPED, target, to, NULL, NULL, how},
#define IMPORT_FACT_WORDS(key, to, target, words, how) {key, IMPORT_MAPPED, target, to, words, NULL, how},
#define IMPORT_TAKE(key, take, target, how) {key, IMPORT_MAPPED, target, NULL, NULL, take, how},
#define IMPORT_NONE(key, why) {key, IMPORT_NOTHING, NULL, NULL, NULL, NULL, why},
#define IMPORT_ONLY(key, values, why) {key, IMPORT_NOTHING, NULL, NULL, values, NULL, why},
#define IMPORT_REFUSE(key, why) {key, IMPORT_REFUSED, NULL, NULL, NULL, NULL, why},

typedef enum { IMPORT_TRAIN, IMPORT_FINETUNE, IMPORT_PREDICT } ImportMode;
typedef enum { IMPORT_UNSAID = -1 } ImportUnsaid;

// What several keys say together; -1: not said. Filled by fields, read by the finish of each table.
typedef struct {
  struct {
    int mode;  // ImportMode
    int64_t batch, dp, pp, micro, interleave, accumulate, global_batch;
    int64_t epochs, samples, total_steps, warmup_steps, decay_steps;
    double warmup_ratio;
    char load[OPTION_TEXT_BYTES], valid[OPTION_TEXT_BYTES], names[OPTION_TEXT_BYTES];
    bool eval, clip;
    double max_norm;
    int64_t eval_every;
    int64_t length, positions, data_length;
    int64_t kv_heads, embedding, out_bias;
    int64_t experts, expert_ffn, shared_ffn, shared, groups, top_groups, expert_bias;
    double bias_rate, aux;
    int64_t dtype;  // a Dtype
    int aux_kind, rope;
    bool sample, mla;
    int64_t eod, qk_norm;
    // of Megatron
    int64_t vocab, divide, tp, decay_samples, warmup_samples, eval_iters, layers_said, pre_softmax, norm_topk;
    double decay_from, decay_to;
  } facts;
} ImportFacts;
extern const Field import_fact_fields[];
typedef enum { IMPORT_AUX_NONE, IMPORT_AUX_SEQUENCE } ImportAux;
typedef enum { IMPORT_ROPE_PLAIN, IMPORT_ROPE_YARN } ImportRope;

// A rule on their names of parameters: an element of a list.
typedef struct {
  int line;                        // 0: none
  char names[IMPORT_VALUE_BYTES];  // regular expressions, newline between
  char type[64];
  double value, low, warmup_ratio;  // < 0: not said
  int64_t warmup, steps;
} ImportGroup;
enum { IMPORT_GROUPS_MAX = 32 };

typedef struct {
  ImportFate fate;
  const ImportRule *rule;  // or NULL
  ImportKey key;
  char target[128], why[IMPORT_VALUE_BYTES];
} ImportEntry;

typedef struct {
  const char *name;  // "mindformers", "megatron"
  const ImportRule *rules;
  Err (*begin)(Import *m);   // their defaults, where they are not ours
  Err (*finish)(Import *m);  // facts to fields
} ImportTable;
extern const ImportTable import_mindformers, import_megatron;

struct Import {
  const char *path;  // for messages
  const ImportTable *table;
  RunConfig *run;
  GenerateConfig generate;
  ImportFacts facts;
  const YamlNode *source;  // while it is read
  Options options;         // all of these
  ImportEntry *entry;      // [count], in the order of the file
  int64_t count, of[IMPORT_FATES];
  ImportGroup group[IMPORT_GROUPS_MAX], deviation[IMPORT_GROUPS_MAX];  // learning rates; initial deviations
  char note[IMPORT_NOTES_MAX][512];                                    // how what is not one key's value came about
  int64_t notes, suggested;
};

// ERR_MEMORY. Everything at its default.
Err import_init(Import *m, const ImportTable *table, const char *path);
void import_free(Import *m);
// Applies the table's rule for the key and enters what became of it. Errors of memory only: what is wrong is refused.
Err import_key(Import *m, const ImportKey *k);
// Enters a key by a fate that no rule gives.
Err import_enter(Import *m, ImportFate fate, const ImportKey *k, const char *target, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void import_note(Import *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Whether a key of this name was entered as mapped.
bool import_said(const Import *m, const char *key);

// All keys of a YAML file into *m, and the finish.
Err import_yaml(Import *m, const char *path);
// A Megatron argument list: a file (a shell script, or an argument a line), or text. `name` stands for it in messages.
Err import_arguments(Import *m, const char *text, size_t size, const char *name);

// The table as the document shows it.
void import_print_table(const ImportTable *t, FILE *to);
void import_print_report(const Import *m, const char *output, FILE *to);
Err import_print_json(const Import *m, const char *output);

// A list's scalars as words; ERR_ARG says what else it holds. Elements are borrowed from the node.
Err import_list(const ImportKey *k, const char **word, int64_t room, int64_t *count);
// Sets a field of ours; the message of an error becomes the reason of a refusal.
Err import_set(Import *m, const char *field, const char *value);

#endif
