/// Finds duplicate keys among the maps of one input, by comparing deterministic encodings.
///
/// One checker serves all maps of an input as a stack: take a ``mark``, append the keys of a map, check. Keys in the order of a
/// deterministic encoding, the usual case, cost one comparison each; others are sorted, so hostile input cannot make it quadratic.
struct CBORKeyChecker {
  private struct Key {
    /// Where the encoding is: in the input, or in `canonical`.
    let range: Range<Int>
    let isInInput: Bool
    /// In the input, for the error.
    let offset: Int
  }

  struct Mark {
    fileprivate let keys: Int
    fileprivate let canonical: Int
  }

  private var keys: [Key] = []
  /// Encodings of the keys that the input does not hold in deterministic form.
  private var canonical = CBORWriter()

  var mark: Mark { Mark(keys: keys.count, canonical: canonical.bytes.count) }

  /// A key that the input holds in deterministic form.
  @inline(__always)
  mutating func append(plainKey range: Range<Int>) {
    if keys.capacity == 0 { keys.reserveCapacity(32) }
    keys.append(Key(range: range, isInInput: true, offset: range.lowerBound))
  }

  mutating func append(_ key: CBORValue, at offset: Int) throws(CBORError) {
    let start = canonical.bytes.count
    do throws(CBORError) {
      try canonical.value(key)
    } catch {
      // Only a duplicate key in a map inside the key can cause this; its offset within the copy would mislead.
      throw CBORError(error.code, at: offset, "a map key contains a fault: \(error.message)")
    }
    keys.append(Key(range: start..<canonical.bytes.count, isInInput: false, offset: offset))
  }

  /// Throws `.duplicateKey` if two keys since `mark` are equal; forgets them otherwise.
  ///
  /// - Parameter input: The buffer that holds the ranges appended.
  mutating func checkUnique(since mark: Mark, in input: UnsafeRawBufferPointer) throws(CBORError) {
    defer {
      keys.removeSubrange(mark.keys...)
      canonical.truncate(to: mark.canonical)
    }
    guard keys.count - mark.keys > 1 else { return }
    let duplicate = unsafe canonical.bytes.withUnsafeBytes { canonical -> Int? in
      // All ranges are of keys that were read from `input` or written to `canonical`.
      func order(_ a: Key, _ b: Key) -> Int {
        unsafe CBORByteOrder.compare((a.isInInput ? input : canonical)[a.range], (b.isInInput ? input : canonical)[b.range])
      }
      var isAscending = true
      for index in mark.keys + 1..<keys.count where order(keys[index - 1], keys[index]) >= 0 {
        isAscending = false
        break
      }
      if isAscending { return nil }
      let sorted = keys[mark.keys...].sorted { order($0, $1) < 0 }
      return zip(sorted, sorted.dropFirst()).first { order($0, $1) == 0 }.map { max($0.offset, $1.offset) }
    }
    if let duplicate { throw CBORError(.duplicateKey, at: duplicate, "a map has the same key twice") }
  }
}

extension CBORWriter {
  mutating func truncate(to count: Int) {
    bytes.removeSubrange(count...)
  }
}

extension CBORReader {
  /// The end of the item here if it is an integer or a definite-length string with the shortest head, so that its bytes are its
  /// deterministic encoding; else `nil`. The cursor stays.
  @inline(__always)
  func plainKeyEnd() throws(CBORError) -> Int? {
    var copy = self
    let start = offset
    let head = try copy.readHead()
    guard head.major <= 3 else { return nil }
    switch head.info {
    case 24 where head.argument < 24: return nil
    case 25 where head.argument <= 0xff: return nil
    case 26 where head.argument <= 0xffff: return nil
    case 27 where head.argument <= 0xffff_ffff: return nil
    case 31: return nil
    default: break
    }
    if head.major >= 2 { _ = try unsafe copy.contiguous(head, at: start) }  // Only moves the cursor.
    return copy.offset
  }
}
