#include "ops/cpu/remember.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "ops/cpu/detect.h"

// The file, its folder, and the key of this processor in it. false: there is no place for it.
static bool place_of(char path[PATH_BYTES], char folder[PATH_BYTES], char name[CPU_KEY_BYTES]) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int n = -1;
  if (cache && *cache == '/') n = snprintf(path, PATH_BYTES, "%s/pleiad/processors.json", cache);
  else if (home && *home == '/') n = snprintf(path, PATH_BYTES, "%s/.cache/pleiad/processors.json", home);
  if (n <= 0 || n >= PATH_BYTES) return false;
  path_folder(folder, path);
  cpu_key(name);
  return true;
}

static void forget_error(Err err) {
  ErrInfo info;
  if (err) err_take(&info);
}

// The file's object; a fresh one where there is none that can be read.
static json_t *read_all(const char *path) {
  json_t *root = NULL;
  if (file_exists(path)) forget_error(json_read(&root, path, true));
  if (json_is_object(root)) return root;
  json_decref(root);
  return json_object();
}

bool remembered(const char *key, bool *value) {
  char path[PATH_BYTES], folder[PATH_BYTES], name[CPU_KEY_BYTES];
  if (!place_of(path, folder, name)) return false;
  json_t *root = read_all(path);
  const json_t *found = json_object_get(json_object_get(root, name), key);
  const bool known = json_is_boolean(found);
  if (known) *value = json_is_true(found);
  json_decref(root);
  return known;
}

void remember(const char *key, bool value) {
  char path[PATH_BYTES], folder[PATH_BYTES], name[CPU_KEY_BYTES];
  if (!place_of(path, folder, name)) return;
  json_t *root = read_all(path), *mine = json_object_get(root, name);
  if (!json_is_object(mine)) {
    mine = json_object();
    (void)json_object_set_new(root, name, mine);  // no memory: nothing is written below, or less
  }
  (void)json_object_set_new(mine, key, json_boolean(value));
  Err err = folder_make(folder);
  if (!err) err = json_write(root, path);
  forget_error(err);
  json_decref(root);
}
