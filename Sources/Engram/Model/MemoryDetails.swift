import Formats
import Foundation

/// The fields that few memories have. A record, a block's columns and a line of an export contain them only if one of them is set; their
/// format is then version 2.
struct MemoryDetails: Sendable, Equatable {
  /// Sorted by bytes, each once.
  private(set) var tags: [String] = []
  var caption: String?
  var validFrom: Date?
  var validUntil: Date?
  var source: String?
  var trust: Trust?
  var derivedFrom: [MemoryID] = []
  var replaces: MemoryID?
  var supersededBy: MemoryID?

  var isEmpty: Bool {
    tags.isEmpty && caption == nil && validFrom == nil && validUntil == nil && source == nil && trust == nil && derivedFrom.isEmpty
      && replaces == nil && supersededBy == nil
  }

  mutating func setTags(_ tags: [String]) { self.tags = Self.sorted(tags: tags) }

  /// By bytes, each once.
  static func sorted(tags: [String]) -> [String] {
    tags.sorted { $0.precedesInBytes($1) }.reduce(into: []) { sorted, tag in
      if !sorted.last.hasSameBytes(as: tag) { sorted.append(tag) }
    }
  }

  /// The same with times of whole milliseconds.
  var rounded: MemoryDetails {
    var rounded = self
    rounded.validFrom = validFrom?.roundedToMilliseconds
    rounded.validUntil = validUntil?.roundedToMilliseconds
    return rounded
  }

  static func == (left: MemoryDetails, right: MemoryDetails) -> Bool {
    left.tags.hasSameBytes(as: right.tags) && left.caption.hasSameBytes(as: right.caption)
      && left.validFrom == right.validFrom && left.validUntil == right.validUntil && left.source.hasSameBytes(as: right.source)
      && left.trust == right.trust && left.derivedFrom == right.derivedFrom && left.replaces == right.replaces
      && left.supersededBy == right.supersededBy
  }
}
