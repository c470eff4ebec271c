import Formats
import Foundation
import VectorSearch

@testable import Engram

/// Vectors as they come: arrays of JSON and base64, and what is stored of them.
enum VectorTarget {
  static func run(_ input: [UInt8]) throws {
    if let bytes = try? Base64.decode(input) {
      var text: [UInt8] = []
      Base64.encode(bytes, into: &text)
      try require(text == input, "base64 has two spellings")
      try require(Data(base64Encoded: Data(input)) == Data(bytes), "base64 is not what Foundation reads")
    }
    if let floats = try? Base64.decodeFloats(input) {
      var text: [UInt8] = []
      Base64.encodeFloats(floats.span, into: &text)
      try require(text == input, "floats in base64 have two spellings")
      try checkPrepared(floats)
    }
    if let floats = try? JSONReader.read(input, { try $0.readBase64Floats() }) { try checkPrepared(floats) }
    var floats: [Float] = []
    guard (try? JSONReader.read(input, { try $0.readFloatArray(into: &floats) })) != nil else { return }
    try require(floats.allSatisfy(\.isFinite), "a component is not finite")
    let counted = try must("an array has two lengths") { try JSONReader.read(input) { try $0.readFloatArray(expected: floats.count) } }
    try require(counted == floats, "an array has two readings")
    var writer = JSONWriter()
    writer.writeFloats(floats)
    var again: [Float] = []
    try must("an array that was written does not read") { try JSONReader.read(writer.bytes) { try $0.readFloatArray(into: &again) } }
    try require(again.map(\.bitPattern) == floats.map(\.bitPattern), "\(floats) read back as \(again)")
    try checkPrepared(floats)
  }

  private static func checkPrepared(_ floats: [Float]) throws {
    for metric in [RowMetric.cosine, .dot] {
      guard let row = try? VectorPreparation.prepare(floats, dimension: floats.count, metric: metric) else { continue }
      try require(row.allSatisfy(\.isFinite), "a stored component is not finite")
      let again = try must("what is stored cannot be stored again") {
        try VectorPreparation.prepare(row, dimension: row.count, metric: metric)
      }
      try require(again.map(\.bitPattern) == row.map(\.bitPattern), "an export and its import change a row")
    }
  }
}
