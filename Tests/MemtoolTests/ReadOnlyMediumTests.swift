#if os(Linux)
  import Engram
  import Foundation
  import TestSupport
  import Testing

  /// The bug: `search`, `export`, `inspect` and `verify` failed at `open.lock` on a read-only mount and in directories without write
  /// permission. The cause: locks were opened for writing, and LMDB's lock table is written to. The fix: if that table cannot be written, a
  /// read takes a shared lock on `writer.lock` through a read-only descriptor; with `--immutable` it takes no lock.
  @Suite(.serialized, .enabled(if: SmallDisk.isPossible, "file systems are mounted by root only")) struct ReadOnlyMediumTests {
    private let disk: SmallDisk
    private let elsewhere = TemporaryDirectory()
    private let executable: String

    private var store: String { disk.path("s") }

    init() throws {
      disk = try SmallDisk(megabytes: 24)
      executable = try TestProcess.executable("memtool")
      try run(["create", store, "--dimension", "4"])
      try run(["add", store, "one", "--user", "a", "--vector", "[1,0,0,0]"])
      try run(["add", store, "two", "--user", "b", "--vector", "[1,0,0,0]"])
    }

    @discardableResult
    private func run(
      _ arguments: [String], exit: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Subprocess.Outcome {
      let outcome = try Subprocess.run(executable, arguments, environment: ["LLVM_PROFILE_FILE": "/dev/null"])
      #expect(outcome.termination == .exited(exit), "\(arguments): \(outcome)", sourceLocation: sourceLocation)
      return outcome
    }

    private func commands(_ path: String) -> [[String]] {
      [
        ["search", path, "--user", "b", "--vector", "[1,0,0,0]"], ["export", path, "-o", "-"], ["inspect", path], ["verify", path],
        ["verify", path, "--deep"], ["audit", path],
        ["backup", path, elsewhere.path("b-\(UInt64.random(in: .min ... .max))")],
      ]
    }

    @Test(arguments: [[], ["--immutable"]]) func everyReadingCommandWorksOnAReadOnlyMount(more: [String]) throws {
      try disk.makeReadOnly()
      for command in commands(store) { try run(command + more) }
      let search = try run(["search", store, "--user", "b", "--vector", "[1,0,0,0]"] + more)
      #expect(search.standardOutput.contains("two"))
      let refused = try run(["add", store, "three", "--user", "a", "--vector", "[1,0,0,0]"], exit: 1)
      #expect(refused.standardError.contains("read-only") || refused.standardError.contains("Read-only"), "\(refused)")
    }

    @Test(arguments: [[], ["--immutable"]]) func everyReadingCommandWorksWithoutTheRightToWrite(more: [String]) throws {
      let script = """
        chown -R 65534:65534 '\(store)' && chmod 0711 '\(disk.path)' "$(dirname '\(disk.path)')" && find '\(store)' -type f -exec chmod 0400 {} + \
        && find '\(store)' -type d -exec chmod 0500 {} +
        """
      #expect(try Subprocess.run("/bin/sh", ["-c", script]).termination == .exited(0))
      for command in commands(store).dropLast() {
        let outcome = try Subprocess.run(
          "/usr/bin/setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", executable] + command + more,
          environment: ["LLVM_PROFILE_FILE": "/dev/null"])
        #expect(outcome.termination == .exited(0), "\(command): \(outcome)")
      }
    }

    /// The same files can be written through another mount: no writer runs while such a read lasts, and no such read while a writer runs.
    @Test func aWriterByAnotherMountIsKeptOut() async throws {
      let other = elsewhere.path("mount")
      let script = "mkdir '\(other)' && mount --bind '\(disk.path)' '\(other)' && mount -o remount,ro,bind '\(other)'"
      #expect(try Subprocess.run("/bin/sh", ["-c", script]).termination == .exited(0))
      defer { _ = try? Subprocess.run("/bin/umount", ["-l", other]) }
      let writer = try await MemoryStore.open(at: URL(fileURLWithPath: store))
      try await writer.add(MemoryDraft(userID: "b", text: "three", embedding: [1, 0, 0, 0]))
      let read = try run(["search", "\(other)/s", "--user", "b", "--vector", "[1,0,0,0]"])
      #expect(read.standardOutput.contains("three"))
      let (executable, path) = (executable, "\(other)/s")
      let refused = try await writer.write { _ in
        // Runs while writer.lock is held.
        try Subprocess.run(
          executable, ["search", path, "--user", "b", "--vector", "[1,0,0,0]"], environment: ["LLVM_PROFILE_FILE": "/dev/null"])
      }
      #expect(refused.termination == .exited(1), "\(refused)")
      #expect(
        refused.standardError.contains("process \(ProcessInfo.processInfo.processIdentifier) writes")
          && refused.standardError.contains("--immutable"), "\(refused)")
      // Without locks the store can be read all the same.
      try run(["search", path, "--user", "b", "--vector", "[1,0,0,0]", "--immutable"])
      try await writer.close()
    }

    @Test func aStoreThatChangesUnderAnImmutableReadIsTold() async throws {
      let reader = try await MemoryStore.open(at: URL(fileURLWithPath: store), options: StoreOptions(access: .immutable))
      let snapshot = try reader.snapshot()
      #expect(try snapshot.count() == 2)
      try run(["add", store, "three", "--user", "a", "--vector", "[1,0,0,0]"])
      let error = #expect(throws: StoreError.self) { _ = try snapshot.count() }
      #expect(error?.code == .snapshotExpired && error?.message.contains(".readOnly") == true)
      #expect(try reader.count() == 3)
      snapshot.end()
      await #expect(throws: StoreError.self) { try await reader.add(MemoryDraft(userID: "a", text: "x", embedding: [1, 0, 0, 0])) }
      try await reader.close()
    }
  }
#endif
