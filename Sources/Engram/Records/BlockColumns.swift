import Formats
import Foundation
import LMDB
import VectorSearch

/// A record of `columns` under construction: what a filter and a result list need of a block's rows, slot by slot.
struct BlockColumns: Sendable, Equatable {
  static let formatVersion: UInt8 = 1
  static let never = Int64.max

  /// One row's share. A dead slot holds ``Slot/empty``, so that nothing of a deleted memory stays.
  struct Slot: Sendable, Equatable {
    var id: MemoryID
    var createdAt: Int64
    /// ``never`` where the memory does not expire.
    var expiresAt: Int64
    var kind: String?
    var session: String?

    static let empty = Slot(id: MemoryID(high: 0, low: 0), createdAt: 0, expiresAt: never, kind: nil, session: nil)

    init(id: MemoryID, createdAt: Int64, expiresAt: Int64, kind: String?, session: String?) {
      self.id = id
      self.createdAt = createdAt
      self.expiresAt = expiresAt
      self.kind = kind
      self.session = session
    }

    init(_ memory: Memory) {
      self.init(
        id: memory.id, createdAt: memory.createdAt.milliseconds,
        expiresAt: memory.expiresAt?.milliseconds ?? never, kind: memory.kind, session: memory.sessionID)
    }

    static func == (left: Slot, right: Slot) -> Bool {
      left.id == right.id && left.createdAt == right.createdAt && left.expiresAt == right.expiresAt
        && left.kind.hasSameBytes(as: right.kind) && left.session.hasSameBytes(as: right.session)
    }
  }

  var slots: [Slot] = []

  func encode(into bytes: inout [UInt8]) {
    var kinds = StringTable()
    var sessions = StringTable()
    let kindIndexes = slots.map { kinds.index(of: $0.kind) }
    let sessionIndexes = slots.map { sessions.index(of: $0.session) }
    bytes.append(Self.formatVersion)
    bytes.append(UInt8(slots.count))
    bytes.append(UInt8(kinds.strings.count))
    bytes.append(UInt8(sessions.strings.count))
    for slot in slots {
      bytes.appendBigEndian(slot.id.high)
      bytes.appendBigEndian(slot.id.low)
    }
    for slot in slots { bytes.appendBigEndian(slot.createdAt) }
    for slot in slots { bytes.appendBigEndian(slot.expiresAt) }
    bytes.append(contentsOf: kindIndexes)
    bytes.append(contentsOf: sessionIndexes)
    for string in kinds.strings + sessions.strings {
      bytes.appendBigEndian(UInt16(string.utf8.count))
      bytes.append(contentsOf: string.utf8)
    }
  }

  init() {}

  init(_ view: borrowing ColumnsView) {
    let kinds = view.kinds()
    let sessions = view.sessions()
    slots = (0..<view.count).map { slot in
      Slot(
        id: view.id(slot), createdAt: view.createdAt(slot), expiresAt: view.expiresAt(slot),
        kind: view.kindIndex(slot) == 0 ? nil : kinds[view.kindIndex(slot) - 1],
        session: view.sessionIndex(slot) == 0 ? nil : sessions[view.sessionIndex(slot) - 1])
    }
  }

  /// The distinct strings of a block, in the order of their first use; index 0 means "none".
  private struct StringTable {
    var strings: [String] = []
    private var indexes: [Exact<String>: UInt8] = [:]

    mutating func index(of string: String?) -> UInt8 {
      guard let string else { return 0 }
      if let index = indexes[Exact(string)] { return index }
      strings.append(string)
      indexes[Exact(string)] = UInt8(strings.count)
      return UInt8(strings.count)
    }
  }
}

/// A record of `columns` where it lies in the map: reads single fields without decoding the rest.
struct ColumnsView: ~Escapable {
  private let bytes: RawSpan
  /// Slots in use.
  let count: Int
  private let kindCount: Int
  private let sessionCount: Int

  /// - Throws: ``StoreError`` `.corrupted` where the lengths do not fit each other.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) throws(StoreError) {
    self.bytes = bytes
    guard bytes.byteCount >= 4, bytes.bigEndian(at: 0, as: UInt8.self) == BlockColumns.formatVersion else {
      throw StoreError(.corrupted, "a record of columns has an unknown version")
    }
    count = Int(bytes.bigEndian(at: 1, as: UInt8.self))
    kindCount = Int(bytes.bigEndian(at: 2, as: UInt8.self))
    sessionCount = Int(bytes.bigEndian(at: 3, as: UInt8.self))
    var end = 4 + 34 * count
    for _ in 0..<(kindCount + sessionCount) {
      guard end + 2 <= bytes.byteCount else { throw StoreError(.corrupted, "a record of columns contradicts itself") }
      end += 2 + Int(bytes.bigEndian(at: end, as: UInt16.self))
    }
    guard count <= RowFile.blockCapacity, end == bytes.byteCount else {
      throw StoreError(.corrupted, "a record of columns contradicts itself")
    }
    for slot in 0..<count where kindIndex(slot) > kindCount || sessionIndex(slot) > sessionCount {
      throw StoreError(.corrupted, "a record of columns contradicts itself")
    }
  }

  func id(_ slot: Int) -> MemoryID { MemoryID(bytes, at: 4 + 16 * slot) }
  func createdAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: 4 + 16 * count + 8 * slot) }
  func expiresAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: 4 + 24 * count + 8 * slot) }
  /// 0: none; else one more than the index in ``kinds()``.
  func kindIndex(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 4 + 32 * count + slot, as: UInt8.self)) }
  func sessionIndex(_ slot: Int) -> Int { Int(bytes.bigEndian(at: 4 + 33 * count + slot, as: UInt8.self)) }

  func kinds() -> [String] { strings(from: 0, count: kindCount) }
  func sessions() -> [String] { strings(from: kindCount, count: sessionCount) }

  private func strings(from first: Int, count wanted: Int) -> [String] {
    var offset = 4 + 34 * count
    var strings: [String] = []
    for index in 0..<(first + wanted) {
      let length = Int(bytes.bigEndian(at: offset, as: UInt16.self))
      if index >= first {
        let part = bytes.extracting(offset + 2..<offset + 2 + length)
        strings.append(unsafe part.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
      }
      offset += 2 + length
    }
    return strings
  }
}
