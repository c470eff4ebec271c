/// Cuts a stream of bytes into lines. A line that is too long is dropped while it arrives, so the memory stays bounded.
struct LineSplitter {
  enum Piece: Sendable, Equatable {
    /// Without the line feed, and a carriage return before it.
    case line([UInt8])
    /// A line of more than the limit; its bytes are gone.
    case tooLong
  }

  /// The most bytes of a line.
  let limit: Int
  private var buffer: [UInt8] = []
  /// Where the next line begins.
  private var start = 0
  /// Up to where no line feed was found.
  private var scanned = 0
  private var isDropping = false

  init(limit: Int) { self.limit = limit }

  mutating func append(_ bytes: [UInt8]) {
    if start > 0 {
      buffer.removeSubrange(..<start)
      scanned -= start
      start = 0
    }
    buffer += bytes
  }

  /// The next whole line; nil: more bytes are needed. Empty lines are skipped.
  mutating func next() -> Piece? {
    while true {
      guard let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
        scanned = buffer.count
        if scanned - start > limit {
          isDropping = true
          start = scanned
        }
        return nil
      }
      let line = buffer[start..<end]
      (start, scanned) = (end + 1, end + 1)
      if let piece = piece(line) { return piece }
    }
  }

  /// What is left at the end of the input: a last line without a line feed.
  mutating func last() -> Piece? {
    let line = buffer[start...]
    start = buffer.count
    scanned = start
    return piece(line)
  }

  private mutating func piece(_ line: ArraySlice<UInt8>) -> Piece? {
    defer { isDropping = false }
    if isDropping || line.count > limit { return .tooLong }
    let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    return text.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } ? nil : .line(Array(text))
  }
}
