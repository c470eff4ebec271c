#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// How often a commit waits for the disk, counted by the system calls of another process.
  @Suite(.serialized) struct FlushCountTests {
    private let place = TestStore()

    /// The given system calls of a run, a line each: `PID call(arguments) = result`.
    private func calls(_ names: String, count: Int, kind: String) async throws -> [String] {
      let log = place.directory.path("calls")
      let outcome = try await ChildProcess.run(
        executable: "/usr/bin/strace",
        [
          "-f", "-y", "-o", log, "-e", "trace=\(names)", "--", try TestProcess.executable("EngramTestChild"), "commit", place.path,
          "\(count)", kind,
        ])
      #expect(outcome.standardOutput == "committed\n", "\(outcome)")
      return try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// Flushes of a run: `fsync` and `fdatasync`, and the writes to a file that was opened with `O_DSYNC`, which is how LMDB makes its
    /// meta page durable.
    private func flushes(count: Int, kind: String) async throws -> Int {
      var synchronous: Set<Substring> = []
      var flushes = 0
      for line in try await calls("openat,open,fsync,fdatasync,pwrite64,write,pwritev,msync", count: count, kind: kind) {
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
    @Test(.timeLimit(.minutes(5)), arguments: [("plain", 2), ("rows", 3), ("many", 3)])
    func aCommitFlushesNoMoreThanItMust(kind: String, perCommit: Int) async throws {
      // The first run makes the store.
      _ = try await flushes(count: 1, kind: kind)
      let few = try await flushes(count: 1, kind: kind)
      let many = try await flushes(count: 21, kind: kind)
      #expect(many - few == 20 * perCommit)
    }

    /// Linux gives a file whose times were asked for a new time at its next write. Each flush would then write the inode as well.
    @Test(.timeLimit(.minutes(5))) func aCommitDoesNotAskForTheTimesOfItsFile() async throws {
      func statuses(count: Int) async throws -> (withTimes: Int, all: Int) {
        let calls = try await calls("stat,lstat,fstat,newfstatat,statx", count: count, kind: "plain").filter { $0.contains("data.mdb") }
        let timeless = calls.filter { call in
          // The mask that is asked for is before the braces, what the system answered is in them.
          let asked = call.prefix { $0 != "{" }
          return call.contains("statx(") && !["MTIME", "CTIME", "STATX_BASIC_STATS", "STATX_ALL"].contains { asked.contains($0) }
        }
        return (calls.count - timeless.count, calls.count)
      }
      _ = try await statuses(count: 1)
      let few = try await statuses(count: 1)
      let many = try await statuses(count: 21)
      #expect(many.withTimes == few.withTimes)
      #expect(many.all - few.all >= 20, "a commit asks for the status of its file")
    }
  }
#endif
