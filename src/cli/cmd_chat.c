// pleiad chat: a conversation in the terminal, with a history that can be edited.
//
// The form is that of the TeleChat family: "<_user>question<_bot>answer<_end>" and a newline. A tokenizer without these tokens
// talks by continuing plain text.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/opened.h"
#include "infer/generate.h"

static const char help[] =
    "usage: pleiad chat --model PATH [--system TEXT] [--max-new N] [--context N] [--tokenizer F] [--dtype T] [--threads N] "
    "[sampling options]\n"
    "\n"
    "Talks with a model. Ctrl-C stops an answer, Ctrl-D ends. A model that was only pretrained continues what you write "
    "(--plain is then\n"
    "chosen if the tokenizer has no <_user> and <_bot>).\n"
    "\n"
    "  --plain       continue the text as it is, without the tokens of a conversation\n"
    "\n"
    "In the conversation:\n"
    "  /undo         forget the last question and answer\n"
    "  /retry        another answer to the last question\n"
    "  /edit TEXT    change the last question and answer it\n"
    "  /clear        begin anew\n"
    "  /history      show the conversation\n"
    "  /set NAME VALUE   a sampling option, e.g. /set temperature 0.5\n"
    "  /quit\n"
    "\n"
    "How the next token is chosen:\n";

enum { TURNS_MAX = 1024, LINE_BYTES_MAX = 1 << 20 };

typedef struct {
  Opened m;
  Engine engine;
  Session session;
  TokenizerWork *work;
  Ids ids;
  SamplerConfig sampler;
  Options options;
  int64_t max_new;
  bool plain;
  int32_t user, bot, eos;
  char *question[TURNS_MAX], *answer[TURNS_MAX];
  int64_t begin[TURNS_MAX];  // tokens before each turn
  int n_turns;
  const char *system;
} Chat;

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

typedef struct {
  char *text;
  size_t size;
} Answer;

static bool print_answer(void *context, const char *text, size_t size, int32_t id, float logprob) {
  (void)id, (void)logprob;
  Answer *a = context;
  char *grown = realloc(a->text, a->size + size + 1);
  if (!grown) return false;
  memcpy(grown + a->size, text, size);
  a->text = grown;
  a->size += size;
  a->text[a->size] = '\0';
  fwrite(text, 1, size, stdout);
  fflush(stdout);
  return !interrupted && !ferror(stdout);
}

static Err add_text(Chat *c, const char *text) {
  return tokenizer_encode(c->m.tokenizer, c->work, text, strlen(text), SPECIAL_TEXT, &c->ids);
}

static Err add_id(Chat *c, int32_t id) {
  // By its name, so that one function grows the array; only the model's own control tokens are parsed here.
  const char *name = tokenizer_piece(c->m.tokenizer, id);
  return tokenizer_encode(c->m.tokenizer, c->work, name, strlen(name), SPECIAL_PARSE, &c->ids);
}

// The tokens that lead to an answer: of the whole conversation so far only what the session does not hold yet.
static Err encode_turn(Chat *c, const char *question) {
  c->ids.count = 0;
  if (c->plain) return add_text(c, question);
  if (c->n_turns == 0 && c->system) {
    int32_t id = tokenizer_id(c->m.tokenizer, "<_system>");
    if (id >= 0) TRY(add_id(c, id));
    TRY(add_text(c, c->system));
    TRY(add_text(c, "\n"));
  }
  if (c->n_turns > 0) TRY(add_text(c, "\n"));
  TRY(add_id(c, c->user));
  TRY(add_text(c, question));
  return add_id(c, c->bot);
}

// Forgets the turns from the n-th on.
static void keep_turns(Chat *c, int n) {
  if (n < 0 || n >= c->n_turns) return;
  session_truncate(&c->session, c->begin[n]);
  while (c->n_turns > n) {
    free(c->question[--c->n_turns]);
    free(c->answer[c->n_turns]);
  }
}

static Err ask(Chat *c, const char *question) {
  CHECK(c->n_turns < TURNS_MAX, ERR_STATE, "more than %d turns; /clear begins anew", TURNS_MAX);
  TRY(encode_turn(c, question));
  if (c->ids.count == 0) return ERR_OK;
  int64_t left = c->session.kv.capacity - c->session.kv.length - c->ids.count;
  CHECK(left > 0, ERR_STATE,
        "the conversation no longer fits the context of %lld tokens; /undo or /clear, or start with a larger --context",
        (long long)c->session.kv.capacity);
  Answer answer = {0};
  GenerateResult result;
  GenerateOptions o = {.max_new = c->max_new < left ? c->max_new : left,
                       .stop_ids = &c->eos,
                       .n_stop_ids = c->eos >= 0,
                       .sampler = c->sampler,
                       .on_text = print_answer,
                       .context = &answer};
  c->begin[c->n_turns] = c->session.kv.length;
  c->question[c->n_turns] = strdup(question);
  interrupted = 0;
  Err err = generate(&c->session, c->m.tokenizer, c->ids.id, c->ids.count, false, &o, &result);
  c->answer[c->n_turns++] = answer.text;
  if (err) return err;
  // An answer that was cut ends all the same for the next turn.
  if (result.stop != STOP_TOKEN && !c->plain && c->session.kv.length < c->session.kv.capacity)
    TRY(session_feed(&c->session, &c->eos, 1, false));
  printf("\n");
  return ERR_OK;
}

