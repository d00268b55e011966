#include "golden/golden_run.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "golden/golden_tensors.h"

static const struct {
  const char *pattern;
  GoldenFn *fn;
} readers[] = {
#define READER(pattern, fn) {pattern, fn},
#include "golden/golden_readers.inc"
#undef READER
};
enum { N_READERS = sizeof readers / sizeof readers[0] };

// What the folders that wait for a feature would need.
static const struct {
  const char *pattern, *needs;
} later[] = {
    {"data/sft", "packing of dialogs for fine-tuning"},
    {"data/dedup", "near-duplicate search"},
    {"data/decontam", "the search for benchmarks in training text"},
};

// ---- the tree

static Err add_entries(GoldenRun *r, const char *below, int depth) {
  char path[PATH_BYTES], **names;
  size_t count;
  CHECK(depth < GOLDEN_DEPTH_MAX, ERR_FORMAT, "%s/%s: folders deeper than %d", r->tree, below, GOLDEN_DEPTH_MAX);
  snprintf(path, sizeof path, "%.3800s/%s", r->tree, below);
  TRY(folder_list(path, &names, &count));
  Err err = ERR_OK;
  for (size_t i = 0; i < count; i++) {
    CHECK_OUT(r->n_entries < GOLDEN_FILES_MAX, ERR_FORMAT, "%s: more than %d files", r->tree, GOLDEN_FILES_MAX);
    GoldenEntry *e = &r->entry[r->n_entries++];
    int n = snprintf(e->path, sizeof e->path, "%s%s%s", below, *below ? "/" : "", names[i]);
    CHECK_OUT(n < (int)sizeof e->path, ERR_FORMAT, "%s/%s: a path longer than %zu bytes", path, names[i], sizeof e->path);
    snprintf(path, sizeof path, "%.3800s/%s", r->tree, e->path);
    e->folder = file_is_folder(path);
    if (e->folder) TRY_OUT(add_entries(r, e->path, depth + 1));
  }
out:
  names_free(names, count);
  return err;
}

int golden_by_path(const void *a, const void *b) {
  return strcmp(((const GoldenEntry *)a)->path, ((const GoldenEntry *)b)->path);
}

static bool lies_below(const char *path, const char *folder) {
  size_t n = strlen(folder);
  return n == 0 || (strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

static bool wanted(const char *path, const char *only) { return !only || lies_below(path, only); }
static bool matches(const char *pattern, const char *path) { return fnmatch(pattern, path, FNM_PATHNAME) == 0; }
static bool for_people(const char *path) { return strcmp(path_name(path), "README.md") == 0; }

// ---- one folder

static void read_folder(GoldenCount *n) {
  for (int i = 0; i < N_READERS; i++)
    if (matches(readers[i].pattern, n->folder)) readers[i].fn(n);
  if (matches("*/*.safetensors", n->folder)) golden_unread_tensors(n);
}

static void run_folder(GoldenRun *r, const GoldenEntry *e) {
  if (r->n_counts == GOLDEN_FOLDERS_MAX) return;  // golden_run refuses such a tree
  GoldenCount *n = &r->count[r->n_counts++];
  *n = (GoldenCount){.run = r};
  snprintf(n->folder, sizeof n->folder, "%s", e->path);
  int notes = r->n_notes;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(GOLDEN_SECONDS_MAX);
    read_folder(n);
    fflush(NULL);
    _exit(0);
  }
  int status = 0;
  bool ended = pid > 0 && waitpid(pid, &status, 0) == pid;
  if (!ended) golden_compare(n, false, "no process to read it in");
  else if (WIFSIGNALED(status))
    golden_compare(n, false, "the reader died of signal %d (%s) in its case %lld", WTERMSIG(status),
                   strsignal(WTERMSIG(status)), (long long)n->cases);
  else if (WEXITSTATUS(status)) golden_compare(n, false, "the reader ended with %d", WEXITSTATUS(status));
  if (n->comparisons == 0 && r->n_notes == notes) golden_compare(n, false, "there is nothing in it to compare");
  if (n->failed > 12) fprintf(stderr, "  golden %s: %lld comparisons failed in all\n", n->folder, (long long)n->failed);
  if (n->comparisons == 0) r->n_counts--;  // nothing but a note
}

// ---- what no reader took

// Whether a reader took something in the folder.
static bool any_read(const GoldenRun *r, const char *folder) {
  for (int i = 0; i < r->n_entries; i++)
    if (r->entry[i].read && lies_below(r->entry[i].path, folder)) return true;
  return false;
}

// The largest folder around the file that nothing was read of, else the file itself.
static void unread_part(const GoldenRun *r, const char *path, const char *only, char part[GOLDEN_NAME_BYTES]) {
  size_t shortest = only ? strlen(only) : 0;
  snprintf(part, GOLDEN_NAME_BYTES, "%s", path);
  for (char *slash; (slash = strrchr(part, '/')) && (size_t)(slash - part) >= shortest;) {
    char folder[GOLDEN_NAME_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - part), part);
    if (any_read(r, folder)) return;
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
      if (matches(later[i].pattern, part)) return;
    memcpy(part, folder, sizeof folder);
  }
}

