import Formats
import Foundation
import LMDB
import VectorSearch

/// A record of `columns` in the map: reads single fields without decoding the rest.
///
/// Version 1 has kinds and sessions; version 2 has the times of validity, the trust, the superseded slots and the tags besides.
struct ColumnsView: ~Escapable {
  private let bytes: RawSpan
  /// Slots in use.
  let count: Int
  /// Whether the record is one of version 2.
  let hasDetails: Bool
  private let kindCount: Int
  private let sessionCount: Int
  private let tagCount: Int
  /// The offsets of the ids, of the fields of version 2, and of the strings.
  private let idsOffset: Int
  private let detailsOffset: Int
  private let stringsOffset: Int

  /// - Throws: ``StoreError`` `.corrupted` if the lengths do not fit each other.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) throws(StoreError) {
    self.bytes = bytes
    guard bytes.byteCount >= 4 else { throw Self.contradiction }
    let version = bytes.bigEndian(at: 0, as: UInt8.self)
    guard version == 1 || version == 2 else { throw StoreError(.corrupted, "a record of columns has the unknown version \(version)") }
    hasDetails = version == 2
    count = Int(bytes.bigEndian(at: 1, as: UInt8.self))
    kindCount = Int(bytes.bigEndian(at: 2, as: UInt8.self))
    sessionCount = Int(bytes.bigEndian(at: 3, as: UInt8.self))
    if hasDetails {
      guard bytes.byteCount >= 8 else { throw Self.contradiction }
      tagCount = Int(bytes.bigEndian(at: 4, as: UInt32.self))
      guard tagCount <= count * Limits.tags else { throw Self.contradiction }
    } else {
      tagCount = 0
    }
    idsOffset = hasDetails ? 8 : 4
    detailsOffset = idsOffset + 34 * count
    stringsOffset = hasDetails ? detailsOffset + 17 * count + 16 * (1 + tagCount) : detailsOffset
    var end = stringsOffset
    for _ in 0..<(kindCount + sessionCount + tagCount) {
      guard end + 2 <= bytes.byteCount else { throw Self.contradiction }
      end += 2 + Int(bytes.bigEndian(at: end, as: UInt16.self))
    }
    guard count <= RowFile.blockCapacity, end == bytes.byteCount else { throw Self.contradiction }
    for slot in 0..<count where kindIndex(slot) > kindCount || sessionIndex(slot) > sessionCount || trustLevel(slot) > 3 {
      throw Self.contradiction
    }
  }

  private static var contradiction: StoreError { StoreError(.corrupted, "a record of columns contradicts itself") }

  func id(_ slot: Int) -> MemoryID { MemoryID(bytes, at: idsOffset + 16 * slot) }
  func createdAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: idsOffset + 16 * count + 8 * slot) }
  func expiresAt(_ slot: Int) -> Int64 { bytes.bigEndian(at: idsOffset + 24 * count + 8 * slot) }
  /// 0: none; else one more than the index in ``kinds()``.
  func kindIndex(_ slot: Int) -> Int { Int(bytes.bigEndian(at: idsOffset + 32 * count + slot, as: UInt8.self)) }
  func sessionIndex(_ slot: Int) -> Int { Int(bytes.bigEndian(at: idsOffset + 33 * count + slot, as: UInt8.self)) }

  func kinds() -> [String] { strings(from: 0, count: kindCount) }
  func sessions() -> [String] { strings(from: kindCount, count: sessionCount) }
  func tags() -> [String] { strings(from: kindCount + sessionCount, count: tagCount) }

  func validFrom(_ slot: Int) -> Int64 { hasDetails ? bytes.bigEndian(at: detailsOffset + 8 * slot) : BlockColumns.always }
  func validUntil(_ slot: Int) -> Int64 { hasDetails ? bytes.bigEndian(at: detailsOffset + 8 * (count + slot)) : BlockColumns.never }
  /// 0: none; else the level of a ``Trust``.
  func trustLevel(_ slot: Int) -> UInt8 { hasDetails ? bytes.bigEndian(at: detailsOffset + 16 * count + slot) : 0 }
  /// The slots whose memories are superseded.
  var superseded: LiveMask { hasDetails ? mask(0) : 0 }
  /// The slots whose memories have the tag of this index in ``tags()``.
  func tagMask(_ index: Int) -> LiveMask { mask(1 + index) }

  /// The slots whose memories have a tag.
  func mask(ofTag tag: String) -> LiveMask {
    guard let index = tags().firstIndex(where: { $0.hasSameBytes(as: tag) }) else { return 0 }
    return tagMask(index)
  }

  private func mask(_ number: Int) -> LiveMask {
    let offset = detailsOffset + 17 * count + 16 * number
    return LiveMask(bytes.bigEndian(at: offset, as: UInt64.self)) << 64 | LiveMask(bytes.bigEndian(at: offset + 8, as: UInt64.self))
  }

  private func strings(from first: Int, count wanted: Int) -> [String] {
    var offset = stringsOffset
    var strings: [String] = []
    strings.reserveCapacity(wanted)
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
