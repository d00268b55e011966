// Dialogs to packed samples, and samples to batches. That the real ones equal those of the released scripts is in
// tests/golden/golden_data_sft.c.
#include <stdlib.h>

#include "base/file.h"
#include "data/batch_make.h"
#include "data/sft_build.h"
#include "data/tiny_tokenizer.h"
#include "test.h"

static const char *const names[] = {"<_system>", "<_user>", "<_bot>", "<_end>", NULL};
enum { S = TINY_EOD, U, B, E, VOCAB };

static char prefix[PATH_BYTES], input[PATH_BYTES];
static SftBuildReport report;

static Err build(SftRecipe recipe, int64_t length, bool original, bool skip_bad, const char *lines) {
  Tokenizer *t;
  ASSERT_OK(tiny_tokenizer_named(&t, test_folder(), names));
  ASSERT_OK(path_join(prefix, test_folder(), "set"));
  ASSERT_OK(path_join(input, test_folder(), "in.jsonl"));
  ASSERT_OK(file_replace(input, lines, strlen(lines)));
  const char *const inputs[] = {input};
  SftBuildOptions o = {.output = prefix,
                       .input = inputs,
                       .inputs = 1,
                       .recipe = recipe,
                       .length = length,
                       .original = original,
                       .skip_bad = skip_bad,
                       .tokenizer = t};
  Err err = sft_build(&o, &report);
  tokenizer_close(t);
  return err;
}

// Sample d of the set as text: letters, S U B E for the special tokens, / for a newline, | before each dialog; and what is
// learnt of it as a line of 0 and 1.
static void expect_sample(int64_t d, const char *text, const char *mask) {
  Indexed x, m;
  char path[PATH_BYTES], letters[512], learnt[512];
  size_t n = 0, k = 0;
  ASSERT_OK(indexed_open(&x, prefix));
  snprintf(path, sizeof path, "%.4000s.mask", prefix);
  ASSERT_OK(indexed_open(&m, path));
  ASSERT_INT(m.type, TOKENS_U8);
  ASSERT(d < x.documents);
  for (int64_t s = indexed_document(&x, d); s < indexed_document(&x, d + 1); s++) {
    letters[n++] = '|';
    for (int64_t i = 0; i < indexed_length(&x, s); i++) {
      int32_t id, one;
      ASSERT_OK(indexed_read(&x, s, i, 1, VOCAB, &id));
      ASSERT_OK(indexed_read(&m, s, i, 1, 2, &one));
      letters[n++] = id >= S ? "SUBE"[id - S] : id == '\n' ? '/' : (char)id;
      learnt[k++] = (char)('0' + one);
    }
  }
  letters[n] = learnt[k] = '\0';
  ASSERT_TEXT(letters, text);
  ASSERT_TEXT(learnt, mask);
  indexed_close(&x);
  indexed_close(&m);
}

static int64_t samples(void) {
  Indexed x;
  ASSERT_OK(indexed_open(&x, prefix));
  int64_t n = x.documents;
  indexed_close(&x);
  return n;
}

#define ONE(system, user, bot)                                                          \
  "{\"system\": \"" system "\", \"dialog\": [{\"role\": \"user\", \"content\": \"" user \
  "\"}, {\"role\": \"bot\", "                                                           \
  "\"content\": \"" bot "\"}]}\n"

TEST(sft_mindformers_packs_whole_dialogs) {
  const char *lines = ONE("s", "a", "xy") ONE("", "bb", "z") "\n" ONE("", "this one does not fit", "q") ONE("t", "c", "w");
  ASSERT_OK(build(SFT_MINDFORMERS, 17, false, false, lines));
  ASSERT_INT(samples(), 2);
  expect_sample(0, "|SsUaBxyE/|SUbbBzE/", "00000111000000110");
  ASSERT_INT(report.counts.dropped, 1);
  ASSERT_INT(report.counts.dialogs, 4);
  expect_sample(1, "|StUcBwE/", "00000110");
  ASSERT_OK(build(SFT_MINDFORMERS, 17, true, false, lines));  // the last one did not fit: the original loses it
  ASSERT_INT(samples(), 1);
}

TEST(sft_telechat2_packs_by_system) {
  const char *lines = ONE("b", "a", "x") ONE("a", "c", "y") ONE("b", "d", "z")
      "{\"messages\": [{\"role\": \"user\", \"content\": \"e\"}, {\"role\": \"assistant\", \"content\": \"v\"}, {\"role\": "
      "\"user\", \"content\": \"f\"}, {\"role\": \"assistant\", \"content\": \"w\"}]}\n" ONE("b", "gg", "u");
  ASSERT_OK(build(SFT_TELECHAT2, 16, false, false, lines));
  ASSERT_INT(samples(), 4);
  expect_sample(0, "|Sa/UcByE", "00010111");
  expect_sample(1, "|Sb/UaBxE/UdBzE", "00010111010111");
  expect_sample(2, "|Sb/UggBuE", "000100111");
  expect_sample(3, "|S/UeBvE/UfBwE", "0010111010111");
  ASSERT_INT(report.counts.dropped, 0);
  ASSERT_OK(build(SFT_TELECHAT2, 16, true, false, lines));  // drops what does not fit, and leaves a header behind
  ASSERT_INT(samples(), 4);
  expect_sample(0, "|Sa/UcByE/", "000101110");
  expect_sample(2, "|Sb/", "000");
  ASSERT_INT(report.counts.dropped, 1);
}

