import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// How a repair decides if records contradict each other.
@Suite struct RepairStageTests {
  private let directory = TemporaryDirectory()
  private let notes = RepairNotes()
  private let generation: Generation

  init() throws {
    let place = try StorePaths(path: directory.path)
    let store = StoreRecord(
      storeID: [UInt8](repeating: 1, count: 16), generation: 2, dimension: nil, metric: .cosine, embedder: nil,
      secret: [UInt8](repeating: 7, count: 192), createdAt: 0)
    try StoreCreation.createGeneration(in: place.generation(2), store)
    generation = try StoreOpening.openGeneration(place, number: 2, options: StoreOptions()).0
  }

  /// Runs `body` on a new stage in one synchronous call: a write transaction of LMDB must stay on its thread.
  private func onStage<Value: Sendable>(_ body: @escaping @Sendable (inout RepairStage) throws -> Value) throws -> Value {
    var stage = RepairStage(generation, carrying: StateRecord(), notes)
    return try body(&stage)
  }

  private func memory(_ id: MemoryID, _ text: String, dedupeKey: String? = nil) -> Memory {
    Memory(
      id: id, userID: "u", text: text, kind: nil, sessionID: nil, speaker: nil, createdAt: Date(milliseconds: 1), importance: 0.5,
      expiresAt: nil, dedupeKey: dedupeKey, metadata: [:])
  }

  private func context(version: UInt64) -> SalvagedEntry.Context {
    var writer = CBORWriter()
    ContextEnvelope.encode(.init(userID: "u", version: version, schema: 1, updatedAt: 0), record: [0xA0], into: &writer)
    return SalvagedEntry.Context(userID: "u", recordType: "Mood", version: version, value: writer.bytes)
  }

  @Test func theVersionThatATreeNamesCounts() throws {
    let id = MemoryID()
    let (tree, lost) = (memory(id, "tree"), memory(id, "lost"))
    let found = try onStage { stage in
      try stage.add(tree, nil, .tree)
      try stage.add(lost, nil, .lostPage)
      try stage.add(lost, nil, .earlierCommit)
      try stage.flush()
      return try stage.read { try $0.memoryRecord(id)?.memory }
    }
    #expect(found == tree && notes.losses == [])
  }

  @Test func ofTwoLostVersionsNeitherCounts() throws {
    let (id, other) = (MemoryID(), MemoryID())
    let (first, second, same) = (memory(id, "first"), memory(id, "second"), memory(other, "same"))
    let found = try onStage { stage in
      for memory in [first, second, first, same, same] { try stage.add(memory, nil, .lostPage) }
      try stage.flush()
      return try (stage.contains(id), stage.contains(other), stage.read { try $0.state().memories }, stage.lostPageMemories)
    }
    #expect(found == (false, true, 1, [other]))
    #expect(notes.losses == ["memory \(id): lost pages have different versions of it, and none is known to be the last"])
  }

  @Test(arguments: [false, true]) func theLaterIDKeepsTheDedupeKey(laterComesFirst: Bool) throws {
    let (earlier, later) = (memory(MemoryID(), "a", dedupeKey: "k"), memory(MemoryID(), "b", dedupeKey: "k"))
    let found = try onStage { stage in
      for memory in laterComesFirst ? [later, earlier] : [earlier, later] { try stage.add(memory, nil, .tree) }
      try stage.flush()
      return try stage.read { reader in
        (try reader.memoryRecord(earlier.id)?.memory.dedupeKey, try reader.dedupe("u", "k"), try reader.memoryRecord(later.id)?.memory)
      }
    }
    #expect(found.0 == nil && found.1 == later.id && found.2 == later)
    #expect(notes.losses == ["memory \(earlier.id): its dedupe key is also that of memory \(later.id), which keeps it"])
    let snapshot = try EnvironmentSnapshot(generation.environment)
    var verifier = StoreVerifier(RecordReader(snapshot.view, generation, now: 0))
    #expect(try verifier.run { _ in }.problems == [])
  }

  @Test func ofTwoLostContextsTheLaterVersionCounts() throws {
    let versions: [UInt64] = [2, 3, 1]
    let contexts = versions.map { context(version: $0) }
    let (version, count) = try onStage { stage in
      for context in contexts { try stage.add(context, .lostPage) }
      try stage.flush()
      return try stage.read { reader in (try reader.context("Mood", "u") { header, _ in header.version }, try reader.state().contexts) }
    }
    #expect(version == 3 && count == 1)
  }
}
