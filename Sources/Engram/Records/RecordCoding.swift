import Formats
import LMDB

/// Reads the CBOR map of a record field by field: unknown keys are skipped, so that later versions may add some.
enum RecordCoding {
  /// Calls `field` for each key; it returns false for a key that it does not know.
  static func readMap(
    _ reader: inout CBORReader, _ field: (_ key: UnsafeRawBufferPointer, _ reader: inout CBORReader) throws(CBORError) -> Bool
  ) throws(CBORError) {
    var count = try reader.readMapCount()
    while try reader.hasNext(&count) {
      guard reader.peekMajor == .text else {
        try reader.skip()
        try reader.skip()
        continue
      }
      // SAFETY: the key points into the record, which outlives the reader.
      let key = unsafe try reader.readTextBytes()
      if unsafe try !field(key, &reader) { try reader.skip() }
    }
  }

  /// Decodes a whole value, and names it in the error if it is damaged.
  static func decode<Value>(
    _ value: RawSpan, _ name: @autoclosure () -> String, _ body: (inout CBORReader) throws(CBORError) -> Value
  ) throws(StoreError) -> Value {
    do throws(CBORError) {
      return try unsafe value.withUnsafeBytes { buffer throws(CBORError) in
        var reader = unsafe CBORReader(buffer)
        return try body(&reader)
      }
    } catch {
      throw StoreError(.corrupted, "\(name()) does not decode", cause: error)
    }
  }
}

extension CBORReader {
  /// The value of a field that must be present in a record.
  func required<Value>(_ value: Value?, _ field: StaticString) throws(CBORError) -> Value {
    guard let value else { throw CBORError(.typeMismatch, at: offset, "the field '\(field)' is missing") }
    return value
  }
}
