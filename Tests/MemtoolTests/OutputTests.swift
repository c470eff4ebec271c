import Foundation
import TestSupport
import Testing

@testable import memtool
import Engram

/// The output of memtool to terminals, files and pipes.
@Suite struct OutputTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  private static let evil =
    #"{"type":"memory","userID":"=u\u001b[31m","text":"=1+1 \u202e\u200b\u001b]0;x\u0007","kind":"@k","speaker":"-s","sessionID":"+s"}"#
    + "\n"

  @Test func tablesEscapeControlAndBidirectionalCharacters() throws {
    let store = try tool.store("s.memory", "--embedder", "hashing", lines: Self.evil)
    for arguments in [["search", store, "1", "--all"], ["inspect", store, "--user", "=u\u{1B}[31m"]] {
      let output = try tool.run(arguments).standardOutput
      #expect(output.contains(#"=1+1 \u{202E}\u{200B}\u{1B}]0;x\u{7}"#), "\(arguments): \(output)")
      #expect(!output.unicodeScalars.contains { $0 != "\n" && ($0.value < 0x20 || $0 == "\u{202E}" || $0 == "\u{200B}") })
    }
  }

  @Test func csvNeutralisesFormulas() throws {
    let store = try tool.store("s.memory", lines: Self.evil)
    let rows = try tool.export(store, "--format", "csv").components(separatedBy: "\r\n")
    #expect(
      rows[0] == "id,userID,text,kind,sessionID,speaker,createdAt,importance,expiresAt,dedupeKey,metadata,"
        + "tags,caption,validFrom,validUntil,source,trust,derivedFrom,replaces,supersededBy")
    #expect(rows[1].dropFirst(36).hasPrefix(",'=u\u{1B}[31m,'=1+1 "))
    #expect(rows[1].contains(",'@k,'+s,'-s,"))
    #expect(rows.count == 3 && rows[2].isEmpty)
  }

  @Test func exportedFilesArePrivateWhateverTheUmask() throws {
    let store = try tool.store(
      "s.memory", "--dimension", "2", lines: #"{"type":"memory","userID":"u","text":"t","embedding":[3,4]}"# + "\n")
    let result = try tool.shell(
      #"""
      umask 0
      "$0" export "$1/s.memory" -o "$1/a.jsonl" --quiet && "$0" export "$1/s.memory" --format npy -o "$1/a.npy" --json &&
        "$0" create "$1/t.memory" && stat -c %a "$1/a.jsonl" "$1/a.npy" "$1/a.npy.ids.txt" "$1/t.memory"
      """#
    )
    #expect(result.standardError.isEmpty)
    #expect(result.standardOutput.hasPrefix(#"{"memories":1,"contexts":0}"#))
    #expect(result.standardOutput.hasSuffix("600\n600\n600\n700\n"))
    #expect(try tool.text("a.jsonl") == tool.export(store))
    let array = try tool.bytes("a.npy")
    #expect(Array(array[..<8]) == [0x93] + Array("NUMPY".utf8) + [1, 0])
    #expect(String(decoding: array[10..<128], as: UTF8.self).hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"))
    #expect(array[127] == 0x0A && array.count == 128 + 8)
    #expect(Array(array[128...]) == [0x9A, 0x99, 0x19, 0x3F, 0xCD, 0xCC, 0x4C, 0x3F])  // 0.6 and 0.8
    #expect(try tool.text("a.npy.ids.txt").count == 37)
  }

  @Test func failedExportLeavesTheOldFile() throws {
    let store = try tool.store("s.memory")
    let path = try tool.write("precious", to: "a.jsonl")
    try tool.run("export", store, "--user", "nobody", "-o", path, exit: 1)
    #expect(try tool.text("a.jsonl") == "precious")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path).count {
        $0.contains("tmp-")
      } == 0)
  }

  @Test func closedPipeEndsTheProgramWithoutAWord() throws {
    let lines = (0..<3000).map { #"{"type":"memory","userID":"u","text":"\#(String(repeating: "long ", count: 40))\#($0)"}"# + "\n" }
      .joined()
    try tool.store("s.memory", lines: lines)
    for prefix in ["", "trap '' PIPE; "] {
      let result = try tool.shell(prefix + #""$0" export "$1/s.memory" | head -n 1"#)
      #expect(result.standardOutput.hasPrefix(#"{"type":"store""#))
      #expect(result.standardError.isEmpty)
    }
  }

  @Test func progressAndColoursAppearOnATerminalOnly() throws {
    try tool.store("s.memory")
    _ = try tool.write((0..<3000).map { #"{"type":"memory","userID":"u","text":"\#($0)"}"# + "\n" }.joined(), to: "f.jsonl")
    #expect(try tool.run("import", tool.path("s.memory"), tool.path("f.jsonl")).standardError.isEmpty)
    #expect(try tool.run("verify", tool.path("s.memory")).standardError.isEmpty)
    func onTerminal(_ arguments: String, _ environment: String = "NO_COLOR= TERM=xterm") throws -> String {
      try tool.shell("\(environment) python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' \"$0\" \(arguments)").standardOutput
    }
    let shown = try onTerminal(#"verify "$1/s.memory""#)
    #expect(shown.contains("verifying") && shown.contains("entries/s") && shown.contains("\u{1B}[32mok\u{1B}[0m"))
    let quiet = try onTerminal(#"verify "$1/s.memory" --quiet"#, "NO_COLOR=1 TERM=xterm")
    #expect(!quiet.contains("verifying") && !quiet.contains("\u{1B}") && quiet.contains("ok: 3000 memories"))
    #expect(try !onTerminal(#"import "$1/s.memory" "$1/f.jsonl" --json"#).contains("\u{1B}"))
  }

  @Test func progressLineFitsTheTerminal() {
    let progress = OperationProgress(phase: .checking, done: 500, total: 1000, count: 42_000)
    #expect(
      ProgressBar.line(progress, elapsed: 2, width: 80)
        == "checking  [" + String(repeating: "#", count: 18) + String(repeating: "-", count: 18) + "]  50 %  21000 lines/s  2 s left")
    for width in 1...120 { #expect(ProgressBar.line(progress, elapsed: 2, width: width).count < max(width, 2)) }
  }
}
