#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension RawSpan {
  /// A little-endian integer at `offset`, which must lie inside the span with all its bytes.
  func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Integer.Type = Integer.self) -> Integer {
    precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Integer>.size, "the integer lies outside the span")
    // SAFETY: the range was checked, and any bit pattern is an integer.
    return unsafe Integer(littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Integer.self))
  }

  /// Whether the bytes sort before those of `other` in LMDB's order: byte by byte, a prefix first.
  func precedes(_ other: RawSpan) -> Bool {
    let common = min(byteCount, other.byteCount)
    let order = unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        // SAFETY: both buffers are lent for the call and have `common` bytes; without any they are not touched.
        unsafe common == 0 ? 0 : memcmp(mine.baseAddress!, theirs.baseAddress!, common)
      }
    }
    return order < 0 || (order == 0 && byteCount < other.byteCount)
  }
}
