import Files

/// Cuts a file into lines, a few MiB at a time.
struct LineReader {
  private let source: ImportSource
  private var buffer: [UInt8] = []
  /// Where the part of the buffer begins that was not lent yet.
  private var start = 0
  private var isAtEnd = false
  private var fileOffset = 0
  /// The number of the last line that was lent, counted from 1.
  private(set) var lineNumber = 0

  /// The range in the buffer of the last line that was lent; valid until the next call.
  private var last = 0..<0

  private static let chunkBytes = 4 << 20
  private static let tooLong = StoreError(.invalidImport, "the line is longer than \(Interchange.lineBytes >> 20) MiB")

  init(_ source: ImportSource) { self.source = source }

  /// Bytes of the file lent so far.
  var consumedBytes: Int { fileOffset - (buffer.count - start) }

  /// Lends the next line, without its line feed, to `body`; nil at the end of the file. Lines of white space only are skipped.
  ///
  /// - Throws: ``StoreError`` `.invalidImport` for a line above 64 MiB, and what `body` throws.
  mutating func next<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) throws -> Value? {
    while let line = try nextRange() {
      lineNumber += 1
      let line = lineNumber == 1 ? withoutByteOrderMark(line) : line
      guard line.count <= Interchange.lineBytes else { throw Self.tooLong }
      last = line
      let value: Value?? = try unsafe buffer.withUnsafeBytes { bytes in
        // SAFETY: the range lies inside the buffer, which does not change during the call.
        let line = unsafe UnsafeRawBufferPointer(rebasing: bytes[line])
        return unsafe Self.isBlank(line) ? nil : .some(try body(line))
      }
      if let value { return value }
    }
    return nil
  }

  /// A copy of the line that ``next(_:)`` lent last.
  var lastLine: [UInt8] { Array(buffer[last]) }

  /// Some editors and spreadsheets put U+FEFF before the first line.
  private func withoutByteOrderMark(_ line: Range<Int>) -> Range<Int> {
    buffer[line].starts(with: [0xEF, 0xBB, 0xBF]) ? line.dropFirst(3) : line
  }

  private mutating func nextRange() throws -> Range<Int>? {
    var searched = start
    while true {
      if let end = Self.lineFeed(in: buffer, from: searched) {
        defer { start = end + 1 }
        return start..<end
      }
      searched = buffer.count
      if isAtEnd {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        return start..<buffer.count
      }
      if buffer.count - start > Interchange.lineBytes {
        lineNumber += 1
        throw Self.tooLong
      }
      searched -= start
      try fill()
    }
  }

  private mutating func fill() throws {
    last = 0..<0
    buffer.removeSubrange(..<start)
    start = 0
    let kept = buffer.count
    // Bytes that are appended to the file meanwhile are not read, so that both passes read the same lines.
    let wanted = min(Self.chunkBytes, source.sizeBytes - fileOffset)
    buffer += [UInt8](repeating: 0, count: wanted)
    var count = 0
    do throws(FileError) {
      count = try Self.read(source.file, into: &buffer, from: kept, at: fileOffset)
    } catch {
      throw StoreError(error, "\(source.name) cannot be read")
    }
    buffer.removeLast(wanted - count)
    fileOffset += count
    isAtEnd = count < wanted || fileOffset == source.sizeBytes
  }

  static func read(
    _ file: borrowing FileHandle, into buffer: inout [UInt8], from start: Int, at offset: Int
  ) throws(FileError) -> Int {
    var outcome: Result<Int, FileError> = .success(0)
    unsafe buffer.withUnsafeMutableBytes { bytes in
      do throws(FileError) {
        // SAFETY: `start` lies inside the buffer.
        outcome = .success(unsafe try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]), at: offset))
      } catch {
        outcome = .failure(error)
      }
    }
    return try outcome.get()
  }

  /// The first line feed at or after `start`, eight bytes at a time.
  private static func lineFeed(in buffer: [UInt8], from start: Int) -> Int? {
    unsafe buffer.withUnsafeBytes { bytes in
      let ones: UInt64 = 0x0101_0101_0101_0101
      let count = bytes.count
      var index = start
      while index + 8 <= count {
        // In bounds: compared just before.
        let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ (ones &* 0x0A)
        // The lowest bit set belongs to the first zero byte; only higher bits may be false matches.
        let zeros = (word &- ones) & ~word & (ones &* 0x80)
        if zeros != 0 { return index + (zeros.trailingZeroBitCount >> 3) }
        index += 8
      }
      while index < count {
        if unsafe bytes[index] == 0x0A { return index }
        index += 1
      }
      return nil
    }
  }

  private static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
    // Read through its own bounds only.
    unsafe line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
  }
}
