#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A composite key under construction: big-endian parts, so that byte order is key order. Lives on the stack.
@usableFromInline package struct Key: Sendable {
  /// The most bytes a key can have; LMDB itself allows 511.
  @usableFromInline package static let capacity = 112

  @usableFromInline var storage: InlineArray<112, UInt8>
  @usableFromInline package internal(set) var count: Int

  package init() {
    storage = InlineArray(repeating: 0)
    count = 0
  }

  /// The key's bytes; they live as long as the key.
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe storage.span.bytes.extracting(0..<count) }
  }

  /// Appends the bytes of an integer, the most significant first.
  @inlinable
  package mutating func append<Integer: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: Integer) {
    let end = count + MemoryLayout<Integer>.size
    precondition(end <= Self.capacity, "a key has at most \(Self.capacity) bytes")
    let offset = count
    // SAFETY: `end` lies inside the storage.
    unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Integer.self) }
    count = end
  }

  /// Negative numbers sort before positive ones.
  @inlinable
  package mutating func append(_ value: Int64) {
    append(UInt64(bitPattern: value) ^ (1 << 63))
  }

  package mutating func append(utf8 text: String) {
    var text = text
    text.withUTF8 { bytes in
      let offset = count
      precondition(offset + bytes.count <= Self.capacity, "a key has at most \(Self.capacity) bytes")
      // SAFETY: the end lies inside the storage.
      unsafe withUnsafeMutableBytes(of: &storage) { storage in
        unsafe UnsafeMutableRawBufferPointer(rebasing: storage[offset...]).copyMemory(from: UnsafeRawBufferPointer(bytes))
      }
      count = offset + bytes.count
    }
  }

  package mutating func append(_ other: Key) {
    for index in 0..<other.count { append(other.storage[index]) }
  }

  /// The smallest key greater than every key that begins with this one; nil if there is none.
  package func successorOfPrefix() -> Key? {
    var key = self
    while key.count > 0 {
      if key.storage[key.count - 1] < 0xFF {
        key.storage[key.count - 1] += 1
        return key
      }
      key.count -= 1
    }
    return nil
  }
}

extension RawSpan {
  /// Whether the bytes begin with those of `prefix`.
  package func hasPrefix(_ prefix: RawSpan) -> Bool {
    guard byteCount >= prefix.byteCount else { return false }
    return extracting(0..<prefix.byteCount).equals(prefix)
  }

  package func equals(_ other: RawSpan) -> Bool {
    unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        // SAFETY: both buffers are lent for the call, and the counts are compared first.
        unsafe mine.count == theirs.count && (mine.isEmpty || memcmp(mine.baseAddress!, theirs.baseAddress!, mine.count) == 0)
      }
    }
  }

  /// A big-endian integer at `offset`, which must lie inside the span with all its bytes.
  @inlinable
  package func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Integer.Type = Integer.self) -> Integer {
    precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Integer>.size, "the integer lies outside the span")
    // SAFETY: the range was checked, and any bit pattern is an integer.
    return unsafe Integer(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Integer.self))
  }

  /// The counterpart of ``Key``'s signed parts.
  @inlinable
  package func orderedInt64(at offset: Int) -> Int64 {
    Int64(bitPattern: bigEndian(at: offset, as: UInt64.self) ^ (1 << 63))
  }
}

extension Key {
  /// A copy of the bytes of a stored key, at most ``capacity`` of them.
  package init(_ bytes: RawSpan) {
    self.init()
    for offset in 0..<bytes.byteCount { append(bytes.bigEndian(at: offset, as: UInt8.self)) }
  }
}
