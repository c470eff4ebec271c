import Foundation
import Testing

@testable import Engram

/// The expected contents of a store, in plain dictionaries: the naive reference of the tests.
///
/// Expired memories are not in it. Scores are computed in Double; with whole numbers below 2²⁴ they are exactly equal to the store's.
struct ReferenceStore {
  struct Entry {
    var memory: Memory
    var components: [Float]?
  }

  var entries: [MemoryID: Entry] = [:]
  /// By user, every version of the context since it last began, the newest last.
  var contexts: [String: [UserContext]] = [:]
  var notes: [String: [ReferenceNote]] = [:]
  let historyLimit: Int

  init(historyLimit: Int = 16) { self.historyLimit = historyLimit }

  mutating func add(_ draft: MemoryDraft, id: MemoryID, createdAt: Date) {
    let memory = Memory(
      id: id, userID: draft.userID, text: draft.text, kind: draft.kind, sessionID: draft.sessionID, speaker: draft.speaker,
      createdAt: createdAt,
      importance: draft.importance, expiresAt: draft.expiresAt, dedupeKey: draft.dedupeKey, metadata: draft.metadata,
      details: draft.details)
    entries[id] = Entry(memory: memory, components: draft.embedding?.values)
  }

  /// Nil also if the memory belongs to another user.
  func entry(_ id: MemoryID, of user: String) -> Entry? {
    guard let entry = entries[id], entry.memory.userID.utf8.elementsEqual(user.utf8) else { return nil }
    return entry
  }

  func holder(of dedupeKey: String, user: String) -> MemoryID? {
    entries.values.first { $0.memory.userID == user && $0.memory.dedupeKey == dedupeKey }?.memory.id
  }

  func isInScope(_ memory: Memory, _ scope: SearchScope) -> Bool {
    switch scope {
    case .all: true
    case .user(let user): memory.userID == user
    case .users(let users): users.contains(memory.userID)
    }
  }

  func memories(_ scope: SearchScope, _ filter: Filter? = nil) -> [Memory] {
    entries.values.map(\.memory).filter { isInScope($0, scope) && filter?.matches($0) ?? true }
  }

  func timeline(_ user: String) -> [Memory] {
    memories(.user(user)).sorted { ($0.createdAt, $0.id.high, $0.id.low) < ($1.createdAt, $1.id.high, $1.id.low) }
  }

  func counts(_ user: String) -> (memories: Int, rows: Int, contexts: Int) {
    let own = entries.values.filter { $0.memory.userID == user }
    return (own.count, own.count { $0.components != nil }, (contexts[user] == nil ? 0 : 1) + (notes[user] == nil ? 0 : 1))
  }

  var users: Set<String> { Set(entries.values.map(\.memory.userID)).union(contexts.keys).union(notes.keys) }

