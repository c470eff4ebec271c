import Engram
import Formats
import Foundation

/// Standard output: data only.
enum Output {
  /// - Throws: ``StoreError`` `.inputOutput`, for example on a full disk.
  static func write(_ bytes: [UInt8]) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(bytes))
    } catch {
      throw StoreError(.inputOutput, "standard output cannot be written: \(Failure.message(of: error))")
    }
  }

  /// Prints text of a format that has no escapes. On a terminal, characters that control it are escaped here, except for line ends.
  ///
  /// - Parameter bytes: Whole lines of UTF-8.
  static func writeText(_ bytes: [UInt8]) throws {
    guard Terminal.outputIsTerminal else { return try write(bytes) }
    try write(Array(TerminalText.escapedLines(String(decoding: bytes, as: UTF8.self)).utf8))
  }

  static func line(_ text: String) throws { try write(Array((text + "\n").utf8)) }

  /// Prints one JSON object, or any other value, and ends the line.
  static func json(_ body: (inout JSONWriter) throws -> Void) throws {
    var writer = JSONWriter()
    try body(&writer)
    writer.endLine()
    try write(writer.bytes)
  }
}

/// Times as people and programs read them.
enum Times {
  static func text(_ date: Date) -> String {
    TimestampText.string(Int64((date.timeIntervalSince1970 * 1000).rounded())) ?? "out of range"
  }
}

extension Times {
  /// The time for a table: to the minute on a terminal, where the text needs the room.
  static func shown(_ date: Date) -> String {
    let text = text(date)
    return Terminal.outputIsTerminal ? String(text.prefix(16).replacing("T", with: " ")) : text
  }
}

extension MemoryID {
  /// The id for a table: its last digits on a terminal.
  var shown: String { Terminal.outputIsTerminal ? shortDescription : description }
}

/// Numbers for people.
enum Amounts {
  static func bytes(_ count: Int) -> String {
    if count < 1024 { return "\(count) B" }
    var value = Double(count)
    var unit = ""
    for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
      value /= 1024
      unit = next
    }
    return String(format: "%.1f ", value) + unit
  }

  /// Rounded to tenths.
  static func milliseconds(_ duration: Duration) -> Double { (duration / .milliseconds(1) * 10).rounded() / 10 }

  static func count(_ number: Int, _ singular: String, _ plural: String? = nil) -> String {
    "\(number) \(number == 1 ? singular : plural ?? singular + "s")"
  }
}
