// A family of models: what its files call things, and the few rules that no number says. One file a family, which says only
// what differs from another (model/family/NAME.c, listed in model/families.inc; how to write one: docs/add-a-model.md).
//
// config.json is read and written by one walk over a family's keys (model/hf_config.h): its own first, then those of the
// family it is like, then those that every file may have. Each key has exactly one fate.
#ifndef MODEL_FAMILY_H
#define MODEL_FAMILY_H

#include "model/config.h"
#include "nn/param.h"

typedef enum {
  KEY_INT,    // an integer of ModelConfig, at least 1
  KEY_COUNT,  // an integer where null is 0
  KEY_REAL,
  KEY_BOOL,
  KEY_TOKEN,          // a token id; null: none; of a list the first
  KEY_ONLY,           // one of the JSON values in `only`, separated by |
  KEY_NOTHING,        // no effect on what is computed here
  KEY_ROPE,           // rope_theta, rope_scaling, rope_parameters
  KEY_GROUPS,         // topk_method: whether moe.groups counts; one of `only`
  KEY_LAYERS,         // lists of layers that must say what the other keys say
  KEY_TYPE,           // model_type
  KEY_ARCHITECTURES,  // the class
  KEY_DTYPE,          // type of the weights
} HfKeyKind;

typedef struct {
  const char *key;  // NULL ends the list
  HfKeyKind kind;
  size_t offset;     // in ModelConfig
  double fallback;   // when the key is absent
  const char *only;  // KEY_ONLY, KEY_GROUPS: values; and why others are refused
  const char *why;
  // As JSON. Of a value: written instead of 0; HF_OMIT: the key is left out at its fallback; HF_WITH_EXPERTS: in a model
  // without. Of KEY_ONLY, KEY_NOTHING, KEY_LAYERS: what is written; NULL: nothing. Of KEY_DTYPE: left out when it is this.
  const char *write;
  size_t also;  // another member with the same value; 0: none
} HfKey;

#define HF_WANTED (-1e300)  // no default: the key must be there
#define HF_OMIT ""
#define HF_WITH_EXPERTS "experts"

#define HF_AT(member) offsetof(ModelConfig, member)
#define HF_TAKE(key, kind, member, fallback) \
  { key, kind, HF_AT(member), fallback, NULL, NULL, NULL, 0 }
#define HF_TAKE_BOTH(key, kind, member, other, fallback) \
  { key, kind, HF_AT(member), fallback, NULL, NULL, NULL, HF_AT(other) }
#define HF_TAKE_WRITE(key, kind, member, fallback, write) \
  { key, kind, HF_AT(member), fallback, NULL, NULL, write, 0 }
#define HF_ONLY(key, values, why, write) \
  { key, KEY_ONLY, 0, 0, values, why, write, 0 }
#define HF_NOTHING(key, write) \
  { key, KEY_NOTHING, 0, 0, NULL, NULL, write, 0 }
#define HF_KIND(key, kind) \
  { key, kind, 0, 0, NULL, NULL, NULL, 0 }
#define HF_END \
  { NULL, KEY_NOTHING, 0, 0, NULL, NULL, NULL, 0 }

// A member that no key says.
typedef struct {
  size_t offset;
  double value;
} FamilySet;
#define FAMILY_SET(member, value) \
  { HF_AT(member), value }
#define FAMILY_SET_END \
  { (size_t) - 1, 0 }

typedef struct Family {
  const char *architecture;   // the class in config.json
  const struct Family *like;  // its keys and sets come before these; NULL: none
  const HfKey *keys;
  const FamilySet *set;            // or NULL
  const NameRule *names;           // of tensors, or NULL: as Llama and DeepSeek-V3 name them
  const NameRule *older;           // how some files name them instead; tried for a tensor that is not found; or NULL
  unsigned rope;                   // the scalings it has, 1 << RopeScaling
  bool key_value;                  // keys and values alternate by head in one tensor
  double gate_eps;                 // added to the sum of the chosen experts' scores
  void (*finish)(ModelConfig *c);  // after reading, what a walk over keys cannot say; or NULL
} Family;

// What transformers has for every class with the key rope_scaling.
#define ROPES_OF_TRANSFORMERS (1u << ROPE_PLAIN | 1u << ROPE_YARN | 1u << ROPE_LLAMA3 | 1u << ROPE_LINEAR | 1u << ROPE_DYNAMIC)

#define FAMILY(NAME, name) extern const Family family_##name;
#include "model/families.inc"
#undef FAMILY
extern const HfKey hf_common_keys[];  // of every family

const Family *family_of(const ModelConfig *c);
// The key's entry in this family's walk, or NULL.
const HfKey *family_key(const Family *f, const char *key);

#endif
