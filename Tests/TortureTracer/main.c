/* TortureTracer: runs a program and kills it, lets a system call fail, or runs a command, at the N-th call that all its threads make together.
 *
 * strace counts its injections for each thread; here one counter serves all, so that every call of a run is a point.
 */
#define _GNU_SOURCE
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

#define MARKER (-7001)
#define THREADS 4096

/* What a thread is in the middle of. */
struct pending {
  pid_t thread;
  bool is_inside;
  bool is_faulted;
  bool is_counted;
  uint64_t wanted; /* bytes or parts that a write was made shorter from */
  struct call call;
};

static struct pending threads[THREADS];
static struct options options;
static long counted;
static bool counts;
static bool was_hit;
static char hit_name[32], hit_path[4096];
static pid_t root;

static void usage(const char *problem) {
  fprintf(stderr,
          "TortureTracer: %s\n"
          "usage: TortureTracer [--point N --action kill|kill-after|error|after-error|short|run|run-after [--errno E] [--command TEXT] [--persist] [--then-error COUNT] [--announce]]\n"
          "                     [--scope DIRECTORY] [--only CALL,…] [--meta-pages] [--marker] [--log FILE] [--record FILE] -- PROGRAM ARGUMENT…\n",
          problem);
  exit(64);
}

static struct pending *find_thread(pid_t thread) {
  struct pending *empty = NULL;
  for (size_t index = 0; index < THREADS; index++) {
    if (threads[index].thread == thread) return &threads[index];
    if (!threads[index].thread && !empty) empty = &threads[index];
  }
  if (!empty) {
    fprintf(stderr, "TortureTracer: more than %d threads\n", THREADS);
    kill(root, SIGKILL);
    exit(70);
  }
  memset(empty, 0, sizeof *empty);
  empty->thread = thread;
  return empty;
}

static bool is_listed(const char *name, const char *list) {
  size_t length = strlen(name);
  for (const char *at = list; (at = strstr(at, name)); at += length)
    if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length])) return true;
  return false;
}

static bool counts_call(const struct call *call) {
  if (!counts) return false;
  if (options.only && !is_listed(call->name, options.only)) return false;
  if (options.meta_pages && call->number == SYS_pwrite64 && !call_writes_meta_page(call)) return false;
  if (!options.scope) return true;
  return path_is_below(call->path, options.scope) || (call->second[0] && path_is_below(call->second, options.scope));
}

static void kill_all(void) { kill(root, SIGKILL); }

/* Half of a write: fewer bytes, or fewer parts of a vector. Returns how many there were, or 0. */
static uint64_t shorten(const struct call *call) {
  if (call->arguments[2] < 2) return 0;
  tracee_set_argument(call->thread, 2, call->arguments[2] / 2);
  return call->arguments[2];
}

/* The log says what was done to the program, not what was meant to be done. */
static void log_injection(const struct call *call) {
  if (options.log) fprintf(options.log, "injected\t%ld\t%s\t%s\n", counted, call->name, call->path), fflush(options.log);
}

/* What the program will see of the call that it is about to return from. */
static int64_t result_now(pid_t thread) {
  struct ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_EXIT) return 0;
  return info.exit.rval;
}

/* In the program's own log, so that it is known what came before the fault and what after it. */
static void announce(const struct call *call) {
  if (!options.announces) return;
  char line[4200];
  int length = snprintf(line, sizeof line, "fault %s %s\n", call->name, call->path);
  if (write(1, line, (size_t)length) < 0) exit(74);
}

static void unblock_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Meanwhile no call of the program begins or returns. The announcement follows: what the program says after it, it says after the command. */
static bool run_command(const struct call *call) {
  pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    unblock_signals();
    execl("/bin/sh", "sh", "-c", options.command, (char *)NULL);
    _exit(127);
  }
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  announce(call);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void at_entry(struct pending *state, const struct ptrace_syscall_info *info) {
  struct call *call = &state->call;
  call->thread = state->thread;
  call->number = info->entry.nr;
  memcpy(call->arguments, info->entry.args, sizeof call->arguments);
  state->is_inside = true;
  state->is_faulted = state->is_counted = false;
  if (call->number == SYS_close && (int)call->arguments[0] == MARKER) counts = true;
  if (!counts && !options.record) return;
  call_resolve(call);
  if (options.record && options.scope) record_entry(options.record, call);
  if (!counts_call(call)) return;
  counted++;
  state->is_counted = true;
  bool is_point = options.action != ACTION_NONE && counted == options.point;
  bool is_like_hit = was_hit && !is_point && !strcmp(call->name, hit_name) && !strcmp(call->path, hit_path);
  if (is_like_hit && options.then_errors > 0) {
    options.then_errors--;
    options.action = ACTION_ERROR;
  } else if (!is_point && !(is_like_hit && options.persists)) {
    return;
  }
  if (is_point) {
    was_hit = true;
    snprintf(hit_name, sizeof hit_name, "%s", call->name);
    snprintf(hit_path, sizeof hit_path, "%s", call->path);
    if (!options.command) announce(call);
    if (options.log) fprintf(options.log, "hit\t%ld\t%s\t%s\n", counted, call->name, call->path), fflush(options.log);
  }
  state->is_faulted = true;
  state->wanted = 0;
  switch (options.action) {
  case ACTION_KILL:
    kill_all();
    log_injection(call);
    break;
  case ACTION_ERROR: tracee_skip_call(state->thread); break;
  case ACTION_RUN:
    if (run_command(call)) log_injection(call);
    break;
  case ACTION_SHORT:
    if (call_writes_bytes(call->number)) state->wanted = shorten(call);
    break;
  default: break;
  }
}

