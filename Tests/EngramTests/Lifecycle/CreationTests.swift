import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// Creating a store is atomic, even if a process is killed meanwhile or several create it at once.
@Suite(.serialized) struct CreationTests {
  private let place = TestStore()

  private var strace: String { "/usr/bin/strace" }
  private var leftovers: [String] { get throws { try Directories.entries(place.directory.path).filter { $0.hasPrefix("store.tmp-") } } }

  /// Runs the child that makes the store, with a fault injected into one system call.
  private func create(injecting injection: String, log: String? = nil) async throws -> Subprocess.Outcome {
    try await ChildProcess.run(
      executable: strace,
      [
        "-f", "-qq", "-o", log ?? "/dev/null", "-e", "inject=\(injection)", "--",
        try TestProcess.executable("EngramTestChild"), "open", place.path, "read-write",
      ])
  }

  /// The system calls that change files, each with how often a creation makes it.
  private func callsOfACreation() async throws -> [(call: String, count: Int)] {
    let calls = ["mkdirat", "openat", "flock", "pwrite64", "fchmod", "ftruncate", "fdatasync", "fsync", "renameat", "write", "unlinkat"]
    let log = place.directory.path("calls")
    let outcome = try await ChildProcess.run(
      executable: strace,
      [
        "-f", "-qq", "-o", log, "-e", "trace=\(calls.joined(separator: ","))", "--",
        try TestProcess.executable("EngramTestChild"), "open", place.path, "read-write",
      ])
    try #require(outcome.termination == .exited(0), "\(outcome)")
    let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
    try Directories.removeTree(place.path)
    try Directories.removeFile(log)
    return calls.map { call in (call, lines.count { $0.drop { $0.isNumber || $0 == " " }.hasPrefix("\(call)(") }) }.filter { $0.count > 0 }
  }

  @Test(.timeLimit(.minutes(6))) func aKillAtAnyCallLeavesAWholeStoreOrNone() async throws {
    var generator = SeededGenerator(seed: 3)
    var (whole, none, swept) = (0, 0, 0)
    for (call, count) in try await callsOfACreation() {
      // The first calls belong to start-up and to loading libraries, so kills are tried at the last 25; the last calls belong to closing.
      let points = count <= 6 ? Array(1...count) : (0..<6).map { _ in Int.random(in: max(1, count - 25)...count, using: &generator) }
      for point in Set(points).sorted() {
        let outcome = try await create(injecting: "\(call):signal=SIGKILL:when=\(point)")
        #expect(outcome.termination == .signalled(SIGKILL) || outcome.termination == .exited(0), "\(outcome)")
        if try Directories.status(place.path) != nil {
          whole += 1
          let store = try await place.open(StoreOptions(access: .readOnly))
          #expect(try store.count() == 0)
          try await store.close()
          try Directories.removeTree(place.path)
        } else {
          none += 1
          if try !leftovers.isEmpty { swept += 1 }
          await expectCode(.storeMissing) { _ = try await place.open(StoreOptions(access: .readOnly)) }
        }
        // The next creation succeeds and leaves only the store.
        let store = try await place.open()
        try await store.add(TestStore.draft("u", 1))
        _ = try StoreContents(store)
        try await store.close()
        #expect(try Directories.entries(place.directory.path) == ["store"], "killed at \(call) \(point)")
        for name in try leftovers { try Directories.removeTree(place.directory.path(name)) }
        try Directories.removeTree(place.path)
      }
    }
    #expect(whole > 0 && none > 0 && swept > 0, "\(whole) whole, \(none) none, \(swept) with something to sweep")
  }

  /// The bug: a creation killed before it had made its lock file left a directory that no later creation removed.
  @Test(.timeLimit(.minutes(5))) func aDirectoryThatWasAbandonedAtOnceIsSwept() async throws {
    let abandoned = StoreCreation.temporaryName(for: place.path)
    try Directories.create(abandoned)
    let half = StoreCreation.temporaryName(for: place.path)
    try Directories.create(half)
    try Directories.create("\(half)/gen-1")
    let store = try await place.open()
    try await store.close()
    #expect(try leftovers.isEmpty)
  }

