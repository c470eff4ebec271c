import Engram
import Foundation
import Synchronization
import TestSupport
import Testing

/// The progress that a program receives during long operations.
@Suite struct ProgressTests {
  private let directory = TemporaryDirectory()
  private static let memories = 3_000

  private final class Steps: Sendable {
    private let steps = Mutex<[OperationProgress]>([])
    var all: [OperationProgress] { steps.withLock { $0 } }
    func append(_ step: OperationProgress) { steps.withLock { $0.append(step) } }
  }

  private typealias Progress = @Sendable (OperationProgress) -> Void

  /// Expects that every phase is reported, never exceeds its total, and reaches it at the end.
  ///
  /// - Parameter ownPhase: A phase that the store's own housekeeping may complete first; it is then not reported to this call.
  @discardableResult
  private func expecting<Value>(
    _ phases: Set<OperationProgress.Phase>, or ownPhase: OperationProgress.Phase? = nil, sourceLocation: SourceLocation = #_sourceLocation,
    _ work: (@escaping Progress) async throws -> Value
  ) async throws -> Value {
    let steps = Steps()
    let value = try await work { steps.append($0) }
    let all = steps.all
    let reported = Set(all.map(\.phase))
    #expect(reported == phases || reported == phases.union(ownPhase.map { [$0] } ?? []), sourceLocation: sourceLocation)
    #expect(all.allSatisfy { 0 <= $0.done && $0.done <= $0.total && $0.count >= 0 }, sourceLocation: sourceLocation)
    for phase in reported {
      let last = all.last { $0.phase == phase }
      #expect(last.map { $0.done == $0.total } == true, "\(phase): \(String(describing: last))", sourceLocation: sourceLocation)
    }
    return value
  }

