import Formats
import VectorSearch

/// A search by text: ``ScopeReading`` reads the scope, ``HybridRanking`` scores it, and the records of the best are read.
///
/// A dense search by text is an ``ExactSearch``.
struct TextSearch: ~Escapable {
  private let reader: RecordReader
  private let check: () throws -> Void
  /// The least number of rows in scope for which codes are used.
  private let leastRowsInScope: Int
  private let mostFloats: Double

  /// In a smaller scope, a great share of the rows decides how similarities are scaled.
  static let leastRowsInScope = 4096
  /// If a greater share of the rows could decide how similarities are scaled, scoring all of them in their order is faster.
  static let mostFloats = 0.25
  /// If a greater share of a sample could decide it, all rows are scored while the words are read, without a look at the codes of the others. For real
  /// embeddings the share is 0.64 in the median and 0.89 in the ninth decile, for random directions 1.
  static let mostUndecided = 0.97

  @_lifetime(copy reader)
  init(
    _ reader: RecordReader, leastRowsInScope: Int = Self.leastRowsInScope, mostFloats: Double = Self.mostFloats,
    check: @escaping () throws -> Void = { try Task.checkCancellation() }
  ) {
    self.reader = reader
    self.check = check
    self.leastRowsInScope = leastRowsInScope
    self.mostFloats = mostFloats
  }

