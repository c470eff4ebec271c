import Formats
import VectorSearch

/// A search by text: ``ScopeReading`` reads the scope, ``HybridRanking`` scores it, and the records of the best are read.
///
/// A dense search by text is an ``ExactSearch``.
struct TextSearch: ~Escapable {
  private let reader: RecordReader
  private let check: () throws -> Void

  @_lifetime(copy reader)
  init(_ reader: RecordReader, check: @escaping () throws -> Void = { try Task.checkCancellation() }) {
    self.reader = reader
    self.check = check
  }

  /// - Parameter ignoresIndex: Reads the records even if the store has the words, as in a store without them; for comparison.
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.embeddingRequired` for a dense search without an embedding, those of
  ///   a vector that does not fit the store, `.corrupted`; what `check` throws.
  func results(_ query: TextQuery, ignoresIndex: Bool = false) throws -> [SearchResult] {
    try Limits.check(query)
    if query.mode == .dense { return try dense(query) }
    let started = try query.mode == .lexical ? nil : query.embedding.map { try startScores($0) }
    let scope = try reader.generation.termReaders.withReader { termReader in
      var scope = ScopeReading(query, termReader, started, check: check)
      try scope.run(reader, termReader, ignoresIndex: ignoresIndex)
      return scope
    }
    var ranking = HybridRanking(scope.words, denseWeight: reader.generation.embedder?.denseWeight ?? 1, ranking: query.ranking)
    let similarities = try scope.scores?.finish(check: check) ?? []
    if scope.scores != nil { ranking.compare(similarities) }
    return try ranked(query, scope, ranking, similarities)
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

  private func startScores(_ embedding: Embedding) throws -> BackgroundScores {
    let rows = try reader.generation.requireRows()
    try rows.cover(rowCount: reader.state().rowsHigh)
    return BackgroundScores(
      rows, query: try VectorPreparation.prepare(embedding.values, dimension: rows.header.dimension, metric: rows.header.metric))
  }

  /// - Parameter similarities: By the numbers of the candidates; NaN: there is no embedding. Empty: embeddings are not compared.
  private func ranked(
    _ query: TextQuery, _ scope: ScopeReading, _ ranking: HybridRanking, _ similarities: [Float]
  ) throws -> [SearchResult] {
    // In a search as of an earlier time, the age of a memory is its age at that time.
    let (now, recency) = (query.asOf?.milliseconds ?? reader.now, query.ranking.recency)
    var best = TopK<MemoryID, Int>(limit: query.limit, threshold: query.minimumFusedScore ?? -.infinity)
    for (number, candidate) in scope.candidates.enumerated() {
      let similarity = similarities.isEmpty ? .nan : similarities[number]
      // A memory without a similarity (NaN) does not reach any threshold.
      if let threshold = query.threshold, !(similarity >= threshold) { continue }
      let parts = ranking.parts(number)
      if similarity.isNaN, parts.isEmpty { continue }
      let total = parts.total + (recency?.term(createdAt: candidate.createdAt, now: now) ?? 0)
      let importance = query.ranking.importance
      // The record is read only if the memory could still enter.
      guard best.admits(Float(importance > 0 ? total + importance : total)) else { continue }
      var score = Float(total)
      if query.filter != nil || importance > 0 {
        guard let memory = try reader.memoryRecord(candidate.id)?.memory, query.filter?.matches(memory) ?? true else { continue }
        if importance > 0 {
          score = Float(total + importance * memory.importance)
          guard best.admits(score) else { continue }
        }
      }
      best.insert(score: score, id: candidate.id, payload: number)
    }
    let owners = reader.users(of: query.scope).map { users in Set(users.map { Exact($0.userID) }) }
    let counts = query.includesExplanation ? (similarities.count { !$0.isNaN }, scope.candidates.count { $0.row >= 0 }) : (0, 0)
    let sequence = try reader.state().batchSequence
    return try best.sorted().map { hit in
      let (number, candidate) = (hit.payload, scope.candidates[hit.payload])
      let record = try record(of: candidate, owners)
      if let reference = record.row, !similarities.isEmpty { _ = try reader.row(reference) }
      var explanation: SearchResult.Explanation?
      if query.includesExplanation {
        let similarity = similarities.isEmpty ? .nan : similarities[number]
        let parts = ranking.parts(number).explained(
          similarity: similarity, recency: recency?.term(createdAt: candidate.createdAt, now: now) ?? 0,
          importance: query.ranking.importance * record.memory.importance)
        explanation = .init(
          metric: reader.store.metric, row: record.row?.row, rowsScored: counts.0, rowsCoded: 0, rowsInScope: counts.1,
          batchSequence: sequence,
          parts: parts)
      }
      return SearchResult(
        memory: record.memory, score: hit.score,
        neighbors: try reader.neighbors(of: record.memory, atMost: query.neighbors, asOf: query.asOf),
        explanation: explanation)
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
