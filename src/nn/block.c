#include "nn/block.h"

const char *const recompute_names[RECOMPUTES + 1] = {"none", "rows", "attention", "block", NULL};

// Where a node writes the residual stream: a fresh buffer in training, since backward needs what came in; else in place.
static Mat next_h(const NodeCall *c) {
  return c->run->training ? mat_take(c->run->kept, c->N, c->block->D, DT_F32) : c->stream->h;
}

// The same for the node that ends a block, which has no reader when it runs again.
static Mat last_h(const NodeCall *c) { return c->run->again ? mat_none() : next_h(c); }

static void embedding_forward(const NodeCall *c) {
  const Weight *e = c->block->embedding;
  c->stream->h = mat_take(c->run->kept, c->N, e->in, DT_F32);
  if (c->run->training) c->stream->dh = mat_take(c->run->kept, c->N, e->in, DT_F32);
  c->run->dev->op->embedding_forward(c->run->dev, c->stream->h, e->w, c->mb->ids, c->N, e->in);
}

static void embedding_backward_weight(const NodeCall *c) {
  const Weight *e = c->block->embedding;
  c->run->dev->op->embedding_backward(c->run->dev, mat_of(e->g, e->in, DT_F32), c->stream->dh, c->mb->ids, c->N, e->in);
}

const Node node_embedding = {"embedding", embedding_forward, NULL, embedding_backward_weight, false};

// A factorised embedding: the stream goes from the table's width to the model's, and back before the final norm.
static void map_forward(const NodeCall *c) {
  const Weight *w = &c->block->map;
  BlockSaved *s = c->saved;
  s->map_in = mat_take(c->run->kept, c->N, w->in, c->run->type);
  s->map_dh = c->stream->dh;
  c->run->dev->op->cast(c->run->dev, s->map_in, c->stream->h, c->N, w->in);
  c->stream->h = mat_take(c->run->kept, c->N, w->out, DT_F32);
  if (c->run->training) c->stream->dh = mat_take(c->run->kept, c->N, w->out, DT_F32);
  linear_forward(w, c->run, c->stream->h, mat_none(), s->map_in, c->N);
}
static void map_backward_input(const NodeCall *c) {
  const Weight *w = &c->block->map;
  BlockSaved *s = c->saved;
  s->dy = mat_take(c->run->temp, c->N, w->out, c->run->type);
  c->run->dev->op->cast(c->run->dev, s->dy, c->stream->dh, c->N, w->out);
  linear_backward_input(w, c->run, s->map_dh, mat_none(), s->dy, c->N);
  c->stream->dh = s->map_dh;
}
static void map_backward_weight(const NodeCall *c) {
  linear_backward_weight(&c->block->map, c->run, c->saved->dy, c->saved->map_in, c->N);
}
const Node node_map = {"map", map_forward, map_backward_input, map_backward_weight, false};

static Run attention_run(const NodeCall *c) {
  return run_recomputes(c->run, RECOMPUTE_ATTENTION) ? run_forgetting(c->run) : *c->run;
}

// The stream between a decoder's attention and what follows is what came in plus one product of what attention keeps. Where
// that is not kept the stream is.
static bool between_is_made_again(const NodeCall *c) {
  return c->block->kind == BLOCK_DECODER && c->run->training && !c->run->again && c->run->recompute == RECOMPUTE_ROWS;
}

static Mat between_h(const NodeCall *c) {
  return between_is_made_again(c) ? mat_take(c->run->temp, c->N, c->block->D, DT_F32) : next_h(c);
}

static void between_again(const NodeCall *c) {
  const Block *b = c->block;
  BlockSaved *s = c->saved;
  const bool latent = b->node[0] == &node_mla;
  Mat h = mat_take(c->run->temp, c->N, b->D, DT_F32);
  if (latent) linear_forward(&b->mla.o, c->run, h, s->mla.norm.x, s->mla.out, c->N);
  else linear_forward(b->attention.o, c->run, h, s->attention.norm.x, s->attention.out, c->N);
  *(b->moe.E ? &s->moe.norm.x : &s->mlp.norm.x) = h;
}

static void attention_node_forward(const NodeCall *c) {
  Mat out = between_h(c);
  Run run = attention_run(c);
  attention_forward(&c->block->attention, &run, c->mb, out, c->stream->h, c->N, &c->saved->attention);
  c->stream->h = out;
}
static void attention_node_backward_input(const NodeCall *c) {
  const Attention *m = &c->block->attention;
  AttentionSaved *s = &c->saved->attention;
  Run run = *c->run;
  if (run_recomputes(&run, RECOMPUTE_ATTENTION)) {
    run = run_again(c->run);
    attention_forward(m, &run, c->mb, mat_none(), s->norm.x, c->N, s);
  }
  attention_backward_input(m, &run, c->mb, c->stream->dh, c->N, s);
}
static void attention_node_backward_weight(const NodeCall *c) {
  attention_backward_weight(&c->block->attention, c->run, c->N, &c->saved->attention);
}
const Node node_attention = {"attention", attention_node_forward, attention_node_backward_input, attention_node_backward_weight,
                             false};

