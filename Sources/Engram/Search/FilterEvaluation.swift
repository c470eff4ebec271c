import Formats
import Foundation
import LMDB
import VectorSearch

/// A filter evaluated on a block's columns: the slots that match for certain, and those whose record must decide.
struct FilterMasks: Equatable {
  var certain: LiveMask
  /// Includes the certain ones.
  var possible: LiveMask

  static let all = FilterMasks(certain: .max, possible: .max)
  static let undecided = FilterMasks(certain: 0, possible: .max)

  init(certain: LiveMask, possible: LiveMask) {
    self.certain = certain
    self.possible = possible
  }

  private init(exactly mask: LiveMask) { self.init(certain: mask, possible: mask) }

  static func exactly(_ mask: LiveMask) -> FilterMasks { FilterMasks(exactly: mask) }
}

extension Filter {
  /// Evaluates the filter on every slot of a block at once.
  func masks(_ columns: borrowing ColumnsView) -> FilterMasks {
    switch self {
    case .kind(let kind):
      guard let index = columns.kinds().firstIndex(where: { $0.hasSameBytes(as: kind) }) else { return .exactly(0) }
      return .exactly(Self.mask(columns.count) { columns.kindIndex($0) == index + 1 })
    case .session(let session):
      guard let index = columns.sessions().firstIndex(where: { $0.hasSameBytes(as: session) }) else { return .exactly(0) }
      return .exactly(Self.mask(columns.count) { columns.sessionIndex($0) == index + 1 })
    case .ids(let ids):
      return .exactly(Self.mask(columns.count) { ids.contains(columns.id($0)) })
    case .created(let from, let to):
      return .exactly(Self.mask(columns.count) { Self.contains(columns.createdAt($0), from, to) })
    case .expires(let from, let to):
      return .exactly(
        Self.mask(columns.count) { columns.expiresAt($0) != BlockColumns.never && Self.contains(columns.expiresAt($0), from, to) })
    case .tag(let tag):
      return .exactly(columns.mask(ofTag: tag))
    case .trust(let least):
      return .exactly(Self.mask(columns.count) { columns.trustLevel($0) >= least.level })
    case .valid(let date):
      let time = date.milliseconds
      return .exactly(Self.mask(columns.count) { columns.validFrom($0) <= time && time < columns.validUntil($0) })
    case .superseded:
      return .exactly(columns.superseded)
    case .speaker, .importance, .metadata, .metadataRange, .hasMetadata, .source:
      return .undecided
    case .and(let parts):
      return parts.reduce(into: .all) { masks, part in
        let other = part.masks(columns)
        masks = FilterMasks(certain: masks.certain & other.certain, possible: masks.possible & other.possible)
      }
    case .or(let parts):
      return parts.reduce(into: .exactly(0)) { masks, part in
        let other = part.masks(columns)
        masks = FilterMasks(certain: masks.certain | other.certain, possible: masks.possible | other.possible)
      }
    case .not(let part):
      let masks = part.masks(columns)
      return FilterMasks(certain: ~masks.possible, possible: ~masks.certain)
    }
  }

  private static func mask(_ count: Int, _ matches: (Int) -> Bool) -> LiveMask {
    var mask: LiveMask = 0
    for slot in 0..<count where matches(slot) { mask |= 1 << LiveMask(slot) }
    return mask
  }

  private static func contains(_ time: Int64, _ from: Date?, _ to: Date?) -> Bool {
    if let from, time < from.milliseconds { return false }
    if let to, time >= to.milliseconds { return false }
    return true
  }

  /// Evaluates the filter on a whole memory. Every evaluation by columns must agree with it.
  func matches(_ memory: Memory) -> Bool {
    switch self {
    case .kind(let kind): return memory.kind.hasSameBytes(as: kind)
    case .session(let session): return memory.sessionID.hasSameBytes(as: session)
    case .speaker(let speaker): return memory.speaker.hasSameBytes(as: speaker)
    case .ids(let ids): return ids.contains(memory.id)
    case .created(let from, let to): return Self.contains(memory.createdAt.milliseconds, from, to)
    case .expires(let from, let to): return memory.expiresAt.map { Self.contains($0.milliseconds, from, to) } ?? false
    case .importance(let least): return memory.importance >= least
    case .metadata(let key, let value): return memory.metadata.value(forBytesOf: key)?.matches(value) ?? false
    case .metadataRange(let key, let from, let to):
      guard let value = memory.metadata.value(forBytesOf: key) else { return false }
      return (from.map { $0.precedes(value) || $0.isOrdered && $0.matches(value) } ?? true) && (to.map { value.precedes($0) } ?? true)
    case .hasMetadata(let key): return memory.metadata.value(forBytesOf: key) != nil
    case .tag(let tag): return memory.tags.contains { $0.hasSameBytes(as: tag) }
    case .source(let source): return memory.source.hasSameBytes(as: source)
    case .trust(let least): return memory.trust.map { $0 >= least } ?? false
    case .valid(let date):
      let time = date.milliseconds
      return memory.validFrom.map { $0.milliseconds <= time } ?? true && memory.validUntil.map { time < $0.milliseconds } ?? true
    case .superseded: return memory.supersededBy != nil
    case .and(let parts): return parts.allSatisfy { $0.matches(memory) }
    case .or(let parts): return parts.contains { $0.matches(memory) }
    case .not(let part): return !part.matches(memory)
    }
  }
}