  /// Every candidate with its score in Double, best first, equal scores in ascending order of ids.
  func ranking(_ query: SearchQuery, metric: Metric) -> [(memory: Memory, score: Double)] {
    func dot(_ left: [Float], _ right: [Float]) -> Double { zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    let queryNorm = dot(query.embedding.values, query.embedding.values).squareRoot()
    return entries.values.compactMap { entry -> (memory: Memory, score: Double)? in
      guard let components = entry.components, isInScope(entry.memory, query.scope), query.filter?.matches(entry.memory) ?? true,
        query.includesSuperseded || entry.memory.supersededBy == nil
      else { return nil }
      var score = dot(components, query.embedding.values)
      if metric == .cosine { score /= dot(components, components).squareRoot() * queryNorm }
      if let threshold = query.threshold, metric == .dot, score < Double(threshold) { return nil }
      return (entry.memory, score)
    }
    .sorted { $0.score != $1.score ? $0.score > $1.score : $0.memory.id < $1.memory.id }
  }

  /// Expects exactly the ids and scores of the reference. For embeddings of whole numbers, whose dot products are exact.
  func expectExact(_ results: [SearchResult], _ query: SearchQuery, sourceLocation: SourceLocation = #_sourceLocation) {
    let expected = ranking(query, metric: .dot).prefix(query.limit)
    #expect(results.map(\.memory.id) == expected.map(\.memory.id), sourceLocation: sourceLocation)
    #expect(results.map { Double($0.score) } == expected.map(\.score), sourceLocation: sourceLocation)
    #expect(results.map(\.memory) == expected.map(\.memory), sourceLocation: sourceLocation)
  }

  /// For rounded scores: each is within `tolerance`, the order is by the store's own scores and then ids, and no better memory is missing.
  func expectClose(
    _ results: [SearchResult], _ query: SearchQuery, metric: Metric, tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var query = query
    let threshold = query.threshold.map(Double.init) ?? -.infinity
    query.threshold = nil
    let ranking = ranking(query, metric: metric)
    let scores = Dictionary(uniqueKeysWithValues: ranking.map { ($0.memory.id, $0.score) })
    let within = results.allSatisfy { result in scores[result.memory.id].map { abs($0 - Double(result.score)) <= tolerance } ?? false }
    #expect(within, sourceLocation: sourceLocation)
    let ordered = zip(results, results.dropFirst()).allSatisfy { $0.score != $1.score ? $0.score > $1.score : $0.memory.id < $1.memory.id }
    #expect(ordered, sourceLocation: sourceLocation)
    #expect(results.allSatisfy { Double($0.score) >= threshold }, sourceLocation: sourceLocation)
    let least = results.count == query.limit ? max(Double(results[results.count - 1].score), threshold) : threshold
    let found = Set(results.map(\.memory.id))
    #expect(found.count == results.count, sourceLocation: sourceLocation)
    let missing = ranking.filter { $0.score > least + tolerance && !found.contains($0.memory.id) }
    #expect(missing.isEmpty, sourceLocation: sourceLocation)
    #expect(results.allSatisfy { entries[$0.memory.id]?.memory == $0.memory }, sourceLocation: sourceLocation)
  }
}

struct ReferenceNote: ContextRecord, Hashable {
  static let recordType = "UserContext-note"
  let userID: String
  let lines: [String]
  let mood: Double?
}

/// Random conditions over the small vocabulary of the tests.
struct RandomFilter {
  static let kinds = ["fact", "message", "", "e\u{301}", "\u{E9}", "zzz"]
  static let sessions = ["s1", "s2", "s3"]
  static let keys = ["city", "age", "score", "flag"]
  static let tags = ["travel", "food", "caf\u{E9}", "cafe\u{301}", "t"]

  static func date<Generator: RandomNumberGenerator>(_ random: inout Generator) -> Date {
    Date(milliseconds: 1_000 * Int64.random(in: -3...12, using: &random))
  }

  static func value<Generator: RandomNumberGenerator>(_ random: inout Generator) -> MetadataValue {
    switch Int.random(in: 0..<4, using: &random) {
    case 0: .string(["Rome", "Oslo", "rome", ""].randomElement(using: &random) ?? "")
    case 1: .integer(Int64.random(in: -3...3, using: &random))
    case 2: .double(Double(Int.random(in: -6...6, using: &random)) / 2)
    default: .bool(Bool.random(using: &random))
    }
  }

