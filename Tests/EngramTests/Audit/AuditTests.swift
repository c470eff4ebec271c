import Foundation
import Synchronization
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Whole audits of random stores against a naive one.
@Suite(.serialized) struct AuditTests {
  private let scratch = ScratchStore()
  /// The clock of the audits: far ahead, so that nothing is swept.
  static let now: Int64 = 4_102_444_800_000
  private static let dimension = 8
  private static let users = ["a", "b", "é", "z\u{0}", "only expired"]
  private static let texts = [
    "", " \n\u{3000}", "tea", "te\u{301}", "t\u{E9}", "\u{0}", String(repeating: "long ", count: 16), String(repeating: "long ", count: 17),
  ]

  /// Audits a store with the test's own clock.
  static func audit(_ store: MemoryStore, _ options: AuditOptions, now: Int64 = now) throws -> AuditReport {
    try options.check()
    let generation = store.core.generation
    return try store.read { snapshot in
      try snapshot.read { reader in
        try StoreAudit(RecordReader(reader.view, generation, now: now), options).report { _ in }
      }
    }
  }

  /// Components that are still exact in 32 bits after scaling: few distinct values, many repetitions.
  private static func components(_ metric: Metric, _ random: inout SeededGenerator) -> [Float]? {
    if random.chance(percent: 10) { return nil }
    if metric == .dot, random.chance(percent: 5) { return [Float](repeating: 0, count: dimension) }
    if random.chance(percent: 20) { return [1, 0, 0, 0, 0, 0, 0, 0] }
    var values = (0..<dimension).map { _ in Float(Int.random(in: -2...2, using: &random)) * (metric == .dot ? 3 : 1) }
    (values[0], values[3], values[5]) = (20, 0, 0)
    return values
  }

  private static func draft(_ metric: Metric, _ random: inout SeededGenerator) -> MemoryDraft {
    let days = Double(random.element(of: [0, 7, 30]))
    let user = random.element(of: users)
    let expiry = Date(milliseconds: now).addingTimeInterval(days * 86_400 + Double(Int.random(in: -1...1, using: &random)) / 1000)
    var metadata: [String: MetadataValue] = [:]
    for key in ["x", "y", "é", ""] where random.chance(percent: 30) { metadata[key] = 1 }
    return MemoryDraft(
      userID: user, text: random.chance(percent: 60) ? random.element(of: texts) : random.text(100),
      embedding: components(metric, &random).map(Embedding.init), kind: random.element(of: [nil, "fact", "message", "é"]),
      sessionID: random.element(of: [nil, "1", "2", "3"]), createdAt: Date(milliseconds: now - Int64.random(in: 0...1_000, using: &random)),
      expiresAt: user == "only expired" ? Date(milliseconds: now) : random.chance(percent: 40) ? expiry : nil, metadata: metadata,
      // Random ids, so that their order is unrelated to every other order.
      id: MemoryID(high: random.next(), low: random.next()))
  }

