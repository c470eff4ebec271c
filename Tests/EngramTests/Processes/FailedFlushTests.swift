#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// A flush fails, injected by `strace`: no write is acknowledged that is not on disk, and the process that met the error writes no more.
  @Suite(.serialized) struct FailedFlushTests {
    private let place = TestStore()

    /// Commits ten times in another process, whose `call` on `file` fails at the times that strace's arguments name.
    private func commit(_ kind: String, failing call: String, on file: String, when: String, error: String = "EIO") async throws -> String {
      let outcome = try await ChildProcess.run(
        executable: "/usr/bin/strace",
        [
          "-f", "-qq", "-o", "/dev/null", "-P", "\(place.path)/gen-1/\(file)", "-e", "trace=\(call)", "-e",
          "inject=\(call):error=\(error):when=\(when)", try TestProcess.executable("EngramTestChild"), "commit", place.path, "10", kind,
        ])
      #expect(outcome.termination == .exited(1), "\(outcome)")
      return outcome.standardOutput
    }

    private func filled() async throws -> Int {
      let store = try await place.open()
      try await store.add((0..<5).map { TestStore.draft("u", $0) })
      try await store.updateContext(for: "u") { $0 }
      try await store.close()
      return 5
    }

    @Test(.timeLimit(.minutes(5))) func aFailedFlushOfRowsChangesNothingAndEndsWriting() async throws {
      let before = try await filled()
      #expect(try await commit("rows", failing: "fdatasync", on: "rows.f32", when: "3+").hasPrefix("failed poisoned: "))
      let store = try await place.open()
      #expect(try store.count() == before + 2)
      #expect(try await store.verify(deep: true).problems == [])
      try await store.add(TestStore.draft("u", 100))
      try await store.close()
    }

    /// A batch of many rows is written and flushed by a second thread. strace counts the calls of each thread alone.
    @Test(
      .timeLimit(.minutes(5)),
      arguments: [("fdatasync", "EIO", "poisoned"), ("pwrite64", "EIO", "inputOutput"), ("pwrite64", "ENOSPC", "diskFull")])
    func aFailureOfTheSecondThreadChangesNothing(call: String, error: String, code: String) async throws {
      let options = StoreOptions(dimension: 1024)
      try await place.open(options).close()
      let output = try await commit("many", failing: call, on: "rows.f32", when: "1+", error: error)
      #expect(output.hasPrefix("failed \(code): "), "\(output)")
      let store = try await place.open(options)
      #expect(try store.count() == 0)
      #expect(try await store.verify(deep: true).problems == [])
      let components = (0..<1024).map { Float($0 + 1) }
      try await store.add((0..<200).map { MemoryDraft(userID: "u", text: "\($0)", embedding: Embedding(components)) })
      #expect(try await store.verify(deep: true).problems == [])
      try await store.close()
    }

    @Test(.timeLimit(.minutes(5)), arguments: ["plain", "rows"])
    func aFailedFlushOfRecordsIsNotAcknowledgedAndEndsWriting(_ kind: String) async throws {
      let before = try await filled()
      #expect(try await commit(kind, failing: "fdatasync", on: "data.mdb", when: "3+").hasPrefix("failed poisoned: "))
      let store = try await place.open()
      #expect(try await store.verify(deep: true).problems == [])
      if kind == "rows" { #expect(try (before + 2...before + 3).contains(store.count())) }
      try await store.add(TestStore.draft("u", 100))
      try await store.close()
    }

    @Test(.timeLimit(.minutes(5))) func aFailedWriteOfPagesChangesNothing() async throws {
      let before = try await filled()
      let output = try await commit("plain", failing: "pwrite64", on: "data.mdb", when: "1+")
      #expect(
        ["failed inDoubt: ", "failed poisoned: ", "failed diskFull: ", "failed inputOutput: "].contains { output.hasPrefix($0) },
        "\(output)")
      let store = try await place.open()
      #expect(try store.count() == before)
      #expect(try await store.verify(deep: true).problems == [])
      try await store.close()
    }

    /// LMDB writes pages and meta page with the same call, the meta page last. So each call in turn fails, until one is that of the meta
    /// page. The process finds out whether that commit happened; `FailedCommitTests` has the cases.
    @Test(.timeLimit(.minutes(5))) func aFailedWriteOfTheMetaPageIsResolved() async throws {
      _ = try await filled()
      var codes: Set<String> = []
      for number in 1...6 {
        let output = try await commit("plain", failing: "pwrite64", on: "data.mdb", when: "\(number)")
        codes.insert(String(output.split(separator: " ").dropFirst().first ?? ""))
        let store = try await place.open()
        #expect(try await store.verify(deep: true).problems == [])
        try await store.updateContext(for: "u") { $0 }
        try await store.close()
      }
      #expect(codes.contains("inputOutput:") && !codes.contains("inDoubt:"), "\(codes)")
    }

    /// If a flush fails, the system marks the pages clean: a second flush would succeed as if everything were on disk.
    @Test(.timeLimit(.minutes(5))) func aFlushThatFailsAtCloseIsToldAndNotTriedAgain() async throws {
      _ = try await filled()
      let log = place.directory.path("calls")
      let outcome = try await ChildProcess.run(
        executable: "/usr/bin/strace",
        [
          "-f", "-qq", "-o", log, "-P", "\(place.path)/gen-1/data.mdb", "-e", "trace=fdatasync", "-e",
          "inject=fdatasync:error=EIO:when=1+", try TestProcess.executable("EngramTestChild"), "fail-at-close", place.path,
        ])
      #expect(outcome.standardOutput == "close poisoned\nclose ok\n", "\(outcome)")
      #expect(try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").count { $0.contains("fdatasync(") } == 1)
      let store = try await place.open()
      #expect(try await store.verify(deep: true).problems == [])
      try await store.close()
    }

    @Test(.timeLimit(.minutes(5))) func everyWriteOfAPoisonedStoreSaysSoAndReadingGoesOn() async throws {
      let outcome = try await ChildProcess.run(
        executable: "/usr/bin/strace",
        [
          "-f", "-qq", "-o", "/dev/null", "-P", "\(place.path)/gen-1/data.mdb", "-e", "trace=fdatasync", "-e",
          "inject=fdatasync:error=EIO:when=3+", try TestProcess.executable("EngramTestChild"), "every-call", place.path,
          place.directory.path("backup"),
        ])
      let writes = [
        "first", "put", "updateContext", "transformContext", "deleteContext", "add", "addMany", "update", "delete", "deleteWhere", "write",
        "emptyWrite", "forget", "forgetProving", "erase", "importLines", "compact", "status",
      ]
      let lines = writes.map { "\($0) poisoned" } + ["problems 0", "backup true", "closed"]
      #expect(outcome.standardOutput.split(separator: "\n").map(String.init) == lines, "\(outcome)")
      #expect(outcome.termination == .exited(0))
      let store = try await place.open()
      let copy = try await MemoryStore.open(at: URL(fileURLWithPath: place.directory.path("backup")))
      #expect(try store.count() > 0 && copy.count() == store.count())
      #expect(try store.context(for: "u") == nil)
      try await copy.close()
      try await store.add(TestStore.draft("u", 100))
      try await store.close()
    }
  }
#endif
