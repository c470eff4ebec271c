/// Why a vector cannot be stored or searched with.
package enum VectorError: Error, Sendable, Equatable {
  case dimensionMismatch(expected: Int, found: Int)
  /// The component is NaN or infinite as a 32-bit float.
  case notFinite(index: Int)
  /// No direction, so no cosine.
  case zeroNorm
  /// Products with such a vector could overflow.
  case normTooLarge(Double)
}

/// Why a row file cannot be used.
package enum RowFileError: Error, Sendable, Equatable {
  /// A header field does not say what the store's own record says.
  case headerMismatch(field: String, expected: String, found: String)
  /// The file ends before the rows that the store's records name.
  case truncated(expectedBytes: Int, foundBytes: Int)
  /// A row's bytes do not have the checksum that its record holds.
  case checksumMismatch(row: Int)
}
