import Engram
import Foundation
import TestSupport
import Testing

/// A store that is used by short commands only.
@Suite(.serialized) struct UpkeepTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  private func generations(_ store: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: store).filter { $0.hasPrefix("gen-") }.sorted()
  }

  /// The bug: closing a store ends the rebuild that its opening has begun, so a series of short commands never finished an interrupted
  /// erasure. The fix: a command that writes finishes it before it returns.
  @Test(.timeLimit(.minutes(5))) func aWritingCommandFinishesAnErasureThatWasBrokenOff() throws {
    let commands: [[String]] = [
      ["add", "STORE", "--user", "u", "text"], ["delete", "STORE", "--all", "--kind", "fact"],
      ["context", "set", "STORE", "--user", "u", #"{"firstSeen":1}"#], ["import", "STORE", "FILE"],
    ]
    let file = try tool.write(#"{"type":"memory","userID":"w","text":"imported"}"# + "\n", to: "f.jsonl")
    for (number, command) in commands.enumerated() {
      let store = try tool.store("\(number).memory", "--dimension", "8")
      let text = "a sentence that alice alone has ever said \(number)"
      try tool.run("add", store, "--user", "alice", text)
      let child = try Subprocess(try TestProcess.executable("EngramTestChild"), ["hide", store, "alice"])
      #expect(try child.readLine() == "hidden")
      child.kill()
      _ = try? child.finish()
      try tool.run("search", store, "--vector", "[1,0,0,0,0,0,0,0]", "--all")
      #expect(try generations(store) == ["gen-1"])
      let outcome = try tool.run(command.map { $0 == "STORE" ? store : $0 == "FILE" ? file : $0 })
      #expect(outcome.standardError.isEmpty, "\(outcome)")
      #expect(try generations(store) == ["gen-2"], "\(command)")
      for name in try FileManager.default.subpathsOfDirectory(atPath: store) {
        let data = FileManager.default.contents(atPath: "\(store)/\(name)")
        #expect(data?.range(of: Data(text.utf8)) == nil, "\(name)")
      }
    }
  }

  /// The bug: a store used only from the command line was never compacted: twelve commands each began a rebuild and gave it up when they
  /// closed.
  @Test(.timeLimit(.minutes(5))) func aDueCompactionRunsBeforeTheCommandReturns() async throws {
    let store = try tool.store("s.memory", "--dimension", "32768")
    var vector = [Float](repeating: 0, count: 32_768)
    vector[7] = 1
    let opened = try await MemoryStore.open(at: URL(fileURLWithPath: store))
    let row = Embedding(vector)
    for _ in 0..<6 { try await opened.add((0..<100).map { MemoryDraft(userID: "u", text: "\($0)", embedding: row, kind: "old") }) }
    try await opened.close()
    let outcome = try tool.run("delete", store, "--user", "u", "--kind", "old")
    #expect(outcome.standardOutput == "deleted 600 memories\n" && outcome.standardError.isEmpty)
    #expect(try generations(store) == ["gen-2"])
    let files = try FileManager.default.subpathsOfDirectory(atPath: store + "/gen-2")
    let sizes = try files.map { try FileManager.default.attributesOfItem(atPath: "\(store)/gen-2/\($0)")[.size] as? Int ?? 0 }
    #expect(sizes.reduce(0, +) < 16 << 20, "\(sizes)")
  }

  @Test func addSaysWhatBecameOfTheMemory() throws {
    let store = try tool.store("s.memory")
    let first = try tool.run("add", store, "--user", "u", "once", "--dedupe-key", "k")
    #expect(first.standardError.isEmpty)
    let second = try tool.run("add", store, "--user", "u", "twice", "--dedupe-key", "k")
    #expect(second.standardOutput == first.standardOutput)
    #expect(second.standardError == "memtool: nothing was added: the user has this memory with the same dedupe key\n")
    let expired = try tool.run("add", store, "--user", "u", "gone", "--expires-at", "2020-01-01")
    #expect(expired.standardError == "memtool: it had expired when it was added, so nobody will see it\n")
    for (options, outcome) in [(["--dedupe-key", "k"], "existing"), (["--expires-at", "2020-01-01"], "expired"), ([], "added")] {
      let json = try tool.run(["add", store, "--user", "u", "text", "--json"] + options).standardOutput
      #expect(json.hasSuffix(#","outcome":"\#(outcome)"}"# + "\n"), "\(json)")
    }
    #expect(try tool.onTerminal("add", store, "--user", "u", "text").standardOutput.hasPrefix("memtool: added\r\n"))
  }

  @Test func aUserWithoutRecordsIsAskedForOnATerminal() throws {
    let store = try tool.store("s.memory")
    let untouched = try tool.run("forget", store, "--user", "nobody", "--yes")
    #expect(untouched.standardError.hasPrefix("memtool: the store has no records of 'nobody'; "))
    #expect(untouched.standardOutput.hasPrefix("erased user nobody: no records; nothing to rebuild\nas of commit 0 at "), "\(untouched)")
    try tool.run("add", store, "--user", "maya", "a text of maya, which is longer than a few bytes")
    let before = try tool.export(store)
    let refused = try tool.onTerminal(typing: "n\n", "forget", store, "--user", "may", "--yes")
    #expect(refused.termination == .exited(1) && refused.standardOutput.contains("no records of 'may'"), "\(refused)")
    #expect(refused.standardOutput.contains("[y/N]") && refused.standardOutput.contains("nothing was changed"))
    #expect(try generations(store) == ["gen-1"] && tool.export(store) == before)
    let agreed = try tool.onTerminal(typing: "y\n", "forget", store, "--user", "may", "--yes", "--prove")
    #expect(agreed.termination == .exited(0) && agreed.standardOutput.contains("erased user may: no records; "), "\(agreed)")
    #expect(agreed.standardOutput.contains("searched for "))
    try tool.run("delete", store, "--user", "maya", "--until", "2999-01-01")
    let deleted = try tool.run("forget", store, "--user", "maya", "--yes").standardOutput
    #expect(deleted.hasPrefix("erased user maya: no records; files rebuilt\nrebuilt as generation "), "\(deleted)")
    let known = try tool.onTerminal("forget", try tool.store("t.memory"), "--user", "x").standardOutput
    #expect(known.contains("add --yes"))
  }
}
