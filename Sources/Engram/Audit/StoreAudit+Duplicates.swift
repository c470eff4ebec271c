import Formats
import VectorSearch

/// Finds groups of memories that are the same, and pairs that are nearly the same.
extension StoreAudit {
  private typealias Entry = AuditCensus.Entry

  /// The members of a group. The user and the excerpt are read from the first member's record later.
  private struct Members {
    var count = 0
    /// The first ones, ascending.
    var ids: [MemoryID] = []

    mutating func add(_ id: MemoryID, limit: Int) {
      count += 1
      if ids.count < limit { ids.append(id) }
    }

    /// The order of groups: the larger one first, equal ones by the lowest id.
    static func precedes(_ left: Members, _ right: Members) -> Bool {
      left.count != right.count ? left.count > right.count : left.ids[0] < right.ids[0]
    }
  }

  /// Totals over groups of two or more members.
  private struct Tally {
    var surplus = 0
    var largest: Ranking<Members>

    init(limit: Int) { largest = Ranking(limit: limit, by: Members.precedes) }

    mutating func add(_ members: Members) {
      guard members.count > 1 else { return }
      surplus += members.count - 1
      largest.insert(members)
    }
  }

  // MARK: The same text

  func sameText(_ entries: inout [AuditCensus.Entry], _ meter: inout WorkMeter) throws -> AuditReport.Duplicates {
    try entries.sort(by: { ($0.user, $0.textHash, $0.id) < ($1.user, $1.textHash, $1.id) }, &meter)
    var tally = Tally(limit: options.limit)
    try entries.forEachRun(where: { $0.user == $1.user && $0.textHash == $1.textHash }) { run in
      if run.count > 1 { for members in try groups(run, &meter) { tally.add(members) } }
    }
    return try duplicates(tally)
  }

  /// Splits memories whose texts have the same hash into groups with the same text.
  private func groups(_ run: ArraySlice<Entry>, _ meter: inout WorkMeter) throws -> [Members] {
    var groups: [(text: String, members: Members)] = []
    for entry in run {
      let text = try memory(entry.id).text
      try meter.pass(bytes: text.utf8.count)
      // Not `==`, which compares strings by canonical equivalence: texts are the same if their bytes are.
      let index = groups.firstIndex { $0.text.hasSameBytes(as: text) } ?? groups.endIndex
      if index == groups.endIndex { groups.append((text, Members())) }
      groups[index].members.add(entry.id, limit: options.limit)
    }
    return groups.map(\.members)
  }

  // MARK: The same embedding

  /// - Parameter entries: All have rows, also in the functions below.
  func sameEmbedding(_ entries: inout [AuditCensus.Entry], _ meter: inout WorkMeter) throws -> AuditReport.Duplicates {
    try entries.sort(by: { ($0.user, $0.checksum, $0.id) < ($1.user, $1.checksum, $1.id) }, &meter)
    var tally = Tally(limit: options.limit)
    entries.forEachRun(where: { $0.user == $1.user && $0.checksum == $1.checksum }) { tally.add(members($0)) }
    return try duplicates(tally)
  }

  func constants(_ entries: inout [AuditCensus.Entry], _ meter: inout WorkMeter) throws -> AuditReport.Constants {
    struct Found {
      let members: Members
      let users: Int
      let texts: Int
    }
    try entries.sort(by: { ($0.checksum, $0.id) < ($1.checksum, $1.id) }, &meter)
    var memories = 0
    var largest = Ranking<Found>(limit: options.limit) { Members.precedes($0.members, $1.members) }
    entries.forEachRun(where: { $0.checksum == $1.checksum }) { run in
      guard run.count >= options.constantCount else { return }
      memories += run.count
      largest.insert(Found(members: members(run), users: Set(run.map(\.user)).count, texts: Set(run.map(\.textHash)).count))
    }
    let count = largest.count
    return AuditReport.Constants(
      count: count, memories: memories,
      largest: try largest.sorted().map { found in
        AuditReport.Constant(
          count: found.members.count, users: found.users, texts: found.texts, ids: found.members.ids,
          excerpt: Self.excerpt(try memory(found.members.ids[0]).text))
      })
  }

  private func members(_ run: ArraySlice<Entry>) -> Members {
    Members(count: run.count, ids: run.prefix(options.limit).map(\.id))
  }

  private func duplicates(_ tally: Tally) throws -> AuditReport.Duplicates {
    AuditReport.Duplicates(
      groups: tally.largest.count, surplus: tally.surplus,
      largest: try tally.largest.sorted().map { members in
        let first = try memory(members.ids[0])
        return AuditReport.Group(userID: first.userID, count: members.count, ids: members.ids, excerpt: Self.excerpt(first.text))
      })
  }

  // MARK: Nearly the same embedding

  func nearDuplicates(
    _ census: inout AuditCensus, _ rows: RowFile, _ meter: inout WorkMeter,
    _ progress: @escaping (OperationProgress) throws -> Void
  ) throws -> AuditReport.NearDuplicates {
    if census.zeroEmbeddings.count > 0 {
      try census.entries.removeAll {
        try meter.pass(bytes: rows.header.strideBytes)
        return VectorPreparation.squaredNorm(rows.row($0.row)) == 0
      }
    }
    try census.entries.sort(by: { ($0.user, $0.row) < ($1.user, $1.row) }, &meter)
    var search = NearDuplicateSearch(rows, options)
    try search.run(census.entries, progress)
    var partial = Ranking<AuditReport.Partial>(limit: options.limit) { left, right in
      left.embeddings != right.embeddings
        ? left.embeddings > right.embeddings : left.userID.precedesInBytes(right.userID)
    }
    for user in search.partial {
      partial.insert(
        AuditReport.Partial(
          userID: try userID(census.users[user.user].key), embeddings: user.embeddings, compared: user.compared, possible: user.possible))
    }
    let closest = try search.closestPairs().map { pair in
      let (first, second) = (try memory(pair.first), try memory(pair.second))
      return AuditReport.Pair(
        userID: first.userID, score: pair.score, first: first.id, second: second.id, firstExcerpt: Self.excerpt(first.text),
        secondExcerpt: Self.excerpt(second.text))
    }
    return AuditReport.NearDuplicates(
      pairs: search.pairs, identical: search.identical, compared: search.compared, possible: search.possible,
      partialUsers: search.partial.count, partial: partial.sorted(), closest: closest)
  }

  // MARK: Records

  private func memory(_ id: MemoryID) throws -> Memory {
    guard let record = try reader.memoryRecord(id) else { throw StoreError(.corrupted, "memory \(id) has no record") }
    return record.memory
  }

  /// The first 80 code points, and an ellipsis for the rest.
  static func excerpt(_ text: String) -> String {
    let scalars = text.unicodeScalars
    let end = scalars.index(scalars.startIndex, offsetBy: 80, limitedBy: scalars.endIndex) ?? scalars.endIndex
    return end == scalars.endIndex ? text : String(scalars[..<end]) + "…"
  }
}