static const char *needs_of(const char *part) {
  for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
    if (matches(later[i].pattern, part)) return later[i].needs;
  return "a reader: none knows it (tests/golden/golden_readers.inc)";
}

static void note_unread(GoldenRun *r, const char *only) {
  GoldenCount n = {.run = r};
  for (int i = 0; i < r->n_entries; i++) {
    const GoldenEntry *e = &r->entry[i];
    if (e->folder || e->read || e->said || for_people(e->path) || !wanted(e->path, only)) continue;
    char part[GOLDEN_NAME_BYTES], files[48] = "";
    unread_part(r, e->path, only, part);
    int64_t count = 0;
    for (int j = 0; j < r->n_entries; j++) {
      GoldenEntry *f = &r->entry[j];
      if (f->folder || f->read || for_people(f->path) || !lies_below(f->path, part)) continue;
      f->said = true;
      count++;
    }
    snprintf(n.folder, sizeof n.folder, "%s", count > 1 ? part : e->path);
    if (count > 1) snprintf(files, sizeof files, "%lld files", (long long)count);
    golden_not_read(&n, files, needs_of(part));
  }
}

// ---- all

static Err run_tree(GoldenRun *r, const char *only) {
  TRY(add_entries(r, "", 0));
  qsort(r->entry, (size_t)r->n_entries, sizeof r->entry[0], golden_by_path);
  const char *temp = getenv("TMPDIR");
  snprintf(r->scratch, sizeof r->scratch, "%.3000s/pleiad_golden_XXXXXX", temp ? temp : "/tmp");
  CHECK(mkdtemp(r->scratch), ERR_IO, "%s: no folder could be made", r->scratch);
  for (int i = 0; i < r->n_entries; i++) {
    const char *path = r->entry[i].path;
    bool has_reader = false;
    for (int k = 0; k < N_READERS && !for_people(path); k++) has_reader |= matches(readers[k].pattern, path);
    if (!has_reader || !wanted(path, only)) continue;
    CHECK(r->n_counts < GOLDEN_FOLDERS_MAX, ERR_FORMAT, "%s: more than %d folders of cases", r->tree, GOLDEN_FOLDERS_MAX);
    run_folder(r, &r->entry[i]);
  }
  note_unread(r, only);
  return ERR_OK;
}

Err golden_run(GoldenRun **out, const char *tree, const char *only) {
  // Shared with the readers' processes, which count in it.
  GoldenRun *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(r != MAP_FAILED, ERR_MEMORY, "no memory for a golden run");
  snprintf(r->tree, sizeof r->tree, "%s", tree);
  Err err = run_tree(r, only);
  if (err) golden_run_close(r);
  else *out = r;
  return err;
}

void golden_run_close(GoldenRun *r) {
  if (r->scratch[0]) (void)folder_remove(r->scratch);
  munmap(r, sizeof *r);
}

GoldenCount golden_total(const GoldenRun *r, const char *below) {
  GoldenCount sum = {0};
  snprintf(sum.folder, sizeof sum.folder, "%s", below);
  for (int i = 0; i < r->n_counts; i++) {
    const GoldenCount *n = &r->count[i];
    if (!lies_below(n->folder, below)) continue;
    sum.cases += n->cases, sum.comparisons += n->comparisons, sum.failed += n->failed;
  }
  return sum;
}