  @Test(.timeLimit(.minutes(5))) func everyLongOperationReportsItsProgress() async throws {
    let url = URL(fileURLWithPath: directory.path("bot.memory"))
    func place(_ name: String) -> URL { URL(fileURLWithPath: directory.path(name)) }
    let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    try await store.add(
      (0..<Self.memories).map { MemoryDraft(userID: "user\($0 % 2)", text: "number \($0)", kind: $0 % 3 == 0 ? "third" : nil) })

    let counted = try await expecting([.counting]) { try await store.count(scope: .all, filter: .kind("third"), progress: $0) }
    let ids = try await expecting([.counting]) { try await store.ids(scope: .user("user0"), filter: .kind("third"), progress: $0) }
    #expect(counted == Self.memories / 3 && ids.count == Self.memories / 6)
    for format in ExportOptions.Format.allCases {
      for userID in [nil, "user1"] {
        let options = ExportOptions(format: format, userID: userID)
        let summary = try await expecting(format == .array ? [.counting, .exporting] : [.exporting]) {
          try await store.export(to: place("all.\(format.rawValue)"), options: options, progress: $0)
        }
        #expect(summary.memories == (userID == nil ? Self.memories : Self.memories / 2))
      }
    }
    try await store.export(to: place("lines"), options: ExportOptions(vectors: .none))
    let copy = try await MemoryStore.open(at: place("copy.memory"), options: StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    let imported = try await expecting([.checking, .embedding, .writing]) {
      try await copy.importJSONLines(from: [place("lines")], progress: $0)
    }
    #expect(imported.memories == Self.memories)
    try await copy.close()
    try await expecting([.verifying]) { try await store.verify(deep: true, progress: $0) }
    try await expecting([.auditing, .comparing]) { try await store.audit(progress: $0) }
    try await expecting([.copying, .verifying]) { try await store.backup(to: place("backup.memory"), progress: $0) }
    try await expecting([.copying]) { try await store.compact(progress: $0) }
    let receipt = try await expecting([.comparing, .scanning], or: .copying) {
      try await store.forget(userID: "user1", verifiesErasure: true, progress: $0)
    }
    #expect(receipt.memories == Self.memories / 2)
    try await store.close()
    let report = try await expecting([.verifying]) { try await MemoryStore.verify(at: url, progress: $0) }
    #expect(report.isIntact)
    try await expecting([.salvaging, .copying, .verifying]) { try await MemoryStore.repair(url, into: place("new.memory"), progress: $0) }
  }

  /// Imports lines from a stream, and writes the rejected lines to a file.
  @Test func linesFromAStreamAreImportedAndWrongOnesGoToAFile() async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: directory.path("bot.memory")))
    let text = #"{"type":"memory","userID":"ada","text":"loves ramen"}"# + "\nnonsense\n"
    var rest = Array(text.utf8)[...]
    let source = try ImportSource.stream(name: "the chat") {
      // The parts may end anywhere in a line.
      defer { rest = rest.dropFirst(7) }
      return Array(rest.prefix(7))
    }
    let error = await #expect(throws: StoreError.self) { try await store.importJSONLines(from: [source]) }
    #expect(error?.code == .invalidImport && error?.message.hasPrefix("the chat:2: ") == true)
    let rejects = URL(fileURLWithPath: directory.path("rejects.jsonl"))
    let summary = try await store.importJSONLines(from: [source], options: ImportOptions(skipsInvalid: true, rejectsFile: rejects))
    #expect(summary.memories == 1 && summary.invalid == 1)
    #expect(try String(contentsOf: rejects, encoding: .utf8) == "nonsense\n")
    let inside = URL(fileURLWithPath: directory.path("bot.memory/rejects.jsonl"))
    let refused = await #expect(throws: StoreError.self) {
      try await store.importJSONLines(from: [source], options: ImportOptions(skipsInvalid: true, rejectsFile: inside))
    }
    #expect(refused?.code == .invalidArgument)
    #expect(try store.count() == 1)
    // The folder of the file is removed while the lines are written: they are imported, and the error says so.
    let folder = directory.path("folder")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let lost = await #expect(throws: StoreError.self) {
      try await store.importJSONLines(
        from: [source], options: ImportOptions(skipsInvalid: true, rejectsFile: URL(fileURLWithPath: folder + "/rejects.jsonl"))
      ) { step in
        if step.phase == .writing { try? FileManager.default.removeItem(atPath: folder) }
      }
    }
    #expect(lost?.isCommitted == true && lost?.message.hasPrefix("all other lines were imported") == true, "\(String(describing: lost))")
    #expect(try store.count() == 2)
    try await store.close()
  }

  /// Everything that `memtool inspect` shows is available as values.
  @Test func aProgramCanInspectAStore() async throws {
    let store = try await MemoryStore.open(
      at: URL(fileURLWithPath: directory.path("bot.memory")), options: StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    try await store.add(MemoryDraft(userID: "ada", text: "loves ramen"))
    try await store.putContext(json: Array(#"{"score":1.5}"#.utf8), as: "Mood", for: "ada", schema: 2)
    let memory = try #require(try store.memories(for: "ada").first)
    let inspection = try store.inspection()
    #expect(inspection.status.memories == 1 && inspection.identity.dimension == 8 && inspection.identity.embedder?.name == "hashing")
    #expect(inspection.databases.first { $0.name == "memories" }?.entries == 1)
    #expect(inspection.files.contains { $0.name == "gen-1/data.mdb" && $0.sizeBytes > 0 })
    let user = try #require(try store.inspection(of: "ada"))
    #expect(user.memories == 1 && user.embeddings == 1 && user.newest == [memory])
    #expect(user.contexts.map { "\($0.recordType) \($0.schema) \($0.version)" } == ["Mood 2 1"])
    #expect(try store.inspection(of: "nobody") == nil)
    let record = try #require(try store.recordInspection(of: memory.id))
    #expect(record.database == "memories" && record.row?.isIntact == true && record.json.contains(#""loves ramen""#))
    #expect(record.diagnosticText.contains(#""loves ramen""#))
    #expect(try store.contextJSON("Mood", for: "ada") == #"{"score":1.5}"#)
    #expect(try store.contextJSON("Mood", for: "bob") == nil)
    let suffix = try #require(MemoryIDSuffix(memory.id.shortDescription))
    #expect(try store.memories(endingWith: suffix, of: "ada", limit: 2) == [memory])
    for limit in [0, -1] {
      let error = #expect(throws: StoreError.self) { try store.memories(endingWith: suffix, of: "ada", limit: limit) }
      #expect(error?.code == .invalidArgument)
    }
    for json in ["[]", "{", ""] {
      let error = await #expect(throws: StoreError.self) { try await store.putContext(json: Array(json.utf8), as: "Mood", for: "ada") }
      #expect(error?.code == .invalidArgument)
    }
    try await store.close()
  }
}
