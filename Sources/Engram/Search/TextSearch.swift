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

  /// - Parameter ignoresIndex: Reads the records although the store has the words, as it would without: for comparison.
  /// - Returns: At most `limit` results, best score first, equal scores in ascending order of id.
  /// - Throws: ``StoreError`` `.invalidArgument`, `.invalidUserID`, `.embeddingRequired` for a dense search without an embedding, those of a vector that
  ///   does not fit the store, `.corrupted`; what `check` throws.
  func results(_ query: TextQuery, ignoresIndex: Bool = false) throws -> [SearchResult] {
    try Limits.check(query)
    if query.mode == .dense { return try dense(query) }
    let rows = query.mode == .lexical ? nil : try reader.rows()
    let embedding = try query.mode == .lexical ? nil : query.embedding.map { try prepared($0) }
    return try reader.generation.termReaders.withReader { termReader in
      var scope = ScopeReading(query, embedding: embedding, rows: rows, termReader, check: check)
      try scope.run(reader, termReader, ignoresIndex: ignoresIndex)
      return try ranked(query, scope)
    }
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

  private func prepared(_ embedding: Embedding) throws -> [Float] {
    let header = try reader.generation.requireRows().header
    return try VectorPreparation.prepare(embedding.values, dimension: header.dimension, metric: header.metric)
  }

  private func ranked(_ query: TextQuery, _ scope: ScopeReading) throws -> [SearchResult] {
    let words = scope.words
    // The age of a memory is that of then.
    let now = query.asOf?.milliseconds ?? reader.now
    let parts = HybridRanking(words, denseWeight: reader.generation.embedder?.denseWeight ?? 1, ranking: query.ranking).parts()
    var best = TopK<MemoryID, Int>(limit: query.limit, threshold: query.minimumFusedScore ?? -.infinity)
    for (number, candidate) in scope.candidates.enumerated() {
      if let threshold = query.threshold {
        // Not a number: there is nothing to compare.
        guard !words.similarities.isEmpty, words.similarities[number] >= threshold else { continue }
      }
      let isCompared = !words.similarities.isEmpty && !words.similarities[number].isNaN
      if !isCompared, parts.isEmpty(number) { continue }
      let (importance, recency) = (
        query.ranking.importance, query.ranking.recency?.term(createdAt: candidate.createdAt, now: now) ?? 0
      )
      var score = Float(parts.total(number) + recency)
      // The record is read only if the memory could still enter.
      guard best.admits(importance > 0 ? Float(parts.total(number) + recency + importance) : score) else { continue }
      if query.filter != nil || importance > 0 {
        guard let memory = try reader.memoryRecord(candidate.id)?.memory, query.filter?.matches(memory) ?? true else { continue }
        if importance > 0 {
          score = Float(parts.total(number) + recency + importance * memory.importance)
          guard best.admits(score) else { continue }
        }
      }
      best.insert(score: score, id: candidate.id, payload: number)
    }
    let state = try reader.state()
    let (scored, inScope) = (words.similarities.count { !$0.isNaN }, scope.candidates.count { $0.row >= 0 })
    let owners = reader.users(of: query.scope).map { users in Set(users.map { Exact($0.userID) }) }
    return try best.sorted().map { hit in
      let candidate = scope.candidates[hit.payload]
      guard let record = try reader.memoryRecord(hit.id), record.row?.row ?? -1 == candidate.row else {
        throw StoreError(.corrupted, "the words and the record of memory \(hit.id) disagree")
      }
      if let owners, !owners.contains(Exact(record.memory.userID)) {
        throw StoreError(.corrupted, "memory \(hit.id) is among the words of another user")
      }
      if let reference = record.row, !words.similarities.isEmpty { _ = try reader.row(reference) }
      return SearchResult(
        memory: record.memory, score: hit.score,
        neighbors: try reader.neighbors(of: record.memory, atMost: query.neighbors, asOf: query.asOf),
        explanation: query.includesExplanation
          ? .init(
            metric: reader.store.metric, row: record.row?.row, rowsScored: scored,
            rowsInScope: inScope, batchSequence: state.batchSequence,
            parts: parts.explained(
              hit.payload, similarity: words.similarities.isEmpty ? .nan : words.similarities[hit.payload],
              recency: query.ranking.recency?.term(createdAt: candidate.createdAt, now: now) ?? 0,
              importance: query.ranking.importance * record.memory.importance)) : nil)
    }
  }
}

extension HybridRanking.Parts {
  fileprivate func explained(
    _ memory: Int, similarity: Float, recency: Double, importance: Double
  ) -> SearchResult.Explanation.Parts {
    .init(
      words: Float(words[memory]), session: Float(session[memory]), author: Float(author[memory]), question: Float(question[memory]),
      dense: Float(dense[memory]), sessionDense: Float(sessionDense[memory]), recency: Float(recency),
      importance: Float(importance), similarity: similarity.isNaN ? nil : similarity)
  }
}

extension EmbedderIdentity {
  /// What its vectors count against words: those of hashed words add little to the words themselves.
  var denseWeight: Double { name.hasSameBytes(as: "hashing") ? 0.2 : 1 }
}
