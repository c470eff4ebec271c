#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

extension CBORWriter {
  /// A byte string.
  package mutating func data(_ value: Data) {
    unsafe value.withUnsafeBytes { unsafe bytes($0) }  // Lent for the closure.
  }

  /// Tag 37 with the 16 bytes in the order in which a UUID is printed.
  package mutating func uuid(_ value: UUID) {
    tag(37)
    unsafe withUnsafeBytes(of: value.uuid) { unsafe bytes($0) }  // Lent for the closure.
  }

  /// Tag 32 with the absolute string; as in Foundation's JSON, a base URL is resolved and not kept.
  package mutating func url(_ value: URL) {
    tag(32)
    text(value.absoluteString)
  }
}

extension CBORReader {
  package mutating func readData() throws(CBORError) -> Data {
    try Data(readBytes())
  }

  /// 16 bytes or the printed form, with tag 37 or without.
  package mutating func readUUID() throws(CBORError) -> UUID {
    let start = offset
    try readTagIfPresent(37)
    switch peekMajor {
    case .bytes:
      let bytes = try readBytes()
      guard bytes.count == 16 else {
        throw CBORError(.invalidTagContent, at: start, "a UUID must have 16 bytes, found \(bytes.count)")
      }
      return Self.uuid(bytes)
    case .text:
      guard let bytes = UUIDText.bytes(try readText()) else {
        throw CBORError(.invalidTagContent, at: start, "the text is not a UUID")
      }
      return Self.uuid(bytes)
    case nil: throw truncated()
    default: throw mismatch("a UUID", at: start)
    }
  }

  private static func uuid(_ bytes: [UInt8]) -> UUID {
    var uuid = UUID().uuid
    // Both sides have 16 bytes.
    unsafe withUnsafeMutableBytes(of: &uuid) { unsafe $0.copyBytes(from: bytes) }
    return UUID(uuid: uuid)
  }

  /// Text, with tag 32 or without.
  package mutating func readURL() throws(CBORError) -> URL {
    let start = offset
    try readTagIfPresent(32)
    let text = try readText()
    guard let url = URL(string: text) else {
      throw CBORError(.invalidTagContent, at: start, "the text is not a URL")
    }
    return url
  }

  /// Skips the tag if it is this one. Another tag is left, so that the typed read refuses it.
  private mutating func readTagIfPresent(_ number: UInt64) throws(CBORError) {
    guard peekMajor == .tag else { return }
    let start = offset
    if try readTag() != number { offset = start }
  }
}