static void mla_node_forward(const NodeCall *c) {
  Mat out = between_h(c);
  Run run = attention_run(c);
  mla_forward(&c->block->mla, &run, c->mb, out, c->stream->h, c->N, &c->saved->mla);
  c->stream->h = out;
}
static void mla_node_backward_input(const NodeCall *c) {
  const Mla *m = &c->block->mla;
  MlaSaved *s = &c->saved->mla;
  Run run = *c->run;
  if (run_recomputes(&run, RECOMPUTE_ATTENTION)) {
    run = run_again(c->run);
    mla_forward(m, &run, c->mb, mat_none(), s->norm.x, c->N, s);
  }
  mla_backward_input(m, &run, c->mb, c->stream->dh, c->N, s);
}
static void mla_node_backward_weight(const NodeCall *c) { mla_backward_weight(&c->block->mla, c->run, c->N, &c->saved->mla); }
const Node node_mla = {"attention", mla_node_forward, mla_node_backward_input, mla_node_backward_weight, false};

static void mlp_node_forward(const NodeCall *c) {
  Mat out = last_h(c);
  mlp_forward(&c->block->mlp, c->run, out, c->stream->h, c->N, &c->saved->mlp);
  c->stream->h = out;
}
static void mlp_node_backward_input(const NodeCall *c) {
  mlp_backward_input(&c->block->mlp, c->run, c->stream->dh, c->N, &c->saved->mlp);
}
static void mlp_node_backward_weight(const NodeCall *c) { mlp_backward_weight(&c->block->mlp, c->run, c->N, &c->saved->mlp); }
const Node node_mlp = {"mlp", mlp_node_forward, mlp_node_backward_input, mlp_node_backward_weight, false};

static void route_forward(const NodeCall *c) {
  moe_route_forward(&c->block->moe, c->run, c->mb, c->stream->h, c->N, &c->saved->moe, &c->losses->aux);
}
static void route_backward_input(const NodeCall *c) {
  moe_route_backward_input(&c->block->moe, c->run, c->mb, c->stream->dh, c->N, &c->saved->moe);
}
static void route_backward_weight(const NodeCall *c) {
  moe_route_backward_weight(&c->block->moe, c->run, c->N, &c->saved->moe);
}
const Node node_route = {"route", route_forward, route_backward_input, route_backward_weight, false};

static void dispatch_forward(const NodeCall *c) { moe_dispatch_forward(&c->block->moe, c->run, c->N, &c->saved->moe); }
static void dispatch_backward_input(const NodeCall *c) {
  moe_dispatch_backward_input(&c->block->moe, c->run, c->N, &c->saved->moe);
}
const Node node_dispatch = {"dispatch", dispatch_forward, dispatch_backward_input, NULL, true};

// The shared expert writes the next residual stream, and combine adds to it; without one, combine starts from the stream
// itself.
static void shared_forward(const NodeCall *c) {
  if (!c->block->moe.shared.F) return;
  Mat out = last_h(c);
  moe_shared_forward(&c->block->moe, c->run, out, c->stream->h, c->N, &c->saved->moe);
  c->stream->h = out;
}
static void shared_backward_input(const NodeCall *c) {
  moe_shared_backward_input(&c->block->moe, c->run, c->N, &c->saved->moe);
}
static void shared_backward_weight(const NodeCall *c) {
  moe_shared_backward_weight(&c->block->moe, c->run, c->N, &c->saved->moe);
}
const Node node_shared = {"shared", shared_forward, shared_backward_input, shared_backward_weight, true};

static void experts_forward(const NodeCall *c) { moe_experts_forward(&c->block->moe, c->run, c->N, &c->saved->moe); }
static void experts_backward_input(const NodeCall *c) {
  moe_experts_backward_input(&c->block->moe, c->run, c->N, &c->saved->moe);
}
static void experts_backward_weight(const NodeCall *c) {
  moe_experts_backward_weight(&c->block->moe, c->run, c->N, &c->saved->moe);
}
const Node node_experts = {"experts", experts_forward, experts_backward_input, experts_backward_weight, true};

