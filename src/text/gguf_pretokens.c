// What each name of tokenizer.ggml.pre stands for.
#include <string.h>

#include "text/gguf_tokenizer.h"

// A pattern isolated, as JSON; backslashes of the pattern doubled for JSON, and again for C.
#define SPLIT(pattern) \
  "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" pattern "\"}, \"behavior\": \"Isolated\", \"invert\": false}"
#define BYTES(pattern) \
  "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": " pattern "}"
#define SEQUENCE(steps) "{\"type\": \"Sequence\", \"pretokenizers\": [" steps "]}"
#define DIGITS "{\"type\": \"Digits\", \"individual_digits\": true}"
#define NFC "{\"type\": \"NFC\"}"

#define WORDS(digits)                                                            \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits \
  "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

#define DEEPSEEK_WORDS                                                                                   \
  "[!\\\"#$%&'()*+,\\\\-./"                                                                              \
  ":;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\\\r\\\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+" \
  "| ?[\\\\p{P}\\\\p{S}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

const GgufPretoken gguf_pretokens[] = {
    {"gpt-2 phi-2", "null", BYTES("true"), false, false},
    {"smollm starcoder refact command-r", "null", SEQUENCE(DIGITS ", " BYTES("true")), false, false},
    {"llama-bpe llama3 llama-v3", "null", SEQUENCE(SPLIT(WORDS("\\\\p{N}{1,3}")) ", " BYTES("false")), true, true},
    {"qwen2", NFC, SEQUENCE(SPLIT(WORDS("\\\\p{N}")) ", " BYTES("false")), false, false},
    {"deepseek-r1-qwen", "null", SEQUENCE(SPLIT(WORDS("\\\\p{N}")) ", " BYTES("false")), false, false},
    {"deepseek-v3 joyai-llm hunyuan-dense", "null",
     SEQUENCE(SPLIT("\\\\p{N}{1,3}") ", " SPLIT("[一-龥\u3040-ゟ゠-ヿ]+") ", " SPLIT(DEEPSEEK_WORDS) ", " BYTES("false")),
     false, false},
    {NULL, NULL, NULL, false, false},
};

const GgufPretoken *gguf_pretoken_named(GgufText name) {
  for (const GgufPretoken *p = gguf_pretokens; p->names; p++)
    for (const char *at = p->names; *at; at += strspn(at, " ")) {
      size_t n = strcspn(at, " ");
      if (n == name.size && memcmp(at, name.data, n) == 0) return p;
      at += n;
    }
  return NULL;
}
