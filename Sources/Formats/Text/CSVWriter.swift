/// Appends comma-separated values (RFC 4180): rows end with CR LF, fields are quoted if they must be.
package struct CSVWriter: Sendable {
  /// The output so far. May be taken out and emptied between rows.
  package var bytes: [UInt8] = []
  private var isRowStart = true

  package init() {}

  /// The output as text.
  package var string: String { String(decoding: bytes, as: UTF8.self) }

  /// Writes a text, or an empty field for nil; an empty text is `""`, so that the two differ.
  ///
  /// A text that begins with `=`, `+`, `-`, `@`, their full-width forms, TAB, CR or LF gets an apostrophe before it: spreadsheets would
  /// take it for a formula.
  package mutating func write(_ text: String?) {
    separate()
    guard var text else { return }
    text.withUTF8 { field in
      // The buffer is read through its own bounds only.
      let isFormula = unsafe field.first.map(Self.startsFormula) ?? false || Self.fullWidthSigns.contains { unsafe field.starts(with: $0) }
      let needsQuotes = unsafe field.isEmpty || field.contains { Self.needsQuotes($0) }
      if needsQuotes { bytes.append(UInt8(ascii: "\"")) }
      if isFormula { bytes.append(UInt8(ascii: "'")) }
      for index in 0..<field.count {
        let byte = unsafe field[index]
        if byte == UInt8(ascii: "\"") { bytes.append(byte) }
        bytes.append(byte)
      }
      if needsQuotes { bytes.append(UInt8(ascii: "\"")) }
    }
  }

  /// Writes an integer as it is.
  package mutating func write(_ integer: some FixedWidthInteger) {
    separate()
    bytes.append(contentsOf: String(integer).utf8)
  }

  /// Writes the shortest decimal that reads back as the same value.
  package mutating func write(_ real: Double) {
    separate()
    bytes.append(contentsOf: real.description.utf8)
  }

  /// Writes the shortest decimal that reads back as the same value.
  package mutating func write(_ real: Float) {
    separate()
    bytes.append(contentsOf: real.description.utf8)
  }

  package mutating func endRow() {
    bytes.append(0x0D)
    bytes.append(0x0A)
    isRowStart = true
  }

  private mutating func separate() {
    if !isRowStart { bytes.append(UInt8(ascii: ",")) }
    isRowStart = false
  }

  /// ＝＋－＠, which some spreadsheets take for the signs themselves.
  private static let fullWidthSigns = "＝＋－＠".map { Array($0.utf8) }

  private static func startsFormula(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x09, 0x0A, 0x0D: true
    default: false
    }
  }

  private static func needsQuotes(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: ","), 0x0A, 0x0D: true
    default: false
    }
  }
}
