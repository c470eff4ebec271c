extension CBORReader {
  @usableFromInline struct Head {
    @usableFromInline let major: UInt8
    /// The low five bits of the first byte; 25, 26 and 27 tell floats apart.
    @usableFromInline let info: UInt8
    @usableFromInline let argument: UInt64

    @inlinable @inline(__always)
    init(major: UInt8, info: UInt8, argument: UInt64) {
      self.major = major
      self.info = info
      self.argument = argument
    }

    @inlinable @inline(__always)
    var isIndefinite: Bool { info == 31 }
  }

  /// The first byte of the next item; nil at the end of the input.
  @inlinable @inline(__always)
  package var peekByte: UInt8? {
    unsafe offset < buffer.count ? buffer[offset] : nil
  }

  /// Reads a first byte and its argument. `info` is 31 only for strings, arrays, maps (indefinite length) and the break.
  @inlinable @inline(__always)
  mutating func readHead() throws(CBORError) -> Head {
    guard let first = peekByte else { throw truncated() }
    let info = first & 0x1f
    if info < 24 {
      offset += 1
      return Head(major: first >> 5, info: info, argument: UInt64(info))
    }
    return try readLongHead(first)
  }

  @usableFromInline mutating func readLongHead(_ first: UInt8) throws(CBORError) -> Head {
    let start = offset
    let major = first >> 5
    let info = first & 0x1f
    offset += 1
    let argument: UInt64
    switch info {
    case 24: argument = UInt64(try readArgument(UInt8.self))
    case 25: argument = UInt64(try readArgument(UInt16.self))
    case 26: argument = UInt64(try readArgument(UInt32.self))
    case 27: argument = try readArgument(UInt64.self)
    case 31 where major >= 2 && major != 6: argument = 0
    default: throw CBORError(.malformedHead, at: start, "the first byte 0x\(String(first, radix: 16)) is reserved")
    }
    if major == 7 && info == 24 && argument < 32 {
      throw CBORError(.malformedHead, at: start, "simple value \(argument) may not be written in two bytes")
    }
    return Head(major: major, info: info, argument: argument)
  }

  @inlinable @inline(__always)
  mutating func readArgument<Argument: FixedWidthInteger & BitwiseCopyable>(_ type: Argument.Type) throws(CBORError) -> Argument {
    let size = MemoryLayout<Argument>.size
    guard remaining >= size else { throw truncated() }
    // `size` bytes from `offset` are within the buffer.
    let value = unsafe buffer.loadUnaligned(fromByteOffset: offset, as: type)
    offset += size
    return Argument(bigEndian: value)
  }

  /// The number of elements or pairs, nil for an indefinite length. Checked against the rest of the input: each element takes at least one
  /// byte, each pair two.
  @inlinable @inline(__always)
  func containerCount(_ head: Head, at start: Int) throws(CBORError) -> Int? {
    if head.isIndefinite { return nil }
    guard head.argument <= UInt64(head.major == 5 ? remaining / 2 : remaining) else {
      throw CBORError(.lengthOverflow, at: start, "\(head.argument) entries are announced and \(remaining) bytes remain")
    }
    return Int(truncatingIfNeeded: head.argument)
  }

  /// The content of a definite-length string whose head was just read.
  @inlinable @inline(__always)
  mutating func contiguous(_ head: Head, at start: Int) throws(CBORError) -> UnsafeRawBufferPointer {
    guard head.argument <= UInt64(remaining) else {
      throw CBORError(.lengthOverflow, at: start, "a string of \(head.argument) bytes is announced and \(remaining) bytes remain")
    }
    let length = Int(truncatingIfNeeded: head.argument)
    // The guard keeps the slice within the buffer.
    let content = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + length])
    offset += length
    return unsafe content
  }

  @inlinable @inline(__always)
  mutating func readBreakIfPresent() throws(CBORError) -> Bool {
    guard let byte = peekByte else { throw truncated() }
    guard byte == 0xff else { return false }
    offset += 1
    return true
  }

  /// Steps through the chunks of an indefinite-length string that begins here; each is a definite string of the same type.
  @usableFromInline mutating func forEachChunk(_ body: (UnsafeRawBufferPointer, Int) throws(CBORError) -> Void) throws(CBORError) {
    let whole = try readHead()
    while try !readBreakIfPresent() {
      let start = offset
      let head = try readHead()
      guard head.major == whole.major, !head.isIndefinite else {
        throw CBORError(.malformedHead, at: start, "a chunk must be a string of definite length and of the type of the whole")
      }
      try unsafe body(contiguous(head, at: start), start)
    }
  }

  @usableFromInline mutating func readChunks() throws(CBORError) -> [UInt8] {
    var bytes: [UInt8] = []
    try unsafe forEachChunk { chunk, _ in unsafe bytes.append(contentsOf: chunk) }  // Borrowed for the call only.
    return bytes
  }

  @usableFromInline mutating func readChunkedText() throws(CBORError) -> String {
    var text = ""
    // Each chunk is valid by itself (RFC 8949 section 3.2.3), and borrowed for the call only.
    try unsafe forEachChunk { chunk, start throws(CBORError) in
      text += try unsafe Self.string(validating: chunk, at: start)
    }
    return text
  }

  @inlinable @inline(__always)
  static func string(validating utf8: UnsafeRawBufferPointer, at start: Int) throws(CBORError) -> String {
    if unsafe CBORByteOrder.isASCII(utf8) { return unsafe String(decoding: utf8, as: UTF8.self) }
    // Invalid bytes would have been replaced. This costs one comparison; `String(validating:as:)` looks up generic metadata on every call.
    var text = unsafe String(decoding: utf8, as: UTF8.self)
    let isUnchanged = text.withUTF8 { copy in
      // Both are lent for longer than this comparison.
      unsafe copy.count == utf8.count && CBORByteOrder.compare(UnsafeRawBufferPointer(copy), utf8) == 0
    }
    guard isUnchanged else { throw CBORError(.invalidUTF8, at: start, "the text is not valid UTF-8") }
    return text
  }

  /// The float with this head; `nil` if it is no float's.
  @inlinable @inline(__always)
  func floatValue(_ head: Head) -> Double? {
    switch head.info {
    case 27: Double(bitPattern: head.argument)
    case 26: Double(Float(bitPattern: UInt32(truncatingIfNeeded: head.argument)))
    case 25: CBORHalfFloat.value(UInt16(truncatingIfNeeded: head.argument))
    default: nil
    }
  }

  // MARK: Errors

  @usableFromInline @inline(never)
  func truncated() -> CBORError {
    unsafe CBORError(.truncated, at: buffer.count, "the input ends inside an item")  // Only the count is read.
  }

  @usableFromInline @inline(never)
  func mismatch(_ expected: String, at start: Int) -> CBORError {
    // `start` is where a head was read, hence within the buffer.
    CBORError(.typeMismatch, at: start, "\(expected) is expected, found \(unsafe Self.describe(buffer[start]))")
  }

  private static func describe(_ first: UInt8) -> String {
    switch CBORMajor(rawValue: first >> 5) {
    case .unsigned, .negative: "an integer"
    case .bytes: "a byte string"
    case .text: "text"
    case .array: "an array"
    case .map: "a map"
    case .tag: "a tag"
    case .simple, nil:
      switch first {
      case 0xf4, 0xf5: "a boolean"
      case 0xf6: "null"
      case 0xf7: "undefined"
      case 0xf9...0xfb: "a float"
      case 0xff: "a break"
      default: "a simple value"
      }
    }
  }
}
