#ifndef ENGRAM_TORTURE_TRACE_H
#define ENGRAM_TORTURE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What is done at the chosen call. */
enum action {
  ACTION_NONE,        /* count only */
  ACTION_KILL,        /* SIGKILL before the call is made */
  ACTION_KILL_AFTER,  /* SIGKILL after the call was made */
  ACTION_ERROR,       /* the call is not made and fails */
  ACTION_AFTER_ERROR, /* the call is made and reported as failed */
  ACTION_SHORT,       /* a write transfers half of its bytes */
  ACTION_RUN,         /* a command runs to its end before the call is made */
  ACTION_RUN_AFTER,   /* a command runs to its end after the call was made, before the program sees its result */
};

struct options {
  enum action action;
  int error;             /* errno of ACTION_ERROR and ACTION_AFTER_ERROR */
  const char *command;   /* of ACTION_RUN and ACTION_RUN_AFTER, for /bin/sh */
  long point;            /* the call that is acted on, from 1 */
  bool persists;         /* every later call of the same kind on the same file fails, too */
  int then_errors;       /* so many later calls of the same kind on the same file are not made, and fail */
  bool announces;        /* a line "fault NAME PATH" to standard output at the chosen call */
  const char *scope;     /* only calls that name a file below this directory count; NULL: all */
  const char *only;      /* comma-separated names of the calls that count; NULL: all */
  bool meta_pages;       /* of pwrite64 only the writes of LMDB's meta pages count: the first of the two steps of a commit */
  bool waits_for_marker; /* counting begins at close(-7001) */
  FILE *log;             /* a line a counted call, or NULL */
  FILE *record;          /* everything that changes files below the scope, with its bytes, or NULL */
};

/* One stopped system call. */
struct call {
  pid_t thread;
  uint64_t number;
  uint64_t arguments[6];
  const char *name;
  char path[4096];   /* of the first file it names, or empty */
  char second[4096]; /* the other name of a rename, or empty */
};

const char *call_name(uint64_t number);
bool call_writes_bytes(uint64_t number);
/* Whether it writes one of the two pages that a data.mdb begins with. */
bool call_writes_meta_page(const struct call *call);
void call_resolve(struct call *call);
bool path_is_below(const char *path, const char *directory);

size_t tracee_read(pid_t thread, uint64_t address, void *into, size_t count);
void tracee_read_string(pid_t thread, uint64_t address, char *into, size_t size);

/* Changes the registers of a thread that is stopped at a system call. */
void tracee_skip_call(pid_t thread);
void tracee_set_result(pid_t thread, int64_t result);
void tracee_set_argument(pid_t thread, int index, uint64_t value);

bool record_is_flush(const struct call *call);
/* Whether the call changes bytes or names below the scope, when it succeeds. */
bool record_is_change(const struct call *call, const char *scope);
/* The recording's first line; a call that begins; a call that ended. */
void record_scope(FILE *record, const char *scope);
void record_entry(FILE *record, const struct call *call);
void record_call(FILE *record, const struct call *call, int64_t result, const char *scope);

#endif
