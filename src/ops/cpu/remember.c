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

// What is remembered under `key`, to be given back; NULL: nothing.
static json_t *recall(const char *key) {
  char path[PATH_BYTES], folder[PATH_BYTES], name[CPU_KEY_BYTES];
  if (!place_of(path, folder, name)) return NULL;
  json_t *root = read_all(path), *found = json_incref(json_object_get(json_object_get(root, name), key));
  json_decref(root);
  return found;
}

// Takes over `value`.
static void keep(const char *key, json_t *value) {
  char path[PATH_BYTES], folder[PATH_BYTES], name[CPU_KEY_BYTES];
  if (!place_of(path, folder, name)) {
    json_decref(value);
    return;
  }
  json_t *root = read_all(path), *mine = json_object_get(root, name);
  if (!json_is_object(mine)) {
    mine = json_object();
    (void)json_object_set_new(root, name, mine);  // no memory: nothing is written below, or less
  }
  (void)json_object_set_new(mine, key, value);
  Err err = folder_make(folder);
  if (!err) err = json_write(root, path);
  forget_error(err);
  json_decref(root);
}

bool remembered(const char *key, bool *value) {
  json_t *found = recall(key);
  const bool known = json_is_boolean(found);
  if (known) *value = json_is_true(found);
  json_decref(found);
  return known;
}

void remember(const char *key, bool value) { keep(key, json_boolean(value)); }

int remembered_numbers(const char *key, int64_t *numbers, int n) {
  json_t *found = recall(key);
  int count = found ? 0 : -1;
  for (; count >= 0 && count < n && json_is_integer(json_array_get(found, (size_t)count)); count++)
    numbers[count] = json_integer_value(json_array_get(found, (size_t)count));
  if (count == n && json_array_size(found) != (size_t)n) count = 0;
  json_decref(found);
  return count;
}

void remember_numbers(const char *key, const int64_t *numbers, int n) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) (void)json_array_append_new(list, json_integer(numbers[i]));
  keep(key, list);
}
