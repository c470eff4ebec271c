/// Diagnostic notation (RFC 8949 section 8): CBOR for people to read. It is not meant to be parsed.
///
/// Lengths and widths of the encoding are not shown. Control and bidirectional characters in text are escaped, so that no data can
/// disturb a terminal.
package enum CBORDiagnostic {
  /// The notation of the only item in `bytes`.
  package static func text(of bytes: [UInt8]) throws(CBORError) -> String {
    text(of: try CBORReader.value(of: bytes))
  }

  /// The notation of a tree; parts that are nested deeper than the limit of reading and writing appear as `...`.
  package static func text(of value: CBORValue) -> String {
    var text = ""
    append(value, to: &text, depthLeft: CBORWriter.defaultDepthLimit)
    return text
  }

  private static func append(_ value: CBORValue, to text: inout String, depthLeft: Int) {
    guard depthLeft >= 0 else {
      text += "..."
      return
    }
    switch value {
    case .unsigned(let value): text += String(value)
    case .negative(let complement): text += String(-1 - Int128(complement))
    case .bytes(let bytes): text += "h'" + hexadecimal(bytes) + "'"
    case .text(let content): appendQuoted(content, to: &text)
    case .bool(let value): text += value ? "true" : "false"
    case .null: text += "null"
    case .undefined: text += "undefined"
    case .simple(let value): text += "simple(\(value))"
    case .float(let value): text += notation(value)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += ", " }
        append(element, to: &text, depthLeft: depthLeft - 1)
      }
      text += "]"
    case .map(let entries):
      text += "{"
      for (index, entry) in entries.enumerated() {
        if index > 0 { text += ", " }
        append(entry.key, to: &text, depthLeft: depthLeft - 1)
        text += ": "
        append(entry.value, to: &text, depthLeft: depthLeft - 1)
      }
      text += "}"
    case .tag(2, .bytes(let bytes)) where bytes.count <= 16:
      text += String(magnitude(bytes))
    case .tag(3, .bytes(let bytes)) where bytes.count <= 16:
      // −1 − n, whose digits may need one bit more than n has.
      let (sum, overflow) = magnitude(bytes).addingReportingOverflow(1)
      text += overflow ? "-340282366920938463463374607431768211456" : "-\(sum)"
    case .tag(let number, let content):
      text += "\(number)("
      append(content, to: &text, depthLeft: depthLeft - 1)
      text += ")"
    }
  }

  private static func magnitude(_ bytes: [UInt8]) -> UInt128 {
    bytes.reduce(0) { $0 << 8 | UInt128($1) }
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func notation(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity" }
    // Swift prints 1e+300 and 5e-08 where the notation has 1.0e+300 and 5.0e-8.
    let parts = value.description.split(separator: "e", maxSplits: 1)
    guard parts.count == 2 else { return value.description }
    let mantissa = parts[0].contains(".") ? String(parts[0]) : parts[0] + ".0"
    let digits = parts[1].dropFirst().drop { $0 == "0" }
    return "\(mantissa)e\(parts[1].prefix(1))\(digits)"
  }

  private static func appendQuoted(_ content: String, to text: inout String) {
    text += "\""
    for scalar in content.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where mustBeEscaped(scalar):
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  /// Control characters, line separators, and characters that reorder or hide text; all of them are below U+10000.
  private static func mustBeEscaped(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1f, 0x7f...0x9f, 0xad, 0x61c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff: true
    default: false
    }
  }
}
