import Formats
import Foundation

@testable import Engram

/// The reader of JSON: trees, and CBOR in the spelling of exchange files.
enum JSONTarget {
  static func run(_ input: [UInt8]) throws {
    let isSkipped = (try? JSONReader.read(input) { try $0.skipValue() }) != nil
    if let value = try? JSONReader.read(input, { try $0.readValue() }) {
      try require(isSkipped, "a value is read that cannot be skipped")
      let text = written(value)
      let again = try must("a value that was written does not read") { try JSONReader.read(text) { try $0.readValue() } }
      try require(again == value && written(again) == text, "\(value) reads back as \(again)")
      try require(!text.contains { $0 < 0x20 }, "a control character is written")
    }
    if let value = try? JSONReader.read(input, { try $0.readCBOR() }) { try check(value) }
    if let value = try? JSONReader.read(input, { try $0.readMetadataValue() }) { try check(value) }
  }

  private static func written(_ value: JSONValue) -> [UInt8] {
    var writer = JSONWriter()
    writer.write(value)
    return writer.bytes
  }

  private static func check(_ value: CBORValue) throws {
    var text = JSONWriter()
    try must("an item that was read has no JSON") { try text.write(cbor: value) }
    let again = try must("an item that was written does not read") { try JSONReader.read(text.bytes) { try $0.readCBOR() } }
    var second = JSONWriter()
    try second.write(cbor: again)
    try require(second.bytes == text.bytes, "an item has two spellings")
    var writer = CBORWriter()
    // The depth of JSON forms may be more than what CBOR allows; a duplicate key may hide behind two spellings of a number.
    guard (try? writer.value(value)) != nil else { return }
    let tree = try must("the CBOR of an item does not read") { try CBORReader.value(of: writer.bytes) }
    var encoding = CBORWriter()
    try must("the CBOR of an item has no encoding") { try encoding.value(tree) }
    try require(encoding.bytes == writer.bytes, "the CBOR of an item is not deterministic")
  }

  private static func check(_ value: MetadataValue) throws {
    if case .double(let number) = value { try require(number.isFinite, "a number is \(number)") }
    var writer = JSONWriter()
    writer.write(["key": value])
    let again = try must("metadata that was written does not read") {
      try JSONReader.read(writer.bytes) { reader in
        try reader.beginObject()
        _ = try reader.nextKey()
        let again = try reader.readMetadataValue()
        _ = try reader.nextKey()
        return again
      }
    }
    try require(again == value, "\(value) reads back as \(again)")
  }
}

/// Numbers in JSON, compared with the parsers of the standard library.
enum NumberTarget {
  static func run(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    // The reader takes white space around a number.
    let trimmed = text.trimmingCharacters(in: CharacterSet(charactersIn: " \t\r\n"))
    if let value = try? JSONReader.read(input, { try $0.readDouble() }) {
      try require(Double(trimmed)?.bitPattern == value.bitPattern, "\(trimmed) reads as \(value)")
      var writer = JSONWriter()
      writer.write(value)
      let again = try must("a number that was written does not read") { try JSONReader.read(writer.bytes) { try $0.readDouble() } }
      try require(again.bitPattern == value.bitPattern, "\(value) reads back as \(again)")
    }
    if let value = try? JSONReader.read(input, { try $0.readFloat() }) {
      try require(Float(trimmed)?.bitPattern == value.bitPattern, "\(trimmed) reads as \(value)")
      var writer = JSONWriter()
      writer.write(value)
      let again = try must("a number that was written does not read") { try JSONReader.read(writer.bytes) { try $0.readFloat() } }
      try require(again.bitPattern == value.bitPattern, "\(value) reads back as \(again)")
    }
    if let value = try? JSONReader.read(input, { try $0.readInt64() }) {
      try require(Int64(trimmed) == value, "\(trimmed) reads as \(value)")
    }
    if let value = try? JSONReader.read(input, { try $0.readNumber() }) {
      switch value {
      case .integer(let number): try require(Int64(trimmed) == number, "\(trimmed) reads as \(number)")
      case .unsigned(let number): try require(UInt64(trimmed) == number && number > Int64.max, "\(trimmed) reads as \(number)")
      case .negative(let number): try require(Int128(trimmed) == -1 - Int128(number), "\(trimmed) reads as -1 - \(number)")
      case .real(let number): try require(Double(trimmed) == number, "\(trimmed) reads as \(number)")
      }
    }
  }
}
