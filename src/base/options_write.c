// Options to YAML and to people.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options_internal.h"

typedef struct {
  FileWriter *file;
  bool help;
  bool dash;  // the next line begins an element of a list
} Printer;

// The shortest form that reads back to the same bits.
static void real_text(double x, char *out, size_t size) {
  if (isinf(x)) {
    snprintf(out, size, x < 0 ? "-.inf" : ".inf");
    return;
  }
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(out, size, "%.*g", digits, x);
    if (strtod(out, NULL) == x) break;
  }
  if (!strpbrk(out, ".e")) strncat(out, ".0", size - strlen(out) - 1);
}

// Escapes what YAML does not take as it is: controls, DEL, C1, line separators, the byte order mark.
static Err print_quoted(FileWriter *w, const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  TRY(file_write(w, "\"", 1));
  while (*p) {
    size_t n = *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? *p : *p & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3Fu);
    if (c == '"' || c == '\\') TRY(file_printf(w, "\\%c", (int)c));
    else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF)
      TRY(file_printf(w, "\\u%04X", (unsigned)c));
    else TRY(file_write(w, p, n));
    p += n;
  }
  return file_write(w, "\"", 1);
}

static Err print_value(FileWriter *w, const Field *f, const void *base) {
  const void *at = (const char *)base + f->offset;
  char number[64];
  switch (f->type) {
    case FIELD_IS_INT: return file_printf(w, " %lld", (long long)*(const int64_t *)at);
    case FIELD_IS_REAL: real_text(*(const double *)at, number, sizeof number); return file_printf(w, " %s", number);
    case FIELD_IS_BOOL: return file_printf(w, *(const bool *)at ? " true" : " false");
    case FIELD_IS_ENUM: return file_printf(w, " %s", f->names[*(const int *)at]);
    case FIELD_IS_TEXT: TRY(file_write(w, " ", 1)); return print_quoted(w, at);
    case FIELD_IS_LIST:
    case FIELD_END: break;
  }
  return ERR_OK;
}

static Err begin_line(Printer *p, int indent, const char *name, size_t name_bytes) {
  if (p->dash) TRY(file_printf(p->file, "%*s- ", indent - 2, ""));
  else TRY(file_printf(p->file, "%*s", indent, ""));
  p->dash = false;
  return file_printf(p->file, "%.*s:", (int)name_bytes, name);
}

static Err print_help(Printer *p, const Field *f) {
  char range[80];
  range_text(f, range, sizeof range);
  if (p->help) TRY(file_printf(p->file, "  # %s%s%s", f->help, *range ? "; " : "", range));
  if (p->help && f->type == FIELD_IS_ENUM) {
    value_wanted(f, range, sizeof range);
    TRY(file_printf(p->file, "; %s", range));
  }
  return file_write(p->file, "\n", 1);
}

static Err print_level(Printer *p, const Options *o, const char *prefix, int indent);

static Err print_list(Printer *p, const Field *f, void *base, int indent) {
  int64_t count = *list_count(f, base);
  if (count == 0) TRY(file_write(p->file, " []", 3));
  TRY(print_help(p, f));
  for (int64_t i = 0; i < count; i++) {
    Options item = {0};
    options_bind(&item, f->item, list_item(f, base, i));
    p->dash = true;
    TRY(print_level(p, &item, "", indent + 4));
  }
  return ERR_OK;
}

// Whether a field before `end` lies in the same group, so that the group is printed already.
static bool group_printed(const Options *o, int end_part, const Field *end, const char *group, size_t bytes) {
  for (int i = 0; i <= end_part; i++)
    for (const Field *f = o->part[i].fields; f->key && f != end; f++)
      if (strncmp(f->key, group, bytes) == 0) return true;
  return false;
}

// The fields below `prefix` ("" or "moe."), their groups gathered where the first of each stands.
static Err print_level(Printer *p, const Options *o, const char *prefix, int indent) {
  size_t skip = strlen(prefix);
  for (int i = 0; i < o->n_parts; i++)
    for (const Field *f = o->part[i].fields; f->key; f++) {
      if (strncmp(f->key, prefix, skip) != 0) continue;
      const char *name = f->key + skip, *dot = strchr(name, '.');
      if (!dot) {
        TRY(begin_line(p, indent, name, strlen(name)));
        if (f->type == FIELD_IS_LIST) {
          TRY(print_list(p, f, o->part[i].base, indent));
        } else {
          TRY(print_value(p->file, f, o->part[i].base));
          TRY(print_help(p, f));
        }
        continue;
      }
      char group[256];
      snprintf(group, sizeof group, "%.*s", (int)(dot - f->key) + 1, f->key);
      if (group_printed(o, i, f, group, strlen(group))) continue;
      TRY(begin_line(p, indent, name, (size_t)(dot - name)));
      TRY(file_write(p->file, "\n", 1));
      TRY(print_level(p, o, group, indent + 2));
    }
  return ERR_OK;
}

Err options_write(const Options *o, const char *path, bool help) {
  FileWriter w;
  TRY(file_create(&w, path));
  Printer p = {.file = &w, .help = help};
  Err err = print_level(&p, o, "", 0);
  if (!err) err = file_commit(&w);
  file_abandon(&w);
  return err;
}

// ---- for --help
static void default_text(const Field *f, char *out, size_t size) {
  switch (f->type) {
    case FIELD_IS_INT: snprintf(out, size, "%lld", (long long)f->int_default); break;
    case FIELD_IS_REAL: snprintf(out, size, "%g", f->real_default); break;
    case FIELD_IS_BOOL: snprintf(out, size, "%s", f->int_default ? "true" : "false"); break;
    case FIELD_IS_TEXT: snprintf(out, size, "%s", f->text_default && *f->text_default ? f->text_default : "empty"); break;
    case FIELD_IS_ENUM: snprintf(out, size, "%s", f->names[f->int_default]); break;
    case FIELD_IS_LIST:
    case FIELD_END: snprintf(out, size, "none"); break;
  }
}

static void help_fields(const Field *fields, const char *prefix, FILE *to) {
  for (const Field *f = fields; f->key; f++) {
    char name[256], value[OPTION_TEXT_BYTES], range[80];
    snprintf(name, sizeof name, "--%s%s", prefix, f->key);
    default_text(f, value, sizeof value);
    range_text(f, range, sizeof range);
    fprintf(to, "  %-28s %s", name, f->help);
    if (f->type == FIELD_IS_ENUM) value_wanted(f, range, sizeof range);
    fprintf(to, " (%s%sdefault %s)\n", range, *range ? "; " : "", value);
    if (f->type != FIELD_IS_LIST) continue;
    snprintf(name, sizeof name, "%s%s.N.", prefix, f->key);
    help_fields(f->item, name, to);
  }
}

void options_help(const Options *o, FILE *to) {
  for (int i = 0; i < o->n_parts; i++) help_fields(o->part[i].fields, "", to);
}
