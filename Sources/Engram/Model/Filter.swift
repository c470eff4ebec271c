public import Foundation

/// A condition on memories. Applied before the best are chosen, so that `limit` results come back whenever that many match.
public indirect enum Filter: Sendable, Hashable {
  case kind(String)
  case session(String)
  case speaker(String)
  case ids(Set<MemoryID>)
  /// `from` ≤ createdAt < `to`; nil leaves that side open.
  case created(from: Date?, to: Date?)
  /// `from` ≤ expiresAt < `to`; a memory that never expires does not match.
  case expires(from: Date?, to: Date?)
  case importance(atLeast: Double)
  /// The metadata has this key with an equal value; 1 and 1.0 are equal.
  case metadata(String, equals: MetadataValue)
  /// The metadata has this key with a number (or, for string bounds, a string) in `from` ≤ value < `to`.
  case metadataRange(String, from: MetadataValue?, to: MetadataValue?)
  case hasMetadata(String)
  case and([Filter])
  case or([Filter])
  case not(Filter)

  public static func && (left: Filter, right: Filter) -> Filter { .and([left, right]) }
  public static func || (left: Filter, right: Filter) -> Filter { .or([left, right]) }
  public static prefix func ! (filter: Filter) -> Filter { .not(filter) }

  /// `from` ≤ createdAt.
  public static func created(since date: Date) -> Filter { .created(from: date, to: nil) }
}
