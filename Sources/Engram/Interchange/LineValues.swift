package import Formats
import Foundation

/// The values of an exchange line.
extension JSONReader {
  mutating func readOptionalString() throws(JSONError) -> String? {
    try readNullIfPresent() ? nil : try readString()
  }

  mutating func readID() throws(JSONError) -> MemoryID? {
    try readNullIfPresent() ? nil : try readRequiredID()
  }

  mutating func readRequiredID() throws(JSONError) -> MemoryID {
    let text = try readStringBytes()
    guard let id = MemoryID(text.string) else { throw JSONError(.invalidForm, offset: text.offset, "not the 36 characters of a UUID") }
    return id
  }

  mutating func readTrust() throws(JSONError) -> Trust? {
    if try readNullIfPresent() { return nil }
    let text = try readStringBytes()
    guard let trust = Trust(rawValue: text.string) else {
      throw JSONError(.invalidForm, offset: text.offset, "not \(Trust.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return trust
  }

  /// An array, or null for an empty one.
  mutating func readList<Element>(
    atMost limit: Int, _ element: (inout JSONReader) throws(JSONError) -> Element
  ) throws(JSONError) -> [Element] {
    var elements: [Element] = []
    if try readNullIfPresent() { return elements }
    try beginArray()
    while try nextElement() {
      guard elements.count < limit else { throw JSONError(.tooLarge, offset: position, "more than \(limit) elements") }
      elements.append(try element(&self))
    }
    return elements
  }

  /// A time as text, or as a number of seconds or milliseconds since 1970; nil for null.
  ///
  /// - Parameter numbers: Gets an entry if the time is a number: true for seconds, false for milliseconds.
  /// - Returns: Milliseconds since 1970.
  mutating func readOptionalTime(_ numbers: inout [Bool]) throws(JSONError) -> Int64? {
    if try readNullIfPresent() { return nil }
    if try peek() == .number {
      let start = position
      guard let time = TimestampText.milliseconds(number: try readDouble()) else {
        throw JSONError(.numberOutOfRange, offset: start, "the number is no time in the years 1 to 9999")
      }
      numbers.append(time.areSeconds)
      return time.milliseconds
    }
    let text = try readStringBytes()
    guard let time = text.withBytes({ TimestampText.milliseconds($0) }) else {
      throw JSONError(.invalidForm, offset: text.offset, text.byteCount > 64 ? TimestampText.fault("") : TimestampText.fault(text.string))
    }
    return time
  }

  mutating func readEmbedding(reserving count: Int) throws(JSONError) -> [Float]? {
    switch try peek() {
    case .null:
      try readNull()
      return nil
    case .string: return try readBase64Floats()
    default:
      var floats: [Float] = []
      floats.reserveCapacity(count)
      try readFloatArray(into: &floats, atMost: Limits.dimension.upperBound)
      return floats
    }
  }

  mutating func readMetadata() throws(JSONError) -> [String: MetadataValue] {
    var metadata: [String: MetadataValue] = [:]
    if try readNullIfPresent() { return metadata }
    let limit = Limits.metadataBytes / Limits.metadataEntryBytes
    try beginObject()
    while let key = try nextKey() {
      let name = key.string
      guard metadata.count < limit else { throw JSONError(.tooLarge, offset: key.offset, "more than \(limit) entries") }
      // Other programs write null for a missing value.
      if try readNullIfPresent() { continue }
      guard metadata.setWithoutLoss(try readMetadataValue(), forKey: name) else {
        if metadata.value(forBytesOf: name) != nil { throw JSONError.duplicate(name, at: key.offset) }
        throw JSONError(
          .duplicateKey, offset: key.offset,
          "the key \"\(TerminalText.excerpt(name))\" differs from an earlier one only as é does from e with an accent: rename one of them")
      }
    }
    return metadata
  }

  package mutating func readMetadataValue() throws(JSONError) -> MetadataValue {
    let kind = try peek()
    let start = position
    switch kind {
    case .string: return .string(try readString())
    case .bool: return .bool(try readBool())
    case .number:
      switch try readNumber() {
      case .integer(let value): return .integer(value)
      case .real(let value): return .double(value)
      case .unsigned, .negative: throw JSONError(.numberOutOfRange, offset: start, "the integer does not fit 64 bits")
      }
    case .object, .array, .null:
      throw JSONError(.typeMismatch, offset: start, "a metadata value is a string, a number, true or false, not \(kind.rawValue)")
    }
  }

  private mutating func readName() throws(JSONError) -> String {
    let name = try readStringBytes()
    guard name.byteCount <= Limits.nameBytes else {
      throw JSONError(.tooLarge, offset: name.offset, "more than \(Limits.nameBytes) bytes in a name")
    }
    return name.string
  }

  mutating func readEmbedderIdentity() throws(JSONError) -> EmbedderIdentity? {
    if try readNullIfPresent() { return nil }
    let start = position
    var name: String?
    var version: String?
    var dimension: Int64?
    try beginObject()
    while let key = try nextKey() {
      switch key {
      case "name": name = try readName()
      case "version": version = try readName()
      case "dimension": dimension = try readInt64()
      default: try skipValue()
      }
    }
    guard let name, let version, let dimension = dimension.flatMap({ Int(exactly: $0) }) else {
      throw JSONError(.typeMismatch, offset: start, "an embedder has a name, a version and a dimension")
    }
    return EmbedderIdentity(name: name, dimension: dimension, version: version)
  }
}
