import Formats

#if os(Linux)
  import Files
  import Foundation
  import LMDB
  import TestSupport
  import Testing
  import VectorSearch

  @testable import Engram

  /// The first bug: a reader under `ulimit -v` died of SIGILL when another process grew `rows.f32` beyond the reader's map. The cause: the
  /// map kept the length that it had at the opening, and a row beyond it broke a precondition. The fix: `GrowingMap` maps the file again,
  /// and if the system refuses, that is an error.
  ///
  /// The second bug: a store that could be opened with 4,000,000 KiB of address space could not be opened with 5,000,000 or 18,000,000. The
  /// cause: LMDB's map took as much as the limit allowed, which left less than the rows need; and both maps together left nothing for
  /// threads and the heap. The fix: each map leaves room for the others (`AddressSpace`).
  @Suite struct AddressSpaceTests {
    private let place = TestStore()
    private static let dimension = 1_024

    private func draft(_ user: String) -> MemoryDraft {
      MemoryDraft(userID: user, text: user, embedding: Embedding((0..<Self.dimension).map { Float($0 % 7) + 1 }))
    }

    /// Moves the end of the rows, so that the next row lies far beyond: what a gibibyte of adding does, without the bytes.
    private func skipRows(to row: Int, in store: MemoryStore) throws {
      let generation = store.core.generation
      var transaction = try EnvironmentTransaction(generation.environment)
      var state = try RecordReader(transaction.view, generation, now: 0).state()
      state.rowsHigh = row
      var writer = CBORWriter()
      state.encode(into: &writer)
      try transaction.put(MetaKey.state.encoded, writer.bytes, in: generation.schema[Tables.Meta.self])
      let rows = try Files.FileHandle(path: place.path + "/gen-1/rows.f32", access: .readWrite)
      try rows.truncate(to: RowFileHeader.byteCount + row * Self.dimension * 4)
      try transaction.commit()
    }

    /// - Parameter limit: KiB of address space.
    @Test(
      .timeLimit(.minutes(5)), .disabled(if: TestProcess.hasShadowMemory, "the sanitizer needs the address space"),
      arguments: [3_000_000, 4_000_000, 5_000_000, 18_000_000])
    func aReaderWithLittleAddressSpaceSurvivesThatTheRowsOutgrowItsMap(limit: Int) async throws {
      let store = try await place.open(StoreOptions(dimension: Self.dimension))
      try await store.add(draft("first"))
      let reader = try ChildProcess(
        executable: "/bin/sh",
        ["-c", "ulimit -v \(limit); exec \"$0\" \"$@\"", try TestProcess.executable("EngramTestChild"), "read-growing", place.path])
      #expect(try await reader.readLine() == "ready")
      try await reader.say("first")
      #expect(try await reader.readLine() == "embedding ok, search ok, count ok")
      // 1.2 GiB of rows: under the limit the reader's map had one.
      try skipRows(to: 300_000, in: store)
      try await store.add(draft("second"))
      var lines: [String] = []
      for user in ["second", "first"] {
        try await reader.say(user)
        lines.append(try await reader.readLine())
      }
      let end = try await reader.finish()
      #expect(end.termination == .exited(0), "\(limit): \(lines) \(end)")
      for line in lines {
        for outcome in line.split(separator: ", ") {
          #expect(outcome.hasSuffix(" ok") || outcome.hasSuffix(" outOfResources"), "\(limit): \(line)")
        }
      }
      try await store.close()
    }
  }
#endif