  /// The number of kinds of conditions that ``leaf(_:_:_:)`` makes.
  static let leafCount = 15
  /// A condition of the kind `sort`, in 0..<``leafCount``.
  static func leaf<Generator: RandomNumberGenerator>(_ sort: Int, _ ids: [MemoryID], _ random: inout Generator) -> Filter {
    func maybe<Value>(_ value: Value, _ random: inout Generator) -> Value? { Int.random(in: 0..<4, using: &random) == 0 ? nil : value }
    let key = keys.randomElement(using: &random) ?? ""
    switch sort {
    case 0: return .kind(kinds.randomElement(using: &random) ?? "")
    case 1: return .session((sessions + ["none"]).randomElement(using: &random) ?? "")
    case 2: return .speaker(["Ada", "Bob", "Eve"].randomElement(using: &random) ?? "")
    case 3: return .ids(Set((0..<Int.random(in: 0...20, using: &random)).compactMap { _ in ids.randomElement(using: &random) }))
    case 4: return .created(from: maybe(date(&random), &random), to: maybe(date(&random), &random))
    case 5:
      let shift = 5e9
      return .expires(from: maybe(date(&random) + shift, &random), to: maybe(date(&random) + shift, &random))
    case 6: return .importance(atLeast: Double(Int.random(in: 0...10, using: &random)) / 10)
    case 7: return .metadata(key, equals: value(&random))
    case 8: return .metadataRange(key, from: maybe(value(&random), &random), to: maybe(value(&random), &random))
    case 9: return .hasMetadata(key)
    case 10: return .tag((tags + ["none"]).randomElement(using: &random) ?? "")
    case 11: return .source(["web", "mail", "none"].randomElement(using: &random) ?? "")
    case 12: return .trust(atLeast: Trust.allCases.randomElement(using: &random) ?? .low)
    case 13: return .valid(at: date(&random))
    default: return .superseded
    }
  }

  static func tree<Generator: RandomNumberGenerator>(_ ids: [MemoryID], _ random: inout Generator, depth: Int = 3) -> Filter {
    let sort = Int.random(in: 0..<6, using: &random)
    guard depth > 0, sort < 3 else { return leaf(Int.random(in: 0..<leafCount, using: &random), ids, &random) }
    if sort == 0 { return .not(tree(ids, &random, depth: depth - 1)) }
    let parts = (0..<Int.random(in: 0...3, using: &random)).map { _ in tree(ids, &random, depth: depth - 1) }
    return sort == 1 ? .and(parts) : .or(parts)
  }

  /// Adds fields of version 2, with values of the same vocabulary; every third memory, on average, gets none.
  static func addDetails<Generator: RandomNumberGenerator>(to draft: inout MemoryDraft, _ random: inout Generator) {
    func maybe<Value>(_ value: Value?, _ random: inout Generator) -> Value? { Bool.random(using: &random) ? value : nil }
    guard Int.random(in: 0..<3, using: &random) > 0 else { return }
    draft.tags = tags.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
    draft.caption = maybe("a picture", &random)
    draft.source = maybe(["web", "mail"].randomElement(using: &random), &random)
    draft.trust = maybe(Trust.allCases.randomElement(using: &random), &random)
    let (first, second) = (date(&random), date(&random))
    draft.validFrom = maybe(min(first, second), &random)
    draft.validUntil = maybe(max(first, second), &random)
    draft.derivedFrom = (0..<Int.random(in: 0..<3, using: &random)).map { MemoryID(high: UInt64($0), low: 7) }
  }

  /// A draft whose fields come from the same vocabulary. Times are whole seconds around 1970; expiry times are far in the future.
  static func draft<Generator: RandomNumberGenerator>(user: String, embedding: [Float]?, _ random: inout Generator) -> MemoryDraft {
    func maybe<Value>(_ value: Value?, _ random: inout Generator) -> Value? { Bool.random(using: &random) ? value : nil }
    var metadata: [String: MetadataValue] = [:]
    for key in keys where Bool.random(using: &random) { metadata[key] = value(&random) }
    return MemoryDraft(
      userID: user, text: "text \(Int.random(in: 0..<1_000_000, using: &random))", embedding: embedding.map { Embedding($0) },
      kind: maybe(kinds.dropLast().randomElement(using: &random), &random),
      sessionID: maybe(sessions.randomElement(using: &random), &random),
      speaker: maybe(["Ada", "Bob"].randomElement(using: &random), &random), createdAt: date(&random),
      importance: Double(Int.random(in: 0...10, using: &random)) / 10, expiresAt: maybe(date(&random) + 5e9, &random), metadata: metadata)
  }
}
