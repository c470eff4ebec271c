// Of Linux's file systems, what the Glibc module of the toolchain leaves out.
#ifdef __linux__
#include <sys/vfs.h>

// fallocate(2), which fcntl.h has for _GNU_SOURCE only. off_t is a long on 64-bit systems; including its header would take the types of
// others (pthread) out of the Glibc module.
int fallocate(int descriptor, int mode, long offset, long length);
#endif
