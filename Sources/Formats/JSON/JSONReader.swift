/// A pull parser over one JSON text (RFC 8259), for example one line of a JSON Lines file.
///
/// It is strict: no trailing commas, leading zeros, comments, NaN, control characters in strings, lone surrogates or invalid UTF-8, also in
/// values that are skipped. No input makes it trap, and nesting is bounded. After an error the reader is of no further use.
///
/// ```swift
/// try reader.beginObject()
/// while let key = try reader.nextKey() {
///   switch key {
///   case "text": text = try reader.readString()
///   default: try reader.skipValue()
///   }
/// }
/// try reader.finish()
/// ```
///
/// Each key or element must be followed by exactly one read of its value. Keys are not compared with each other here: the caller's `switch`
/// sees a key that comes twice. Only ``readValue()`` and `readCBOR()` refuse duplicates themselves.
@safe
public struct JSONReader {
  /// The deepest nesting of arrays and objects that is accepted.
  public static let defaultMaximumDepth = 128

  // The maker of the reader keeps these bytes alive and unchanged while it is used: see the initialiser.
  let bytes: UnsafeRawBufferPointer
  /// Reads a half of a surrogate pair without its other half as U+FFFD, and counts it.
  public var replacesLoneSurrogates = false
  public internal(set) var replacedSurrogates = 0
  /// Offset of the next byte to read.
  public internal(set) var position = 0
  public private(set) var depth = 0
  var maximumDepth: Int
  /// The bytes of CBOR that `readCBOR` may still make. They bound the memory: an item of one byte takes 40 bytes there.
  var itemBytesLeft = Int.max
  // True between the opening of a container and the first attempt to read from it; at most one container is in that state.
  private var isFirst = false

