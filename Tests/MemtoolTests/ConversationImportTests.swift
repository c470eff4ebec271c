import Foundation
import TestSupport
import Testing

/// `memtool import` of files of conversations, which are distinguished from JSON Lines by their content.
@Suite struct ConversationImportTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory")
  }

  private static let claude = #"""
    [{"uuid":"c1","name":"Zebras","created_at":"2026-01-02T03:04:05.000000Z","chat_messages":[
       {"uuid":"m1","sender":"human","text":"What is a zebra?","created_at":"2026-01-02T03:04:05.000000Z"},
       {"uuid":"m2","sender":"assistant","text":"A striped horse","created_at":"2026-01-02T03:04:06.000000Z","files":[{}]},
       {"uuid":"m3","sender":"human","text":"","created_at":"2026-01-02T03:04:07.000000Z"}]},
     {"uuid":"c2","chat_messages":[{"sender":7}]}]
    """#

  @Test(.timeLimit(.minutes(5))) func anExportIsImportedOnceAndItsFaultsAreNamed() throws {
    let file = try tool.write(Self.claude, to: "anything.txt")
    let line =
      "imported 2 memories of 1 conversation, 0 were there; left out 1 message (1 empty); left out 1 attachment; 1 conversation at fault\n"
    let dry = try tool.run("import", store, file, "--user", "ada", "--dry-run", exit: 1)
    #expect(dry.standardOutput == line.replacing("imported", with: "would import"))
    let outcome = try tool.run("import", store, file, "--user", "ada", exit: 1)
    #expect(outcome.standardOutput == line)
    #expect(outcome.standardError == "memtool: \(file), element 2 ('c2'): message 1: 'sender' is a number, not a text\n")
    let before = try tool.export(store)
    let again = try tool.run("import", store, file, "--user", "ada", "--skip-invalid", "--json")
    #expect(
      again.standardOutput
        == #"{"conversations":1,"memories":0,"existing":2,"leftOut":{"empty":1},"attachments":1,"invalid":1}"# + "\n")
    #expect(try tool.export(store) == before)
    let hit = try tool.run("search", store, "zebra", "--user", "ada", "--json").standardOutput
    #expect(hit.contains(#""sessionID":"c1""#) && hit.contains("What is a zebra?"))
  }

  @Test(.timeLimit(.minutes(5))) func optionsThatAreMissingAreNamed() throws {
    let lines = #"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"hello"}]}"# + "\n"
    let file = try tool.write(lines, to: "tune.jsonl")
    #expect(try tool.run("import", store, file, exit: 1).standardError.hasSuffix("name the user (--user)\n"))
    let time = try tool.run("import", store, file, "--user", "ada", exit: 1).standardError
    #expect(time == "memtool: \(file):1 ('tune.jsonl:1'): it has no time: say when it was, by the option createdAt (--created-at)\n")
    #expect(try tool.export(store).split(separator: "\n").count == 1)
    let options = ["--user", "ada", "--created-at", "2026-01-02", "--format", "openai", "--roles", "user, developer"]
    let outcome = try tool.run(["import", store, file] + options)
    #expect(outcome.standardOutput == "imported 2 memories of 1 conversation, 0 were there\n")
    let input = try tool.shell(
      #"printf '{"role":"user","content":"piped","created_at":1700000000}\n' | "$0" import "$1/s.memory" - --user ada"#)
    #expect(input.standardOutput == "imported 1 memory of 1 conversation, 0 were there\n", "\(input)")
    for wrong in [
      ["--format", "pdf"], ["--roles", ","], ["--branches", "most"], ["--on-conflict", "replace"], ["--created-at", "noon"],
    ] {
      try tool.run(["import", store, file, "--user", "ada"] + wrong, exit: 64)
    }
  }

  /// A file in no known format of conversations is read as JSON Lines, as before. Files of both kinds cannot be mixed.
  @Test(.timeLimit(.minutes(5))) func linesOfEngramAreStillLines() throws {
    let memory = #"{"type":"memory","userID":"u","text":"t"}"# + "\n"
    let (lines, export) = (try tool.write(memory, to: "conversations.json"), try tool.write(Self.claude, to: "lines.jsonl"))
    #expect(try tool.run("import", store, lines).standardOutput.hasPrefix("imported 1 memory and 0 contexts"))
    let mixed = try tool.run("import", store, export, lines, "--user", "ada", exit: 1)
    #expect(mixed.standardError.contains("\(export) holds conversations, and \(lines) none"))
    try tool.run("import", store, lines, "--format", "claude", "--user", "ada", exit: 1)
    #expect(try tool.run("import", store, export, "--format", "engram", exit: 1).standardError.contains("lines.jsonl:1: "))
    let zip = tool.path("export.zip")
    try Data([0x50, 0x4B, 3, 4, 0, 0]).write(to: URL(fileURLWithPath: zip))
    #expect(try tool.run("import", store, zip, "--user", "ada", exit: 1).standardError.contains("unzip it"))
  }
}
