/// How rows are compared; the raw value is the number in the row file's header.
package enum RowMetric: UInt32, Sendable {
  /// Rows and queries are scaled to unit length.
  case cosine = 1
  /// Rows and queries are taken as they are.
  case dot = 2
}
