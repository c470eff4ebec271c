import Engram

/// Compares the words of a store with the oracle: each memory is found by its own words, in searches of its user only, and deleted ones
/// are not found at all.
struct WordsCheck {
  /// The memories that must be there, by user.
  let memories: [String: [(id: MemoryID, memory: LaneMemory)]]
  /// Words that no text of the user has any more.
  let retired: [(userID: String, word: String)]
  /// The number of components of the store's embeddings.
  let dimension: Int

  private static let most = 200

  init(_ expected: [MemoryID: LaneMemory], retired: [(userID: String, word: String)], dimension: Int) {
    memories = Dictionary(grouping: expected.map { (id: $0.key, memory: $0.value) }, by: \.memory.userID)
      .mapValues { $0.sorted { $0.id < $1.id } }
    self.retired = retired.sorted { ($0.userID, $0.word) < ($1.userID, $1.word) }
    self.dimension = dimension
  }

  func problems(_ snapshot: borrowing MemorySnapshot) -> [String] {
    var problems: [String] = []
    let users = memories.keys.sorted()
    for (index, user) in users.enumerated() {
      let stranger = users[(index + 1) % users.count]
      for (id, memory) in memories[user] ?? [] {
        for word in memory.ownWords {
          problems += self.problems(word, id, memory, snapshot)
          if stranger != user { problems += found(word, stranger, snapshot).map { "another user's word: \($0)" } }
        }
        if problems.count > 5 { return problems }
      }
    }
    for (user, word) in retired.prefix(Self.most) { problems += found(word, user, snapshot) }
    for user in users.prefix(6) { problems += difference(.user(user), memories[user]?.first?.memory, snapshot) }
    return problems + difference(.all, nil, snapshot)
  }

  /// A search for the word must find the memory, and no memory of another user.
  private func problems(
    _ word: String, _ id: MemoryID, _ memory: LaneMemory, _ snapshot: borrowing MemorySnapshot
  ) -> [String] {
    let user = memory.userID
    do {
      var problems: [String] = []
      for includesSuperseded in [true, false] {
        let hits = try snapshot.search(
          TextQuery(word, scope: .user(user), mode: .lexical, limit: Self.most, includesSuperseded: includesSuperseded))
        if hits.contains(where: { $0.memory.userID != user }) {
          problems.append("a search by words of '\(user)' found another user's memory")
        }
        let isFound = hits.contains { $0.memory.id == id }
        if includesSuperseded || memory.supersededBy == nil {
          if !isFound { problems.append("memory \(id) of '\(user)' is not found by its word '\(word)'") }
        } else if isFound {
          problems.append("memory \(id) of '\(user)' is found by its word '\(word)', though another took its place")
        }
      }
      return problems
    } catch {
      return ["a search of '\(user)' for its word '\(word)' threw: \(error)"]
    }
  }

  /// A problem if a word that no text of the user has finds a memory.
  private func found(_ word: String, _ user: String, _ snapshot: borrowing MemorySnapshot) -> [String] {
    do {
      let hits = try snapshot.search(TextQuery(word, scope: .user(user), mode: .lexical, includesSuperseded: true))
      return hits.isEmpty ? [] : ["the word '\(word)', which no text of '\(user)' has, finds memory \(hits[0].memory.id)"]
    } catch {
      return ["a search of '\(user)' for the word '\(word)', which none of its texts has, threw: \(error)"]
    }
  }

  /// A search by the store's index of words and one that reads the records must find the same memories with the same scores, bit for bit.
  private func difference(_ scope: SearchScope, _ memory: LaneMemory?, _ snapshot: borrowing MemorySnapshot) -> [String] {
    let embedding = Embedding(LaneMemory.components(of: "pottery in the garden", dimension))
    let queries = [
      TextQuery(memory?.text ?? "who likes ramen?", scope: scope, mode: .lexical, limit: Self.most),
      TextQuery("pottery in the garden", embedding: embedding, scope: scope, limit: Self.most, includesSuperseded: true),
    ]
    do {
      for query in queries {
        let (kept, read) = (try snapshot.search(query), try snapshot.searchIgnoringIndex(query))
        let lists = [kept, read].map { $0.map { "\($0.memory.id) with \($0.score.bitPattern)" } }
        guard lists[0] != lists[1] else { continue }
        let place = zip(lists[0], lists[1]).prefix { $0 == $1 }.count
        let (first, second) = (lists[0].dropFirst(place).first ?? "none", lists[1].dropFirst(place).first ?? "none")
        return ["a \(query.mode) search of \(scope) by the words kept finds at \(place) \(first), by those of the records \(second)"]
      }
      return []
    } catch {
      return ["a search of \(scope) by words threw: \(error)"]
    }
  }
}