static void combine_forward(const NodeCall *c) {
  Mat out = c->block->moe.shared.F ? c->stream->h : last_h(c);
  moe_combine_forward(&c->block->moe, c->run, out, c->stream->h, c->N, &c->saved->moe);
  c->stream->h = out;
}
static void combine_backward_input(const NodeCall *c) {
  moe_combine_backward_input(&c->block->moe, c->run, c->stream->dh, c->N, &c->saved->moe);
}
const Node node_combine = {"combine", combine_forward, combine_backward_input, NULL, true};

static void final_norm_forward(const NodeCall *c) {
  const RmsNorm *norm = &c->block->norm;
  c->stream->x = mat_take(c->run->kept, c->N, norm->D, c->run->type);
  if (c->run->training) c->stream->dx = mat_take(c->run->kept, c->N, norm->D, DT_F32);
  rms_norm_forward(norm, c->run, c->stream->x, c->stream->h, c->N, &c->saved->norm);
  run_probe(c->run, "final_norm", -1, c->stream->x, c->N, norm->D);
}
static void final_norm_backward_input(const NodeCall *c) {
  rms_norm_backward_input(&c->block->norm, c->run, &c->saved->norm, c->stream->dh, mat_none(), c->stream->dx, c->N);
}
static void final_norm_backward_weight(const NodeCall *c) {
  rms_norm_backward_weight(&c->block->norm, c->run, &c->saved->norm, c->stream->dx, c->N);
}
const Node node_final_norm = {"final_norm", final_norm_forward, final_norm_backward_input, final_norm_backward_weight, false};

static void loss_forward(const NodeCall *c) {
  if (!c->mb->labels) return;
  head_loss(c->block->head, c->run, c->stream->dx, mat_none(), c->stream->x, c->mb->labels, c->mb->mask, c->N,
            c->mb->loss_scale, c->block->z_loss, &c->losses->lm, &c->losses->z);
}
const Node node_loss = {"loss", loss_forward, NULL, NULL, false};

static void nodes_forward(const NodeCall *c) {
  const Block *b = c->block;
  for (int i = 0; i < b->n_nodes; i++) {
    b->node[i]->forward(c);
    if (i == 0 && b->kind == BLOCK_DECODER) run_probe(c->run, "attended", b->layer, c->stream->h, c->N, b->D);
  }
}

static void nodes_backward(const NodeCall *c, Move move) {
  size_t temp = arena_mark(c->run->temp);
  if (between_is_made_again(c) && move != MOVE_BACKWARD_WEIGHT) between_again(c);
  for (int i = c->block->n_nodes - 1; i >= 0; i--) {
    const Node *node = c->block->node[i];
    if (move != MOVE_BACKWARD_WEIGHT && node->backward_input) node->backward_input(c);
    if (move != MOVE_BACKWARD_INPUT && node->backward_weight) node->backward_weight(c);
    if (move == MOVE_BACKWARD && !node->hands_on) arena_rewind(c->run->temp, temp);
  }
}

// The head and MTP make gradients in their forward, so theirs runs once.
static bool forgets(const NodeCall *c) { return c->block->kind == BLOCK_DECODER && run_recomputes(c->run, RECOMPUTE_BLOCK); }

static void forward_and_forget(const NodeCall *c) {
  Run run = run_forgetting(c->run);
  NodeCall inner = *c;
  inner.run = &run;
  Mat out = next_h(c);
  c->saved->h = c->stream->h;
  nodes_forward(&inner);
  run.dev->op->cast(run.dev, out, c->stream->h, c->N, c->block->D);
  c->stream->h = out;
}

static void backward_from_input(const NodeCall *c, Move move) {
  Run run = run_again(c->run);
  Stream stream = {.h = c->saved->h, .dh = c->stream->dh};
  Losses counted_already = {0};
  NodeCall inner = *c;
  inner.run = &run, inner.stream = &stream, inner.losses = &counted_already;
  if (move != MOVE_BACKWARD_WEIGHT) nodes_forward(&inner);
  nodes_backward(&inner, move);
}

void block_forward(const NodeCall *c) {
  const Run *run = c->run;
  size_t temp = arena_mark(run->temp), kept = arena_mark(run->kept);
  if (forgets(c)) forward_and_forget(c);
  else nodes_forward(c);
  if (!run->training && c->block->kind == BLOCK_DECODER) arena_rewind(run->kept, kept);
  arena_rewind(run->temp, temp);
}

void block_backward(const NodeCall *c, Move move) {
  size_t temp = arena_mark(c->run->temp);
  if (forgets(c)) backward_from_input(c, move);
  else nodes_backward(c, move);
  if (move == MOVE_BACKWARD) arena_rewind(c->run->temp, temp);
}
