#define _GNU_SOURCE
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

size_t tracee_read(pid_t thread, uint64_t address, void *into, size_t count) {
  struct iovec local = {into, count};
  struct iovec remote = {(void *)address, count};
  ssize_t got = process_vm_readv(thread, &local, 1, &remote, 1, 0);
  return got > 0 ? (size_t)got : 0;
}

void tracee_read_string(pid_t thread, uint64_t address, char *into, size_t size) {
  into[0] = 0;
  if (!address) return;
  size_t done = 0;
  while (done + 1 < size) {
    /* Never across a page: the next one may not be mapped. */
    size_t count = 4096 - (address + done) % 4096;
    if (count > size - 1 - done) count = size - 1 - done;
    size_t got = tracee_read(thread, address + done, into + done, count);
    into[done + got] = 0;
    if (got < count || memchr(into + done, 0, got)) return;
    done += got;
  }
  into[size - 1] = 0;
}

#if defined(__x86_64__)

void tracee_skip_call(pid_t thread) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, thread, 0, &registers);
  registers.orig_rax = (unsigned long long)-1;
  ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

void tracee_set_result(pid_t thread, int64_t result) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, thread, 0, &registers);
  registers.rax = (unsigned long long)result;
  ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

void tracee_set_argument(pid_t thread, int index, uint64_t value) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, thread, 0, &registers);
  switch (index) {
  case 0: registers.rdi = value; break;
  case 1: registers.rsi = value; break;
  case 2: registers.rdx = value; break;
  case 3: registers.r10 = value; break;
  }
  ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

#elif defined(__aarch64__)

#include <elf.h>

static void change(pid_t thread, int index, uint64_t value) {
  struct user_regs_struct registers;
  struct iovec part = {&registers, sizeof registers};
  ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &part);
  registers.regs[index] = value;
  ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &part);
}

void tracee_skip_call(pid_t thread) {
  int none = -1;
  struct iovec part = {&none, sizeof none};
  ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &part);
}

void tracee_set_result(pid_t thread, int64_t result) { change(thread, 0, (uint64_t)result); }
void tracee_set_argument(pid_t thread, int index, uint64_t value) { change(thread, index, value); }

#else
#error "the tracer knows the registers of x86-64 and arm64 only"
#endif
