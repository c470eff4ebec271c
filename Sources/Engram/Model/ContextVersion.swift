public import Foundation

/// One version of a context: the present one, or an earlier one.
public struct ContextVersion<Record: ContextRecord>: Sendable {
  /// Counts from 1, by one with each write. A context that was deleted and made again begins anew.
  public let version: Int
  /// When it was written.
  public let updatedAt: Date
  public let context: Record
}
