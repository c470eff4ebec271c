/// Why a vector cannot be stored or searched with.
package enum VectorError: Error, Sendable, Equatable {
  case dimensionMismatch(expected: Int, found: Int)
  /// The component is NaN or infinite as a 32-bit float.
  case notFinite(index: Int)
  /// All components are zero, so the cosine is not defined.
  case zeroNorm
  /// The norm, which is given, is above ``VectorPreparation/largestNorm``: dot products could overflow.
  case normTooLarge(Double)
}

/// Why a row file cannot be used.
package enum RowFileError: Error, Sendable, Equatable {
  /// A header field differs from the store's own record.
  case headerMismatch(field: String, expected: String, found: String)
  /// The file ends before the rows that the store's records name.
  case truncated(expectedBytes: Int, foundBytes: Int)
  /// A row's bytes do not have the checksum that its record holds.
  case checksumMismatch(row: Int)
}
