import CBLAS

/// The live rows of a block: bit i is row `firstRow` + i.
@usableFromInline package typealias LiveMask = UInt128

extension RowFile {
  /// The most rows a block can have.
  package static let blockCapacity = 128

  /// The dot product of `query`, `dimension` components, with one row, by `cblas_sdot`.
  @usableFromInline
  package func score(query: Span<Float>, row: Int) -> Float {
    precondition(query.count == header.dimension, "a query has the store's dimension")
    let components = self.row(row)
    return unsafe query.withUnsafeBufferPointer { query in
      unsafe components.withUnsafeBufferPointer { row in
        // SAFETY: both buffers hold `dimension` components with a stride of one.
        unsafe cblas_sdot(Int32(query.count), query.baseAddress, 1, row.baseAddress, 1)
      }
    }
  }

  /// The dot product of a row with itself.
  func squaredNorm(ofRow row: Int) -> Float {
    let components = self.row(row)
    return score(query: components, row: row)
  }

  /// Calls `body` with the slot and the score of every live row of a block, in ascending order of slots.
  @inlinable
  package func forEachScore<Failure: Error>(
    query: Span<Float>, firstRow: Int, live: LiveMask, _ body: (_ slot: Int, _ score: Float) throws(Failure) -> Void
  ) throws(Failure) {
    var remaining = live
    while remaining != 0 {
      let slot = remaining.trailingZeroBitCount
      remaining &= remaining - 1
      try body(slot, score(query: query, row: firstRow + slot))
    }
  }
}
