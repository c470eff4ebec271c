public import Foundation

/// One earlier version of a context.
public struct ContextVersion<Record: ContextRecord>: Sendable {
  /// Counts from 1.
  public let version: Int
  /// When it was written.
  public let updatedAt: Date
  public let context: Record
}
