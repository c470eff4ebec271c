import Files

/// Cuts a file of conversations into its elements: lines, elements of an array, or values one after the other. Holds one element at a time.
struct ConversationElements {
  struct Element {
    /// The number of the line or the element, counted from 1.
    let number: Int
    /// The JSON text of the element, not parsed yet, or what is wrong with it.
    let content: Result<[UInt8], StoreError>
  }

  private enum Cutter {
    case lines(LineReader)
    case values(JSONValues)
  }

  private var cutter: Cutter
  private var isFinished = false
  /// Whether each line is an element.
  let isLines: Bool

  /// - Throws: ``StoreError`` `.invalidImport` for an archive, `.inputOutput`.
  init(_ source: ImportSource) throws {
    isLines = try Self.hasLines(source)
    cutter = isLines ? .lines(LineReader(source)) : .values(JSONValues(source))
  }

  /// Whether the elements are those of one array.
  var isArray: Bool {
    if case .values(let values) = cutter { return values.isArray }
    return false
  }

  /// Bytes of the file handed out so far.
  var consumedBytes: Int {
    switch cutter {
    case .lines(let lines): lines.consumedBytes
    case .values(let values): values.consumedBytes
    }
  }

  /// - Returns: Nil at the end of the file, and after a fault that makes the rest unreadable.
  /// - Throws: ``StoreError`` `.inputOutput`.
  mutating func next() throws -> Element? {
    if isFinished { return nil }
    switch cutter {
    case .lines(var lines):
      // `lines` now has the only reference to its buffer, so that reading does not copy it.
      cutter = .values(JSONValues.empty)
      defer { cutter = .lines(lines) }
      do {
        guard let bytes = try unsafe lines.next({ unsafe Array($0) }) else { return nil }
        return Element(number: lines.lineNumber, content: .success(bytes))
      } catch let error as StoreError where error.code == .invalidImport {
        isFinished = true
        return Element(number: lines.lineNumber, content: .failure(error))
      }
    case .values(var values):
      cutter = .values(JSONValues.empty)
      defer { cutter = .values(values) }
      return try values.next().map { Element(number: values.number, content: $0) }
    }
  }

  /// Whether each line is a value of its own; if not, the file is one array, or has values of several lines.
  private static func hasLines(_ source: ImportSource) throws -> Bool {
    var lines = LineReader(source)
    let first: FirstLine?
    do {
      first = try unsafe lines.next { unsafe FirstLine($0) }
    } catch let error as StoreError where error.code == .invalidImport {
      // The first line is too long: the file has no lines.
      return false
    }
    guard let first else { return true }
    if let archive = first.archive { throw StoreError(.invalidImport, "\(source.name) is \(archive)") }
    switch first.shape {
    case .array, .open: break
    case .object, .other: return true
    case .cut:
      // The line ends within a string. No string has a line feed, so this line is at fault, unless the file ends here.
      if lines.consumedBytes < source.sizeBytes { return true }
    }
    let startsObject = try? unsafe lines.next { unsafe $0.first == UInt8(ascii: "{") }
    // An array without a second line is a list of elements. If an object is not closed and the second line begins another, it is a line at
    // fault.
    return first.shape == .array ? startsObject != nil : first.startsObject && startsObject == true
  }

  private struct FirstLine {
    enum Shape {
      /// A complete value, and nothing after it.
      case array, object
      /// A value that continues in the next line; `cut`: the line ends within a string.
      case open, cut
      /// No array and no object.
      case other
    }

    let archive: String?
    let shape: Shape
    let startsObject: Bool

    init(_ bytes: UnsafeRawBufferPointer) {
      // Read through its own bounds only.
      archive =
        if unsafe bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
          "a ZIP archive: unzip it, and import the folder or its conversations*.json"
        } else if unsafe bytes.starts(with: [0x1F, 0x8B]) { "compressed by gzip: decompress it first" } else { nil }
      let start = unsafe bytes.firstIndex { !JSONScan.isSpace($0) } ?? 0
      let first = unsafe bytes[start]
      startsObject = first == UInt8(ascii: "{")
      guard startsObject || first == UInt8(ascii: "[") else {
        shape = .other
        return
      }
      var scan = JSONScan()
      if let end = unsafe scan.end(in: bytes, from: start) {
        let isAlone = unsafe bytes[end...].allSatisfy(JSONScan.isSpace)
        shape = isAlone ? startsObject ? .object : .array : .open
      } else {
        shape = scan.isInString ? .cut : .open
      }
    }
  }
}
