// A block is a short list of nodes; a node has three moves: forward, backward to its input, backward to its weights.
//
//   embed:   embedding, map                                             (map: with a factorised embedding)
//   decoder: attention, mlp                                             (dense)
//            attention, route, dispatch, shared, experts, combine       (experts)
//   head:    map, final_norm, loss
//   mtp:     mtp_input, a decoder's nodes, mtp_loss
//
// Between blocks goes a Stream. What a forward keeps for backward is in a BlockSaved, by name, in run->kept.
#ifndef NN_BLOCK_H
#define NN_BLOCK_H

#include "base/move.h"
#include "nn/attention.h"
#include "nn/head.h"
#include "nn/mla.h"
#include "nn/moe.h"

typedef struct {
  Mat h, dh;  // residual stream and its gradient [N,D] f32
  Mat x, dx;  // output of the final norm [N,D] in the compute type; its gradient [N,D] f32
} Stream;

typedef struct Block Block;
typedef struct BlockSaved BlockSaved;

typedef struct {
  Block *block;
  const Run *run;
  const MicroBatch *mb;
  int64_t N;
  Stream *stream;
  BlockSaved *saved;
  Losses *losses;  // forward only
} NodeCall;

typedef struct {
  const char *name;
  void (*forward)(const NodeCall *c);
  void (*backward_input)(const NodeCall *c);   // or NULL: nothing to do
  void (*backward_weight)(const NodeCall *c);  // or NULL
  bool hands_on;                               // the node before it in the block reads temporaries of its backward
} Node;

enum { BLOCK_NODES_MAX = 10 };

typedef enum { BLOCK_EMBED, BLOCK_DECODER, BLOCK_HEAD, BLOCK_MTP } BlockKind;

struct Block {
  BlockKind kind;
  char name[32];     // "embed", "layer 3", "head", "mtp 0"
  int64_t layer, D;  // layer: of decoder blocks, MTP's counted on; -1 for embed and head
  size_t grads;      // where the gradients of its own parameters begin in their arena; the next block's follow
  const Node *node[BLOCK_NODES_MAX];
  int n_nodes;
  Attention attention;  // those that its nodes use are filled
  Mla mla;
  Mlp mlp;
  Moe moe;
  Weight map;                       // embed, head: [D, embedding_size], [embedding_size, D]
  Weight *embedding, *head;         // borrowed: where the block uses them
  RmsNorm norm;                     // head: the final norm; mtp: shared_head.norm
  RmsNorm embed_norm, hidden_norm;  // mtp: enorm, hnorm
  Weight eh_proj;                   // mtp: [D, 2D]
  double z_loss, mtp_loss;          // coefficients
};

struct BlockSaved {
  AttentionSaved attention;
  MlaSaved mla;
  MlpSaved mlp;
  MoeSaved moe;
  RmsNormSaved norm, embed_norm, hidden_norm;
  Mat norm_out, dnorm_out;              // mtp: [N,D] after shared_head.norm and its gradient (f32)
  Mat embedded, joined;                 // mtp: [N,D] f32, [N,2D]
  int32_t *rolled_ids, *rolled_labels;  // mtp: one position on
  float *rolled_mask;
  Mat dy, djoined, dembedded;  // mtp: from backward_input; map too: dy
  Mat map_in, map_dh;          // map: its input in the compute type; the gradient of the stream before it
  Mat h;                       // decoder: what came in, where the inside is made again
};

extern const Node node_embedding, node_map, node_attention, node_mla, node_mlp, node_route, node_dispatch, node_shared,
    node_experts, node_combine, node_final_norm, node_loss, node_mtp_input, node_mtp_loss;

// Runs the forward of every node. Without run->training a decoder keeps nothing and changes the stream in place; with
// RECOMPUTE_BLOCK its backward runs the forward again first (blocks that make gradients in their forward do what
// RECOMPUTE_ATTENTION says).
void block_forward(const NodeCall *c);
// Runs a backward move over the nodes in reverse. MOVE_BACKWARD gives temporary memory back after each node.
void block_backward(const NodeCall *c, Move move);

#endif
