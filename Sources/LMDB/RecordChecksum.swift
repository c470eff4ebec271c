import Checksums

/// The checksum that ends every value: XXH3-64 of the value, seeded by XXH3-64 of the key, seeded by XXH3-64 of the database's name.
/// So a value that is found under another key or in another database is detected, too.
package struct RecordChecksum: Sendable {
  package static let byteCount = 8

  private let seed: UInt64

  package init(database name: String) {
    // SAFETY: the array outlives the call.
    seed = unsafe Array(name.utf8).withUnsafeBytes { unsafe XXH3.hash64($0) }
  }

  func checksum(key: RawSpan, value: RawSpan) -> UInt64 {
    XXH3.hash64(value, seed: XXH3.hash64(key, seed: seed))
  }

  /// The checksum as it is stored after a value: 8 bytes, big-endian.
  package func bytes(key: RawSpan, value: RawSpan) -> [UInt8] {
    unsafe withUnsafeBytes(of: checksum(key: key, value: value).bigEndian) { unsafe Array($0) }
  }

  /// Whether `stored`, a value as it is in the file, ends with the checksum of what is before it.
  package func matches(key: RawSpan, stored: RawSpan) -> Bool {
    let count = stored.byteCount - Self.byteCount
    return count >= 0 && stored.bigEndian(at: count, as: UInt64.self) == checksum(key: key, value: stored.extracting(0..<count))
  }
}
