import Engram
import Foundation
import TestSupport
import Testing

/// Files as other programs write them.
@Suite struct RealFileImportTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", "--dimension", "2")
  }

  private static func memory(_ fields: String) -> String { #"{"type":"memory","userID":"u",\#(fields)}"# }

  private func memories() throws -> [[String: Any]] {
    try tool.export(store).split(separator: "\n").dropFirst().map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
  }

  /// The bug: an import stopped at the first invalid line, so a file with many of them needed as many runs.
  @Test func theFirstTwentyFaultsAreNamedWithTheirLinesAndAllAreCounted() throws {
    let lines = (1...60).map { $0 % 2 == 0 ? Self.memory(#""text":"\#($0)""#) : Self.memory(#""txt":"\#($0)""#) }
    let file = try tool.write(lines.joined(separator: "\n"), to: "faulty.jsonl")
    let error = try tool.run("import", store, file, exit: 1).standardError.split(separator: "\n")
    #expect(error.count == 21)
    for (index, line) in error.dropLast().enumerated() {
      #expect(line == "memtool: \(file):\(2 * index + 1): the key 'text' is missing")
    }
    #expect(error.last == "memtool: 30 lines are wrong; nothing was imported (--skip-invalid imports the others)")
    #expect(try memories().isEmpty)
  }

  @Test func linesAtFaultAreLeftOutCountedAndKept() throws {
    let wrong = [
      Self.memory(#""text":"a","embedding":[1,2,3]"#), "nonsense", Self.memory(#""text":"b","importance":7"#),
      #"{"type":"memory","id":"00000000-0000-7000-8000-000000000001","userID":"v","text":"twice"}"#,
    ]
    let right = [
      #"{"type":"memory","id":"00000000-0000-7000-8000-000000000001","userID":"u","text":"once"}"#,
      Self.memory(#""text":"with a row","embedding":[0,1]"#), #"{"type":"context","recordType":"Mood","userID":"u","value":{}}"#,
    ]
    let file = try tool.write(([right[0]] + wrong + right.dropFirst()).joined(separator: "\n") + "\n", to: "mixed.jsonl")
    let options = ["--skip-invalid", "--rejects", tool.path("rejects.jsonl")]
    let dry = try tool.run(["import", store, file, "--dry-run"] + options).standardOutput
    #expect(dry == "would import 2 memories and 1 context, skip 0, replace 0, leave out 4 invalid lines\n")
    #expect(try memories().isEmpty)
    let outcome = try tool.run(["import", store, file] + options)
    #expect(outcome.standardOutput == "imported 2 memories and 1 context, skipped 0, replaced 0, left out 4 invalid lines\n")
    #expect(outcome.standardError.split(separator: "\n").count == 4 && outcome.standardError.contains("\(file):5: "))
    #expect(try tool.text("rejects.jsonl") == wrong.joined(separator: "\n") + "\n")
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 2 memories, 1 context, 1 row"))
    let again = try tool.run(["import", store, try tool.write(right[1], to: "one.jsonl"), "--json"] + options).standardOutput
    #expect(again == #"{"memories":1,"contexts":0,"skipped":0,"replaced":0,"invalid":0}"# + "\n")
    #expect(try tool.text("rejects.jsonl").isEmpty)
    try tool.run("import", store, file, "--rejects", tool.path("r"), exit: 64)
  }

  /// A store line applies to all lines after it, so `--skip-invalid` never skips it.
  @Test func aStoreLineThatDoesNotFitIsNotLeftOut() throws {
    let good = Self.memory(#""text":"t""#)
    for line in [#"{"type":"store","format":1,"dimension":3}"#, #"{"type":"store","format":2}"#] {
      try tool.run("import", store, try tool.write("\(line)\n\(good)\n", to: "f.jsonl"), "--skip-invalid", exit: 1)
    }
    let second = try tool.write(good + "\n" + #"{"type":"store","format":1}"# + "\n", to: "f.jsonl")
    try tool.run("import", store, second, "--skip-invalid", exit: 1)
    #expect(try memories().isEmpty)
  }

  @Test func aByteOrderMarkAndNullMetadataArePassedOver() throws {
    let file = try tool.write("\u{FEFF}" + Self.memory(#""text":"t","metadata":{"a":null,"b":1,"c":null}"#) + "\r\n", to: "bom.jsonl")
    try tool.run("import", store, file)
    let metadata = try #require(try memories().first?["metadata"] as? [String: Any])
    #expect(metadata.count == 1 && metadata["b"] as? Int == 1)
  }

  @Test(arguments: [
    (#""2026-01-02T03:04:05+0000""#, "2026-01-02T03:04:05.000Z"), (#""2016-12-31T23:59:60Z""#, "2017-01-01T00:00:00.000Z"),
    ("1767323045", "2026-01-02T03:04:05.000Z"), ("1767323045.25", "2026-01-02T03:04:05.250Z"),
    ("1767323045678", "2026-01-02T03:04:05.678Z"), ("-1000", "1969-12-31T23:43:20.000Z"), ("99999999999", "5138-11-16T09:46:39.000Z"),
    ("100000000000", "1973-03-03T09:46:40.000Z"),
  ])
  func timesOfOtherProgramsAreRead(text: String, expected: String) throws {
    let outcome = try tool.run("import", store, try tool.write(Self.memory(#""text":"t","createdAt":\#(text)"#), to: "f.jsonl"))
    #expect(try memories().first?["createdAt"] as? String == expected)
    guard let number = Double(text) else { return #expect(outcome.standardError.isEmpty) }
    let unit = abs(number) < 1e11 ? "seconds" : "milliseconds"
    #expect(outcome.standardError == "memtool: 1 time without a date was taken as \(unit) since 1970\n")
  }

  @Test(arguments: [
    (#""text":"t","createdAt":"2026-01-02T03:04:05""#, "createdAt: the time has no zone: add Z or +hh:mm (column "),
    (#""text":"t","createdAt":1e300"#, "createdAt: the number is no time in the years 1 to 9999 (column "),
    (#""text":"t","expiresAt":1e17"#, "expiresAt: the number is no time in the years 1 to 9999 (column "),
    (#""content":"t""#, "the key 'text' is missing: the line has 'content', which must be called 'text'"),
    (#""text":"half \ud83d of a pair""#, "text: half of a surrogate pair is alone (column 44)"),
  ])
  func whatIsWrongIsSaid(fields: String, message: String) throws {
    let file = try tool.write(Self.memory(fields) + "\n", to: "f.jsonl")
    #expect(try tool.run("import", store, file, exit: 1).standardError.hasPrefix("memtool: \(file):1: \(message)"))
    #expect(try memories().isEmpty)
  }

  @Test func keysOfOtherFormatsGetAHint() throws {
    let missing = try tool.write(#"{"type":"memory","user_id":"u","text":"t"}"#, to: "f.jsonl")
    #expect(
      try tool.run("import", store, missing, exit: 1).standardError
        == "memtool: \(missing):1: the key 'userID' is missing: the line has 'user_id', which must be called 'userID'\n")
    let ignored = try tool.write(Self.memory(#""text":"t","created_at":"2026-01-02","other":1"#), to: "f.jsonl")
    #expect(
      try tool.run("import", store, ignored).standardError
        == "memtool: unknown keys were ignored 2 times: 'created_at' (is 'createdAt' meant?), 'other'\n")
  }

  @Test func halvesOfSurrogatePairsAreReplacedOnDemand() throws {
    let text = #"\ud83d|\udc00|\ud83d\ude00|\ud83d\ud83d\ude00|\ud83d\n|\ud83d"#
    let file = try tool.write(Self.memory(#""text":"\#(text)""#) + "\n", to: "f.jsonl")
    try tool.run("import", store, file, exit: 1)
    let outcome = try tool.run("import", store, file, "--lossy")
    #expect(outcome.standardError == "memtool: 5 halves of surrogate pairs replaced by U+FFFD\n")
    #expect(try memories().first?["text"] as? String == "\u{FFFD}|\u{FFFD}|😀|\u{FFFD}😀|\u{FFFD}\n|\u{FFFD}")
  }

  @Test func theLibraryHasTheSameOptions() async throws {
    let file = try tool.write(Self.memory(#""text":"\udc00""#) + "\n" + "x\n" + Self.memory(#""text":"t""#) + "\n", to: "f.jsonl")
    let url = URL(fileURLWithPath: file)
    let opened = try await MemoryStore.open(at: URL(fileURLWithPath: store))
    let error = await #expect(throws: StoreError.self) { try await opened.importJSONLines(from: [url]) }
    #expect((error?.cause as? ImportFaults)?.first.map(\.line) == [1, 2])
    let summary = try await opened.importJSONLines(from: [url], options: ImportOptions(skipsInvalid: true, isLossy: true))
    #expect(summary.memories == 2 && summary.invalid == 1 && summary.replacedSurrogates == 1)
    #expect(summary.faults.map(\.description) == ["\(file):2: expected a value, found \"x\" (column 1)"])
    try await opened.close()
  }
}
