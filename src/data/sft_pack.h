// Dialogs to packed samples with a mask of what is learnt, by the recipes of the two released trainers, or by the model's own
// chat template.
//
// telechat2    <_system>S\n, then <_user>U<_bot>A<_end>\n for each turn. Dialogs with one system text, one answer and no tools
//              share a sample as long as it stays within the length; the others are samples of their own, of any length.
//              Learnt: <_bot> through <_end>, and each <_user>. Samples come by system text (in the order of its bytes), then
//              the ones alone.
// mindformers  <_system>S, then <_user>U<_bot>A<_end>\n for each turn; whole dialogs one after the other as long as the sample
//              stays within the length, in the order of the input. Learnt: A and <_end>.
//
// template     what the chat template makes of each (data/sft_template.h), whole dialogs one after the other as long as the
//              sample stays within the length, in the order of the input. Learnt: what the assistant spoke.
//
// In the first two each text, and each newline, is tokenised alone; names of the recipe's special tokens in a text are those
// tokens. Ids come from the tokenizer's file. Nothing is lost: a dialog that does not fit begins the next sample, and only one
// that is longer than a whole sample is dropped, and counted. `original` keeps what the released scripts do instead: telechat2
// drops the dialog that does not fit and may leave a sample of a system text alone, and ends the last sample of a system with a
// newline; mindformers drops the last sample when the last dialog does not fit.
//
// Memory: a sample, and for telechat2 the distinct system texts and 32 bytes a dialog; the tokens wait in a file.
// Source: Tele-AI/TeleChat2 deepspeed/train.py; MindFormers research/telechat3/telechat_preprocess.py.
#ifndef DATA_SFT_PACK_H
#define DATA_SFT_PACK_H

#include "data/sft_dialog.h"
#include "text/tokenizer.h"

typedef enum { SFT_TELECHAT2, SFT_MINDFORMERS, SFT_TEMPLATE, SFT_RECIPES } SftRecipe;
extern const char *const sft_recipe_names[SFT_RECIPES + 1];

typedef struct {
  const int32_t *id;
  const uint8_t *mask;  // 1: the loss counts where this token is the label
  int64_t tokens;
  const int64_t *dialog;  // [dialogs] numbers of the dialogs in it
  const int64_t *start;   // [dialogs] its first token; telechat2: 0 for all, as they share their begin
  int64_t dialogs;
} SftSample;

typedef Err SftTake(void *context, const SftSample *sample);

typedef struct {
  SftRecipe recipe;
  Tokenizer *tokenizer;  // its special tokens become the recipe's, but for a template
  int64_t length;        // of a sample, in tokens
  bool original;
  const char *spill;  // telechat2: the file where dialogs wait; made, and removed
  SftTake *take;      // gets every sample; what it points to is good during the call
  void *context;
} SftOptions;

typedef struct {
  int64_t dialogs, samples, tokens, learnt;  // given; learnt: ones in the masks
  int64_t dropped;                           // dialogs in no sample
} SftCounts;

typedef struct SftPacker SftPacker;

// ERR_ARG names a special token that the tokenizer does not have.
Err sft_packer_open(SftPacker **p, const SftOptions *option);
Err sft_packer_add(SftPacker *p, const SftDialog *d, int64_t number);
// A dialog that is tokens already: SFT_TEMPLATE.
Err sft_packer_add_tokens(SftPacker *p, const Ids *ids, const uint8_t *mask, int64_t number);
// The samples that are not given yet.
Err sft_packer_finish(SftPacker *p, SftCounts *counts);
void sft_packer_close(SftPacker *p);

#endif