  /// - Parameter ignoresIndex: Reads the records even if the store has the words, as in a store without them; for comparison.
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.embeddingRequired` for a dense search without an embedding, those of
  ///   a vector that does not fit the store, `.corrupted`; what `check` throws.
  func results(_ query: TextQuery, ignoresIndex: Bool = false) throws -> [SearchResult] {
    try Limits.check(query)
    let start = ContinuousClock.now
    if query.mode == .dense { return try dense(query) }
    let embedding = try query.mode == .lexical ? nil : query.embedding.map { try PreparedEmbedding($0, reader) }
    let codes = if let embedding { try self.codes(for: query, embedding) } else { nil as CodeReading? }
    // Without codes, all rows are scored while the words are read.
    let started = codes == nil ? embedding?.startScores() : nil
    let scope = try reader.generation.termReaders.withReader { termReader in
      var scope = ScopeReading(query, termReader, started, check: check)
      try scope.run(reader, termReader, ignoresIndex: ignoresIndex)
      return scope
    }
    var ranking = HybridRanking(scope.words, denseWeight: reader.generation.embedder?.denseWeight ?? 1, ranking: query.ranking)
    if let scores = scope.scores {
      ranking.compare(try scores.finish(check: check))
    } else if let embedding, let codes {
      let rows = scope.words.members.map { scope.candidates[Int($0)].row }
      let bounds = try ScoreBounds(embedding.rows, codes, query: embedding.values, rows: rows, check: check)
      if !ranking.compare(bounds, mostFloats: mostFloats) {
        var scores = embedding.startScores()
        for candidate in scope.candidates { scores.add(row: candidate.row) }
        ranking.compare(try scores.finish(check: check))
      }
    }
    return try ranked(query, scope, &ranking, since: start)
  }

  /// The codes for a query; nil if there are none, if its scope is small, or if they would tell little.
  private func codes(for query: TextQuery, _ embedding: PreparedEmbedding) throws -> CodeReading? {
    guard let codes = try reader.codes(of: reader.users(of: query.scope), reader.state(), leastRows: leastRowsInScope),
      ScoreBounds.undecidedShare(codes, query: embedding.values) <= max(Self.mostUndecided, mostFloats)
    else { return nil }
    return codes
  }

  private func dense(_ query: TextQuery) throws -> [SearchResult] {
    guard let embedding = query.embedding else {
      throw StoreError(.embeddingRequired, "a dense search needs the embedding of its text, or a store that is opened with its embedder")
    }
    let vector = SearchQuery(
      embedding: embedding, scope: query.scope, limit: query.limit, threshold: query.threshold, filter: query.filter,
      neighbors: query.neighbors, asOf: query.asOf, includesSuperseded: query.includesSuperseded,
      includesExplanation: query.includesExplanation)
    return try ExactSearch(reader, check: check).results([vector])[0].filter { $0.score >= query.minimumFusedScore ?? -.infinity }
  }

  /// The embedding of a query and the rows that it is compared with.
  private struct PreparedEmbedding {
    let rows: RowFile
    let values: [Float]

    init(_ embedding: Embedding, _ reader: borrowing RecordReader) throws {
      rows = try reader.generation.requireRows()
      try rows.cover(rowCount: reader.state().rowsHigh)
      values = try VectorPreparation.prepare(embedding.values, dimension: rows.header.dimension, metric: rows.header.metric)
    }

    func startScores() -> BackgroundScores { BackgroundScores(rows, query: values) }
  }

  private func ranked(
    _ query: TextQuery, _ scope: ScopeReading, _ ranking: inout HybridRanking, since start: ContinuousClock.Instant
  ) throws -> [SearchResult] {
    // In a search as of an earlier time, the age of a memory is its age at that time.
    let (now, recency) = (query.asOf?.milliseconds ?? reader.now, query.ranking.recency)
    let importance = query.ranking.importance
    var best = TopK<MemoryID, Int>(limit: query.limit, threshold: query.minimumFusedScore ?? -.infinity)
    /// The candidate's score without its importance, or an upper bound of it; nil if the memory is no result.
    func total(_ number: Int) -> Double? {
      let similarity = ranking.similarity(number)
      // A memory without a similarity (NaN) does not reach any threshold.
      if let threshold = query.threshold, !(similarity >= threshold) { return nil }
      let parts = ranking.parts(number)
      if similarity.isNaN, parts.isEmpty { return nil }
      return parts.total + (recency?.term(createdAt: scope.candidates[number].createdAt, now: now) ?? 0)
    }
    /// The greatest score of a candidate whose score without importance is `total`.
    func greatest(_ total: Double) -> Float { Float(importance > 0 ? total + importance : total) }
    func consider(_ number: Int) throws {
      ranking.resolve(number)
      // The record is read only if the memory could still enter.
      guard let total = total(number), best.admits(greatest(total)) else { return }
      let id = scope.candidates[number].id
      var score = Float(total)
      if query.filter != nil || importance > 0 {
        guard let memory = try reader.memoryRecord(id)?.memory, query.filter?.matches(memory) ?? true else { return }
        if importance > 0 { score = Float(total + importance * memory.importance) }
      }
      best.insert(score: score, id: id, payload: number)
    }
    if ranking.isBounded {
      // Those of the greatest bounds first: then few others could still enter.
      var bounds = [Float](repeating: .nan, count: scope.candidates.count)
      var first = TopK<Int, Void>(limit: max(32, 2 * min(query.limit, scope.candidates.count)))
      for number in scope.candidates.indices {
        guard let total = total(number) else { continue }
        bounds[number] = greatest(total)
        first.insert(score: bounds[number], id: number, payload: ())
      }
      for candidate in first.sorted() where best.admits(candidate.score) {
        bounds[candidate.id] = .nan
        try consider(candidate.id)
      }
      for number in scope.candidates.indices where best.admits(bounds[number]) { try consider(number) }
    } else {
      for number in scope.candidates.indices {
        if let total = total(number), best.admits(greatest(total)) { try consider(number) }
      }
    }
    let owners = reader.users(of: query.scope).map { users in Set(users.map { Exact($0.userID) }) }
    let compared = query.includesExplanation ? Comparison(ranking, reader.generation, since: start) : nil
    let rowsInScope = query.includesExplanation ? scope.candidates.count { $0.row >= 0 } : 0
    let sequence = try reader.state().batchSequence
    return try best.sorted().map { hit in
      let (number, candidate) = (hit.payload, scope.candidates[hit.payload])
      let record = try record(of: candidate, owners)
      if let reference = record.row, ranking.comparesEmbeddings { _ = try reader.row(reference) }
      var explanation: SearchResult.Explanation?
      if let compared {
        let parts = ranking.parts(number).explained(
          similarity: ranking.similarity(number), recency: recency?.term(createdAt: candidate.createdAt, now: now) ?? 0,
          importance: query.ranking.importance * record.memory.importance)
        explanation = .init(
          metric: reader.store.metric, row: record.row?.row, rowsScored: compared.rows.scored, rowsCoded: compared.rows.coded,
          rowsInScope: rowsInScope, tier: compared.rows.coded > 0 ? .codes : .floats, isApproximate: false,
          bytesRead: compared.bytes, microseconds: compared.duration.wholeMicroseconds, batchSequence: sequence, parts: parts)
      }
      return SearchResult(
        memory: record.memory, score: hit.score,
        neighbors: try reader.neighbors(of: record.memory, atMost: query.neighbors, asOf: query.asOf),
        explanation: explanation)
    }
  }

  /// What the comparison of embeddings took.
  private struct Comparison {
    let rows: (scored: Int, coded: Int)
    /// Of codes and components.
    let bytes: Int
    let duration: Duration

    init(_ ranking: HybridRanking, _ generation: Generation, since start: ContinuousClock.Instant) {
      rows = ranking.rowsCompared
      let rowBytes = (generation.rows?.header.dimension ?? 0) * 4
      bytes = rows.scored * rowBytes + rows.coded * (generation.codes?.header.codeBytes(.fine) ?? 0)
      duration = .now - start
    }
  }

  /// - Parameter owners: The users of the scope; nil: all users.
  /// - Throws: ``StoreError`` `.corrupted` if the record and the words are not of the same memory.
  private func record(of candidate: ScopeReading.Candidate, _ owners: Set<Exact<String>>?) throws -> MemoryRecord {
    guard let record = try reader.memoryRecord(candidate.id), record.row?.row ?? -1 == candidate.row else {
      throw StoreError(.corrupted, "the words and the record of memory \(candidate.id) disagree")
    }
    if let owners, !owners.contains(Exact(record.memory.userID)) {
      throw StoreError(.corrupted, "memory \(candidate.id) is among the words of another user")
    }
    return record
  }
}

extension HybridRanking.Parts {
  fileprivate func explained(similarity: Float, recency: Double, importance: Double) -> SearchResult.Explanation.Parts {
    .init(
      words: Float(words), session: Float(session), author: Float(author), question: Float(question), dense: Float(dense),
      sessionDense: Float(sessionDense), recency: Float(recency), importance: Float(importance),
      similarity: similarity.isNaN ? nil : similarity)
  }
}

extension EmbedderIdentity {
  /// The weight of its vectors relative to words: vectors of hashed words add little to the words themselves.
  var denseWeight: Double { name.hasSameBytes(as: "hashing") ? 0.2 : 1 }
}
