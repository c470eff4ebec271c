#define _GNU_SOURCE
#include "trace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* The format: a line a change, fields parted by tabs, paths last and as they are; the bytes of a W follow its line.
 *
 *   S path                               the directory whose changes are recorded; first, and once
 *   W offset length isSynchronous path   bytes written; the write was durable on return where isSynchronous is 1
 *   Z offset length isSynchronous path   as W; the bytes are all zeros and do not follow
 *   T size path                          truncated or extended
 *   C path        M path                 file opened to be made where it is missing; directory made
 *   U path        D path                 file or directory removed
 *   R from TAB to                        renamed
 *   B thread                             a flush begins: it covers what was completed by now
 *   F thread path                        the thread's flush ended: fsync or fdatasync of a file or directory
 *   P length                             bytes printed to descriptor 1, which follow
 */

static bool is_synchronous(pid_t thread, int descriptor) {
  char name[64], line[256];
  snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", thread, descriptor);
  FILE *file = fopen(name, "r");
  if (!file) return false;
  unsigned long flags = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "flags:\t%lo", &flags) == 1) break;
  fclose(file);
  return flags & O_DSYNC;
}

static void copy_bytes(FILE *record, pid_t thread, uint64_t address, size_t count) {
  static char buffer[1 << 16];
  while (count > 0) {
    size_t part = count < sizeof buffer ? count : sizeof buffer;
    if (tracee_read(thread, address, buffer, part) != part) memset(buffer, 0, part);
    fwrite(buffer, 1, part, record);
    address += part;
    count -= part;
  }
}

/* Bytes of a vectored write, as many as were transferred. */
static void copy_vector(FILE *record, const struct call *call, size_t count) {
  for (uint64_t index = 0; index < call->arguments[2] && count > 0; index++) {
    struct iovec part;
    if (tracee_read(call->thread, call->arguments[1] + index * sizeof part, &part, sizeof part) != sizeof part) return;
    size_t length = part.iov_len < count ? part.iov_len : count;
    copy_bytes(record, call->thread, (uint64_t)part.iov_base, length);
    count -= length;
  }
}

static bool is_zeros(pid_t thread, uint64_t address, size_t count) {
  static char buffer[1 << 16];
  while (count > 0) {
    size_t part = count < sizeof buffer ? count : sizeof buffer;
    if (tracee_read(thread, address, buffer, part) != part) return false;
    if (buffer[0] || memcmp(buffer, buffer + 1, part - 1)) return false;
    address += part;
    count -= part;
  }
  return true;
}

static void record_write(FILE *record, const struct call *call, int64_t result, uint64_t offset) {
  bool is_vectored = call->number == SYS_writev || call->number == SYS_pwritev;
  /* Room that is made ahead is most of what a store writes. */
  if (!is_vectored && is_zeros(call->thread, call->arguments[1], (size_t)result)) {
    fprintf(record, "Z\t%llu\t%lld\t%d\t%s\n", (unsigned long long)offset, (long long)result,
            is_synchronous(call->thread, (int)call->arguments[0]), call->path);
    return;
  }
  fprintf(record, "W\t%llu\t%lld\t%d\t%s\n", (unsigned long long)offset, (long long)result,
          is_synchronous(call->thread, (int)call->arguments[0]), call->path);
  if (is_vectored)
    copy_vector(record, call, (size_t)result);
  else
    copy_bytes(record, call->thread, call->arguments[1], (size_t)result);
}

/* The position after a plain write, from which its offset follows. */
static uint64_t position(const struct call *call) {
  char name[64], line[256];
  snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", call->thread, (int)call->arguments[0]);
  FILE *file = fopen(name, "r");
  if (!file) return 0;
  unsigned long long position = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "pos:\t%llu", &position) == 1) break;
  fclose(file);
  return position;
}

void record_scope(FILE *record, const char *scope) { fprintf(record, "S\t%s\n", scope); }

bool record_is_flush(const struct call *call) { return call->number == SYS_fsync || call->number == SYS_fdatasync; }

static bool is_below(const struct call *call, const char *scope) {
  return path_is_below(call->path, scope) || (call->second[0] && path_is_below(call->second, scope));
}

bool record_is_change(const struct call *call, const char *scope) {
  switch (call->number) {
  case SYS_pwrite64:
  case SYS_pwritev:
  case SYS_write:
  case SYS_writev:
  case SYS_ftruncate:
  case SYS_truncate:
  case SYS_mkdirat:
  case SYS_unlinkat:
  case SYS_renameat:
  case SYS_renameat2:
  case SYS_openat:
#ifdef SYS_open
  case SYS_open:
  case SYS_mkdir:
  case SYS_rmdir:
  case SYS_unlink:
  case SYS_rename:
#endif
    return is_below(call, scope);
  default: return false;
  }
}

void record_entry(FILE *record, const struct call *call) {
  if (record_is_flush(call)) fprintf(record, "B\t%d\n", call->thread);
}

void record_call(FILE *record, const struct call *call, int64_t result, const char *scope) {
  if (result < 0) return;
  const uint64_t *arguments = call->arguments;
  if (call->number == SYS_write && (int)arguments[0] == 1) {
    fprintf(record, "P\t%lld\n", (long long)result);
    copy_bytes(record, call->thread, arguments[1], (size_t)result);
    return;
  }
  if (!is_below(call, scope)) return;
  switch (call->number) {
  case SYS_pwrite64: record_write(record, call, result, arguments[3]); break;
  case SYS_pwritev: record_write(record, call, result, arguments[3]); break;
  case SYS_write:
  case SYS_writev: record_write(record, call, result, position(call) - (uint64_t)result); break;
  case SYS_ftruncate:
  case SYS_truncate: fprintf(record, "T\t%llu\t%s\n", (unsigned long long)arguments[1], call->path); break;
  case SYS_fsync:
  case SYS_fdatasync: fprintf(record, "F\t%d\t%s\n", call->thread, call->path); break;
  case SYS_mkdirat: fprintf(record, "M\t%s\n", call->path); break;
  case SYS_unlinkat: fprintf(record, "%c\t%s\n", arguments[2] & AT_REMOVEDIR ? 'D' : 'U', call->path); break;
  case SYS_renameat:
  case SYS_renameat2: fprintf(record, "R\t%s\t%s\n", call->path, call->second); break;
  case SYS_openat:
    if (arguments[2] & O_CREAT) fprintf(record, "C\t%s\n", call->path);
    if (arguments[2] & O_TRUNC) fprintf(record, "T\t0\t%s\n", call->path);
    break;
#ifdef SYS_open
  case SYS_open:
    if (arguments[1] & O_CREAT) fprintf(record, "C\t%s\n", call->path);
    if (arguments[1] & O_TRUNC) fprintf(record, "T\t0\t%s\n", call->path);
    break;
  case SYS_mkdir: fprintf(record, "M\t%s\n", call->path); break;
  case SYS_rmdir: fprintf(record, "D\t%s\n", call->path); break;
  case SYS_unlink: fprintf(record, "U\t%s\n", call->path); break;
  case SYS_rename: fprintf(record, "R\t%s\t%s\n", call->path, call->second); break;
#endif
  }
}
