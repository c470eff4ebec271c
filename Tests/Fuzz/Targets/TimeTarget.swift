import Formats
@testable import Engram

/// Times as text, and ids.
enum TimeTarget {
  static func run(_ input: [UInt8]) throws {
    let text = String(decoding: input, as: UTF8.self)
    let time = withSpan(input) { TimestampText.milliseconds($0) }
    try require(time == nil || TimestampText.milliseconds(text) == time, "a time has two readings")
    if let time { try check(time) }
    var bytes = FuzzInput(input)
    let number: Int64 = bytes.number()
    if TimestampText.range.contains(number) {
      try check(number)
    } else {
      try require(TimestampText.string(number) == nil, "a time outside of the calendar has a text")
    }
    if let id = MemoryID(text) {
      try require(id.description == text.lowercased(), "the id \(text) reads back as \(id)")
      try require(MemoryID(bytes: id.bytes) == id, "the id \(text) has other bytes")
    }
  }

  private static func check(_ time: Int64) throws {
    guard let text = TimestampText.string(time) else { throw FuzzViolation(description: "\(time) has no text") }
    try require(TimestampText.milliseconds(text) == time, "\(time) reads back from \(text) as another time")
  }
}