static Err ask_again(Chat *c, const char *changed) {
  CHECK(c->n_turns > 0, ERR_STATE, "nothing was asked yet");
  char *question = strdup(changed ? changed : c->question[c->n_turns - 1]);
  CHECK(question, ERR_MEMORY, "no memory for the question");
  keep_turns(c, c->n_turns - 1);
  c->sampler.seed += changed ? 0 : 1;  // the same seed would give the same answer
  Err err = ask(c, question);
  free(question);
  return err;
}

static Err set_option(Chat *c, char *rest) {
  char *value = strchr(rest, ' ');
  CHECK(value, ERR_ARG, "/set wants a name and a value, e.g. /set temperature 0.5");
  *value++ = '\0';
  return options_set(&c->options, rest, value, "/set");
}

// One line of input. *quit is set at the end.
static Err obey(Chat *c, char *line, bool *quit) {
  if (line[0] != '/') return ask(c, line);
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = '\0';
  if (strcmp(line, "/quit") == 0) {
    *quit = true;
  } else if (strcmp(line, "/undo") == 0) {
    keep_turns(c, c->n_turns - 1);
  } else if (strcmp(line, "/clear") == 0) {
    keep_turns(c, 0);
  } else if (strcmp(line, "/retry") == 0) {
    return ask_again(c, NULL);
  } else if (strcmp(line, "/edit") == 0 && rest) {
    return ask_again(c, rest);
  } else if (strcmp(line, "/set") == 0 && rest) {
    return set_option(c, rest);
  } else if (strcmp(line, "/history") == 0) {
    for (int i = 0; i < c->n_turns; i++) printf("> %s\n%s\n", c->question[i], c->answer[i] ? c->answer[i] : "");
  } else {
    FAIL(ERR_ARG, "%s is not a command; /undo /retry /edit TEXT /clear /history /set NAME VALUE /quit", line);
  }
  return ERR_OK;
}

static Err converse(Chat *c) {
  char *line = NULL;
  size_t room = 0;
  bool quit = false, terminal = isatty(0);
  while (!quit) {
    if (terminal) fputs("> ", stdout), fflush(stdout);
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) break;
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
    if (n == 0) continue;
    if (obey(c, line, &quit)) err_print(stderr, 0);  // a mistake in the conversation does not end it
    if (ferror(stdout)) break;
  }
  free(line);
  if (terminal) printf("\n");
  return ERR_OK;
}

static Err open_chat(Chat *c, int argc, char **argv) {
  OpenOptions open = {0};
  c->max_new = 200;
  options_bind(&c->options, sampler_fields, &c->sampler);
  options_defaults(&c->options);
  TRY(open_options(&open, &argc, argv));
  TRY(cli_value(&argc, argv, "--system", &c->system));
  TRY(cli_int(&argc, argv, "--max-new", 1, 1 << 30, &c->max_new));
  TRY(cli_int(&argc, argv, "--context", 0, 1 << 30, &open.positions));
  c->plain = cli_flag(&argc, argv, "--plain");
  TRY(options_args(&c->options, &argc, argv, NULL));
  TRY(cli_no_more(argc, argv, NULL));
  TRY(opened_open(&c->m, &open));
  CHECK(c->m.tokenizer, ERR_ARG, "%s names no tokenizer; give --tokenizer F", open.path);
  TRY(tokenizer_work_open(&c->work, c->m.tokenizer));
  TRY(engine_open(&c->engine, &c->m.model, &c->m.dev, c->m.type, (EngineOptions){.rows_max = 256}));
  TRY(session_open(&c->session, &c->engine, c->m.model.rotary.positions));
  c->user = tokenizer_id(c->m.tokenizer, "<_user>");
  c->bot = tokenizer_id(c->m.tokenizer, "<_bot>");
  c->eos = tokenizer_eos(c->m.tokenizer);
  if (c->user < 0 || c->bot < 0 || c->eos < 0) c->plain = true;
  return ERR_OK;
}

Err cmd_chat(int argc, char **argv) {
  Chat *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory for a conversation");
  if (cli_help(argc, argv, help)) {
    options_bind(&c->options, sampler_fields, &c->sampler);
    options_help(&c->options, stdout);
    free(c);
    return ERR_OK;
  }
  struct sigaction on = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  Err err = open_chat(c, argc, argv);
  if (!err) {
    sigaction(SIGINT, &on, NULL);
    if (isatty(0))
      fprintf(stderr, "%s%s; /quit or Ctrl-D ends, pleiad chat --help tells more\n", c->m.from,
              c->plain ? " (continues plain text)" : "");
    err = converse(c);
  }
  keep_turns(c, 0);
  session_close(&c->session);
  engine_close(&c->engine);
  tokenizer_work_close(c->work);
  ids_free(&c->ids);
  opened_close(&c->m);
  free(c);
  return err;
}
