#include "cli/eval_logits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "infer/engine.h"

static Err feed_row(Session *s, const StTensor *ids, int64_t row, int64_t T, int64_t vocab, SafeTensorsWriter *w) {
  for (int64_t t = 0; t < T; t++) {
    int64_t id;
    memcpy(&id, (const char *)ids->data + (size_t)(row * T + t) * sizeof id, sizeof id);
    CHECK(id >= 0 && id < vocab, ERR_ARG, "input_ids[%lld, %lld] is %lld; the vocabulary has %lld", (long long)row,
          (long long)t, (long long)id, (long long)vocab);
    int32_t token = (int32_t)id;
    TRY(session_feed(s, &token, 1, false));
    TRY(safetensors_write(w, s->next, (size_t)vocab * sizeof(float)));
  }
  return ERR_OK;
}

static Err write_logits(Opened *m, const StTensor *ids, SafeTensorsWriter *w) {
  int64_t B = ids->dim[0], T = ids->dim[1], V = m->model.config.model.vocab;
  Engine e = {0};
  Err err = ERR_OK;
  TRY(safetensors_declare(w, "logits", ST_F32, 3, (int64_t[]){B, T, V}));
  TRY(safetensors_begin(w));
  TRY(engine_open(&e, &m->model, &m->dev, m->type, (EngineOptions){.rows_max = 1}));
  for (int64_t row = 0; row < B && !err; row++) {
    Session s;
    TRY_OUT(session_open(&s, &e, T));
    err = feed_row(&s, ids, row, T, V, w);
    session_close(&s);
  }
out:
  engine_close(&e);
  return err ? err : safetensors_commit(w);
}

Err eval_logits(Opened *m, const char *ids_path, const char *out_path) {
  SafeTensors in;
  SafeTensorsWriter w = {0};
  const StTensor *ids;
  TRY(safetensors_open(&in, ids_path));
  Err err = ERR_OK;
  TRY_OUT(safetensors_want(&in, "input_ids", ST_I64, -1, NULL, &ids));
  CHECK_OUT(ids->n_dims == 2 && ids->size > 0, ERR_FORMAT, "%s: input_ids has %d dimensions; [B, T] is wanted", ids_path,
            ids->n_dims);
  TRY_OUT(safetensors_create(&w, out_path));
  TRY_OUT(write_logits(m, ids, &w));
  printf("%s: logits of %lld sequences of %lld tokens by %s\n", out_path, (long long)ids->dim[0], (long long)ids->dim[1],
         m->from);
out:
  safetensors_abandon(&w);
  safetensors_close(&in);
  return err;
}