  /// Makes a reader over `bytes`, which must stay alive and unchanged as long as the reader and every ``JSONText`` from it are used.
  @unsafe
  public init(unsafe bytes: UnsafeRawBufferPointer, maximumDepth: Int = JSONReader.defaultMaximumDepth) {
    unsafe self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  /// Reads one whole text: calls `body` with a reader over `text`, then checks that nothing follows the value.
  ///
  /// Neither the reader nor a ``JSONText`` may leave `body`.
  public static func read<R>(
    _ text: RawSpan, maximumDepth: Int = JSONReader.defaultMaximumDepth, _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    try unsafe text.withUnsafeBytes { buffer in
      var reader = unsafe JSONReader(unsafe: buffer, maximumDepth: maximumDepth)
      let result = try body(&reader)
      try reader.finish()
      return result
    }
  }

  /// As ``read(_:maximumDepth:_:)`` over a span.
  public static func read<R>(
    _ text: [UInt8], maximumDepth: Int = JSONReader.defaultMaximumDepth, _ body: (inout JSONReader) throws -> R
  ) throws -> R {
    // Bytes have no padding: every byte of the span is initialised.
    try read(unsafe text.span.bytes, maximumDepth: maximumDepth, body)
  }

  // MARK: Containers

  public mutating func beginObject() throws(JSONError) { try begin(.object) }

  public mutating func beginArray() throws(JSONError) { try begin(.array) }

  /// Returns the next key of the innermost object, or nil at its end.
  public mutating func nextKey() throws(JSONError) -> JSONText? {
    guard try nextItem(closing: UInt8(ascii: "}")) else { return nil }
    guard position < count, byte(position) == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
    let key = try scanString()
    skipWhitespace()
    guard position < count, byte(position) == UInt8(ascii: ":") else { throw unexpected("a colon after the key") }
    position += 1
    return key
  }

  /// Whether the innermost array has another element. Leaves the array at its end.
  public mutating func nextElement() throws(JSONError) -> Bool { try nextItem(closing: UInt8(ascii: "]")) }

  @inline(__always)
  private mutating func begin(_ kind: JSONKind) throws(JSONError) {
    try expect(kind)
    guard depth < maximumDepth else {
      throw JSONError(.depthExceeded, offset: position, "arrays and objects are nested more than \(maximumDepth) deep")
    }
    position += 1
    depth += 1
    isFirst = true
  }

  @inline(__always)
  private mutating func nextItem(closing: UInt8) throws(JSONError) -> Bool {
    precondition(depth > 0, "no array or object is open")
    skipWhitespace()
    guard position < count else { throw unexpected("a comma or the end of the array or object") }
    let wasFirst = isFirst
    isFirst = false
    let next = byte(position)
    if next == closing {
      position += 1
      depth -= 1
      return false
    }
    if wasFirst { return true }
    guard next == UInt8(ascii: ",") else {
      throw unexpected(closing == UInt8(ascii: "}") ? "a comma or \"}\"" : "a comma or \"]\"")
    }
    position += 1
    skipWhitespace()
    // A comma before the end is found by the call that reads the key or value that should follow.
    return true
  }

  // MARK: Scalars

  /// The kind of the next value, which stays unread.
  public mutating func peek() throws(JSONError) -> JSONKind {
    skipWhitespace()
    guard position < count else { throw unexpected("a value") }
    switch byte(position) {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw unexpected("a value")
    }
  }

  public mutating func readBool() throws(JSONError) -> Bool {
    try expect(.bool)
    if byte(position) == UInt8(ascii: "t") {
      try readLiteral("true")
      return true
    }
    try readLiteral("false")
    return false
  }

  public mutating func readNull() throws(JSONError) {
    try expect(.null)
    try readLiteral("null")
  }

  /// Reads a null and returns true, or returns false and leaves the value unread.
  public mutating func readNullIfPresent() throws(JSONError) -> Bool {
    guard try peek() == .null else { return false }
    try readLiteral("null")
    return true
  }

  /// Skips the next value, of any kind; it is checked as strictly as a value that is read.
  public mutating func skipValue() throws(JSONError) {
    switch try peek() {
    case .object:
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    case .array:
      try beginArray()
      while try nextElement() { try skipValue() }
    case .string: _ = try scanString()
    case .number: _ = try readNumber()
    case .bool: _ = try readBool()
    case .null: try readNull()
    }
  }

  /// Checks that only white space is left.
  public mutating func finish() throws(JSONError) {
    skipWhitespace()
    guard position == count else { throw JSONError(.trailingContent, offset: position, "something follows the value") }
  }

  private mutating func readLiteral(_ literal: StaticString) throws(JSONError) {
    // The literal's storage lives for ever; the index stays below its count.
    let length = literal.utf8CodeUnitCount
    for index in 0..<length {
      let letter = unsafe literal.utf8Start[index]
      guard position + index < count, byte(position + index) == letter else {
        position += index
        throw unexpected("\"\(literal)\"")
      }
    }
    position += length
  }

  // MARK: Helpers of the other files

  @inline(__always)
  var count: Int { unsafe bytes.count }

  /// The byte at `index`; every caller has compared it with `count` first.
  @inline(__always)
  func byte(_ index: Int) -> UInt8 { unsafe bytes[index] }

  /// Eight bytes from `index`, the first in the lowest byte; every caller has checked that `index + 8 <= count`.
  @inline(__always)
  func word(_ index: Int) -> UInt64 { UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) }

  @inline(__always)
  mutating func skipWhitespace() {
    while position < count {
      switch byte(position) {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  /// Moves to the next value and checks its kind.
  @inline(__always)
  mutating func expect(_ kind: JSONKind) throws(JSONError) {
    let found = try peek()
    guard found == kind else {
      throw JSONError(.typeMismatch, offset: position, "expected \(kind.rawValue), found \(found.rawValue)")
    }
  }

  /// The error for the byte, or the end, at `position`.
  func unexpected(_ expected: String) -> JSONError {
    guard position < count else { return JSONError(.unexpectedEnd, offset: count, "the text ends before \(expected)") }
    let found = byte(position)
    if found == 0xEF, position == 0 { return JSONError(.unexpectedCharacter, offset: 0, "the text begins with a byte order mark") }
    let name =
      (0x21..<0x7F).contains(found) ? "\"\(Character(Unicode.Scalar(found)))\"" : "byte 0x" + String(found, radix: 16, uppercase: true)
    return JSONError(.unexpectedCharacter, offset: position, "expected \(expected), found \(name)")
  }
}

/// The six kinds of JSON value; the raw value is the name for messages.
public enum JSONKind: String, Sendable {
  case object = "an object"
  case array = "an array"
  case string = "a string"
  case number = "a number"
  case bool = "true or false"
  case null
}
