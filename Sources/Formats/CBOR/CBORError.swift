/// Why bytes are not the CBOR that was expected, or a value cannot be written as CBOR.
@usableFromInline package struct CBORError: Error, Equatable, Sendable, CustomStringConvertible {
  @usableFromInline package enum Code: Sendable, CaseIterable {
    /// The input ends inside an item.
    case truncated
    /// Arrays, maps and tags are nested deeper than the limit.
    case depthExceeded
    case invalidUTF8
    /// A head that RFC 8949 reserves or forbids, or a break or chunk where none is allowed.
    case malformedHead
    /// A declared length or count greater than what the remaining bytes can hold.
    case lengthOverflow
    /// A well-formed item of another type than the one asked for.
    case typeMismatch
    /// Two keys of one map are the same value.
    case duplicateKey
    /// Bytes follow the one item that was expected.
    case trailingBytes
    /// An integer that the requested type cannot hold.
    case integerOutOfRange
    /// A number that the requested type can hold only after rounding.
    case inexactNumber
    /// A string in several chunks where one contiguous run of bytes was asked for.
    case chunkedString
    /// A tag whose content breaks the rules of that tag: a date, decimal, URL, UUID or big number.
    case invalidTagContent
    /// A value that has no CBOR form: a simple value from 24 to 31, or containers used against the rules of `Codable`.
    case unencodable
  }

  @usableFromInline package let code: Code
  /// Position of the item at fault: from the start of the input when reading, of the output when writing.
  @usableFromInline package let offset: Int
  /// One English sentence without the offset.
  @usableFromInline package let message: String

  @usableFromInline
  package init(_ code: Code, at offset: Int, _ message: String) {
    self.code = code
    self.offset = offset
    self.message = message
  }

  /// The error for a text key that occurs twice in one map, or together with one that Swift's dictionaries hold for equal.
  package static func duplicate(_ key: String, at offset: Int) -> CBORError {
    CBORError(
      .duplicateKey, at: offset,
      "the key \"\(TerminalText.excerpt(key))\" occurs twice in one map, or beside one of other bytes that Swift takes for the same")
  }

  @usableFromInline package var description: String { "CBOR at byte \(offset): \(message)" }
}
