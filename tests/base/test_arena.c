#include "base/arena.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void carve(Arena *a, void *out[3]) {
  out[0] = arena_take(a, 1);
  size_t mark = arena_mark(a);
  out[1] = arena_take(a, 100000);
  arena_rewind(a, mark);
  out[2] = arena_take(a, 65);
}

TEST(what_is_measured_is_what_is_carved) {
  Arena measure, real;
  void *p[3];
  arena_measure(&measure, "test");
  carve(&measure, p);
  ASSERT(!p[0] && !p[1] && !p[2] && arena_measuring(&measure));
  ASSERT_INT(measure.used, 64 + 128);
  ASSERT_INT(measure.peak, 64 + 100032);
  ASSERT_OK(arena_init(&real, "test", measure.peak));
  carve(&real, p);
  ASSERT(!arena_measuring(&real));
  ASSERT_INT(real.peak, measure.peak);
  for (int i = 0; i < 3; i++) ASSERT_INT((uintptr_t)p[i] % ARENA_ALIGN, 0);
  ASSERT(p[1] == p[2]);
  arena_free(&real);
}

TEST(fresh_memory_is_zero) {
  Arena a;
  ASSERT_OK(arena_init(&a, "test", 3 << 20));
  const char *p = arena_take(&a, 3 << 20);
  for (int i = 0; i < 3 << 20; i++) ASSERT(p[i] == 0);
  arena_free(&a);
}

TEST(too_much_memory_is_an_error) {
  Arena a;
  ASSERT_ERR(arena_init(&a, "the activations", (size_t)1 << 60), ERR_MEMORY,
             "no memory for the activations: 1073741824.00 GiB");
}

TEST(an_overflow_asserts) {
  pid_t child = fork();
  if (child == 0) {
    Arena a;
    if (!freopen("/dev/null", "w", stderr) || arena_init(&a, "small", 4096)) _exit(1);
    signal(SIGABRT, SIG_DFL);
    (void)arena_take(&a, 4096);
    (void)arena_take(&a, 1);
    _exit(0);
  }
  int status = 0;
  ASSERT(waitpid(child, &status, 0) == child);
  ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
