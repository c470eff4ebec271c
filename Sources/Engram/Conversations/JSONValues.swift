import Files

/// Returns the elements of a file's only array, or its values one after the other, as bytes. It finds their ends only, and does not check
/// them.
struct JSONValues {
  /// No values. They replace the values that are read for as long as these are read, so that their buffer has one reference and is not copied.
  static let empty = JSONValues(nil)

  private let source: ImportSource?
  private var buffer: [UInt8] = []
  /// Where the part of the buffer begins that is not handed out yet.
  private var start = 0
  private var fileOffset = 0
  private var isAtEnd = false
  private var isFinished = false
  private var isFirst = true
  private(set) var isArray = false
  /// The number of the last element handed out, counted from 1.
  private(set) var number = 0

  private static let chunkBytes = 1 << 20

  init(_ source: ImportSource?) { self.source = source }

  /// Bytes of the file handed out so far.
  var consumedBytes: Int { fileOffset - (buffer.count - start) }

  /// The bytes of the next element, or what is wrong with it; nil at the end of the file, and after a fault that makes the rest unreadable.
  ///
  /// - Throws: ``StoreError`` `.inputOutput`.
  mutating func next() throws -> Result<[UInt8], StoreError>? {
    if isFinished { return nil }
    if fileOffset == 0 { try open() }
    guard try skipSpace() else { return isArray ? end("the file ends before the end of its array") : finish() }
    if isArray {
      if buffer[start] == UInt8(ascii: "]") {
        start += 1
        return try skipSpace() ? end("something follows the array") : finish()
      }
      if !isFirst {
        guard buffer[start] == UInt8(ascii: ",") else { return end("a comma or the end of the array is missing") }
        start += 1
        guard try skipSpace() else { return end("the file ends before the end of its array") }
      }
      isFirst = false
    }
    return try element()
  }

  /// Skips a byte order mark and the bracket of the array.
  private mutating func open() throws {
    try fill()
    if buffer.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
    guard try skipSpace(), buffer[start] == UInt8(ascii: "[") else { return }
    isArray = true
    start += 1
  }

  private mutating func element() throws -> Result<[UInt8], StoreError>? {
    var scan = JSONScan()
    var (index, dropped) = (start, 0)
    number += 1
    while true {
      let found: Int? = unsafe buffer.withUnsafeBytes { unsafe scan.end(in: $0, from: index) }
      if let found {
        defer { start = found }
        if dropped > 0 || found - start > Interchange.lineBytes { return .failure(Self.tooLong) }
        if found == start { return end("a value is missing", isNew: false) }
        return .success(Array(buffer[start..<found]))
      }
      index = buffer.count
      if scan.isBroken { return end("a line ends within a string", isNew: false) }
      if isAtEnd {
        guard scan.isScalar else { return end("the file ends within the element, which is incomplete", isNew: false) }
        defer { start = index }
        return .success(Array(buffer[start..<index]))
      }
      if index - start > Interchange.lineBytes {
        dropped += index - start
        start = index
      }
      index -= start
      try fill()
    }
  }

  private static let tooLong = StoreError(.invalidImport, "it is longer than \(Interchange.lineBytes >> 20) MiB")

  /// - Parameter isNew: Whether the fault gets a number of its own, because it is not in an element that was counted.
  private mutating func end(_ fault: String, isNew: Bool = true) -> Result<[UInt8], StoreError>? {
    if isNew { number += 1 }
    isFinished = true
    return .failure(StoreError(.invalidImport, "\(fault) (near byte \(consumedBytes)); what follows is not read"))
  }

  private mutating func finish() -> Result<[UInt8], StoreError>? {
    isFinished = true
    return nil
  }

  /// - Returns: Whether a byte other than white space is left.
  private mutating func skipSpace() throws -> Bool {
    while true {
      while start < buffer.count {
        guard JSONScan.isSpace(buffer[start]) else { return true }
        start += 1
      }
      if isAtEnd { return false }
      try fill()
    }
  }

  private mutating func fill() throws {
    guard let source else {
      isAtEnd = true
      return
    }
    buffer.removeSubrange(..<start)
    start = 0
    let kept = buffer.count
    let wanted = min(Self.chunkBytes, source.sizeBytes - fileOffset)
    buffer += [UInt8](repeating: 0, count: wanted)
    var count = 0
    do throws(FileError) {
      count = try LineReader.read(source.file, into: &buffer, from: kept, at: fileOffset)
    } catch {
      throw StoreError(error, "\(source.name) cannot be read")
    }
    buffer.removeLast(wanted - count)
    fileOffset += count
    isAtEnd = count < wanted || fileOffset == source.sizeBytes
  }
}

/// Looks for the end of a JSON value, part by part.
struct JSONScan {
  private var depth = 0
  private(set) var isInString = false
  private var isEscaped = false
  /// Whether the value is a number or a word, which ends before the first byte that cannot be a part of it.
  private(set) var isScalar = false
  /// Whether a string has a line feed, which JSON forbids.
  private(set) var isBroken = false
  private var hasBegun = false

  /// The index after the value's last byte; nil: the value continues after `bytes`, or is broken.
  ///
  /// - Parameter start: Where the value begins, or its next part.
  mutating func end(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var index = start
    // Each index is compared with the count before it is used.
    while index < bytes.count {
      let byte = unsafe bytes[index]
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
          if depth == 0 { return index + 1 }
        } else if byte == 0x0A {
          isBroken = true
          return nil
        }
        index += 1
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        if isScalar { return index }
        isInString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        if isScalar { return index }
        depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        // Nothing is open in the value: the bracket closes the array or object around it.
        if depth == 0 { return index }
        depth -= 1
        if depth == 0 { return index + 1 }
      case UInt8(ascii: ","):
        if depth == 0 { return index }
      default:
        if depth == 0 {
          if hasBegun, Self.isSpace(byte) { return index }
          isScalar = true
        }
      }
      hasBegun = true
      index += 1
    }
    return nil
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
}