static void at_exit(struct pending *state, const struct ptrace_syscall_info *info) {
  if (!state->is_inside) return;
  state->is_inside = false;
  int64_t result = info->exit.rval;
  if (state->is_faulted) {
    /* A call that was skipped has no number, and the kernel knows no call of that number. */
    bool is_done = false;
    switch (options.action) {
    case ACTION_KILL_AFTER:
      kill_all();
      is_done = true;
      break;
    case ACTION_ERROR:
      is_done = result == -ENOSYS;
      tracee_set_result(state->thread, result = -options.error);
      is_done = is_done && result_now(state->thread) == -options.error;
      break;
    case ACTION_AFTER_ERROR:
      tracee_set_result(state->thread, -options.error);
      is_done = result != -options.error && result_now(state->thread) == -options.error;
      break;
    case ACTION_RUN_AFTER: is_done = run_command(&state->call); break;
    case ACTION_SHORT: is_done = state->wanted && result >= 0 && (uint64_t)result < state->wanted; break;
    default: break;
    }
    if (is_done) log_injection(&state->call);
  }
  if (options.log && state->is_counted && options.action == ACTION_NONE)
    fprintf(options.log, "call\t%ld\t%s\t%lld\t%s\n", counted, state->call.name, (long long)result, state->call.path);
  if (!options.record || !options.scope) return;
  /* Flushes take long: another thread may have renamed what lies above meanwhile. */
  if (record_is_flush(&state->call)) call_resolve(&state->call);
  record_call(options.record, &state->call, result, options.scope);
}

/* While a recorded change is made no other thread's call begins or ends: names in the recording are then always the names on disk. */
static bool runs_alone(const struct pending *state) {
  return options.record && options.scope && state->is_inside && record_is_change(&state->call, options.scope);
}

static void at_call(pid_t thread) {
  struct ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
  struct pending *state = find_thread(thread);
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) at_entry(state, &info);
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) at_exit(state, &info);
}

/* Runs the program to its end; returns its wait status. */
static int trace(void) {
  int status, last = 0;
  pid_t awaited = -1;
  for (;;) {
    pid_t thread = waitpid(awaited, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      return last;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == root) last = status;
      find_thread(thread)->thread = 0;
      awaited = -1;
      continue;
    }
    int signal = WSTOPSIG(status);
    bool is_event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
      at_call(thread);
      awaited = runs_alone(find_thread(thread)) ? thread : -1;
      signal = 0;
    } else if (is_event || (signal == SIGSTOP && !find_thread(thread)->call.name && !find_thread(thread)->is_inside)) {
      /* The stop that a new thread begins with. */
      signal = 0;
    }
    ptrace(PTRACE_SYSCALL, thread, 0, signal);
  }
}

static FILE *opened(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) usage("a log cannot be opened");
  return file;
}

static enum action action_named(const char *name) {
  if (!strcmp(name, "kill")) return ACTION_KILL;
  if (!strcmp(name, "kill-after")) return ACTION_KILL_AFTER;
  if (!strcmp(name, "error")) return ACTION_ERROR;
  if (!strcmp(name, "after-error")) return ACTION_AFTER_ERROR;
  if (!strcmp(name, "short")) return ACTION_SHORT;
  if (!strcmp(name, "run")) return ACTION_RUN;
  if (!strcmp(name, "run-after")) return ACTION_RUN_AFTER;
  usage("the action is unknown");
  return ACTION_NONE;
}

static char **parse(int count, char **words) {
  counts = true;
  for (int index = 1; index < count; index++) {
    const char *word = words[index];
    if (!strcmp(word, "--")) return &words[index + 1];
    if (!strcmp(word, "--marker")) {
      counts = false;
      continue;
    }
    if (!strcmp(word, "--announce")) {
      options.announces = true;
      continue;
    }
    if (!strcmp(word, "--meta-pages")) {
      options.meta_pages = true;
      continue;
    }
    if (!strcmp(word, "--persist")) {
      options.persists = true;
      continue;
    }
    if (index + 1 >= count) usage("a value is missing");
    const char *value = words[++index];
    if (!strcmp(word, "--then-error")) options.then_errors = atoi(value);
    else if (!strcmp(word, "--point")) options.point = atol(value);
    else if (!strcmp(word, "--action")) options.action = action_named(value);
    else if (!strcmp(word, "--errno")) options.error = atoi(value);
    else if (!strcmp(word, "--command")) options.command = value;
    else if (!strcmp(word, "--scope")) options.scope = value;
    else if (!strcmp(word, "--only")) options.only = value;
    else if (!strcmp(word, "--log")) options.log = opened(value);
    else if (!strcmp(word, "--record")) options.record = opened(value);
    else usage("an option is unknown");
  }
  usage("there is no program");
  return NULL;
}

int main(int count, char **words) {
  char **program = parse(count, words);
  if (!program[0]) usage("there is no program");
  if (!options.command != (options.action != ACTION_RUN && options.action != ACTION_RUN_AFTER)) usage("a command belongs to run and run-after");
  if (options.record && options.scope) record_scope(options.record, options.scope);
  root = fork();
  if (root < 0) usage("fork failed");
  if (root == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    /* Whoever started the tracer may have blocked signals; a shell that waits for its children would wait for ever. */
    unblock_signals();
    execvp(program[0], program);
    _exit(127);
  }
  int status;
  waitpid(root, &status, 0);
  long wanted = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, root, 0, wanted) < 0) usage("the system does not allow tracing");
  ptrace(PTRACE_SYSCALL, root, 0, 0);
  status = trace();
  if (options.log) {
    fprintf(options.log, "end\t%ld\t%s\n", counted, was_hit ? "hit" : "missed");
    fclose(options.log);
  }
  if (options.record) fclose(options.record);
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}
