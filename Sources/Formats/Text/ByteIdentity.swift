/// Values that are compared by their bytes: two strings from data are the same if their UTF-8 is the same.
///
/// Swift compares and hashes strings by canonical equivalence: it takes é for e + ◌́, Å for Å, and the Kelvin sign for K. A store that did
/// so would find strings that were never stored, and lose one of two that differ. So code outside of this file does not compare, search
/// or sort strings from data by the operators of `String`, and does not put them into a `Set` or use them as keys of a `Dictionary`.
package protocol ByteIdentity {
  func hasSameBytes(as other: Self) -> Bool
  /// Agrees with ``hasSameBytes(as:)``.
  func hash(bytesInto hasher: inout Hasher)
}

/// A value whose equality and hash are those of its bytes: an element of a `Set`, a key of a `Dictionary`.
package struct Exact<Value> {
  package let value: Value

  package init(_ value: Value) { self.value = value }
}

extension Exact: Sendable where Value: Sendable {}

extension Exact: Equatable where Value: ByteIdentity {
  package static func == (left: Exact, right: Exact) -> Bool { left.value.hasSameBytes(as: right.value) }
}

extension Exact: Hashable where Value: ByteIdentity {
  package func hash(into hasher: inout Hasher) { value.hash(bytesInto: &hasher) }
}

extension String: ByteIdentity {
  @usableFromInline
  package func hasSameBytes(as other: String) -> Bool {
    // Any bytes are integers, and the loads lie inside the spans.
    let (left, right) = unsafe (utf8.span.bytes, other.utf8.span.bytes)
    let count = left.byteCount
    guard count == right.byteCount else { return false }
    var index = 0
    // Eight bytes at a time.
    while index + 8 <= count {
      guard
        unsafe left.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
          == right.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
      else { return false }
      index += 8
    }
    while index < count {
      guard unsafe left.unsafeLoad(fromByteOffset: index, as: UInt8.self) == right.unsafeLoad(fromByteOffset: index, as: UInt8.self)
      else { return false }
      index += 1
    }
    return true
  }

  package func hash(bytesInto hasher: inout Hasher) {
    hasher.combine(utf8.count)
    var text = self
    text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }  // Lent for the call.
  }

  /// The order of strings from data, which is also that of their code points: byte by byte, a prefix first.
  @inlinable
  package func precedesInBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

  /// Whether the bytes begin with those of `prefix`.
  @inlinable
  package func hasBytePrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }
}

extension Optional: ByteIdentity where Wrapped: ByteIdentity {
  package func hasSameBytes(as other: Wrapped?) -> Bool {
    switch (self, other) {
    case (nil, nil): true
    case (let left?, let right?): left.hasSameBytes(as: right)
    default: false
    }
  }

  package func hash(bytesInto hasher: inout Hasher) {
    hasher.combine(self == nil)
    self?.hash(bytesInto: &hasher)
  }
}

extension Array: ByteIdentity where Element: ByteIdentity {
  package func hasSameBytes(as other: [Element]) -> Bool {
    count == other.count && zip(self, other).allSatisfy { $0.hasSameBytes(as: $1) }
  }

  package func hash(bytesInto hasher: inout Hasher) {
    hasher.combine(count)
    for element in self { element.hash(bytesInto: &hasher) }
  }
}

/// A dictionary holds only one of several keys that Swift takes for equal. Code that fills one from data refuses the second, see
/// ``setWithoutLoss(_:forKey:)``; code that looks a key up compares it with the one that is found.
extension Dictionary: ByteIdentity where Key == String, Value: ByteIdentity {
  package func hasSameBytes(as other: [String: Value]) -> Bool {
    count == other.count
      && allSatisfy { key, value in other.value(forBytesOf: key).map { $0.hasSameBytes(as: value) } ?? false }
  }

  /// Does not depend on the order of the keys, which differs between equal dictionaries.
  package func hash(bytesInto hasher: inout Hasher) {
    var sum = 0
    for (key, value) in self {
      var entry = Hasher()
      key.hash(bytesInto: &entry)
      value.hash(bytesInto: &entry)
      sum &+= entry.finalize()
    }
    hasher.combine(sum)
  }
}

extension Dictionary where Key == String {
  /// The value whose key has the same bytes.
  @inlinable
  package func value(forBytesOf key: String) -> Value? {
    guard let index = index(forKey: key), self[index].key.hasSameBytes(as: key) else { return nil }
    return self[index].value
  }

  /// Adds an entry.
  ///
  /// - Returns: False, and nothing is changed, if the dictionary has the key already, or another key that Swift takes for equal.
  @inlinable
  package mutating func setWithoutLoss(_ value: Value, forKey key: String) -> Bool {
    guard index(forKey: key) == nil else { return false }
    self[key] = value
    return true
  }
}
