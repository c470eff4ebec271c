#define _GNU_SOURCE
#include "trace.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a call names a file: by descriptor, by path, or by a path relative to a directory's descriptor. */
enum kind { BY_NOTHING, BY_DESCRIPTOR, BY_PATH, BY_PATH_AT, BY_TWO_PATHS, BY_TWO_PATHS_AT };

struct known_call {
  uint64_t number;
  const char *name;
  enum kind kind;
  int position; /* of the descriptor or path among the arguments */
};

static const struct known_call known_calls[] = {
    {SYS_read, "read", BY_DESCRIPTOR, 0},
    {SYS_write, "write", BY_DESCRIPTOR, 0},
    {SYS_pread64, "pread64", BY_DESCRIPTOR, 0},
    {SYS_pwrite64, "pwrite64", BY_DESCRIPTOR, 0},
    {SYS_writev, "writev", BY_DESCRIPTOR, 0},
    {SYS_pwritev, "pwritev", BY_DESCRIPTOR, 0},
    {SYS_fsync, "fsync", BY_DESCRIPTOR, 0},
    {SYS_fdatasync, "fdatasync", BY_DESCRIPTOR, 0},
    {SYS_ftruncate, "ftruncate", BY_DESCRIPTOR, 0},
    {SYS_fallocate, "fallocate", BY_DESCRIPTOR, 0},
    {SYS_flock, "flock", BY_DESCRIPTOR, 0},
    {SYS_fcntl, "fcntl", BY_DESCRIPTOR, 0},
    {SYS_fchmod, "fchmod", BY_DESCRIPTOR, 0},
    {SYS_fstat, "fstat", BY_DESCRIPTOR, 0},
    {SYS_lseek, "lseek", BY_DESCRIPTOR, 0},
    {SYS_getdents64, "getdents64", BY_DESCRIPTOR, 0},
    {SYS_close, "close", BY_DESCRIPTOR, 0},
    {SYS_mmap, "mmap", BY_DESCRIPTOR, 4},
    {SYS_msync, "msync", BY_NOTHING, 0},
    {SYS_munmap, "munmap", BY_NOTHING, 0},
    {SYS_openat, "openat", BY_PATH_AT, 0},
    {SYS_mkdirat, "mkdirat", BY_PATH_AT, 0},
    {SYS_unlinkat, "unlinkat", BY_PATH_AT, 0},
    {SYS_newfstatat, "newfstatat", BY_PATH_AT, 0},
    {SYS_fchmodat, "fchmodat", BY_PATH_AT, 0},
    {SYS_readlinkat, "readlinkat", BY_PATH_AT, 0},
    {SYS_statx, "statx", BY_PATH_AT, 0},
    {SYS_statfs, "statfs", BY_PATH, 0},
    {SYS_truncate, "truncate", BY_PATH, 0},
    {SYS_renameat, "renameat", BY_TWO_PATHS_AT, 0},
    {SYS_renameat2, "renameat2", BY_TWO_PATHS_AT, 0},
#ifdef SYS_open /* the calls that newer architectures do without */
    {SYS_open, "open", BY_PATH, 0},
    {SYS_creat, "creat", BY_PATH, 0},
    {SYS_stat, "stat", BY_PATH, 0},
    {SYS_lstat, "lstat", BY_PATH, 0},
    {SYS_mkdir, "mkdir", BY_PATH, 0},
    {SYS_rmdir, "rmdir", BY_PATH, 0},
    {SYS_unlink, "unlink", BY_PATH, 0},
    {SYS_chmod, "chmod", BY_PATH, 0},
    {SYS_readlink, "readlink", BY_PATH, 0},
    {SYS_access, "access", BY_PATH, 0},
    {SYS_rename, "rename", BY_TWO_PATHS, 0},
#endif
    {SYS_futex, "futex", BY_NOTHING, 0},
    {SYS_exit_group, "exit_group", BY_NOTHING, 0},
};

static const struct known_call *find_call(uint64_t number) {
  for (size_t index = 0; index < sizeof known_calls / sizeof *known_calls; index++)
    if (known_calls[index].number == number) return &known_calls[index];
  return NULL;
}

const char *call_name(uint64_t number) {
  const struct known_call *found = find_call(number);
  return found ? found->name : "other";
}

bool call_writes_bytes(uint64_t number) {
  return number == SYS_write || number == SYS_pwrite64 || number == SYS_writev || number == SYS_pwritev;
}

bool call_writes_meta_page(const struct call *call) {
  static const char name[] = "/data.mdb";
  size_t length = strlen(call->path), tail = sizeof name - 1;
  return call->number == SYS_pwrite64 && call->arguments[3] < 2 * 4096 && length >= tail && !strcmp(call->path + length - tail, name);
}

static void descriptor_path(pid_t thread, int descriptor, char *into, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, descriptor);
  ssize_t length = readlink(link, into, size - 1);
  into[length > 0 ? length : 0] = 0;
}

/* Joins a relative path with the directory that it is relative to. */
static void path_argument(const struct call *call, int directory, uint64_t address, char *into, size_t size) {
  char text[2048];
  tracee_read_string(call->thread, address, text, sizeof text);
  char base[2000];
  int descriptor = -1, rest = 0;
  if (sscanf(text, "/proc/self/fd/%d%n", &descriptor, &rest) == 1 && (text[rest] == '/' || text[rest] == 0)) {
    descriptor_path(call->thread, descriptor, base, sizeof base);
    snprintf(into, size, "%s%s", base, text + rest);
    return;
  }
  if (text[0] == '/' || text[0] == 0) {
    snprintf(into, size, "%s", text);
    return;
  }
  if (directory == AT_FDCWD) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/cwd", call->thread);
    ssize_t length = readlink(link, base, sizeof base - 1);
    base[length > 0 ? length : 0] = 0;
  } else {
    descriptor_path(call->thread, directory, base, sizeof base);
  }
  snprintf(into, size, "%s/%s", base, text);
}

void call_resolve(struct call *call) {
  const struct known_call *found = find_call(call->number);
  call->name = found ? found->name : "other";
  call->path[0] = call->second[0] = 0;
  if (!found) return;
  const uint64_t *arguments = call->arguments;
  int position = found->position;
  switch (found->kind) {
  case BY_NOTHING:
    break;
  case BY_DESCRIPTOR:
    if ((int)arguments[position] >= 0)
      descriptor_path(call->thread, (int)arguments[position], call->path, sizeof call->path);
    break;
  case BY_PATH:
    path_argument(call, AT_FDCWD, arguments[position], call->path, sizeof call->path);
    break;
  case BY_PATH_AT:
    path_argument(call, (int)arguments[0], arguments[1], call->path, sizeof call->path);
    if (!call->path[0] && (int)arguments[0] >= 0)
      descriptor_path(call->thread, (int)arguments[0], call->path, sizeof call->path);
    break;
  case BY_TWO_PATHS:
    path_argument(call, AT_FDCWD, arguments[0], call->path, sizeof call->path);
    path_argument(call, AT_FDCWD, arguments[1], call->second, sizeof call->second);
    break;
  case BY_TWO_PATHS_AT:
    path_argument(call, (int)arguments[0], arguments[1], call->path, sizeof call->path);
    path_argument(call, (int)arguments[2], arguments[3], call->second, sizeof call->second);
    break;
  }
}

bool path_is_below(const char *path, const char *directory) {
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0;
}
