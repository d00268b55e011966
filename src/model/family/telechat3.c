// TeleChat3-36B and -Coder: Llama with a YaRN of their own. TeleChat3-1.8B too: a narrow embedding that is also the head, and
// attention projections shared by runs of layers; its two keys have the names of the training configuration, since no
// config.json of it is public.
#include "model/family.h"

static const HfKey keys[] = {HF_TAKE_WRITE("embedding_size", KEY_COUNT, model.embedding_size, 0, HF_OMIT),
                             HF_TAKE_WRITE("layers_group", KEY_COUNT, attention.layers_group, 1, HF_OMIT), HF_END};

// What the converter back to the published folder writes.
static const NameRule older[] = {{"model.embed_tokens", "transformer.word_embeddings"},
                                 {"model.layers.", "transformer.h."},
                                 {"model.", "transformer."},
                                 {NULL, NULL}};

static void finish(ModelConfig *c) {
  if (c->attention.layers_group == 0) c->attention.layers_group = 1;
}

const Family family_telechat3 = {.architecture = "Telechat3ForCausalLM",
                                 .like = &family_llama,
                                 .keys = keys,
                                 .older = older,
                                 .rope = ROPES_OF_TRANSFORMERS | 1u << ROPE_TELECHAT3_YARN,
                                 .gate_eps = 1e-20,
                                 .finish = finish};
