import LMDB
import VectorSearch

/// A record of `blocks`: up to 128 consecutive rows of one user, and which of them are live. Most scans need nothing else.
///
/// A slot is used only once in a generation, because a row that a snapshot may still see must not change.
struct BlockRecord: Sendable, Equatable {
  let firstRow: Int
  /// Rows of the block, 4…128.
  let capacity: Int
  /// Slots allocated so far, live or dead.
  var used = 0
  /// Bit i: the row `firstRow` + i is visible.
  var live: LiveMask = 0
  /// Whether a live row expires; if so, a scan must look at the columns.
  var hasExpiry = false
  /// Whether a live row is that of a superseded memory; if so, a scan must look at the columns as well.
  var hasSuperseded = false

  static let byteCount = 27

  init(firstRow: Int, capacity: Int) {
    self.firstRow = firstRow
    self.capacity = capacity
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.appendBigEndian(UInt64(firstRow))
    bytes.append(UInt8(capacity))
    bytes.append(UInt8(used))
    bytes.append((hasExpiry ? 1 : 0) | (hasSuperseded ? 2 : 0))
    bytes.appendBigEndian(live)
  }

  init(_ value: RawSpan) throws(StoreError) {
    guard value.byteCount == Self.byteCount else { throw StoreError(.corrupted, "a record of blocks has \(value.byteCount) bytes") }
    firstRow = Int(truncatingIfNeeded: value.bigEndian(at: 0, as: UInt64.self))
    capacity = Int(value.bigEndian(at: 8, as: UInt8.self))
    used = Int(value.bigEndian(at: 9, as: UInt8.self))
    let marks = value.bigEndian(at: 10, as: UInt8.self)
    (hasExpiry, hasSuperseded) = (marks & 1 != 0, marks & 2 != 0)
    live = value.bigEndian(at: 11)
    guard Limits.rows.contains(firstRow), used <= capacity, capacity <= RowFile.blockCapacity, used == 128 || live >> UInt128(used) == 0
    else {
      throw StoreError(.corrupted, "a record of blocks contradicts itself")
    }
  }
}

extension [UInt8] {
  mutating func appendBigEndian<Integer: FixedWidthInteger>(_ value: Integer) {
    // SAFETY: the bytes are copied during the call.
    unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
  }
}
