import Engram
import Foundation

/// Every public function that throws, each as one call on an open store, to test which errors leave the library.
///
/// Used by one task at a time.
package final class SurfaceCalls {
  private let store: MemoryStore
  private let held: MemorySnapshot
  private let url: URL
  /// The directory in which calls make other stores.
  private let scratch: String
  private let rows: Int
  private let embedder: HashingEmbedder
  private let id: MemoryID
  private let cursor: PageCursor?
  /// An iterator that has changes to return.
  private var changes: ChangeSequence.Iterator
  /// Receives the errors that a body of `write` caught and that are not public errors of the library.
  private let report: @Sendable (String) -> Void

  package typealias Call = (name: String, body: () async throws -> Void)

  /// Opens the store, and adds two memories and a context, so that later calls need no preparation.
  ///
  /// - Parameters:
  ///   - rows: How many memories are added and imported at once: 2,000 are three megabytes of rows.
  ///   - report: Receives the type of an error that a write body caught, if it is not a ``StoreError``.
  package init(_ path: String, scratch: String, rows: Int, report: @escaping @Sendable (String) -> Void) async throws {
    self.rows = rows
    url = URL(fileURLWithPath: path)
    self.scratch = scratch
    self.report = report
    embedder = HashingEmbedder()
    store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: embedder))
    id = try await store.add(MemoryDraft(userID: "u", text: "first")).id
    try await store.put(UserContext(userID: "u"))
    held = try store.snapshot()
    changes = try store.changes().makeAsyncIterator()
    try await store.add(MemoryDraft(userID: "u", text: "second"))
    cursor = try store.memories(for: "u", limit: 1).next
    let lines = (0..<rows).map { #"{"type":"memory","userID":"i","text":"imported \#($0)"}"# }
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: scratch + "/import.jsonl"))
  }

  /// All calls, in an order in which each finds what it needs; the last ones close the store.
  package var calls: [Call] { writes + reads + lifecycle }

  private func drafts(_ count: Int) -> [MemoryDraft] {
    (0..<count).map { number in
      let components = (0..<embedder.identity.dimension).map { Float(($0 + number) % 7) + 1 }
      return MemoryDraft(userID: "u", text: "memory \(number)", embedding: Embedding(components))
    }
  }

  private var writes: [Call] {
    let (store, id, drafts, report, scratch) = (store, id, drafts(rows), report, scratch)
    return [
      ("add", { _ = try await store.add(MemoryDraft(userID: "u", text: "one")) }),
      ("addKeepingText", { _ = try await store.add(MemoryDraft(userID: "u", text: "two"), onEmbeddingFailure: .keepText) }),
      ("upsert", { _ = try await store.upsert(MemoryDraft(userID: "u", text: "by key", dedupeKey: "k")) }),
      ("writeOfUsers", { try await store.write(users: ["u"]) { _ = try $0.context(for: "u") } }),
      ("addMany", { _ = try await store.add(drafts) }),
      ("put", { try await store.put(UserContext(userID: "v")) }),
      ("updateContext", { _ = try await store.updateContext(for: "u", message: "a", response: "b") }),
      ("transformContext", { _ = try await store.updateContext(for: "u") { $0 } }),
      ("transformRecord", { _ = try await store.updateContext(UserContext.self, for: "u") { $0 ?? UserContext(userID: "u") } }),
      ("update", { _ = try await store.update(id, for: "u") { $0.with(text: "changed") } }),
      (
        "revert",
        {
          let changed = try await store.update(id, for: "u") { $0.with(text: "for a while") }
          _ = try await store.revert(id, for: "u", to: changed.version - 1, ifVersion: changed.version)
        }
      ),
      (
        "writeAdding",
        { try await store.write { transaction in try Self.caught(report) { for draft in drafts { _ = try transaction.add(draft) } } } }
      ),
      (
        "writeEverything",
        {
          try await store.write(token: "token") { transaction in
            try Self.caught(report) {
              _ = try transaction.memory(id, for: "u")
              _ = try transaction.memory(dedupeKey: "k", for: "u")
              _ = try transaction.neighbors(of: id, for: "u", count: 1)
              _ = try transaction.embedding(of: id, for: "u")
              _ = try transaction.withEmbedding(of: id, for: "u") { $0.count }
              _ = try transaction.versionedContext(for: "u")
              _ = try transaction.upsert(MemoryDraft(userID: "w", text: "by key", dedupeKey: "k", isTextOnly: true))
              _ = try transaction.context(for: "u")
              _ = try transaction.add([MemoryDraft(userID: "w", text: "third", isTextOnly: true)])
              let changed = try transaction.update(id, for: "u") { $0.with(importance: 1) }
              _ = try transaction.history(of: id, for: "u")
              _ = try transaction.revert(id, for: "u", to: changed.version - 1)
              try transaction.put(UserContext(userID: "w"))
              _ = try transaction.updateContext(for: "w") { $0 }
              _ = try transaction.updateContext(UserContext.self, for: "w") { $0 ?? UserContext(userID: "w") }
              _ = try transaction.updateContext(for: "w", message: "a", response: "b")
              _ = try transaction.deleteContext(UserContext.self, for: "w")
              _ = try transaction.delete(where: .kind("none"), scope: .all)
            }
          }
        }
      ),
      (
        "embedMissing",
        {
          _ = try await store.add(MemoryDraft(userID: "u", text: "three", isTextOnly: true))
          _ = try await store.embedMissing()
        }
      ),
      ("deleteWhere", { _ = try await store.delete(where: .kind("none"), scope: .all) }),
      ("putContextJSON", { try await store.putContext(json: Array("{}".utf8), as: "Mood", for: "u") }),
      ("import", { _ = try await store.importJSONLines(from: [URL(fileURLWithPath: scratch + "/import.jsonl")]) }),
    ]
  }

  private var reads: [Call] {
    let (store, url, scratch, id, cursor) = (store, url, scratch, id, cursor)
    let query = SearchQuery(embedding: embedder.embedding(of: "first"), scope: .all)
    let suffix = MemoryIDSuffix(String(id.description.suffix(8)))!
    return [
      ("changesBegin", { _ = try store.changes() }),
      ("changes", { _ = try await self.changes.next() }),
      ("memory", { _ = try store.memory(id, for: "u") }),
      ("embedding", { _ = try store.embedding(of: id, for: "u") }),
      ("withEmbedding", { _ = try store.withEmbedding(of: id, for: "u") { $0.count } }),
      ("memoryByKey", { _ = try store.memory(dedupeKey: "k", for: "u") }),
      ("neighbors", { _ = try store.neighbors(of: id, for: "u", count: 1) }),
      ("versionedContext", { _ = try store.versionedContext(for: "u") }),
      ("count", { _ = try store.count() }),
      ("countMatching", { _ = try await store.count(scope: .all, filter: .kind("none")) }),
      ("memories", { _ = try store.memories(for: "u", after: cursor) }),
      ("context", { _ = try store.context(for: "u") }),
      ("history", { _ = try store.history(for: "u") }),
      ("historyOfMemory", { _ = try store.history(of: id, for: "u") }),
      ("users", { _ = try store.users() }),
      ("search", { _ = try store.search(query) }),
      ("searchText", { _ = try await store.search("first", scope: .all) }),
      ("status", { _ = try store.status }),
      ("wasCommitted", { _ = try store.wasCommitted("token") }),
      ("snapshot", { _ = try store.snapshot().batchSequence }),
      ("heldMemory", { _ = try self.held.memory(id, for: "u") }),
      ("heldMemories", { _ = try self.held.memories(for: "u") }),
      ("heldCount", { _ = try self.held.count() }),
      ("heldContext", { _ = try self.held.context(for: "u") }),
      ("heldHistory", { _ = try self.held.history(for: "u") }),
      ("heldHistoryOfMemory", { _ = try self.held.history(of: id, for: "u") }),
      ("heldUsers", { _ = try self.held.users() }),
      ("heldSearch", { _ = try self.held.search(query) }),
      ("heldWithEmbedding", { _ = try self.held.withEmbedding(of: id, for: "u") { $0.count } }),
      ("heldMemoryByKey", { _ = try self.held.memory(dedupeKey: "k", for: "u") }),
      ("heldNeighbors", { _ = try self.held.neighbors(of: id, for: "u", count: 1) }),
      ("heldVersionedContext", { _ = try self.held.versionedContext(for: "u") }),
      ("heldEmbedding", { _ = try self.held.embedding(of: id, for: "u") }),
      ("heldWalk", { try self.held.forEachMemory { _ in true } }),
      ("verify", { _ = try await store.verify() }),
      ("verifyDeep", { _ = try await store.verify(deep: true) }),
      ("verifyAt", { _ = try await MemoryStore.verify(at: url, deep: true) }),
      ("audit", { _ = try await store.audit() }),
      ("inspection", { _ = try store.inspection() }),
      ("inspectionOfUser", { _ = try store.inspection(of: "u") }),
      ("recordOfMemory", { _ = try store.recordInspection(of: id) }),
      ("recordOfContext", { _ = try store.recordInspection(of: UserContext.recordType, userID: "u") }),
      ("contexts", { _ = try store.contexts() }),
      ("contextJSON", { _ = try store.contextJSON(UserContext.recordType, for: "u") }),
      ("idsMatching", { _ = try await store.ids(scope: .all, filter: .kind("none")) }),
      ("memoriesEnding", { _ = try store.memories(endingWith: suffix, of: "u", limit: 2) }),
      ("dueUpkeep", { _ = try store.dueUpkeep }),
      ("export", { _ = try await store.export(to: URL(fileURLWithPath: scratch + "/all.jsonl")) }),
      ("exportCSV", { _ = try await store.export(to: URL(fileURLWithPath: scratch + "/all.csv"), options: ExportOptions(format: .csv)) }),
      (
        "exportArray",
        { _ = try await store.export(to: URL(fileURLWithPath: scratch + "/all.npy"), options: ExportOptions(format: .array)) }
      ),
      ("exportSink", { _ = try await store.export { _ in } }),
    ]
  }

  private var lifecycle: [Call] {
    let (store, url, scratch, id) = (store, url, scratch, id)
    return [
      ("backup", { _ = try await store.backup(to: URL(fileURLWithPath: scratch + "/backup")) }),
      ("compact", { _ = try await store.compact() }),
      (
        "reembed",
        {
          _ = try await store.reembed(with: HashingEmbedder(dimension: 16))
          _ = try await store.reembed(with: HashingEmbedder())
        }
      ),
      ("finishUpkeep", { try await store.finishUpkeep() }),
      ("forget", { _ = try await store.forget(userID: "v", timeout: .zero) }),
      ("forgetProving", { _ = try await store.forget(userID: "v", timeout: .zero, verifiesErasure: true) }),
      ("erase", { _ = try await store.erase([id], for: "u", timeout: .zero) }),
      ("delete", { _ = try await store.delete(id, for: "u") }),
      ("deleteContext", { _ = try await store.deleteContext(UserContext.self, for: "u") }),
      ("openShared", { _ = try await MemoryStore.open(at: url).close() }),
      ("openAnother", { _ = try await MemoryStore.open(at: URL(fileURLWithPath: scratch + "/another")) }),
      ("end", { self.held.end() }),
      ("close", { try await self.close() }),
      (
        "closeAgain",
        {
          try await self.close()
          try await self.close()
        }
      ),
      (
        "repair",
        {
          try await self.close()
          _ = try await MemoryStore.repair(url, into: URL(fileURLWithPath: scratch + "/repaired"))
        }
      ),
      (
        "openAgain",
        {
          try await self.close()
          try await MemoryStore.open(at: url).close()
        }
      ),
    ]
  }

  /// Closes the store after ending the held snapshot.
  package func close() async throws {
    held.end()
    try await store.close(timeout: .seconds(5))
  }

  /// The errors that a write body catches must be public ones, too.
  private static func caught(_ report: (String) -> Void, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as StoreError {
      throw error
    } catch {
      report("\(type(of: error))")
      throw error
    }
  }

  /// `ok`, the code of a ``StoreError``, or the type of another error. A code begins with a small letter, a type with a capital.
  package static func outcome(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return "ok"
    } catch let error as StoreError {
      return "\(error.code)"
    } catch {
      return "\(type(of: error))"
    }
  }
}
