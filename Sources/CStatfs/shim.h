// statfs(2), which the Glibc module of the toolchain leaves out.
#ifdef __linux__
#include <sys/vfs.h>
#endif
