import Formats
@testable import Engram

/// The lines of an exchange file, one by one, without a store.
enum LineTarget {
  static func run(_ input: [UInt8]) throws {
    try ScratchFile.write(input)
    guard let source = try ImportSource(path: ScratchFile.path) else { return try require(input.isEmpty, "a file is none") }
    var reader = LineReader(source)
    var parser = LineParser(dimension: 4)
    var lines: [[UInt8]] = []
    while let line = try must("a short line is refused", { try unsafe reader.next { unsafe Array($0) } }) {
      lines.append(line)
      // An error ends an import; here the next line is looked at as well.
      // SAFETY: the bytes are lent for the call.
      guard let parsed = try? unsafe line.withUnsafeBytes({ unsafe try parser.parse($0) }) else { continue }
      switch parsed {
      case .store: break
      case .context(let context): try check(context)
      case .memory(let memory): try check(memory.draft)
      }
    }
    let expected = input.split(separator: 0x0A).filter { line in !line.allSatisfy { " \t\r".utf8.contains($0) } }
    try require(lines.elementsEqual(expected, by: { $0.elementsEqual($1) }), "the file is cut into other lines")
  }

  /// What is accepted can be exported, and comes back as the same bytes.
  private static func check(_ context: ContextLine) throws {
    try RecordTarget.checkDeterminism(context.record)
    let value = try CBORReader.value(of: context.record)
    var text = JSONWriter()
    try must("a context has no JSON") { try text.write(cbor: value) }
    let back = try must("the JSON of a context does not read") { try JSONReader.read(text.bytes) { try $0.readCBOR() } }
    let again = try must("an exported context is not imported") {
      try ContextLine(recordType: context.recordType, userID: context.userID, schema: context.schema, value: back)
    }
    try require(again.record == context.record, "an exported context is imported as another")
    guard context.recordType == UserContext.recordType, context.schema == UserContext.schemaVersion else { return }
    let direct = try must("a UserContext that was accepted does not decode") {
      try CBORReader.withReader(over: context.record) { reader throws(CBORError) in try UserContext(&reader) }
    }
    let generic = try must("the generic decoder does not take a UserContext that was accepted") {
      try CBORDecoder().decode(UserContext.self, from: context.record)
    }
    try require(direct == generic, "the direct path reads \(direct), the generic one \(generic)")
  }

  private static func check(_ draft: MemoryDraft) throws {
    guard (try? PreparedDraft(draft, store: store)) != nil else { return }
    let memory = try PreparedDraft(draft, store: store).memory(now: 1_767_225_600_000)
    var writer = CBORWriter()
    MemoryRecord(memory: memory, row: nil).encode(into: &writer)
    let record = try must("a memory that was accepted does not decode") {
      try withSpan(writer.bytes) { try MemoryRecord($0, id: memory.id) }
    }
    try require(record.memory == memory, "\(fields(memory)) reads back as \(fields(record.memory))")
    try RecordTarget.checkDeterminism(writer.bytes)
    try MemoryTarget.checkExport(memory)
  }

  private static let store = StoreRecord(
    storeID: [UInt8](repeating: 1, count: 16), generation: 1, dimension: 4, metric: .cosine, embedder: nil,
    secret: [UInt8](repeating: 2, count: 192), createdAt: 0)
}
