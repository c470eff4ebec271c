import CSearchKernels

/// Finds the rows with the highest scores among some rows of unit length, by their floats: for scopes in which codes do not pay.
///
/// `cblas_sdot` gives the scores. But on many machines it does not use the widest vectors, and few rows can be among the best. So a product in wider
/// vectors (``approximateScore(query:row:)``) excludes the others first. It differs from the score by less than ``margin(dimension:)``: with s the
/// product of rank `limit`, no row with a product below s − 2 · margin is a result.
package enum UnitRowScan {
  /// Whether the processor has wider vectors, the rows have unit length, and most rows of a user can be expected to be no result.
  package static func pays(for rows: RowFile, limit: Int) -> Bool {
    #if arch(x86_64)
      rows.header.metric == .cosine && CodeFile.level > 0 && limit <= largestLimit
    #else
      false
    #endif
  }

  /// The rows with the highest scores, and those that tie with the last of them.
  ///
  /// - Parameters:
  ///   - file: Covers all rows; of the cosine metric.
  ///   - query: Of unit length.
  ///   - threshold: Rows that score less are left out.
  ///   - check: Called now and then; an error that it throws ends the scan.
  /// - Complexity: O(rows × dimension).
  package static func best(
    of spans: [RowSpan], count: Int, in file: RowFile, query: [Float], limit: Int, threshold: Float, check: () throws -> Void
  ) rethrows -> BestRows {
    let rows = rows(of: spans, count: count)
    var products: [Float] = []
    products.reserveCapacity(rows.count)
    var highest = BestRows(limit: limit, threshold: -.infinity)
    let rowsPerCheck = max(bytesPerCheck / file.header.strideBytes, 1)
    for (place, row) in rows.enumerated() {
      if place + rowsAhead < rows.count { file.prefetch(row: rows[place + rowsAhead]) }
      let product = file.approximateScore(query: query.span, row: row)
      products.append(product)
      highest.insert(score: product, row: row)
      if place % rowsPerCheck == rowsPerCheck - 1 { try check() }
    }
    let margin = margin(dimension: file.header.dimension)
    let least = max(Double(highest.bound) - 2 * margin, Double(threshold) - margin)
    var best = BestRows(limit: limit, threshold: threshold)
    // A product that is not a number excludes nothing.
    for (place, row) in rows.enumerated() {
      if !(Double(products[place]) < least) { best.insert(score: file.score(query: query.span, row: row), row: row) }
      if place % rowsPerCheck == rowsPerCheck - 1 { try check() }
    }
    return best
  }

  private static let largestLimit = 64
  /// A row is asked for while so many before it are multiplied.
  private static let rowsAhead = 2
  /// Some milliseconds of work.
  private static let bytesPerCheck = 64 << 20

  private static func rows(of spans: [RowSpan], count: Int) -> [Int] {
    var rows: [Int] = []
    rows.reserveCapacity(count)
    for span in spans {
      var live = span.live
      while live != 0 {
        rows.append(span.firstRow + live.trailingZeroBitCount)
        live &= live - 1
      }
    }
    return rows
  }

  /// The most by which two sums of the same products differ, each added up in any order, with or without fused steps, for vectors whose norms are at
  /// most 1.000001.
  ///
  /// Each is off from the exact dot product by at most γ · Σ|qᵢrᵢ| with γ = n·2⁻²⁴/(1 − n·2⁻²⁴) (Higham, Accuracy and Stability of Numerical
  /// Algorithms, section 3.1), and Σ|qᵢrᵢ| is at most the product of the norms. Products too small for a normal number add less than n·2⁻¹²⁴ to each.
  package static func margin(dimension: Int) -> Double {
    let rounding = Double(dimension) * 0x1p-24
    // Norms of the vectors, and rounding of this computation and of the comparison.
    let allowance = 1.00001
    return 2 * allowance * rounding / (1 - rounding) + Double(dimension) * 0x1p-122
  }
}

extension RowFile {
  /// A sum of the products of `query`, `dimension` components, and one row: see ``UnitRowScan``.
  func approximateScore(query: Span<Float>, row: Int, level: Int32 = CodeFile.level) -> Float {
    precondition(query.count == header.dimension, "a query has the store's dimension")
    let components = self.row(row)
    return unsafe query.withUnsafeBufferPointer { query in
      unsafe components.withUnsafeBufferPointer { row in
        // SAFETY: both buffers hold `dimension` components. The dimension is positive, so they have addresses.
        unsafe search_float_product(level, query.baseAddress!, row.baseAddress!, query.count)
      }
    }
  }
}
