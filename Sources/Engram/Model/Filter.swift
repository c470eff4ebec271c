import Formats
public import Foundation

/// A condition on memories. A search applies it before it chooses the best, so it returns `limit` results whenever that many memories
/// match.
///
/// A call that takes a filter throws ``StoreError`` `.invalidArgument` if a time or a number in it is not finite.
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
  /// The metadata has this key with an equal value; 1 and 1.0 are equal, 9007199254740993 and 9007199254740992.0 are not.
  case metadata(String, equals: MetadataValue)
  /// The metadata has this key with a number (or, for string bounds, a string, by its bytes) in `from` ≤ value < `to`.
  case metadataRange(String, from: MetadataValue?, to: MetadataValue?)
  case hasMetadata(String)
  /// The memory has this tag.
  case tag(String)
  case source(String)
  /// The memory's trust is at least this; a memory without a trust does not match.
  case trust(atLeast: Trust)
  /// `validFrom` ≤ date < `validUntil`; if the memory lacks one of the two, that side is open.
  case valid(at: Date)
  /// Another memory replaced this one.
  case superseded
  case and([Filter])
  case or([Filter])
  case not(Filter)

  public static func && (left: Filter, right: Filter) -> Filter { .and([left, right]) }
  public static func || (left: Filter, right: Filter) -> Filter { .or([left, right]) }
  public static prefix func ! (filter: Filter) -> Filter { .not(filter) }

  /// Whether both are the same condition, their strings byte for byte.
  public static func == (left: Filter, right: Filter) -> Bool {
    switch (left, right) {
    case (.kind(let left), .kind(let right)), (.session(let left), .session(let right)), (.speaker(let left), .speaker(let right)),
      (.hasMetadata(let left), .hasMetadata(let right)), (.tag(let left), .tag(let right)), (.source(let left), .source(let right)):
      left.hasSameBytes(as: right)
    case (.ids(let left), .ids(let right)): left == right
    case (.created(let leftFrom, let leftTo), .created(let rightFrom, let rightTo)),
      (.expires(let leftFrom, let leftTo), .expires(let rightFrom, let rightTo)):
      leftFrom == rightFrom && leftTo == rightTo
    case (.importance(let left), .importance(let right)): left == right
    case (.trust(let left), .trust(let right)): left == right
    case (.valid(let left), .valid(let right)): left == right
    case (.superseded, .superseded): true
    case (.metadata(let leftKey, let left), .metadata(let rightKey, let right)): leftKey.hasSameBytes(as: rightKey) && left == right
    case (.metadataRange(let leftKey, let leftFrom, let leftTo), .metadataRange(let rightKey, let rightFrom, let rightTo)):
      leftKey.hasSameBytes(as: rightKey) && leftFrom == rightFrom && leftTo == rightTo
    case (.and(let left), .and(let right)), (.or(let left), .or(let right)): left == right
    case (.not(let left), .not(let right)): left == right
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .kind(let name), .session(let name), .speaker(let name), .hasMetadata(let name), .tag(let name), .source(let name):
      name.hash(bytesInto: &hasher)
    case .ids(let ids): hasher.combine(ids)
    case .created(let from, let to), .expires(let from, let to):
      hasher.combine(from)
      hasher.combine(to)
    case .importance(let least): hasher.combine(least)
    case .trust(let least): hasher.combine(least)
    case .valid(let date): hasher.combine(date)
    case .superseded: hasher.combine(0)
    case .metadata(let key, let value):
      key.hash(bytesInto: &hasher)
      hasher.combine(value)
    case .metadataRange(let key, let from, let to):
      key.hash(bytesInto: &hasher)
      hasher.combine(from)
      hasher.combine(to)
    case .and(let parts), .or(let parts): hasher.combine(parts)
    case .not(let part): hasher.combine(part)
    }
  }

  /// `from` ≤ createdAt.
  public static func created(since date: Date) -> Filter { .created(from: date, to: nil) }
}
