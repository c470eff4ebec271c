import VectorSearch

/// A slot of a block with its score.
struct ScoredSlot {
  let slot: Int
  let score: Float
}

/// Stage 5 of a search: the exact score of each candidate, by `cblas_sdot` over its row.
struct RowScorer {
  let rows: RowFile

  /// Appends the candidates that score at least `bound`, in ascending order of slots. A score that is not a number is left out.
  ///
  /// - Complexity: O(candidates × dimension).
  func score(
    _ embedding: [Float], firstRow: Int, _ candidates: LiveMask, atLeast bound: Float, into scored: inout [ScoredSlot]
  ) {
    rows.forEachScore(query: embedding.span, firstRow: firstRow, live: candidates) { slot, score in
      if score >= bound { scored.append(ScoredSlot(slot: slot, score: score)) }
    }
  }
}
