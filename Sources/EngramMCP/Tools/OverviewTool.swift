import Engram
import Formats

extension Tool {
  static let overview = Tool(
    name: "memory_overview",
    note: "Counts, times, user and store. Call it if a search finds nothing.",
    arguments: [],
    result: [
      Field("user", .anyText, required: true),
      Field("exists", .boolean(), required: true),
      Field("memories", .integer(0...Int.max), required: true),
      Field("by_kind", .map(of: .integer(0...Int.max), count: 0...Int.max), required: true),
      Field("oldest", .time),
      Field("newest", .time),
      Field("bytes", .integer(0...Int.max), required: true),
      Field("embedder", .anyText, required: true),
      Field("store", .anyText, required: true),
    ],
    hints: .reading
  ) { _, call in
    let overview = try await Overview(of: call.user, in: call.store)
    return .object { overview.write(to: &$0, call.service.options.storeName) }
  }
}

/// What a store has of a user.
struct Overview: Sendable {
  let user: String
  let inspection: UserInspection?
  /// In descending order of counts, at most 50.
  let kinds: [(kind: String, count: Int)]
  let oldest: Memory?
  let bytes: Int
  let embedder: EmbedderIdentity?

  /// - Complexity: O(memories of the user): their kinds are not counted by the store.
  @concurrent
  init(of user: String, in store: MemoryStore) async throws {
    self.user = user
    inspection = try store.inspection(of: user, newest: 1)
    var counts: [String: Int] = [:]
    var cursor: PageCursor?
    if inspection != nil {
      repeat {
        try Task.checkCancellation()
        let page = try store.memories(for: user, after: cursor, limit: 1000)
        for memory in page { counts[memory.kind ?? "", default: 0] += 1 }
        cursor = page.next
        await Task.yield()
      } while cursor != nil
    }
    let sorted = counts.map { (kind: $0.key, count: $0.value) }.sorted { ($1.count, $0.kind) < ($0.count, $1.kind) }
    kinds = Array(sorted.prefix(50))
    oldest = try store.memories(for: user, newestFirst: false, limit: 1).first
    bytes = try store.inspection().files.reduce(0) { $0 + $1.allocatedBytes }
    embedder = store.identity.embedder
  }

  func write(to writer: inout JSONWriter, _ storeName: String) {
    writer.key("user")
    writer.write(user)
    writer.key("exists")
    writer.write(inspection != nil)
    writer.key("memories")
    writer.write(inspection?.memories ?? 0)
    writer.key("by_kind")
    writer.beginObject()
    for (kind, count) in kinds {
      writer.key(text: kind)
      writer.write(count)
    }
    writer.endObject()
    if let oldest {
      writer.key("oldest")
      writer.write(time: oldest.createdAt)
    }
    if let newest = inspection?.newest.first {
      writer.key("newest")
      writer.write(time: newest.createdAt)
    }
    writer.key("bytes")
    writer.write(bytes)
    writer.key("embedder")
    writer.write(embedder.map { "\($0)" } ?? "none")
    writer.key("store")
    writer.write(storeName)
  }
}
