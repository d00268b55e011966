#include "cli/bench/parts.h"

#include "model/hf_config.h"

Err bench_read_shape(json_t **root, const char *path, ModelConfig *model) {
  TRY(json_read(root, path, true));
  Err err = ERR_OK;
  const json_t *hf = json_object_get(*root, "hf");
  CHECK_OUT(json_is_object(hf), ERR_FORMAT, "%s: no object \"hf\" (a Hugging Face configuration)", path);
  TRY_OUT(hf_config_read(hf, path, model));
  return ERR_OK;
out:
  json_decref(*root);
  *root = NULL;
  return err;
}

Err bench_read_batch(const char *path, ModelConfig *model, int64_t *B, int64_t *T) {
  json_t *root;
  TRY(bench_read_shape(&root, path, model));
  Err err = json_int(root, "batch", path, B);
  if (!err) err = json_int(root, "seq", path, T);
  json_decref(root);
  TRY(err);
  CHECK(*B >= 1 && *T >= 2 && *T <= model->model.max_length, ERR_CONFIG,
        "%s: batch %lld of %lld tokens; the model allows sequences of 2 to %lld", path, (long long)*B, (long long)*T,
        (long long)model->model.max_length);
  return ERR_OK;
}
