import Formats
import Foundation
import LMDB
import VectorSearch

/// A record of `columns` as values that can be changed: the fields that filters and results need of a block's rows, slot by slot.
struct BlockColumns: Sendable, Equatable {
  static let never = Int64.max
  /// The ``Slot/Details/validFrom`` of a memory that was always valid.
  static let always = Int64.min

  /// The fields of one row. A dead slot holds ``Slot/empty``, so that nothing of a deleted memory stays.
  struct Slot: Sendable, Equatable {
    var id: MemoryID
    var createdAt: Int64
    /// ``never`` if the memory does not expire.
    var expiresAt: Int64
    var kind: String?
    var session: String?
    var details: Details?

    /// The fields that only version 2 of the record has; a slot whose memory has none of them has no details.
    struct Details: Sendable, Equatable {
      var isSuperseded = false
      /// 0: none.
      var trust: UInt8 = 0
      /// Milliseconds since 1970; ``always`` and ``never`` mean no limit.
      var validFrom = always
      var validUntil = never
      /// Sorted by bytes.
      var tags: [String] = []

      static let none = Details()

      static func == (left: Details, right: Details) -> Bool {
        left.isSuperseded == right.isSuperseded && left.trust == right.trust && left.validFrom == right.validFrom
          && left.validUntil == right.validUntil && left.tags.hasSameBytes(as: right.tags)
      }
    }

    static let empty = Slot(id: MemoryID(high: 0, low: 0), createdAt: 0, expiresAt: never, kind: nil, session: nil)

    init(id: MemoryID, createdAt: Int64, expiresAt: Int64, kind: String?, session: String?, details: Details? = nil) {
      self.id = id
      self.createdAt = createdAt
      self.expiresAt = expiresAt
      self.kind = kind
      self.session = session
      self.details = details == Details.none ? nil : details
    }

    init(_ memory: Memory) {
      self.init(
        id: memory.id, createdAt: memory.createdAt.milliseconds,
        expiresAt: memory.expiresAt?.milliseconds ?? never, kind: memory.kind, session: memory.sessionID,
        details: memory.hasDetails ? Details(memory.details) : nil)
    }

    static func == (left: Slot, right: Slot) -> Bool {
      left.id == right.id && left.createdAt == right.createdAt && left.expiresAt == right.expiresAt
        && left.kind.hasSameBytes(as: right.kind) && left.session.hasSameBytes(as: right.session)
        && left.details == right.details
    }
  }

  var slots: [Slot] = []

  /// Encodes version 1 unless a slot needs version 2, so that the bytes of stores that do not use the later fields stay the same.
  func encode(into bytes: inout [UInt8]) {
    var kinds = StringTable()
    var sessions = StringTable()
    let kindIndexes = slots.indices.map { kinds.index(of: slots[$0].kind) }
    let sessionIndexes = slots.indices.map { sessions.index(of: slots[$0].session) }
    let tags = slots.indices.contains { slots[$0].details != nil } ? TagTable(slots) : nil
    bytes.append(tags == nil ? 1 : 2)
    bytes.append(UInt8(slots.count))
    bytes.append(UInt8(kinds.strings.count))
    bytes.append(UInt8(sessions.strings.count))
    if let tags { bytes.appendBigEndian(UInt32(tags.strings.count)) }
    // By indexes: a loop over the slots would retain and release the strings of each.
    for index in slots.indices {
      bytes.appendBigEndian(slots[index].id.high)
      bytes.appendBigEndian(slots[index].id.low)
    }
    for index in slots.indices { bytes.appendBigEndian(slots[index].createdAt) }
    for index in slots.indices { bytes.appendBigEndian(slots[index].expiresAt) }
    bytes.append(contentsOf: kindIndexes)
    bytes.append(contentsOf: sessionIndexes)
    if let tags { encodeDetails(tags, into: &bytes) }
    for string in kinds.strings + sessions.strings + (tags?.strings ?? []) {
      bytes.appendBigEndian(UInt16(string.utf8.count))
      bytes.append(contentsOf: string.utf8)
    }
  }

