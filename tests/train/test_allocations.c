// Nothing is allocated within a step. The test program is linked so that every call of malloc and its kin from the project's
// own code comes by here.
#include <stdlib.h>
#include <sys/mman.h>

#include "test.h"
#include "train/tiny.h"
#include "train/trainer.h"

static _Atomic int64_t calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size) {
  calls++;
  return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  calls++;
  return __real_calloc(count, size);
}
void *__wrap_realloc(void *p, size_t size) {
  calls++;
  return __real_realloc(p, size);
}
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  calls++;
  return __real_mmap(at, size, protection, flags, fd, offset);
}

static void fill(Batch *b) {
  b->B = 4, b->T = 16, b->mask_count = 64;
  for (int32_t i = 0; i < 64; i++)
    b->ids[i] = i % 64, b->labels[i] = (i + 1) % 64, b->mask[i] = 1, b->position[i] = i % 16, b->doc_start[i] = 0;
}

static void count_steps(Dtype type, int threads) {
  RunConfig *c = malloc(sizeof *c);
  Trainer t;
  ASSERT(c);
  tiny_config(c, "nowhere");
  TrainerOptions o = {.model = &c->model,
                      .type = type,
                      .threads = threads,
                      .leaves = 2,
                      .optimizer = c->optimizer,
                      .where = "test",
                      .shape = {{2, 16}},
                      .n_shapes = 1,
                      .batch_rows = 64};
  ASSERT_OK(trainer_open(&t, &o));
  trainer_reset(&t, 3);
  for (int step = 0; step < 4; step++) {
    Losses losses;
    double norm;
    fill(&t.batch);
    ASSERT_OK(trainer_plan(&t, 2));
    int64_t before = calls;
    ASSERT_OK(trainer_gradients(&t, &t.batch, 2, &losses, &norm));
    trainer_update(&t, 0.01, norm);
    t.batch.B = 2;
    (void)trainer_score(&t, &t.batch);
    ASSERT_INT(calls - before, 0);
  }
  trainer_close(&t);
  free(c);
}

TEST(the_count_sees_allocations) {
  int64_t before = calls;
  void *volatile p = malloc(1);
  free(p);
  Arena a;
  ASSERT_OK(arena_init(&a, "a test", 4096));
  arena_free(&a);
  ASSERT_INT(calls - before, 2);
}
TEST(nothing_is_allocated_in_a_step_fp32) { count_steps(DT_F32, 2); }
TEST(nothing_is_allocated_in_a_step_bf16) { count_steps(DT_BF16, 1); }
