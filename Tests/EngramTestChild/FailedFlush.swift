import Engram
import Foundation

/// A process whose flushes fail, from some commit on.
enum FailedFlush {
  /// Closes a store whose flushes are deferred until then, and closes it again after that has failed.
  static func atClose(_ path: String) async throws {
    let options = StoreOptions(dimension: 8, durability: .eventual(maxDelay: .seconds(600)))
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: options)
    for _ in 0..<2 { EngramTestChild.say("close \(await FailedCommits.code { try await store.close() })") }
  }

  /// Writes until a flush fails, then calls everything that writes, and everything that must still work.
  static func everyCall(_ path: String, backup destination: String) async throws {
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(dimension: 8))
    var first = "ok"
    for number in 0..<10 where first == "ok" {
      first = await FailedCommits.code { try await store.add(SoakVector.draft(user: "u", number: number)) }
    }
    EngramTestChild.say("first \(first)")
    let known = try store.memories(for: "u", limit: 1)[0].id
    let (draft, count) = (SoakVector.draft(user: "u", number: 99), try store.count())
    var lines = [Array(#"{"type":"memory","userID":"u","text":"imported"}"#.utf8)].makeIterator()
    let source = try ImportSource(name: "lines", temporaryDirectory: FileManager.default.temporaryDirectory.path) { lines.next() }
    let calls: [(String, () async throws -> Void)] = [
      ("put", { try await store.put(UserContext(userID: "u")) }),
      ("updateContext", { try await store.updateContext(for: "u", message: "a", response: "b") }),
      ("transformContext", { try await store.updateContext(for: "u") { $0 } }),
      ("deleteContext", { try await store.deleteContext(UserContext.self, for: "u") }),
      ("add", { try await store.add(draft) }),
      ("addMany", { try await store.add([draft, draft]) }),
      ("update", { try await store.update(known, for: "u") { $0.with(importance: 1) } }),
      ("delete", { try await store.delete(known, for: "u") }),
      ("deleteWhere", { try await store.delete(where: .kind("fact"), scope: .all) }),
      ("write", { try await store.write(token: "token") { _ = try $0.add(draft) } }),
      ("emptyWrite", { try await store.write { _ in } }),
      ("forget", { try await store.forget(userID: "u") }),
      ("forgetProving", { try await store.forget(userID: "u", verifiesErasure: true) }),
      ("erase", { try await store.erase([known], for: "u") }),
      ("importLines", { _ = try await store.importLines(from: [source], onConflict: .fail) }),
      ("compact", { try await store.compact() }),
    ]
    for (name, call) in calls { EngramTestChild.say("\(name) \(await FailedCommits.code(call))") }
    EngramTestChild.say("status \(try store.status.poison.map { "\($0.code)" } ?? "none")")
    guard try store.count() == count, try store.memory(known, for: "u")?.importance != 1, try store.embedding(of: known, for: "u") != nil,
      try store.search(SearchQuery(embedding: Embedding([1, 2, 3, 4, 5, 6, 7, 8]), scope: .all)).count == count,
      try !store.wasCommitted("token")
    else { throw StoreError(.notFound, "a read shows something else than before") }
    EngramTestChild.say("problems \(try await store.verify(deep: true).problems.count)")
    EngramTestChild.say("backup \(try await store.backup(to: URL(fileURLWithPath: destination)).memories == count)")
    try await store.close()
    EngramTestChild.say("closed")
  }
}