  private func encodeDetails(_ tags: TagTable, into bytes: inout [UInt8]) {
    let details = slots.map { $0.details ?? .none }
    for detail in details { bytes.appendBigEndian(detail.validFrom) }
    for detail in details { bytes.appendBigEndian(detail.validUntil) }
    for detail in details { bytes.append(detail.trust) }
    var superseded: LiveMask = 0
    for (slot, detail) in details.enumerated() where detail.isSuperseded { superseded |= 1 << LiveMask(slot) }
    for mask in [superseded] + tags.masks { bytes.append(mask: mask) }
  }

  init() {}

  init(_ view: borrowing ColumnsView) {
    let kinds = view.kinds()
    let sessions = view.sessions()
    let details = view.hasDetails ? Slot.Details.decode(view) : []
    slots = (0..<view.count).map { slot in
      Slot(
        id: view.id(slot), createdAt: view.createdAt(slot), expiresAt: view.expiresAt(slot),
        kind: view.kindIndex(slot) == 0 ? nil : kinds[view.kindIndex(slot) - 1],
        session: view.sessionIndex(slot) == 0 ? nil : sessions[view.sessionIndex(slot) - 1],
        details: details.isEmpty ? nil : details[slot])
    }
  }

  /// The distinct strings of a block, in the order of their first use; index 0 means "none".
  private struct StringTable {
    var strings: [String] = []
    private var indexes: [Exact<String>: UInt8] = [:]

    private var last: UInt8 = 0

    mutating func index(of string: String?) -> UInt8 {
      guard let string else { return 0 }
      // Neighboring rows mostly have the same string.
      if last > 0, strings[Int(last) - 1].hasSameBytes(as: string) { return last }
      last = place(of: string)
      return last
    }

    private mutating func place(of string: String) -> UInt8 {
      if let index = indexes[Exact(string)] { return index }
      strings.append(string)
      indexes[Exact(string)] = UInt8(strings.count)
      return UInt8(strings.count)
    }
  }

  /// The distinct tags of a block, in the order of their first use, and the slots that have each.
  private struct TagTable {
    var strings: [String] = []
    var masks: [LiveMask] = []

    init(_ slots: [Slot]) {
      var indexes: [Exact<String>: Int] = [:]
      for (slot, tags) in slots.lazy.map({ $0.details?.tags ?? [] }).enumerated() {
        for tag in tags {
          let index = indexes[Exact(tag)] ?? strings.count
          if index == strings.count {
            indexes[Exact(tag)] = index
            strings.append(tag)
            masks.append(0)
          }
          masks[index] |= 1 << LiveMask(slot)
        }
      }
    }
  }
}

extension BlockColumns.Slot.Details {
  init(_ details: MemoryDetails) {
    isSuperseded = details.supersededBy != nil
    trust = details.trust?.level ?? 0
    validFrom = details.validFrom?.milliseconds ?? BlockColumns.always
    validUntil = details.validUntil?.milliseconds ?? BlockColumns.never
    tags = details.tags
  }

  /// The details of all slots, in order.
  static func decode(_ view: borrowing ColumnsView) -> [Self] {
    var details = (0..<view.count).map { slot in
      Self(
        isSuperseded: view.superseded >> LiveMask(slot) & 1 == 1, trust: view.trustLevel(slot), validFrom: view.validFrom(slot),
        validUntil: view.validUntil(slot))
    }
    for (index, tag) in view.tags().enumerated() {
      for slot in 0..<view.count where view.tagMask(index) >> LiveMask(slot) & 1 == 1 { details[slot].tags.append(tag) }
    }
    for slot in details.indices { details[slot].tags = MemoryDetails.sorted(tags: details[slot].tags) }
    return details
  }
}

extension [UInt8] {
  fileprivate mutating func append(mask: LiveMask) {
    appendBigEndian(UInt64(truncatingIfNeeded: mask >> 64))
    appendBigEndian(UInt64(truncatingIfNeeded: mask))
  }
}
