// pleiad chat: a conversation in the terminal, with a history that can be edited.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/chat_of.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/talk.h"

static const char help[] =
    "usage: pleiad chat --model MODEL [--system TEXT] [--tools FILE] [--kwargs JSON] [--max-new N] [--context N] [--tokenizer "
    "F]\n"
    "                   [--dtype T] [--threads N] [--json] [sampling options]\n"
    "\n"
    "Talks with a model, in the form of its own chat template. What it thinks is shown apart (dim on a terminal; on the "
    "standard\n"
    "error when the output goes elsewhere), and so are the tools that it calls. Ctrl-C stops an answer, Ctrl-D ends. A model\n"
    "without a template talks in the form of the TeleChat family if its tokenizer has <_user> and <_bot>; else it continues "
    "what\n"
    "you write. " FORMATS_LINE
    "\n"
    "  --system TEXT   what the conversation begins with\n"
    "  --tools FILE    a list of tools that the model may call (JSON)\n"
    "  --kwargs JSON   more variables of the template, e.g. '{\"enable_thinking\": false}'\n"
    "  --dtype T       fp32, bf16 (as stored), or int8: weights of 8 bits, the rest as bf16; faster, a little less exact\n"
    "  --plain         continue the text as it is, without the form of a conversation\n"
    "  --json          at the end one JSON object: the model, the turns, the conversation\n"
    "\n"
    "In the conversation:\n"
    "  /undo         forget the last question and answer\n"
    "  /retry        another answer to the last question\n"
    "  /edit TEXT    change the last question and answer it\n"
    "  /tool TEXT    what the tool gave that the model called\n"
    "  /clear        begin anew\n"
    "  /history      show the conversation\n"
    "  /set NAME VALUE   a sampling option, e.g. /set temperature 0.5\n"
    "  /quit\n"
    "\n"
    "How the next token is chosen:\n";

typedef struct {
  Opened m;
  Talk talk;
  Options options;
  bool json, colour, thinking;  // whether the last piece was a thought
} Room;

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static void stop_thinking(Room *r) {
  if (!r->thinking) return;
  r->thinking = false;
  if (r->colour) fputs("\033[0m\n", stdout);
  else fputs("\n", stderr);
}

static void print_piece(void *context, TalkPiece kind, const char *text, size_t size) {
  Room *r = context;
  if (kind == TALK_REASONING && !r->thinking) {
    r->thinking = true;
    if (r->colour) fputs("\033[2m", stdout);
  }
  if (kind != TALK_REASONING) stop_thinking(r);
  if (kind == TALK_WITHDRAWN) fputs("\n(it begins to think again)\n", stderr);
  fwrite(text, 1, size, kind == TALK_REASONING && !r->colour ? stderr : stdout);
  fflush(stdout);
}

static Err say(Room *r, const char *role, const char *text) {
  interrupted = 0;
  Err err = talk_say(&r->talk, role, text);
  stop_thinking(r);
  if (err) return err;
  const ParseBack *a = &r->talk.answer;
  if (a->content.size || !a->n_calls) printf("\n");
  for (int64_t i = 0; i < a->n_calls; i++) printf("calls %s(%s)\n", a->call[i].name, a->call[i].arguments);
  return ERR_OK;
}

static Err say_again(Room *r, const char *changed) {
  Talk *t = &r->talk;
  char *role = NULL, *text = NULL;
  CHECK(t->n_turns > 0, ERR_STATE, "nothing was asked yet");
  Err err = talk_question(t, t->n_turns - 1, &role, &text);
  if (!err) {
    talk_keep(t, t->n_turns - 1);
    t->sampler.seed += changed ? 0 : 1;  // the same seed would give the same answer
    err = say(r, role, changed ? changed : text);
  }
  free(role);
  free(text);
  return err;
}

static Err set_option(Room *r, char *rest) {
  char *value = strchr(rest, ' ');
  CHECK(value, ERR_ARG, "/set wants a name and a value, e.g. /set temperature 0.5");
  *value++ = '\0';
  return options_set(&r->options, rest, value, "/set");
}

static void print_history(const Talk *t) {
  if (t->plain) printf("%.*s\n", (int)t->text.size, t->text.data ? t->text.data : "");
  for (size_t i = 0; i < json_array_size(t->messages); i++) {
    const json_t *m = json_array_get(t->messages, i), *calls = json_object_get(m, "tool_calls");
    const char *role = json_string_value(json_object_get(m, "role"));
    printf("%s%s\n",
           strcmp(role, "user") == 0        ? "> "
           : strcmp(role, "assistant") == 0 ? ""
                                            : "# ",
           json_string_value(json_object_get(m, "content")));
    char *text = calls ? json_dumps(calls, 0) : NULL;
    if (text) printf("calls %s\n", text);
    free(text);
  }
}

