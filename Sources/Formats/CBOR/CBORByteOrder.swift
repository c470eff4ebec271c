#if canImport(Glibc)
  public import Glibc
#elseif canImport(Musl)
  public import Musl
#else
  public import Darwin
#endif

/// The bytewise lexicographic order in which a deterministic encoding sorts its map keys.
@usableFromInline package enum CBORByteOrder {
  /// Negative, zero or positive as `a` sorts before, with or after `b`; a prefix sorts first.
  @inlinable @inline(__always)
  package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard let aBase = a.baseAddress, let bBase = b.baseAddress else { return a.count - b.count }
    // Both buffers hold at least the smaller of the two counts.
    let order = unsafe Int(memcmp(aBase, bBase, min(a.count, b.count)))
    return order != 0 ? order : a.count - b.count
  }

  /// Whether the first `count` bytes are equal. If the count is constant, the compiler makes a few loads of it.
  @inlinable @inline(__always)
  static func areEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, count: Int) -> Bool { unsafe memcmp(a, b, count) == 0 }

  /// Whether no byte has its highest bit set: then the bytes are valid UTF-8.
  @inlinable @inline(__always)
  static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let high: UInt64 = 0x8080_8080_8080_8080
    let count = bytes.count
    if count < 8 {
      var all: UInt8 = 0
      for place in 0..<count { all |= unsafe bytes[place] }
      return all < 0x80
    }
    // The last eight bytes overlap those before, and no load reaches beyond the end.
    var all = unsafe bytes.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    for offset in stride(from: 0, to: count - 8, by: 8) {
      all |= unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    return all & high == 0
  }

  @usableFromInline
  package static func compare(_ a: Slice<UnsafeRawBufferPointer>, _ b: Slice<UnsafeRawBufferPointer>) -> Int {
    unsafe compare(UnsafeRawBufferPointer(rebasing: a), UnsafeRawBufferPointer(rebasing: b))
  }
}

/// The order of text keys in a deterministic CBOR map (RFC 8949, section 4.2.1).
package enum CBORKeyOrder {
  package static func precedes(_ left: String, _ right: String) -> Bool {
    let (leftCount, rightCount) = (left.utf8.count, right.utf8.count)
    if leftCount != rightCount { return leftCount < rightCount }
    return left.precedesInBytes(right)
  }
}
