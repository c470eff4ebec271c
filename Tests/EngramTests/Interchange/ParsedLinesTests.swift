import Foundation
import TestSupport
import Testing

@testable import Engram

/// Lines that several threads parse, compared with the same lines read one after the other.
@Suite struct ParsedLinesTests {
  private let directory = TemporaryDirectory()

  private func file(_ name: String, _ text: String) throws -> ImportSource {
    let url = URL(filePath: directory.path(name))
    try Data(text.utf8).write(to: url)
    return try ImportSource.file(url, name: name)
  }

  /// A line of about `bytes` bytes. Some are blank, some are at fault, some have unknown keys or times that are numbers.
  private func line(_ number: Int, bytes: Int) -> String {
    let padding = String(repeating: "x", count: max(0, bytes - 60))
    return switch number % 13 {
    case 3: "  \t"
    case 5: #"{"type":"memory","userID":"u\#(number)","text":7}"#
    case 7: #"{"type":"memory","userID":"u\#(number)","text":"\#(padding)","key\#(number / 13 % 9)":1,"user":2}"#
    case 11: #"{"type":"memory","userID":"u","text":"\#(padding)","createdAt":\#(1_600_000_000 + number)}"#
    default: #"{"type":"memory","userID":"u\#(number)","text":"\#(padding) \#(number)","embedding":[1,\#(number)]}"#
    }
  }

  /// Everything about a line that an import uses.
  private struct Seen: Equatable {
    var file: Int
    var number: Int
    var content: String
    var bytes: String
  }

  private func describe(_ content: Result<InterchangeLine, StoreError>) -> String {
    switch content {
    case .success(.memory(let memory)): "\(memory.draft.userID) \(memory.draft.text) \(memory.draft.embedding?.values ?? [])"
    case .success(let other): "\(other)"
    case .failure(let error): "\(error)"
    }
  }

  private func counts(_ parser: LineParser) -> String {
    "\(parser.unknownKeyCount) \(parser.unknownKeys) \(parser.secondsSince1970) \(parser.millisecondsSince1970) \(parser.replacedSurrogates)"
  }

  private func sequential(_ sources: [ImportSource]) throws -> (lines: [Seen], counts: String) {
    var parser = LineParser(dimension: 2)
    var seen: [Seen] = []
    for (file, source) in sources.enumerated() {
      var reader = LineReader(source)
      while true {
        let content = try unsafe reader.next { bytes -> Result<InterchangeLine, StoreError> in
          do throws(StoreError) { return .success(unsafe try parser.parse(bytes)) } catch { return .failure(error) }
        }
        guard let content else { break }
        let bytes = String(decoding: reader.lastLine, as: UTF8.self)
        seen.append(Seen(file: file, number: reader.lineNumber, content: describe(content), bytes: bytes))
      }
    }
    return (seen, counts(parser))
  }

  private func parallel(_ sources: [ImportSource]) -> (lines: [Seen], counts: String) {
    let parsed = ParsedLines(sources, dimension: 2, isLossy: false)
    var parser = LineParser(dimension: 2)
    var seen: [Seen] = []
    while let part = parsed.nextPart() {
      parser.addCounts(of: part.parser)
      seen += part.lines.map { line in
        let bytes = String(decoding: part.bytes[line.range], as: UTF8.self)
        return Seen(file: part.file, number: line.number, content: describe(line.content), bytes: bytes)
      }
    }
    return (seen, counts(parser))
  }

  @Test(.timeLimit(.minutes(5)), arguments: [(0, 80), (1, 80), (5, 80), (200, 80), (40_000, 80), (3000, 2000), (12, 700_000)])
  func linesComeInOrderAndAreCountedOnce(lines: Int, bytes: Int) throws {
    var sources = [try file("first", "\u{FEFF}" + (0..<lines).map { line($0, bytes: bytes) + "\n" }.joined())]
    // Without a line feed at the end, after lines that end as Windows ends them.
    sources.append(try file("second", (0..<lines).map { line($0 + 1, bytes: bytes) }.joined(separator: "\r\n") + " "))
    sources.append(try file("third", "{}"))
    let (expected, found) = (try sequential(sources), parallel(sources))
    #expect(found.lines == expected.lines)
    #expect(found.counts == expected.counts)
    #expect(lines < 100 || expected.lines.count > lines)
  }

  /// The walk reports a part of the lines only: its threads end with it.
  @Test(.timeLimit(.minutes(5))) func aWalkThatEndsEarlyLeavesNoThreadBehind() async throws {
    let source = try file("large", (0..<40_000).map { line($0, bytes: 80) + "\n" }.joined())
    for taken in [0, 1, 3] {
      weak var observed: ImportSource?
      do {
        let again = try ImportSource.file(URL(filePath: directory.path("large")))
        observed = again
        let parsed = ParsedLines([again], dimension: 2, isLossy: false)
        for _ in 0..<taken { #expect(parsed.nextPart() != nil) }
      }
      // A thread that still has the file open keeps the object.
      try await waitUntil(within: .seconds(60)) { observed == nil }
    }
    withExtendedLifetime(source) {}
  }

  @Test(.timeLimit(.minutes(5))) func aFaultIsNamedByItsFileAndLineWhereverItIs() async throws {
    let store = try await MemoryStore.open(at: URL(filePath: directory.path("store")), options: StoreOptions(dimension: 2))
    let padding = String(repeating: "x", count: 60)
    func text(_ fault: Int?) -> String {
      (0..<8000).map { (number: Int) in
        number == fault ? "{\n" : #"{"type":"memory","userID":"u","text":"\#(padding) \#(number)","embedding":[1,\#(number)]}"# + "\n"
      }.joined()
    }
    let right = try file("right", text(nil))
    for fault in [0, 127, 128, 5003, 7999] {
      let error = await #expect(throws: StoreError.self) {
        try await store.importJSONLines(from: [right, try file("wrong", text(fault))])
      }
      let message = error?.message ?? "no error"
      #expect(message.hasPrefix("wrong:\(fault + 1): "), "\(message)")
    }
    #expect(try store.count() == 0)
    var options = ImportOptions()
    options.skipsInvalid = true
    let summary = try await store.importJSONLines(from: [right, try file("wrong", text(5003))], options: options)
    #expect(summary.memories == 15_999 && summary.invalid == 1 && summary.faults.map(\.line) == [5004])
    #expect(try store.count() == 15_999)
    try await store.close()
  }
}
