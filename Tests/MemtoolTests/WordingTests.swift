import Foundation
import TestSupport
import Testing

/// Messages as kinds: no texts of Foundation, and numbers with the right form of their noun.
@Suite struct WordingTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Each line of code of the product and of memtool, with its place.
  private static func lines(_ folders: [String]) throws -> [(place: String, text: Substring)] {
    var lines: [(String, Substring)] = []
    for folder in folders {
      let names = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
      for name in names where name.hasSuffix(".swift") {
        let text = try String(contentsOf: root.appending(path: "\(folder)/\(name)"), encoding: .utf8)
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
          lines.append(("\(folder)/\(name):\(number + 1)", line))
        }
      }
    }
    return lines
  }

  /// The bug: errors of Foundation were printed as they are: `The operation could not be completed. The file doesn’t exist.`
  @Test func onlyOneFilePutsErrorsOfFoundationIntoWords() throws {
    let lines = try Self.lines(["Sources", "Tools/memtool"])
    #expect(lines.count > 10_000)
    let found = lines.filter { $0.text.contains("localizedDescription") || $0.text.contains("as NSError") }
    #expect(found.allSatisfy { $0.place.contains("/SystemErrorText.swift:") }, "\(found)")
    #expect(!found.isEmpty)
  }

  /// The bug: `1 lines are wrong`.
  @Test func numbersOfThingsGoThroughTheirPlural() throws {
    let nouns =
      "lines|memories|users|contexts|rows|files|results|entries|questions|conversations|turns|commits|sessions|embeddings|bytes|components"
      + "|dimensions|days|hours|tokens|texts|vectors|pairs|groups"
    let plural = try Regex(#"\\\((?:[^()"]|\([^()"]*\))*\) (?:\#(nouns))\b"#)
    // A bound may be a plural whatever its number: 1 of 1 pairs.
    func isWrong(_ line: some StringProtocol) throws -> Bool {
      let line = String(line).replacing(#/(of|least|than) \\\(/#, with: "of (")
      return try plural.firstMatch(in: line) != nil && !line.contains("Amounts.count")
    }
    let found = try Self.lines(["Tools/memtool"]).filter { try isWrong($0.text) }
    #expect(found.isEmpty, "\(found)")
    #expect(try isWrong(#"say("\(faults.count) lines are wrong")"#) && isWrong(#"say("moved \(abs(hours)) hours")"#))
  }

  @Test func filesThatCannotBeUsedAreReportedInPlainWords() throws {
    let tool = try Tool()
    let store = try tool.store("s.memory", "--embedder", "hashing")
    let (folder, missing) = (tool.path("folder"), tool.path("missing"))
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let file = try tool.write("{", to: "file")
    for words in [
      ["import", store, missing], ["import", store, folder], ["eval", missing], ["eval", folder], ["eval", file],
      ["search", store, "--all", "--vector", missing], ["search", store, "--all", "--vector", folder],
      ["export", store, "-o", missing + "/x"], ["export", store, "-o", folder], ["create", file + "/x"], ["create", missing + "/x/y"],
      ["backup", store, missing + "/x/y"], ["inspect", file], ["repair", store, "--into", file],
      ["create", tool.path("b"), "--embedder", "bert:" + missing], ["create", tool.path("b"), "--embedder", "bert:" + file],
    ] {
      let outcome = try Subprocess.run(tool.executable, words)
      guard outcome.termination != .exited(0) else { continue }
      let text = outcome.standardError
      #expect([.exited(1), .exited(64)].contains(outcome.termination), "\(words): \(outcome)")
      #expect(text.hasPrefix("memtool: ") || text.hasPrefix("Error: "), "\(words): \(text)")
      for phrase in [
        "could not be completed", "couldn", "Error Domain", "NSError", "Cocoa", "DecodingError", "’", "Swift.", "debugDescription",
      ] {
        #expect(!text.contains(phrase), "\(words): \(text)")
      }
    }
  }
}
