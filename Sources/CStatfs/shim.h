// Of Linux's file systems, what the Glibc module of the toolchain leaves out.
#ifdef __linux__
#include <sys/vfs.h>

// fallocate(2), which fcntl.h has for _GNU_SOURCE only. off_t is a long on 64-bit systems; including its header would take the types of
// others (pthread) out of the Glibc module.
int fallocate(int descriptor, int mode, long offset, long length);

// statx(2), which sys/stat.h has for _GNU_SOURCE only. The C library emulates it if the kernel does not have it. It has a second name for
// Swift, which finds only the struct by the first one.
#include <linux/stat.h>
int statx(int directory, const char *path, int flags, unsigned int mask, struct statx *status);
static inline int file_status(int directory, const char *path, int flags, unsigned int mask, struct statx *status) {
  return statx(directory, path, flags, mask, status);
}
#endif