TEST(sft_names_bad_lines) {
  const char *lines = ONE("s", "a", "x") "{\"dialog\": [{\"role\": \"usr\", \"content\": \"a\"}]}\n{\"text\": 1}\n[1\n";
  ASSERT_ERR(build(SFT_MINDFORMERS, 16, false, false, lines), ERR_FORMAT, "in.jsonl: line 2: turn 1 has the role \"usr\"");
  ASSERT(!file_exists(prefix));
  ASSERT_OK(build(SFT_MINDFORMERS, 16, false, true, lines));
  ASSERT_INT(report.skipped, 3);
  ASSERT(strstr(report.named[1], "line 3: neither \"dialog\" nor \"messages\""));
  ASSERT(strstr(report.named[2], "line 4: "));
  ASSERT_ERR(build(SFT_MINDFORMERS, 16, false, false, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"),
             ERR_FORMAT, "no answer");
  ASSERT_ERR(build(SFT_MINDFORMERS, 16, false, false, "{\"dialog\": [{\"role\": \"bot\"}]}\n"), ERR_FORMAT, "content");
  ASSERT_ERR(build(SFT_MINDFORMERS, 4, false, false, ONE("s", "a", "x")), ERR_FORMAT, "longer than 4 tokens");
}

static Err open_set(Dataset **d, int64_t samples_wanted, int64_t T) {
  DataSource source = {prefix, 1};
  DataOptions o = {.source = &source,
                   .sources = 1,
                   .split = "1,0,0",
                   .samples = samples_wanted,
                   .T = T,
                   .vocab = VOCAB,
                   .seed = 5,
                   .pad = 7,
                   .eod = 0,
                   .reset_positions = true,
                   .reset_attention = true};
  return dataset_open(d, &o);
}

TEST(sft_trains_on_what_is_learnt) {
  ASSERT_OK(build(SFT_MINDFORMERS, 18, false, false, ONE("s", "a", "xy") ONE("", "bb", "z")));
  Dataset *d;
  ASSERT_OK(open_set(&d, 3, 20));
  ASSERT_INT(dataset_samples(d), 3);
  Batch b = batch_make(1, 20);
  ASSERT_OK(data_batch(d, 2, &b));
  const char *text = "SsUaBxyE/SUbbBzE/", *learnt = "0000111000000110";  // of the labels: one place before the tokens
  ASSERT_INT(b.mask_count, 5);
  for (int i = 0; i < 17; i++) {
    int32_t id = b.ids[i];
    ASSERT_INT(id >= S ? "SUBE"[id - S] : id == '\n' ? '/' : id, text[i]);
    ASSERT_INT(b.mask[i] != 0, i < 16 && learnt[i] == '1');
    if (i < 16) ASSERT_INT(b.labels[i], b.ids[i + 1]);
    ASSERT_INT(b.doc_start[i], i < 9 ? 0 : 9);
    ASSERT_INT(b.position[i], i < 9 ? i : i - 9);
  }
  for (int i = 17; i < 20; i++) {
    ASSERT_INT(b.ids[i], 7);
    ASSERT(b.mask[i] == 0);
    ASSERT_INT(b.doc_start[i], 17);
  }
  batch_end(&b);
  dataset_close(d);
}

TEST(sft_draws_every_sample_once_an_epoch) {
  char lines[4096] = "";
  for (int i = 0; i < 10; i++)
    snprintf(lines + strlen(lines), 200,
             "{\"dialog\": [{\"role\": \"user\", \"content\": \"%c\"}, {\"role\": \"bot\", \"content\": \"r\"}]}\n", 'a' + i);
  ASSERT_OK(build(SFT_MINDFORMERS, 7, false, false, lines));
  ASSERT_INT(samples(), 10);
  Dataset *d;
  ASSERT_OK(open_set(&d, 25, 8));
  Batch b = batch_make(25, 8);
  ASSERT_OK(data_batch(d, 0, &b));
  int seen[2][10] = {0}, same = 0;
  for (int i = 0; i < 20; i++) seen[i / 10][b.ids[8 * i + 2] - 'a']++;
  for (int i = 0; i < 10; i++) {
    ASSERT(seen[0][i] == 1 && seen[1][i] == 1);
    same += b.ids[8 * i + 2] == b.ids[8 * (i + 10) + 2];
  }
  ASSERT(same < 10);
  batch_end(&b);
  dataset_close(d);
}

TEST(sft_refuses_the_mask_of_another_set) {
  char other[PATH_BYTES], mask[PATH_BYTES];
  ASSERT_OK(build(SFT_MINDFORMERS, 16, false, false, ONE("s", "a", "x")));
  snprintf(other, sizeof other, "%.4000s.mask.idx", prefix);
  snprintf(mask, sizeof mask, "%.4000s.mask.bin", prefix);
  char *text = NULL, *bytes = NULL;
  size_t size, n;
  ASSERT_OK(file_read(other, 1 << 20, &text, &size));
  ASSERT_OK(file_read(mask, 1 << 20, &bytes, &n));
  ASSERT_OK(build(SFT_MINDFORMERS, 16, false, false, ONE("s", "ab", "x")));
  ASSERT_OK(file_replace(other, text, size));
  ASSERT_OK(file_replace(mask, bytes, n));
  Dataset *d;
  ASSERT_ERR(open_set(&d, 1, 16), ERR_FORMAT, "not the mask of");
  free(text);
  free(bytes);
}
