import Formats
import Foundation

@testable import Engram

/// The Codable decoder, over a type that has something of everything.
enum CodableTarget {
  static func run(_ input: [UInt8]) throws {
    guard let value = try? CBORDecoder().decode(Everything.self, from: input) else { return }
    let bytes = try must("what was decoded cannot be encoded") { try CBOREncoder().encode(value) }
    let again = try must("what was encoded does not decode") { try CBORDecoder().decode(Everything.self, from: bytes) }
    try require(try CBOREncoder().encode(again) == bytes, "the encoding is not deterministic")
    let tree = try must("the encoding is no CBOR") { try CBORReader.value(of: bytes) }
    var writer = CBORWriter()
    try must("the encoding cannot be written as a tree") { try writer.value(tree) }
    try require(writer.bytes == bytes, "the encoding is not the deterministic one")
  }

  final class Everything: Codable {
    enum Choice: Codable {
      case nothing
      case number(Int16)
      case named(text: String, flag: Bool)
    }
    enum Word: String, Codable { case yes, no }
    enum Level: Int, Codable { case low = 1, high = 2 }
    struct Inner: Codable {
      var real: Float?
      var list: [Choice?]?
      var wide: Int128?
      var natural: UInt?
    }

    var flag: Bool?
    var tiny: Int8?
    var large: UInt64?
    var real: Double?
    var text: String?
    var data: Data?
    var date: Date?
    var decimal: Decimal?
    var url: URL?
    var uuid: UUID?
    var word: Word?
    var level: Level?
    var choice: Choice?
    var inner: Inner?
    var names: [String: Inner]?
    var numbers: [Int: [Double]]?
    var below: Everything?
    var context: UserContext?
    var id: MemoryID?
  }
}
