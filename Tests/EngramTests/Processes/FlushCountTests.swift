#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// How often a commit waits for the disk, counted by the system calls of another process.
  @Suite(.serialized) struct FlushCountTests {
    private let place = TestStore()

    /// Flushes of a run: `fsync` and `fdatasync`, and the writes to a file that was opened with `O_DSYNC`, which is how LMDB makes its
    /// meta page durable.
    private func flushes(count: Int, kind: String) async throws -> Int {
      let log = place.directory.path("calls")
      let outcome = try await ChildProcess.run(
        executable: "/usr/bin/strace",
        [
          "-f", "-y", "-o", log, "-e", "trace=openat,open,fsync,fdatasync,pwrite64,write,pwritev,msync", "--",
          try TestProcess.executable("EngramTestChild"), "commit", place.path, "\(count)", kind,
        ])
      #expect(outcome.standardOutput == "committed\n", "\(outcome)")
      var synchronous: Set<Substring> = []
      var flushes = 0
      for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
        // `PID call(arguments) = result`
        let call = line.drop { $0.isNumber || $0 == " " }
        if call.hasPrefix("openat("), call.contains("DSYNC") || call.contains("O_SYNC"), let result = call.split(separator: "= ").last {
          synchronous.insert(result.prefix { $0.isNumber })
        } else if call.hasPrefix("fsync(") || call.hasPrefix("fdatasync(") || call.hasPrefix("msync(") {
          flushes += 1
        } else if call.hasPrefix("pwrite64(") || call.hasPrefix("write(") {
          let descriptor = call.drop { $0 != "(" }.dropFirst().prefix { $0.isNumber }
          if synchronous.contains(descriptor) { flushes += 1 }
        }
      }
      return flushes
    }

    /// Opening and closing cost the same in both runs, so the difference is the cost of the commits.
    @Test(.timeLimit(.minutes(5)), arguments: [("plain", 2), ("rows", 3)])
    func aCommitFlushesNoMoreThanItMust(kind: String, perCommit: Int) async throws {
      // The first run makes the store.
      _ = try await flushes(count: 1, kind: kind)
      let few = try await flushes(count: 1, kind: kind)
      let many = try await flushes(count: 21, kind: kind)
      #expect(many - few == 20 * perCommit)
    }
  }
#endif
