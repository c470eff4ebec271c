import Formats
import Foundation

/// The keys that only a record of version 2 has.
extension MemoryDetails {
  var fieldCount: Int {
    let isPresent = [
      !tags.isEmpty, caption != nil, validFrom != nil, validUntil != nil, source != nil, trust != nil, !derivedFrom.isEmpty,
      replaces != nil, supersededBy != nil,
    ]
    return isPresent.count { $0 }
  }

  /// Reads the value of a key; false, and nothing is read, if the key is none of these.
  mutating func read(_ key: UnsafeRawBufferPointer, _ reader: inout CBORReader) throws(CBORError) -> Bool {
    if unsafe key.equals("tags") {
      setTags(try Self.readArray(&reader) { reader throws(CBORError) in try reader.readText() })
    } else if unsafe key.equals("trust") {
      trust = Trust(level: try reader.readInteger(UInt8.self))
    } else if unsafe key.equals("source") {
      source = try reader.readText()
    } else if unsafe key.equals("caption") {
      caption = try reader.readText()
    } else if unsafe key.equals("replaces") {
      replaces = try Self.readID(&reader)
    } else if unsafe key.equals("validFrom") {
      validFrom = Date(milliseconds: try reader.readInt64())
    } else if unsafe key.equals("validUntil") {
      validUntil = Date(milliseconds: try reader.readInt64())
    } else if unsafe key.equals("derivedFrom") {
      derivedFrom = try Self.readArray(&reader) { reader throws(CBORError) in try Self.readID(&reader) }
    } else if unsafe key.equals("supersededBy") {
      supersededBy = try Self.readID(&reader)
    } else {
      return false
    }
    return true
  }

  private static func readArray<Element>(
    _ reader: inout CBORReader, _ element: (inout CBORReader) throws(CBORError) -> Element
  ) throws(CBORError) -> [Element] {
    var elements: [Element] = []
    var count = try reader.readArrayCount()
    while try reader.hasNext(&count) { elements.append(try element(&reader)) }
    return elements
  }

  private static func readID(_ reader: inout CBORReader) throws(CBORError) -> MemoryID {
    let start = reader.offset
    let bytes = try reader.readBytes()
    guard bytes.count == 16 else { throw CBORError(.typeMismatch, at: start, "an id has 16 bytes, this one \(bytes.count)") }
    return unsafe MemoryID(bytes.span.bytes, at: 0)
  }
}