  @Test(arguments: [1, 2, 3], Metric.allCases) func anAuditSaysWhatTheNaiveOneSays(_ seed: UInt64, _ metric: Metric) async throws {
    var random = SeededGenerator(seed: seed)
    let store = try await scratch.open(dimension: Self.dimension, metric: metric)
    let drafts = (0..<260).map { _ in Self.draft(metric, &random) }
    for start in stride(from: 0, to: drafts.count, by: 26) { try await store.add(Array(drafts[start..<(start + 26)])) }
    let deleted = Set(drafts.prefix(200).compactMap(\.id).filter { _ in random.chance(percent: 10) })
    for draft in drafts { if let id = draft.id, deleted.contains(id) { try await store.delete(id, for: draft.userID) } }
    try await store.put(UserContext(userID: "context only"))
    try await store.put(UserContext(userID: "a"))
    let items = try drafts.compactMap { draft -> AuditReference.Item? in
      let id = try #require(draft.id)
      guard !deleted.contains(id) else { return nil }
      return .init(
        memory: try #require(try store.memory(id, for: draft.userID)), components: try store.embedding(of: id, for: draft.userID)?.values)
    }
    for scope in [SearchScope.all] + (Self.users + ["context only"]).map(SearchScope.user) {
      for limit in [1, 4, 100_000] {
        let options = AuditOptions(scope: scope, limit: limit, threshold: 0.975, constantCount: 5)
        let reference = AuditReference(
          items, contexts: ["context only": 1, "a": 1], options: options, now: Self.now, dimension: Self.dimension, metric: metric)
        let report = try Self.audit(store, options)
        try Self.expect(report, equals: reference)
        guard scope == .all, let near = report.nearDuplicates else { continue }
        // Every kind of result must occur: otherwise the comparison proves little.
        #expect(near.pairs > near.identical && near.identical > 0 && report.times.expired > 0 && report.unmatched.emptyTexts.count > 0)
        #expect(report.times.expiringWithin30Days > report.times.expiringWithin7Days && report.times.expiringWithin7Days > 0)
      }
    }
    try await store.close()
  }

  private static func expect(_ report: AuditReport, equals reference: AuditReference) throws {
    let items = reference.items
    #expect(report.options == reference.options && report.asOf == Date(milliseconds: now) && report.batchSequence > 0)
    #expect(report.dimension == dimension && report.metric == reference.metric)
    #expect(report.memories == items.count && report.contexts == reference.contexts.values.reduce(0, +))
    #expect(report.embeddings == items.count { $0.components != nil })
    #expect(report.textBytes == items.reduce(0) { $0 + $1.memory.text.utf8.count })
    #expect(report.users == reference.users)
    #expect(report.times == reference.times)
    #expect(report.kinds == reference.names { [$0.kind].compactMap(\.self) })
    #expect(report.metadataKeys == reference.names { Array($0.metadata.keys) })
    #expect(report.sessions == reference.sessions)
    #expect(report.sameText == reference.duplicates { Array($0.memory.text.utf8) })
    #expect(report.sameEmbedding == reference.duplicates { $0.components?.map(\.bitPattern) })
    let unmatched = report.unmatched
    #expect(
      unmatched.emptyTexts
        == reference.listing { $0.memory.text.trimmingCharacters(in: .whitespacesAndNewlines).unicodeScalars.isEmpty })
    #expect(unmatched.withoutEmbedding == reference.listing { $0.components == nil })
    #expect(unmatched.zeroEmbeddings == reference.listing { $0.components?.allSatisfy { $0 == 0 } ?? false })
    #expect(unmatched.deadComponents == reference.deadComponents)
    #expect(unmatched.constants == reference.constants)
    try expect(try #require(report.nearDuplicates), equals: reference)
  }

  private static func expect(_ near: AuditReport.NearDuplicates, equals reference: AuditReference) throws {
    let cosines = reference.cosines
    let threshold = Double(reference.options.threshold)
    // Rounding must not decide what the test expects.
    try #require(cosines.values.allSatisfy { abs(($0 ?? 1) - threshold) > 1e-6 })
    let expected = cosines.filter { ($0.value ?? 1) > threshold }
    #expect(near.pairs == expected.count && near.identical == expected.count { $0.value == nil })
    #expect(near.compared == cosines.count && near.possible == cosines.count && near.isComplete)
    #expect(near.partial.isEmpty && near.partialUsers == 0)
    #expect(near.closest.count == min(near.pairs - near.identical, reference.options.limit))
    let memories = Dictionary(uniqueKeysWithValues: reference.items.map { ($0.memory.id, $0.memory) })
    var unlisted = expected.filter { $0.value != nil }
    for pair in near.closest {
      let cosine = try #require(unlisted.removeValue(forKey: .init(first: pair.first, second: pair.second)) ?? nil)
      #expect(abs(Double(pair.score) - cosine) < 1e-6 && pair.score <= 1)
      #expect(pair.userID == memories[pair.first]?.userID && pair.userID == memories[pair.second]?.userID)
      #expect(pair.firstExcerpt == memories[pair.first].map { AuditReference.excerpt($0.text) })
      #expect(pair.secondExcerpt == memories[pair.second].map { AuditReference.excerpt($0.text) })
    }
    for (left, right) in zip(near.closest, near.closest.dropFirst()) {
      #expect(left.score != right.score ? left.score > right.score : (left.first, left.second) < (right.first, right.second))
    }
    if let last = near.closest.last { #expect(unlisted.values.allSatisfy { ($0 ?? 0) < Double(last.score) + 1e-6 }) }
  }

  @Test func textsOfOneHashAreToldApart() async throws {
    let store = try await scratch.open()
    let texts = ["é", "tea", "e\u{301}", "tea", "tea", "e\u{301}"]
    let ids = try await store.add(texts.map { MemoryDraft(userID: "u", text: $0) }).map(\.id)
    var entries = ids.map { AuditCensus.Entry(id: $0, textHash: 7, checksum: 0, row: -1, user: 0) }
    let found = try store.read { snapshot in
      try snapshot.read { reader in
        var meter = WorkMeter(.auditing, total: 0) { _ in }
        return try StoreAudit(reader, AuditOptions(limit: 2)).sameText(&entries, &meter)
      }
    }
    #expect(found.groups == 2 && found.surplus == 3)
    #expect(found.largest.map(\.ids) == [[ids[1], ids[3]], [ids[2], ids[5]]] && found.largest.map(\.count) == [3, 2])
    try await store.close()
  }

  @Test func aStoreWithoutEmbeddingsHasNothingToSayOfThem() async throws {
    let store = try await scratch.open()
    try await store.add(["tea", "tea", " "].map { MemoryDraft(userID: "u", text: $0) })
    let report = try await store.audit()
    #expect(report.dimension == nil && report.nearDuplicates == nil && report.embeddings == 0 && report.sameEmbedding.groups == 0)
    #expect(report.unmatched.withoutEmbedding == nil && report.unmatched.zeroEmbeddings == nil)
    #expect(report.unmatched.deadComponents == nil && report.unmatched.constants == nil)
    #expect(report.sameText.surplus == 1 && report.unmatched.emptyTexts.count == 1)
    try await store.close()
  }

  @Test func anEmptyStoreHasAnEmptyReport() async throws {
    let store = try await scratch.open(dimension: 3)
    let report = try await store.audit()
    #expect(report.memories == 0 && report.users.count == 0 && report.users.memoriesPerUser == nil && report.times.oldest == nil)
    #expect(report.nearDuplicates?.possible == 0 && report.nearDuplicates?.isComplete == true)
    #expect(report.unmatched.deadComponents == .init(count: 0, first: []) && report.unmatched.constants?.count == 0)
    try await store.close()
    await expectCode(.closed) { _ = try await store.audit() }
  }

  @Test func badOptionsAndUnknownUsersAreRefusedByName() async throws {
    let store = try await scratch.open(dimension: 3)
    try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 2, 3]))
    func message(_ options: AuditOptions, _ code: StoreError.Code) async -> String {
      let error = await storeError { _ = try await store.audit(options) }
      #expect(error?.code == code)
      return error?.message ?? ""
    }
    #expect(await message(AuditOptions(limit: 0), .invalidArgument) == "the limit of an audit is 0, it must be at least 1")
    for threshold: Float in [0, -0.5, 1.0001, .nan, .infinity] {
      #expect(
        await message(AuditOptions(threshold: threshold), .invalidArgument)
          == "the threshold of an audit is \(threshold), it must lie above 0 and not above 1")
    }
    #expect(await message(AuditOptions(window: -1), .invalidArgument) == "the window of an audit is -1, it must be at least 1")
    #expect(
      await message(AuditOptions(constantCount: 1), .invalidArgument) == "the count of a constant embedding is 1, it must be at least 2")
    #expect(await message(AuditOptions(scope: .user("v")), .notFound) == "the store has no user 'v'")
    #expect(await message(AuditOptions(scope: .user("")), .invalidUserID).hasPrefix("the userID is empty"))
    #expect(try await store.audit(AuditOptions(limit: .max, threshold: 1, window: .max, constantCount: .max)).memories == 1)
    try await store.close()
  }

  @Test func aReportIsOfOneCommit() async throws {
    let store = try await scratch.open(dimension: 2)
    let writer = Task {
      for number in 0..<60 {
        try await store.add((0..<2).map { _ in MemoryDraft(userID: "u\(number % 3)", text: "\(number)", embedding: [1, Float(number)]) })
      }
    }
    var last: AuditReport
    repeat {
      last = try await store.audit(AuditOptions(threshold: 1))
      #expect(last.memories == 2 * Int(last.batchSequence))
      #expect(last.sameText.groups == Int(last.batchSequence) && last.sameText.surplus == last.sameText.groups)
      #expect(last.sameEmbedding.groups == last.sameText.groups && last.embeddings == last.memories)
      await Task.yield()
    } while last.memories < 120
    try await writer.value
    try await store.close()
  }

  @Test func progressReachesTheEndOfBothPhases() async throws {
    let store = try await scratch.open(dimension: 2, metric: .dot)
    try await store.add((0..<3_000).map { MemoryDraft(userID: "u\($0 % 2)", text: "\($0)", embedding: [1, Float($0)]) })
    let told = Mutex<[OperationProgress]>([])
    _ = try await store.audit(AuditOptions()) { step in told.withLock { $0.append(step) } }
    let steps = told.withLock { $0 }
    for (phase, total) in [(OperationProgress.Phase.auditing, 3_000), (.comparing, 2 * 1_500 * 1_499 / 2)] {
      let own = steps.filter { $0.phase == phase }
      #expect(own.count > 2 && own.allSatisfy { $0.total == total } && own.last?.done == total)
      #expect(own.map(\.done) == own.map(\.done).sorted() && own.map(\.count) == own.map(\.done))
    }
    try await store.close()
  }
}
