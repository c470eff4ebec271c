import Formats
import Foundation

@testable import Engram

/// The reader of CBOR, its tree, and the typed reads.
enum CBORTarget {
  static func run(_ input: [UInt8]) throws {
    let skipped = try? skip(input) { reader throws(CBORError) in try reader.skip() }
    let listed = try? skip(input) { reader throws(CBORError) in try unsafe reader.forEachString { _ in } }
    try require(
      skipped == listed, "the list of strings reads \(String(describing: listed)) bytes, skip reads \(String(describing: skipped))")
    if let value = try? CBORReader.value(of: input) {
      try require(skipped == input.count, "an item is read that skip refuses")
      try check(value)
    }
    try checkTypedReads(input)
  }

  private static func skip(_ input: [UInt8], _ body: (inout CBORReader) throws(CBORError) -> Void) throws(CBORError) -> Int {
    try CBORReader.withReader(over: input) { reader throws(CBORError) in
      try body(&reader)
      return reader.offset
    }
  }

  private static func encoding(of value: CBORValue) throws -> [UInt8] {
    var writer = CBORWriter()
    try writer.value(value)
    return writer.bytes
  }

  private static func check(_ value: CBORValue) throws {
    // Not shorter by itself: the writer chooses the widths, the order and the lengths.
    let bytes = try must("a tree that was read cannot be written") { try encoding(of: value) }
    let again = try must("the encoding of a tree cannot be read") { try CBORReader.value(of: bytes) }
    try require(try encoding(of: again) == bytes, "the encoding of a tree is not deterministic")
    _ = CBORDiagnostic.text(of: value)

    var writer = JSONWriter()
    try must("a tree has no JSON") { try writer.write(cbor: value) }
    let back = try must("the JSON of a tree cannot be read") { try JSONReader.read(writer.bytes) { try $0.readCBOR() } }
    try require(try encoding(of: back) == bytes, "the JSON of a tree reads back as another tree")
  }

  private static func checkTypedReads(_ input: [UInt8]) throws {
    try roundTrip(input, "date", { r throws(CBORError) in try r.readDate() }, { $1.date($0) }) {
      $0 == $1 || $0.timeIntervalSinceReferenceDate.isNaN && $1.timeIntervalSinceReferenceDate.isNaN
        // Within a tenth of a second of 2001, dates are finer than attoseconds, and rounded.
        || abs($0.timeIntervalSinceReferenceDate) < 0.1 && abs($0.timeIntervalSince($1)) <= 1e-18
    }
    try roundTrip(input, "decimal", { r throws(CBORError) in try r.readDecimal() }, { $1.decimal($0) }) { $0 == $1 || $0.isNaN && $1.isNaN }
    try roundTrip(input, "UUID", { r throws(CBORError) in try r.readUUID() }, { $1.uuid($0) }, ==)
    try roundTrip(input, "URL", { r throws(CBORError) in try r.readURL() }, { $1.url($0) }) { $0.absoluteString == $1.absoluteString }
    try roundTrip(input, "double", { r throws(CBORError) in try r.readDouble() }, { $1.double($0) }) { $0 == $1 || $0.isNaN && $1.isNaN }
    try roundTrip(input, "UInt8", { r throws(CBORError) in try r.readInteger(UInt8.self) }, { $1.int($0) }, ==)
    try roundTrip(input, "Int64", { r throws(CBORError) in try r.readInt64() }, { $1.int($0) }, ==)
    try roundTrip(input, "UInt64", { r throws(CBORError) in try r.readUInt64() }, { $1.unsigned($0) }, ==)
    try roundTrip(input, "Int128", { r throws(CBORError) in try r.readInteger(Int128.self) }, { $1.int($0) }, ==)
    try roundTrip(input, "UInt128", { r throws(CBORError) in try r.readInteger(UInt128.self) }, { $1.int($0) }, ==)
    try roundTrip(input, "text", { r throws(CBORError) in try r.readText() }, { $1.text($0) }) { $0.utf8.elementsEqual($1.utf8) }
    try roundTrip(input, "bytes", { r throws(CBORError) in try r.readBytes() }, { $1.bytes($0) }, ==)
  }

  /// What was read is written, read again, equal, and written to the same bytes.
  private static func roundTrip<Value>(
    _ input: [UInt8], _ name: String, _ read: (inout CBORReader) throws(CBORError) -> Value, _ write: (Value, inout CBORWriter) -> Void,
    _ areEqual: (Value, Value) -> Bool
  ) throws {
    guard let value = try? CBORReader.withReader(over: input, read) else { return }
    var writer = CBORWriter()
    write(value, &writer)
    let again = try must("a \(name) that was written cannot be read") { try CBORReader.withReader(over: writer.bytes, read) }
    try require(areEqual(value, again), "the \(name) \(value) reads back as \(again)")
    var second = CBORWriter()
    write(again, &second)
    try require(second.bytes == writer.bytes, "the \(name) \(value) is not written deterministically")
  }
}
