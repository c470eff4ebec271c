/// The type of an item, according to its first byte.
@usableFromInline package enum CBORMajor: UInt8, Sendable {
  case unsigned, negative, bytes, text, array, map, tag
  /// Booleans, null, undefined, other simple values and floats; also the break that ends an indefinite-length item.
  case simple
}

/// A cursor over encoded CBOR: typed reads for hand-written decoders, and ``readValue()`` for trees.
///
/// The reader borrows its buffer: it must not be used after the buffer's owner ends the access that lent it, and neither may the
/// sub-buffers that ``readTextBytes()`` and ``readBytesBuffer()`` return. Every read is checked against the end of the buffer, so no
/// input can make it trap or read elsewhere. A read that throws leaves the cursor anywhere in the item; discard the reader.
///
/// Non-shortest heads and indefinite-length items are accepted. The typed reads check neither duplicate keys nor the depth: the loop that
/// calls them must. ``readValue()`` checks both, and ``skip()`` the depth.
@safe @usableFromInline package struct CBORReader {
  // Alive for as long as the reader is used: the contract of the initialiser.
  @usableFromInline let buffer: UnsafeRawBufferPointer
  @usableFromInline package internal(set) var offset: Int
  @usableFromInline package let depthLimit: Int

  @inlinable @inline(__always)
  package init(_ buffer: UnsafeRawBufferPointer, offset: Int = 0, depthLimit: Int = CBORWriter.defaultDepthLimit) {
    precondition(offset >= 0 && offset <= buffer.count, "the offset lies outside the buffer")
    unsafe self.buffer = unsafe buffer
    self.offset = offset
    self.depthLimit = depthLimit
  }

  /// Lends `body` a reader over the whole array.
  @inlinable @inline(__always)
  package static func withReader<Result>(
    over bytes: [UInt8], _ body: (inout CBORReader) throws(CBORError) -> Result
  ) throws(CBORError) -> Result {
    try unsafe bytes.withUnsafeBufferPointer { buffer throws(CBORError) in
      var reader = unsafe CBORReader(UnsafeRawBufferPointer(buffer))  // Used within the closure only.
      return try body(&reader)
    }
  }

  @inlinable @inline(__always)
  package var isAtEnd: Bool { unsafe offset == buffer.count }

  @inlinable @inline(__always)
  package var remaining: Int { unsafe buffer.count - offset }

  /// `nil` at the end of the input.
  @inlinable @inline(__always)
  package var peekMajor: CBORMajor? {
    guard let byte = peekByte else { return nil }
    return CBORMajor(rawValue: byte >> 5)
  }

  /// - Throws: ``CBORError`` `.trailingBytes` unless the whole input is consumed.
  @inlinable @inline(__always)
  package func requireEnd() throws(CBORError) {
    guard isAtEnd else { throw CBORError(.trailingBytes, at: offset, "\(remaining) bytes follow the item") }
  }

  // MARK: Containers

  /// The number of pairs, or `nil` for an indefinite length; step through either with ``hasNext(_:)``.
  ///
  /// - Throws: `.lengthOverflow` when so many pairs cannot fit into the rest of the input, so the count is safe to reserve memory by.
  @inlinable @inline(__always)
  package mutating func readMapCount() throws(CBORError) -> Int? {
    let start = offset
    let head = try readHead()
    guard head.major == 5 else { throw mismatch("a map", at: start) }
    return try containerCount(head, at: start)
  }

  /// The number of elements, or `nil` for an indefinite length; step through either with ``hasNext(_:)``.
  ///
  /// - Throws: `.lengthOverflow` when so many elements cannot fit into the rest of the input.
  @inlinable @inline(__always)
  package mutating func readArrayCount() throws(CBORError) -> Int? {
    let start = offset
    let head = try readHead()
    guard head.major == 4 else { throw mismatch("an array", at: start) }
    return try containerCount(head, at: start)
  }

  /// Whether another element or pair follows: counts `count` down, or if it is `nil` consumes the break at the end.
  ///
  ///     var count = try reader.readMapCount()
  ///     while try reader.hasNext(&count) { … }
  @inlinable @inline(__always)
  package mutating func hasNext(_ count: inout Int?) throws(CBORError) -> Bool {
    if let left = count {
      count = left - 1
      return left > 0
    }
    return try !readBreakIfPresent()
  }

  /// The number of the tag; its content is the next item.
  package mutating func readTag() throws(CBORError) -> UInt64 {
    let start = offset
    let head = try readHead()
    guard head.major == 6 else { throw mismatch("a tag", at: start) }
    return head.argument
  }

  // MARK: Scalars

  @inlinable @inline(__always)
  package mutating func readBool() throws(CBORError) -> Bool {
    guard let byte = peekByte else { throw truncated() }
    guard byte == 0xf4 || byte == 0xf5 else { throw mismatch("a boolean", at: offset) }
    offset += 1
    return byte == 0xf5
  }

  /// Consumes null or undefined and says so; leaves anything else.
  @inlinable @inline(__always)
  package mutating func readNullIfPresent() throws(CBORError) -> Bool {
    guard let byte = peekByte else { throw truncated() }
    guard byte == 0xf6 || byte == 0xf7 else { return false }
    offset += 1
    return true
  }

  /// - Throws: `.integerOutOfRange`; a float or big number of exactly this value is accepted.
  @inlinable @inline(__always)
  package mutating func readInt64() throws(CBORError) -> Int64 {
    try readInteger(Int64.self)
  }

  @inlinable @inline(__always)
  package mutating func readUInt64() throws(CBORError) -> UInt64 {
    try readInteger(UInt64.self)
  }

  /// An integer of any width; a float or big number of exactly that value is accepted.
  ///
  /// - Throws: `.integerOutOfRange`, or `.inexactNumber` for a float with a fraction.
  @inlinable @inline(__always)
  package mutating func readInteger<Value: FixedWidthInteger>(_ type: Value.Type) throws(CBORError) -> Value {
    let start = offset
    let head = try readHead()
    if head.major == 0, let value = Value(exactly: head.argument) { return value }
    // −1 − n has the bits of n inverted, if the type has negative values at all.
    if head.major == 1, Value.isSigned, let value = Value(exactly: head.argument) { return ~value }
    offset = start
    return try readNumber().integer(type, at: start)
  }

  /// A float of any width; an integer that a double holds exactly is accepted.
  ///
  /// - Throws: `.inexactNumber` for an integer that a double would round.
  @inlinable @inline(__always)
  package mutating func readDouble() throws(CBORError) -> Double {
    let start = offset
    let head = try readHead()
    if head.major == 7, let value = floatValue(head) { return value }
    offset = start
    return try readNumber().double(at: start)
  }

  // MARK: Strings

  /// Text, validated and copied in one go; the chunks of an indefinite length are joined.
  @inlinable @inline(__always)
  package mutating func readText() throws(CBORError) -> String {
    let start = offset
    let head = try readHead()
    guard head.major == 3 else { throw mismatch("text", at: start) }
    if head.isIndefinite {
      offset = start
      return try readChunkedText()
    }
    return try unsafe Self.string(validating: contiguous(head, at: start), at: start)
  }

  /// The UTF-8 of a text, **not validated**, in place: for comparing keys. It lives as long as the reader's buffer.
  ///
  /// - Throws: `.chunkedString` for an indefinite length, which has no single place; ``readText()`` reads those.
  @inlinable @inline(__always)
  package mutating func readTextBytes() throws(CBORError) -> UnsafeRawBufferPointer {
    let start = offset
    let head = try readHead()
    guard head.major == 3 else { throw mismatch("text", at: start) }
    guard !head.isIndefinite else {
      throw CBORError(.chunkedString, at: start, "a text of indefinite length cannot be read as a single run of bytes")
    }
    return try unsafe contiguous(head, at: start)
  }

  /// A map key: its UTF-8 in place or, for an indefinite length, in a copy, lent to `body`. Not validated.
  @inlinable @inline(__always)
  package mutating func withTextBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) throws(CBORError) -> Result {
    if peekByte == 0x7f {
      var text = try readChunkedText()
      return text.withUTF8 { utf8 in unsafe body(UnsafeRawBufferPointer(utf8)) }
    }
    return try unsafe body(readTextBytes())
  }

  @inlinable @inline(__always)
  package mutating func readBytes() throws(CBORError) -> [UInt8] {
    let start = offset
    let head = try readHead()
    guard head.major == 2 else { throw mismatch("a byte string", at: start) }
    if head.isIndefinite {
      offset = start
      return try readChunks()
    }
    return try unsafe Array(contiguous(head, at: start))
  }

  /// A byte string in place; it lives as long as the reader's buffer.
  ///
  /// - Throws: `.chunkedString` for an indefinite length.
  package mutating func readBytesBuffer() throws(CBORError) -> UnsafeRawBufferPointer {
    let start = offset
    let head = try readHead()
    guard head.major == 2 else { throw mismatch("a byte string", at: start) }
    guard !head.isIndefinite else {
      throw CBORError(.chunkedString, at: start, "a byte string of indefinite length cannot be read as a single run of bytes")
    }
    return try unsafe contiguous(head, at: start)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes are those of a literal: the test for a key that ``CBORReader/readTextBytes()`` returned.
  @inlinable @inline(__always)
  package func equals(_ text: StaticString) -> Bool {
    // `text` lives as long as the program, and the caller vouches for `self`, whose count is compared first.
    guard let base = baseAddress else { return text.utf8CodeUnitCount == 0 }
    return unsafe count == text.utf8CodeUnitCount && CBORByteOrder.areEqual(base, text.utf8Start, count: text.utf8CodeUnitCount)
  }
}