static Err print_json(const Room *r) {
  const Talk *t = &r->talk;
  json_t *o = json_pack("{s:o, s:i, s:O}", "model", cli_json_text(r->m.from, strlen(r->m.from)), "turns", t->n_turns,
                        "messages", t->messages);
  if (o && t->plain) json_object_set_new(o, "text", cli_json_text(t->text.data ? t->text.data : "", t->text.size));
  return cli_json(o, "the conversation");
}

// One line of input. *quit is set at the end.
static Err obey(Room *r, char *line, bool *quit) {
  Talk *t = &r->talk;
  if (line[0] != '/') return say(r, "user", line);
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = '\0';
  if (strcmp(line, "/quit") == 0) {
    *quit = true;
  } else if (strcmp(line, "/undo") == 0) {
    talk_keep(t, t->n_turns - 1);
  } else if (strcmp(line, "/clear") == 0) {
    talk_keep(t, 0);
  } else if (strcmp(line, "/retry") == 0) {
    return say_again(r, NULL);
  } else if (strcmp(line, "/edit") == 0 && rest) {
    return say_again(r, rest);
  } else if (strcmp(line, "/tool") == 0 && rest) {
    return say(r, "tool", rest);
  } else if (strcmp(line, "/set") == 0 && rest) {
    return set_option(r, rest);
  } else if (strcmp(line, "/history") == 0) {
    print_history(t);
  } else {
    FAIL(ERR_ARG, "%s is not a command; /undo /retry /edit TEXT /tool TEXT /clear /history /set NAME VALUE /quit", line);
  }
  return ERR_OK;
}

static Err converse(Room *r) {
  char *line = NULL;
  size_t room = 0;
  bool quit = false, terminal = isatty(0);
  while (!quit) {
    if (terminal) fputs("> ", stdout), fflush(stdout);
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) break;
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
    if (n == 0) continue;
    if (obey(r, line, &quit)) err_print(stderr, 0);  // a mistake in the conversation does not end it
    if (ferror(stdout)) break;
  }
  free(line);
  if (terminal) printf("\n");
  return ERR_OK;
}

static Err open_room(Room *r, int argc, char **argv) {
  OpenOptions open = {0};
  Talk *t = &r->talk;
  const char *system = NULL, *tools_path = NULL, *kwargs_text = NULL;
  json_t *tools, *kwargs = NULL;
  *t = (Talk){.max_new = 200, .interrupted = &interrupted, .on_piece = print_piece, .context = r};
  options_bind(&r->options, sampler_fields, &t->sampler);
  options_defaults(&r->options);
  TRY(open_options(&open, &argc, argv));
  TRY(cli_value(&argc, argv, "--system", &system));
  TRY(cli_value(&argc, argv, "--tools", &tools_path));
  TRY(cli_value(&argc, argv, "--kwargs", &kwargs_text));
  TRY(cli_int(&argc, argv, "--max-new", 1, 1 << 30, &t->max_new));
  TRY(cli_int(&argc, argv, "--context", 0, 1 << 30, &open.positions));
  bool plain = cli_flag(&argc, argv, "--plain");
  r->json = cli_flag(&argc, argv, "--json");
  TRY(options_args(&r->options, &argc, argv, NULL));
  TRY(cli_no_more(argc, argv, NULL));
  TRY(opened_open(&r->m, &open));
  CHECK(r->m.tokenizer, ERR_ARG, "%s names no tokenizer; give --tokenizer F", open.path);
  TRY(chat_read_json(tools_path, &tools));
  Err err = kwargs_text ? json_parse(&kwargs, kwargs_text, strlen(kwargs_text), "--kwargs", true) : ERR_OK;
  if (err) json_decref(tools);
  return err ? err : talk_open(t, &r->m, open.path, open.tokenizer, plain, system, tools, kwargs);
}

Err cmd_chat(int argc, char **argv) {
  Room *r = calloc(1, sizeof *r);
  CHECK(r, ERR_MEMORY, "no memory for a conversation");
  if (cli_help(argc, argv, help)) {
    options_bind(&r->options, sampler_fields, &r->talk.sampler);
    options_help(&r->options, stdout);
    free(r);
    return ERR_OK;
  }
  struct sigaction on = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  Err err = open_room(r, argc, argv);
  if (!err) {
    sigaction(SIGINT, &on, NULL);
    r->colour = isatty(1);
    if (isatty(0))
      fprintf(stderr, "%s%s; /quit or Ctrl-D ends, pleiad chat --help tells more\n", r->m.from,
              r->talk.plain ? " (continues plain text)" : "");
    err = converse(r);
    if (!err && r->json) err = print_json(r);
  }
  talk_close(&r->talk);
  opened_close(&r->m);
  free(r);
  return err;
}
