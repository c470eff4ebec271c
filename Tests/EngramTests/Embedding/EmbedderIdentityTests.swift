import Foundation
import TestSupport
import Testing

@testable import Engram

/// A store refuses every embedder but the one that it is pinned to, in each call that takes one, and the error names both.
@Suite struct EmbedderIdentityTests {
  private let place = TestStore()

  /// Another name, another dimension, another fingerprint.
  private static let others = [
    MadeEmbedder(name: "other"), MadeEmbedder(dimension: 16), MadeEmbedder(version: "2"),
  ]

  private func expectRefusal(
    of embedder: MadeEmbedder, by pinned: EmbedderIdentity, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
  ) async {
    let error = await #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error?.code == .embedderMismatch, sourceLocation: sourceLocation)
    let message = error?.message ?? ""
    #expect(message.contains("'\(pinned)'") && message.contains("'\(embedder.identity)'"), "\(message)", sourceLocation: sourceLocation)
  }

  @Test(.timeLimit(.minutes(5)), arguments: others.indices) func anotherEmbedderIsRefusedByName(_ number: Int) async throws {
    let (own, other) = (MadeEmbedder(), Self.others[number])
    let store = try await place.open(StoreOptions(embedder: own))
    try await store.add(MemoryDraft(userID: "u", text: "first"))
    let sequence = try store.status.batchSequence
    // A second handle of the process.
    await expectRefusal(of: other, by: own.identity) { _ = try await place.open(StoreOptions(embedder: other)) }
    // A file with vectors of another embedder.
    let line =
      #"{"type":"store","format":1,"dimension":\#(other.identity.dimension),"metric":"cosine","embedder":"#
      + #"{"name":"\#(other.identity.name)","dimension":\#(other.identity.dimension),"version":"\#(other.identity.version)"}}"#
    let file = place.directory.path("import.jsonl")
    try Data((line + "\n" + #"{"type":"memory","userID":"u","text":"second"}"#).utf8).write(to: URL(fileURLWithPath: file))
    let error = await #expect(throws: StoreError.self) { try await store.importJSONLines(from: [URL(fileURLWithPath: file)]) }
    #expect(error?.code == (number == 1 ? .storeMismatch : .embedderMismatch), "\(error?.message ?? "")")
    #expect(try store.status.batchSequence == sequence && store.count() == 1)
    let backup = place.directory.path("backup")
    try await store.backup(to: URL(fileURLWithPath: backup))
    try await store.close()
    // The first handle, for writing and for reading, of the store and of its backup.
    for url in [place.url, URL(fileURLWithPath: backup)] {
      for access in [StoreOptions.Access.readWrite, .readOnly, .immutable] {
        await expectRefusal(of: other, by: own.identity) {
          _ = try await MemoryStore.open(at: url, options: StoreOptions(access: access, embedder: other))
        }
      }
      let again = try await MemoryStore.open(at: url, options: StoreOptions(embedder: own))
      #expect(again.identity.embedder == own.identity)
      #expect(try await again.search("first", scope: .all, mode: .dense).count == 1)
      try await again.close()
    }
    #expect(other.texts.isEmpty)
  }

  /// An export names the embedder of its vectors, and an import compares it with the store's.
  @Test(.timeLimit(.minutes(5))) func anExportNamesTheEmbedderAndAnImportComparesIt() async throws {
    let own = MadeEmbedder()
    let store = try await place.open(StoreOptions(embedder: own))
    try await store.add(MemoryDraft(userID: "u", text: "first"))
    let file = URL(fileURLWithPath: place.directory.path("all.jsonl"))
    try await store.export(to: file)
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(text.contains(#""embedder":{"name":"made","dimension":8,"version":"1"}"#))
    try await store.close()
    for other in Self.others {
      let target = TestStore()
      let opened = try await target.open(StoreOptions(embedder: other))
      let error = await #expect(throws: StoreError.self) { try await opened.importJSONLines(from: [file]) }
      #expect(error?.code == (other.identity.dimension == 16 ? .storeMismatch : .embedderMismatch))
      #expect(try opened.count() == 0)
      try await opened.close()
    }
    let same = TestStore()
    let opened = try await same.open(StoreOptions(embedder: own))
    #expect(try await opened.importJSONLines(from: [file]).memories == 1)
    try await opened.close()
  }

  /// Vectors that callers bring name no embedder: only their dimension is compared.
  @Test(.timeLimit(.minutes(5))) func vectorsOfTheCallerNeedTheDimensionOnly() async throws {
    let store = try await place.open(StoreOptions(embedder: MadeEmbedder()))
    try await store.close()
    let bare = try await place.open(StoreOptions())
    let id = try await bare.add(MemoryDraft(userID: "u", text: "first", embedding: TestStore.vector(1))).id
    #expect(try bare.search(SearchQuery(embedding: TestStore.vector(1), scope: .all)).map(\.memory.id) == [id])
    await expectCode(.dimensionMismatch) { _ = try await bare.add(MemoryDraft(userID: "u", text: "second", embedding: [1, 0])) }
    await expectCode(.embedderRequired) { _ = try await bare.search("first", scope: .all, mode: .dense) }
    try await bare.close()
  }

  /// If another process pins the store after this process has opened it, this process compares vectors with that embedder all the same.
  @Test(.timeLimit(.minutes(5))) func aReaderFromBeforeTheStoreWasPinnedIsRefusedByName() async throws {
    let made = try await place.open(StoreOptions(dimension: 8))
    try await made.add(TestStore.draft("u", 1))
    try await made.close()
    let own = MadeEmbedder()
    let reader = try await place.open(StoreOptions(access: .readOnly, embedder: own))
    #expect(try await reader.search("memory", scope: .all, mode: .dense).count == 1)
    let child = try ChildProcess(["hold-embedder", place.path])
    #expect(try await child.readLine() == "ready")
    await expectRefusal(of: own, by: HashingEmbedder(dimension: 8).identity) {
      _ = try await reader.search("memory", scope: .all, mode: .dense)
    }
    #expect(try await child.finish().termination == .exited(0))
    try await reader.close()
  }
}
