// pleiad info: what this machine is and what the program makes of it.
#include <stdio.h>

#include "base/json.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/info_model.h"
#include "cli/machine.h"
#include "ops/ops.h"
#include "ops/peak.h"

enum { LIBRARIES_MAX = 16 };
static const double PEAK_BUDGET_S = 0.8;

static const char help[] =
    "usage: pleiad info [--json]\n"
    "       pleiad info MODEL [--length N] [--json]\n"
    "\n"
    "Says what this machine is (processor, caches, memory, and what of it this process may use), which kernels the program "
    "chose\n"
    "for it and why, what it can do at most (measured, about a second), and which libraries it runs with. "
    "PLEIAD_ISA=ref|avx2|avx512|avx512_bf16|amx caps the choice.\n"
    "\n"
    "With a MODEL: how many parameters it has and where, how many work for a token, bytes of its weights in each type and of\n"
    "its cache a token, operations a token, and what memory it takes to train and to serve. No weights are read.\n" FORMATS_LINE
    "Or what describes one: a config.json, a file of configs/model/, a run file.\n"
    "\n"
    "  --length N    tokens of a sequence, for operations and memory (the model's longest, 8192 at most)\n"
    "  --json        one JSON object as the last line\n";

static double gib(int64_t bytes) { return (double)bytes / (1 << 30); }

static void print_size(int64_t bytes) {
  if (bytes >= 1 << 20) printf("%.4g MiB", (double)bytes / (1 << 20));
  else printf("%.4g KiB", (double)bytes / 1024);
}

static void print_machine(const Machine *m) {
  printf("processor     %s\n", m->processor[0] ? m->processor : "unknown");
  printf("cores         %d (%d threads, %d socket%s, %d memory node%s)", m->cores, m->threads, m->sockets,
         m->sockets == 1 ? "" : "s", m->nodes, m->nodes == 1 ? "" : "s");
  printf("; this process may use %d threads", m->allowed);
  if (m->quota > 0) printf(", %.3g cores' time", m->quota);
  printf("\ninstructions  %s\ncaches       ", m->isa[0] ? m->isa : "unknown");
  for (int i = 1; i <= CACHE_LEVELS; i++) {
    if (!m->cache_bytes[i]) continue;
    printf("%s L%d ", i > 1 ? "," : "", i);
    print_size(m->cache_bytes[i]);
    if (m->cache_shared[i] > 1) printf(" for %d cores", m->cache_shared[i]);
  }
  printf("\nmemory        %.1f GiB, %.1f GiB free", gib(m->memory_bytes), gib(m->available_bytes));
  if (m->memory_limit_bytes) printf(", limited to %.1f GiB", gib(m->memory_limit_bytes));
  printf("; huge pages: %s\n", m->huge_pages[0] ? m->huge_pages : "none");
  printf("system        %s\n", m->system);
}

static void print_program(const Library *library, int n_libraries) {
  printf("pleiad        %s, compiled by %s %s\nlibraries    ", version_text(),
#if defined(__clang__)
         "clang", __clang_version__
#else
         "gcc", __VERSION__
#endif
  );
  for (int i = 0; i < n_libraries; i++) printf("%s %s %s", i ? "," : "", library[i].name, library[i].version);
  printf("\n");
}

static void print_peaks(const Peaks *p) {
  printf("measured      fp32 %.0f GFLOP/s in registers, %.0f in a matrix product; bf16 %.0f, %.0f\n", p->fp32.peak * 1e-9,
         p->fp32.gemm * 1e-9, p->bf16.peak * 1e-9, p->bf16.gemm * 1e-9);
  printf("              memory: %.1f GB/s read, %.1f copied (read and written); a region of all threads %.2f us\n",
         p->read_bytes * 1e-9, p->copy_bytes * 1e-9, p->region_s * 1e6);
}

static Err print_json(const Machine *m, const Dev *d, const Peaks *p, const Library *library, int n_libraries) {
  json_t *caches = json_array(), *libraries = json_object();
  for (int i = 1; i <= CACHE_LEVELS; i++)
    if (m->cache_bytes[i])
      json_array_append_new(caches, json_pack("{s:i, s:I, s:i}", "level", i, "bytes", (json_int_t)m->cache_bytes[i], "cores",
                                              m->cache_shared[i]));
  for (int i = 0; i < n_libraries; i++) json_object_set_new(libraries, library[i].name, json_string(library[i].version));
  json_t *root = json_pack(
      "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:o, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:f, s:f, s:f, s:f, "
      "s:f, s:f, s:f}",
      "processor", m->processor, "instructions", m->isa, "cores", m->cores, "hardware_threads", m->threads, "sockets",
      m->sockets, "memory_nodes", m->nodes, "allowed_threads", m->allowed, "quota_cores", m->quota, "caches", caches,
      "memory_bytes", (json_int_t)m->memory_bytes, "available_bytes", (json_int_t)m->available_bytes, "memory_limit_bytes",
      (json_int_t)m->memory_limit_bytes, "huge_pages", m->huge_pages, "system", m->system, "isa", isa_names[d->isa], "bf16_isa",
      isa_names[d->bf16], "threads", pool_threads(d->pool), "version", version_text(), "libraries", libraries,
      "peak_fp32_gflops", p->fp32.peak * 1e-9, "gemm_fp32_gflops", p->fp32.gemm * 1e-9, "peak_bf16_gflops", p->bf16.peak * 1e-9,
      "gemm_bf16_gflops", p->bf16.gemm * 1e-9, "read_gb_s", p->read_bytes * 1e-9, "copy_gb_s", p->copy_bytes * 1e-9,
      "region_us", p->region_s * 1e6);
  return cli_json(root, "the report");
}

Err cmd_info(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  static const char *const known[] = {"--json", "--length", NULL};
  bool json = cli_flag(&argc, argv, "--json");
  int64_t length = 0;
  TRY(cli_int(&argc, argv, "--length", 1, 1 << 24, &length));
  if (argc == 2 && argv[1][0] != '-') return info_model(argv[1], length, json);
  CHECK(length == 0, ERR_ARG, "--length %lld: of which model? see pleiad info --help", (long long)length);
  TRY(cli_no_more(argc, argv, known));
  Machine m;
  Dev d;
  Library library[LIBRARIES_MAX];
  int n_libraries = machine_libraries(library, LIBRARIES_MAX);
  TRY(machine_read(&m));
  TRY(dev_open(&d, 0));
  Err err = ERR_OK;
  Peaks peaks;
  TRY_OUT(peaks_measure(&d, PEAK_BUDGET_S, &peaks));
  if (json) {
    err = print_json(&m, &d, &peaks, library, n_libraries);
  } else {
    print_machine(&m);
    print_program(library, n_libraries);
    print_peaks(&peaks);
    printf("\n");
    ops_describe(&d, stdout);
  }
out:
  dev_close(&d);
  return err;
}
