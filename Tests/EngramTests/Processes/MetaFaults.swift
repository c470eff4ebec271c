#if os(Linux)
  import Foundation
  import TestSupport

  /// Makes LMDB's writes of its meta page fail in another process, step by step, with a library that is loaded before the C library.
  ///
  /// `strace` skips a call that it makes fail; a failing disk may have written the page all the same, and this library can do that, too. A
  /// plan has a letter for each write of a meta page of generation 1, starting when the child arms it: `E` and `S` write nothing and report
  /// EIO or ENOSPC, `W` writes and reports EIO, `H` writes the first half, `K` kills the process, `D` writes and then kills it, and
  /// anything else writes. After a failed write LMDB writes the old page back, which is the next step.
  struct MetaFaults {
    private let library: String
    private let plan: String

    init(_ directory: TemporaryDirectory) async throws {
      library = directory.path("meta-faults.so")
      plan = directory.path("meta-plan")
      let source = directory.path("meta-faults.c")
      try Data(Self.source.utf8).write(to: URL(fileURLWithPath: source))
      // clang is part of the Swift toolchain.
      let outcome = try await ChildProcess.run(executable: "/usr/bin/env", ["clang", "-shared", "-fPIC", "-O1", "-o", library, source])
      guard outcome.termination == .exited(0) else { throw ChildProcess.MissingProgram(path: "clang: \(outcome.standardError)") }
    }

    /// Starts a command of `EngramTestChild` under a plan that is armed from the beginning.
    func child(_ arguments: [String], plan steps: String) throws -> ChildProcess {
      try Data(steps.utf8).write(to: URL(fileURLWithPath: plan))
      return try child(arguments)
    }

    /// Starts a command of `EngramTestChild` that arms a plan.
    func child(_ arguments: [String]) throws -> ChildProcess {
      try ChildProcess(
        executable: "/usr/bin/env",
        [
          "LD_PRELOAD=\(library)", "ENGRAM_META_PLAN=\(plan)", "ENGRAM_META_FILE=gen-1/data.mdb",
          try TestProcess.executable("EngramTestChild"),
        ]
          + arguments)
    }

    private static let source = #"""
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <fcntl.h>
      #include <signal.h>
      #include <stdio.h>
      #include <stdlib.h>
      #include <string.h>
      #include <unistd.h>

      typedef ssize_t (*writer)(int, const void *, size_t, off_t);

      /* The next step of the plan, which is taken out of its file; 0 where there is none. */
      static char next_step(void) {
        const char *path = getenv("ENGRAM_META_PLAN");
        char plan[64];
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        if (fd < 0) return 0;
        ssize_t count = read(fd, plan, sizeof plan);
        if (count > 0 && (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 || write(fd, plan + 1, count - 1) != count - 1)) abort();
        close(fd);
        return count > 0 ? plan[0] : 0;
      }

      /* Whether it is LMDB's write of a meta page: everything behind magic number, version and address, of a file that the plan is for. */
      static int is_meta(int fd, size_t count, off_t offset) {
        if (count != 120 || (offset != 32 && offset != 4096 + 32)) return 0;
        const char *wanted = getenv("ENGRAM_META_FILE");
        char link[64], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length < 0) return 0;
        path[length] = 0;
        return wanted && strstr(path, wanted) != NULL;
      }

      ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
        static writer next;
        if (!next) next = (writer)dlsym(RTLD_NEXT, "pwrite");
        switch (is_meta(fd, count, offset) ? next_step() : 0) {
        case 'E': errno = EIO; return -1;
        case 'S': errno = ENOSPC; return -1;
        case 'W': next(fd, bytes, count, offset); errno = EIO; return -1;
        case 'H': return next(fd, bytes, count / 2, offset);
        case 'K': kill(getpid(), SIGKILL); return -1;
        case 'D': next(fd, bytes, count, offset); kill(getpid(), SIGKILL); return -1;
        default: return next(fd, bytes, count, offset);
        }
      }
      """#
  }
#endif
