import Foundation

/// What the tracer recorded of a run: every change of the files below one directory, in the order in which the calls were completed.
struct Recording: Sendable {
  let bytes: [UInt8]
  private(set) var operations: [DiskOperation] = []

  /// Reads a file of the format that `record.c` describes.
  ///
  /// - Throws: ``RecordingError`` if it has another format, or names a file whose creation it does not contain.
  init(file: String) throws {
    bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
    var reader = RecordReader(bytes)
    guard let first = try reader.next(), first.kind == "S", let scope = first.fields.first else {
      throw RecordingError(text: "\(file) does not begin with the directory that it is of")
    }
    var names = DiskNames(scope: scope)
    while let record = try reader.next() { try append(record, &names) }
  }

  private mutating func append(_ record: RecordReader.Record, _ names: inout DiskNames) throws {
    let fields = record.fields
    switch record.kind {
    case "P": operations.append(.print(bytes: record.payload))
    case "B": operations.append(.beginFlush(thread: record.number(0)))
    case "F":
      guard let node = try names.node(fields[1]) else { return }
      operations.append(.endFlush(thread: record.number(0), node: node))
    case "W", "Z":
      // A file that is open and has no name any more cannot be seen later.
      guard let file = try names.node(fields[3]) else { return }
      let content: DiskOperation.Content = record.kind == "Z" ? .zeros(count: record.number(1)) : .recorded(record.payload)
      operations.append(.write(file: file, offset: record.number(0), content, isSynchronous: record.number(2) == 1))
    case "T":
      guard let file = try names.node(fields[1]) else { return }
      operations.append(.resize(file: file, size: record.number(0)))
    case "C": operations += try names.make(fields[0], isDirectory: false)
    case "M": operations += try names.make(fields[0], isDirectory: true)
    case "U", "D": operations += try names.remove(fields[0])
    case "R": operations += try names.rename(fields[0], to: fields[1])
    default: throw RecordingError(text: "a record of the unknown kind '\(record.kind)'")
    }
  }

  /// What was printed by the operations before `end`.
  func output(before end: Int) -> String {
    var text: [UInt8] = []
    for case .print(let range) in operations[..<end] { text += bytes[range] }
    return String(decoding: text, as: UTF8.self)
  }
}

struct RecordingError: Error, CustomStringConvertible {
  let text: String
  var description: String { "the recording cannot be read: \(text)" }
}

/// Splits a recording into its records.
struct RecordReader {
  struct Record {
    let kind: String
    let fields: [String]
    /// Where the bytes of a write or of something printed lie in the recording.
    var payload: Range<Int>

    func number(_ field: Int) -> Int { Int(fields[field]) ?? 0 }
  }

  private let bytes: [UInt8]
  private var offset = 0

  /// The number of fields of each kind, and which field has the length of the bytes that follow.
  private static let kinds: [String: (fields: Int, length: Int?)] = [
    "S": (1, nil), "W": (4, 1), "Z": (4, nil), "T": (2, nil), "C": (1, nil), "M": (1, nil), "U": (1, nil), "D": (1, nil), "R": (2, nil),
    "B": (1, nil),
    "F": (2, nil), "P": (1, 0),
  ]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next record; nil at the end.
  mutating func next() throws -> Record? {
    guard offset < bytes.count else { return nil }
    guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else { throw RecordingError(text: "the last line has no end") }
    let words = String(decoding: bytes[offset..<end], as: UTF8.self).split(separator: "\t", omittingEmptySubsequences: false).map(
      String.init)
    offset = end + 1
    guard let kind = Self.kinds[words[0]], words.count == kind.fields + 1 else {
      throw RecordingError(text: "the line '\(words.joined(separator: " "))' is of no known kind")
    }
    var record = Record(kind: words[0], fields: Array(words.dropFirst()), payload: offset..<offset)
    if let length = kind.length {
      let count = record.number(length)
      guard count >= 0, offset + count <= bytes.count else { throw RecordingError(text: "it ends in the middle of a write") }
      record.payload = offset..<offset + count
      offset += count
    }
    return record
  }
}
