public import Foundation

/// One version of a context: the present one, or an earlier one.
public struct ContextVersion<Record: ContextRecord>: Sendable {
  /// 1 for a new context, and one more with each write. If a context is deleted, the next one of the user begins at 1 again.
  public let version: Int
  /// When it was written.
  public let updatedAt: Date
  public let context: Record
}
