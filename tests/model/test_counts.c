#include "model/counts.h"

#include "test.h"

static void telechat3_105b(ModelConfig *c) {
  model_config_defaults(c);
  c->model.layers = 45, c->model.width = 2560, c->model.ffn = 7680, c->model.vocab = 131072;
  c->attention.heads = 32;
  c->mla.q_rank = 1536, c->mla.kv_rank = 512, c->mla.nope = 128, c->mla.rope = 64, c->mla.v = 128;
  c->moe.experts = 192, c->moe.top_k = 4, c->moe.shared = 1, c->moe.ffn = 1536, c->moe.first_dense = 1;
  c->mtp.layers = 1;
}

TEST(telechat3_105b_has_the_published_counts) {
  ModelConfig c;
  telechat3_105b(&c);
  ModelCounts n = model_counts(&c);
  ASSERT_INT(n.total, 102256309760);
  ASSERT_INT(n.mtp, 2319858176);
  ASSERT_INT(n.active, 4675827200);
}

TEST(telechat3_36b_has_the_published_count) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 64, c.model.width = 6144, c.model.ffn = 24576, c.model.vocab = 131072;
  c.attention.heads = 48, c.attention.kv_heads = 8, c.attention.head_dim = 128;
  c.mla.kv_rank = c.moe.experts = 0;
  ModelCounts n = model_counts(&c);
  ASSERT_INT(n.total, 36239579136);
  ASSERT_INT(n.active, n.total);
}

// By hand: width 4, one layer, one head of 4, ffn 8, vocab 10. Matrices 4 * 16 + 3 * 32 + head 40 = 200; attention 1 * (4 + 4)
// * 1.5 at T = 2.
TEST(operations_of_a_tiny_model_are_counted_by_hand) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 1, c.model.width = 4, c.model.ffn = 8, c.model.vocab = 10;
  c.attention.heads = c.attention.kv_heads = 1;
  c.mla.kv_rank = c.moe.experts = 0;
  ASSERT_NEAR(model_flops_token(&c, 2), 2 * (200 + 12), 0);
}
