import Formats
@testable import Engram

/// Text on its way to a terminal, a table and a vector.
enum TextTarget {
  static func run(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    let shown = TerminalText.escaped(text)
    try require(TerminalText.escaped(shown) == shown, "an escaped text is escaped again")
    try require(
      !shown.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || (0x202A...0x202E).contains($0.value) },
      "a text for a terminal has a control character")
    for limit in [0, 1, 2, 7] {
      let cut = TerminalText.truncated(shown, to: limit)
      try require(TerminalText.width(cut) <= limit, "'\(cut)' is wider than \(limit) columns")
      try require(TerminalText.width(TerminalText.fitted(shown, to: limit)) == limit, "'\(shown)' does not fill \(limit) columns")
    }
    var table = CSVWriter()
    table.write("first")
    table.write(text)
    table.write(7)
    table.endRow()
    try require(
      fields(table.bytes) == [Array("first".utf8), neutral(input, text), Array("7".utf8)], "a row of a table reads back as another")

    let vector = HashingEmbedder(dimension: 16).embedding(of: text).values
    let norm = vector.reduce(0.0) { $0 + Double($1) * Double($1) }
    try require(abs(norm - 1) < 1e-5, "the vector of a text has the squared norm \(norm)")
  }

  private static func neutral(_ input: [UInt8], _ text: String) -> [UInt8] {
    let isFormula = text.utf8.first.map { "=+-@\t\n\r".utf8.contains($0) } ?? false
    return (isFormula ? [UInt8(ascii: "'")] : []) + Array(text.utf8)
  }

  /// A naive reader of one row (RFC 4180).
  private static func fields(_ row: [UInt8]) -> [[UInt8]] {
    var fields: [[UInt8]] = []
    var rest = row.dropLast(2)
    while true {
      var field: [UInt8] = []
      if rest.first == UInt8(ascii: "\"") {
        rest.removeFirst()
        while let byte = rest.popFirst() {
          if byte != UInt8(ascii: "\"") {
            field.append(byte)
          } else if rest.first == byte {
            field.append(byte)
            rest.removeFirst()
          } else {
            break
          }
        }
      } else {
        while let byte = rest.first, byte != UInt8(ascii: ",") {
          field.append(byte)
          rest.removeFirst()
        }
      }
      fields.append(field)
      guard rest.popFirst() == UInt8(ascii: ",") else { return fields }
    }
  }
}