  @Test(.timeLimit(.minutes(5))) func whatOthersKeepBesideTheStoreIsLeftAlone() async throws {
    // A copy that a user made, whose name resembles the temporary name of a creation.
    try Directories.create(place.directory.path("store.tmp-old"))
    for name in ["store.tmp", "other.tmp-1", "store-tmp-1", "store.tmp-file"] {
      try Data("x".utf8).write(to: URL(fileURLWithPath: place.directory.path(name)))
    }
    let store = try await place.open()
    try await store.close()
    #expect(
      try Directories.entries(place.directory.path) == [
        "other.tmp-1", "store", "store-tmp-1", "store.tmp", "store.tmp-file", "store.tmp-old",
      ])
  }

  /// The bug: a creation that was killed while another process made the store left its directory beside the store for ever, because only
  /// the next creation swept. The fix: an opening for writing sweeps, too.
  @Test(.timeLimit(.minutes(5))) func whatAKilledCreationLeftGoesWithTheNextOpening() async throws {
    let first = try await place.open()
    try await first.close()
    let abandoned = StoreCreation.temporaryName(for: place.path)
    try Directories.create(abandoned)
    let reader = try await place.open(StoreOptions(access: .readOnly))
    try await reader.close()
    #expect(try !leftovers.isEmpty)
    let writer = try await place.open()
    try await writer.close()
    #expect(try leftovers.isEmpty)
  }

  /// The bug: a process that was killed while it wrote `current` left the unfinished file in the store for ever. The fix: an opening for
  /// writing removes it, unless a rebuild is running, because the file may be the rebuild's.
  @Test(.timeLimit(.minutes(5))) func anUnfinishedCurrentGoesWithTheNextOpening() async throws {
    let store = try await place.open()
    try await store.add(TestStore.draft("u", 1))
    try await store.close()
    let outcome = try await ChildProcess.run(
      executable: strace,
      [
        "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:error=EIO:signal=SIGKILL:when=1", "--",
        try TestProcess.executable("EngramTestChild"), "compact-once", place.path,
      ])
    #expect(outcome.termination == .signalled(SIGKILL), "\(outcome)")
    func unfinished() throws -> [String] { try Directories.entries(place.path).filter { $0.hasPrefix("current.tmp-") } }
    #expect(try unfinished().count == 1)
    let building = try FileLock(path: "\(place.path)/rebuild.lock")
    try building.lock(.exclusive)
    let during = try await place.open()
    #expect(try unfinished().count == 1)
    try await during.close()
    try building.unlock()
    let after = try await place.open()
    #expect(try after.count() == 1)
    #expect(try unfinished().isEmpty)
    try await after.close()
  }

  @Test(.timeLimit(.minutes(5))) func processesThatMakeAStoreAtOnceGetTheSame() async throws {
    for round in 0..<6 {
      let children = try (0..<4).map { _ in try ChildProcess(["add", place.path, "u", "2"]) }
      for child in children {
        let outcome = try await child.finish()
        #expect(outcome.termination == .exited(0), "round \(round): \(outcome)")
      }
      let store = try await place.open()
      #expect(try store.count() == 8)
      try await store.close()
      #expect(try Directories.entries(place.directory.path) == ["store"])
      try Directories.removeTree(place.path)
    }
  }

  /// The bug: between making its lock file and locking it a creation looked abandoned, and another creation removed its directory.
  @Test(.timeLimit(.minutes(5)), arguments: 1...3)
  func aCreationThatIsSlowToLockIsNotTakenForAbandoned(flock: Int) async throws {
    let slow = try ChildProcess(
      executable: strace,
      [
        "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:delay_enter=2000000:when=\(flock)", "--",
        try TestProcess.executable("EngramTestChild"), "open", place.path, "read-write",
      ])
    try await waitUntil { try !leftovers.isEmpty || Directories.status(place.path) != nil }
    // Late enough for the first one to have its lock file.
    try await Task.sleep(for: .milliseconds(150))
    let store = try await place.open()
    try await store.add(TestStore.draft("u", 1))
    #expect(try await slow.readLine().hasPrefix("opened"))
    let outcome = try await slow.finish()
    #expect(outcome.termination == .exited(0), "\(outcome)")
    #expect(try store.count() == 1)
    try await store.close()
    #expect(try Directories.entries(place.directory.path) == ["store"])
  }

  @Test(.timeLimit(.minutes(5)), arguments: ["0", "022", "0777"])
  func aNewStoreIsPrivateWhateverTheUmask(umask: String) async throws {
    let child = try TestProcess.executable("EngramTestChild")
    let outcome = try await ChildProcess.run(
      executable: "/bin/sh", ["-c", "umask \(umask); exec \"$0\" \"$@\"", child, "add", place.path, "u", "3"])
    #expect(outcome.termination == .exited(0), "\(outcome)")
    var found = 0
    for path in try FileManager.default.subpathsOfDirectory(atPath: place.path).map({ "\(place.path)/\($0)" }) + [place.path] {
      let status = try #require(try Directories.status(path))
      let permissions = String(status.permissions, radix: 8)
      #expect(permissions == (status.isDirectory ? "700" : "600"), "\(path)")
      found += 1
    }
    #expect(found == 10)
  }
}
