// What the MindFormers table needs beside words: keys whose values are taken apart (import_mindformers_take.c), and what
// several keys say together (import_mindformers_finish.c).
#ifndef CLI_IMPORT_CONFIG_MINDFORMERS_H
#define CLI_IMPORT_CONFIG_MINDFORMERS_H

#include "cli/import_config/import_config.h"

Err import_betas(Import *m, const ImportKey *k);             // [0.9, 0.95]
Err import_recompute(Import *m, const ImportKey *k);         // true, or how many layers of each stage
Err import_total_steps(Import *m, const ImportKey *k);       // -1: not said
Err import_mindrecord(Import *m, const ImportKey *k);        // a path, or a list of one
Err import_valid_mindrecord(Import *m, const ImportKey *k);  // the same
Err import_sizes(Import *m, const ImportKey *k);             // [train, test, eval]
Err import_split(Import *m, const ImportKey *k);             // "1, 0, 0"
Err import_data_path(Import *m, const ImportKey *k);         // [weight, prefix, ...]
Err import_reset_attention(Import *m, const ImportKey *k);   // true: a token sees its own document only
Err import_qk_norm(Import *m, const ImportKey *k);           // kept for the finish
Err import_aux_types(Import *m, const ImportKey *k);         // [expert]
Err import_aux_factors(Import *m, const ImportKey *k);       // [0.01]
Err import_tokenizer(Import *m, const ImportKey *k);         // a path
Err import_group(Import *m, const ImportKey *k);             // a key of grouped_lr_schedule.grouped
Err import_std_rule(Import *m, const ImportKey *k);          // a key of param_init_std_rules
Err import_mindformers_begin(Import *m);
Err import_mindformers_finish(Import *m);
// The rules gathered by import_group and import_std_rule, as groups of the run file. ERR_CONFIG names a key and its line.
Err import_groups_finish(Import *m);

#endif
