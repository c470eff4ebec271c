/// Why a JSON text was refused, and where.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: Sendable, Equatable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that the grammar does not allow here.
    case unexpectedCharacter
    /// Something follows the value.
    case trailingContent
    /// Valid JSON so far, but another kind of value than the caller asked for.
    case typeMismatch
    case controlCharacter
    case invalidEscape
    case loneSurrogate
    case invalidUTF8
    case invalidNumber
    /// The number does not fit the type asked for, or overflows to infinity.
    case numberOutOfRange
    case depthExceeded
    case duplicateKey
    /// An array of another length than expected.
    case wrongCount
    /// The value takes more bytes than the caller allows.
    case tooLarge
    case invalidBase64
    /// A `$` form of no CBOR item, or a CBOR item that has no form.
    case invalidForm
  }

  public let code: Code
  /// Zero-based byte offset into the text; for an error of a writer, the length of its output.
  public let offset: Int
  /// English, without the offset.
  public let message: String

  public init(_ code: Code, offset: Int, _ message: String) {
    self.code = code
    self.offset = offset
    self.message = message
  }

  /// The message with a column that counts bytes from 1, as editors do for ASCII.
  public var description: String { "\(message) (column \(offset + 1))" }
}
