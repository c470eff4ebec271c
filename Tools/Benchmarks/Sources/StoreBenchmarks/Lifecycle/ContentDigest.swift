import Engram
import Foundation

/// A hash of the content of those users for whom nothing is written: records, embeddings bit by bit, contexts and history.
struct ContentDigest: Equatable {
  /// The sum of the hashes of the memories, so that their order does not count.
  private(set) var value: UInt64 = 0
  private(set) var memories = 0

  init(_ store: MemoryStore, users: Range<Int>) throws {
    let names = users.map { "user-\($0)" }
    let wanted = Set(names)
    let snapshot = try store.snapshot()
    var owned: [(id: MemoryID, userID: String)] = []
    try snapshot.forEachMemory { memory in
      guard wanted.contains(memory.userID) else { return true }
      // Hashes every field, because the description leaves some out.
      value &+= Self.hash("\(Mirror(reflecting: memory).children.map { "\($0)" })".utf8)
      owned.append((memory.id, memory.userID))
      return true
    }
    memories = owned.count
    for (id, userID) in owned {
      let bits = try snapshot.withEmbedding(of: id, for: userID) { row in row.indices.map { row[$0].bitPattern } } ?? []
      value &+= Self.hash("\(id)\(bits)".utf8)
    }
    for name in names {
      value &+= Self.hash("\(String(describing: try snapshot.context(for: name))) \(try snapshot.history(for: name))".utf8)
    }
  }

  /// The hash of the lines of an export that name one of `users`.
  static func ofExport(_ path: String, users: Range<Int>) throws -> UInt64 {
    let marks = Set(users.map { "user-\($0)" })
    var total: UInt64 = 0
    for line in try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 10) {
      struct Owner: Decodable { let userID: String? }
      guard let owner = try JSONDecoder().decode(Owner.self, from: line).userID, marks.contains(owner) else { continue }
      total = total &* 31 &+ hash(line)
    }
    return total
  }

  /// FNV-1a.
  private static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
