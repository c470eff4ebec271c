import Engram
import Foundation
import TestSupport
import Testing

@testable import memtool

/// Tables on a terminal, and the ends of ids that the tables show.
@Suite struct ShortIDTests {
  private let tool: Tool
  private let store: String

  private static func id(_ end: String) -> String { "019b76da-a800-7000-8000-" + end }

  init() throws {
    tool = try Tool()
    let lines = [
      ("maya", "aaaa1111", "She drinks green tea with a spoon of honey and no milk at all."),
      ("maya", "bbbb1111", "She moved to Lisbon in March."), ("noah", "aaaa1111", "The train to Lisbon leaves at nine."),
      ("maya", "cccc2222", "Her sister lives in Porto."),
    ].enumerated().map { index, memory in
      let (user, end, text) = memory
      return #"{"type":"memory","id":"\#(Self.id("\(index)000\(end)"))","userID":"\#(user)","text":"\#(text)","kind":"a-rather-long-kind"}"#
    }
    store = try tool.store("s.memory", "--embedder", "hashing", lines: lines.joined(separator: "\n") + "\n")
  }

  private func rows(_ outcome: Subprocess.Outcome) -> [String] {
    outcome.standardOutput.split(whereSeparator: \.isNewline).map(String.init)
  }

  /// The bug: the table of a search used all 80 columns for the id and the time, and showed no text.
  @Test func aSearchOnATerminalShowsTheTextAndTheEndOfTheID() throws {
    for (columns, scope) in [(80, ["--user", "maya"]), (80, ["--all"]), (60, ["--user", "maya"]), (44, ["--all"]), (200, ["--all"])] {
      let script = ["search", store, "green tea with honey"] + scope + (columns < 80 ? [] : ["--explain"])
      let outcome = try tool.onTerminal(columns: columns, script)
      let lines = rows(outcome)
      #expect(lines.count > 3 && lines.allSatisfy { $0.count <= columns }, "\(columns): \(outcome)")
      #expect(lines.dropFirst().first?.contains("aaaa1111  She drinks green tea") == true, "\(columns): \(outcome)")
      #expect(!outcome.standardOutput.contains("019b76da"))
    }
    let file = try tool.run("search", store, "green tea with honey", "--user", "maya").standardOutput
    #expect(file.contains("  maya  ") && file.contains("  \(Self.id("0000aaaa1111"))  She drinks green tea with a spoon of honey and no"))
    let user = try tool.onTerminal("inspect", store, "--user", "maya").standardOutput
    #expect(user.contains("  cccc2222  Her sister lives in Porto.") && !user.contains("019b76da"), "\(user)")
    #expect(try tool.run("inspect", store, "--user", "maya").standardOutput.contains(Self.id("3000cccc2222")))
  }

  @Test func theEndOfAnIDIsEnoughWhereOnlyOneMemoryHasIt() throws {
    #expect(try tool.run("get", store, "bbbb1111").standardOutput.contains("Lisbon in March"))
    #expect(try tool.run("get", store, "AAAA1111", "--user", "noah").standardOutput.contains("leaves at nine"))
    #expect(try tool.run("get", store, Self.id("2000aaaa1111"), "--user", "maya", exit: 1).standardError.contains("of the user 'maya'"))
    let record = try tool.run("inspect", store, "--user", "maya", "--record", "2222", "--json").standardOutput
    #expect(record.contains("Her sister lives in Porto."), "\(record)")
    try tool.run("inspect", store, "--user", "noah", "--record", Self.id("3000cccc2222"), exit: 1)
    #expect(try tool.run("get", store, "99999999", exit: 1).standardError == "memtool: there is no memory whose id ends in 99999999\n")
    for wrong in ["111", "nonsense", "-", String(repeating: "1", count: 33)] { try tool.run("get", store, wrong, exit: 64) }
  }

  @Test func anAmbiguousEndListsItsCandidates() throws {
    let error = try tool.run("get", store, "aaaa1111", exit: 1).standardError
    #expect(
      error == """
        memtool: 2 ids end in aaaa1111; give more digits, or the whole id:
          \(Self.id("0000aaaa1111"))  maya  She drinks green tea with a spoon of honey and no milk at all.
          \(Self.id("2000aaaa1111"))  noah  The train to Lisbon leaves at nine.

        """)
    let before = try tool.export(store)
    #expect(try tool.run("delete", store, "--user", "maya", "1111", exit: 1).standardError.contains("2 ids end in 1111"))
    #expect(try tool.export(store) == before)
  }

  @Test func whatDestroysNeedsTheUserWithTheEndOfAnID() throws {
    let before = try tool.export(store)
    for options in [[], ["--dry-run"], ["--erase"]] {
      #expect(try tool.run(["delete", store, "bbbb1111"] + options, exit: 64).standardError.contains("--user <id>"))
      try tool.run(["delete", store, Self.id("1000bbbb1111"), "--user", "noah"] + options, exit: 1)
      try tool.run(["delete", store, "bbbb1111", "--user", "noah"] + options, exit: 1)
    }
    try tool.run("delete", store, "--user", "maya", "bbbb1111", "2222", "--dry-run")
    #expect(try tool.export(store) == before)
    #expect(try tool.run("delete", store, "--user", "maya", "bbbb1111", "2222").standardOutput == "deleted 2 memories\n")
    #expect(try tool.run("delete", store, "--user", "maya", "aaaa1111", "--erase").standardOutput.hasPrefix("erased 1 memory: 1 memory"))
    #expect(try tool.export(store).split(separator: "\n").dropFirst().allSatisfy { $0.contains(#""userID":"noah""#) })
  }

  @Test func aSuffixMatchesTheDigitsOfTheID() throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      let hex = generator.bytes(count: 16).map { String(format: "%02x", $0) }.joined()
      let groups = [(0, 8), (8, 4), (12, 4), (16, 4), (20, 12)].map { start, count in hex.dropFirst(start).prefix(count) }
      let id = try #require(MemoryID(groups.joined(separator: "-")))
      let digits = id.description.filter { $0 != "-" }
      for count in MemoryIDSuffix.digits {
        let suffix = try #require(MemoryIDSuffix(String(digits.suffix(count)).uppercased()))
        #expect(suffix.matches(id) && suffix.description == String(digits.suffix(count)))
        var other = Array(digits.suffix(count).utf8)
        other[0] = other[0] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
        #expect(try !#require(MemoryIDSuffix(String(decoding: other, as: UTF8.self))).matches(id))
      }
    }
  }
}
