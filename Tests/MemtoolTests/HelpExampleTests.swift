import Foundation
import TestSupport
import Testing

/// The examples of all help texts, run in a real shell.
@Suite struct HelpExampleTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  static let commands = [
    [], ["create"], ["import"], ["export"], ["inspect"], ["verify"], ["repair"], ["audit"], ["search"], ["add"], ["get"], ["delete"],
    ["context", "get"], ["context", "set"], ["context", "list"], ["list"], ["users"], ["edit"], ["stats"], ["watch"], ["embed"],
    ["reembed"], ["compact"], ["backup"], ["forget"],
    ["mcp"],
  ]

  /// The lines below EXAMPLES, as the help prints them.
  private func examples(_ command: [String], columns: Int? = nil) throws -> [String] {
    let help = try Subprocess.run(
      tool.executable, command + ["--help"], environment: columns.map { ["COLUMNS": "\($0)"] } ?? [:]
    ).standardOutput
    let lines = help.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let start = try #require(lines.firstIndex(of: "EXAMPLES"), "\(command)")
    return Array(lines[(start + 1)...].prefix { !$0.isEmpty })
  }

  /// Joins lines that a shell reads as one command.
  private func commands(_ lines: [String]) -> [String] {
    var commands: [String] = []
    var isOpen = false
    for line in lines {
      if isOpen { commands[commands.count - 1] += "\n" + line } else { commands.append(line) }
      isOpen = line.hasSuffix(" \\")
    }
    return commands
  }

  private static let seed = """
    {"type":"context","recordType":"UserContext","userID":"maya","value":{"friendshipLevel":2,"firstSeen":1767225600000}}
    {"type":"context","recordType":"Mood","userID":"maya","value":{"score":0.5}}
    {"type":"memory","id":"019b76da-a800-7000-8000-000000000000","userID":"maya","text":"She drinks green tea.",\
    "kind":"fact","metadata":{"topic":"food"},"createdAt":"2026-01-02T03:04:05Z"}
    {"type":"memory","id":"019b76da-a800-7000-8000-000000000001","userID":"maya","text":"She drinks green tea.",\
    "kind":"message","createdAt":"2025-01-02T03:04:05Z"}
    {"type":"memory","userID":"noah","text":"The train leaves at nine.","kind":"message","createdAt":"2025-01-02T03:04:05Z"}

    """

  /// Makes everything that the examples name, in a directory that is copied for each example.
  private func makeSample() throws {
    _ = try tool.write(Self.seed, to: "seed.jsonl")
    let zeros = [String](repeating: "0", count: 383).joined(separator: ",")
    _ = try tool.write("[1,\(zeros)]", to: "query.json")
    let made = try tool.shell(
      #"""
      set -e; cd "$1"; mkdir bin sample sample/backups; ln -s "$0" bin/memtool; PATH="$1/bin:$PATH"
      for store in bot old new; do memtool create sample/$store.memory --embedder hashing; done
      memtool import sample/bot.memory seed.jsonl; memtool import sample/old.memory seed.jsonl
      echo '{"type":"memory","userID":"maya","text":"She moved to Lisbon."}' > sample/conversations.jsonl
      mkdir sample/chatgpt-export
      echo '[{"id":"c","create_time":1700000000,"mapping":{}}]' > sample/chatgpt-export/conversations.json
      echo '{"messages":[{"role":"user","content":"She likes tea."}]}' > sample/finetune.jsonl
      gzip -c sample/conversations.jsonl > sample/big.jsonl.gz; mv query.json sample/
      """#)
    #expect(made.termination == .exited(0), "\(made)")
  }

  private func paste(_ text: String, preparing: String = ":") throws -> Subprocess.Outcome {
    _ = try tool.write(text + "\n", to: "pasted")
    return try tool.shell(
      #"cd "$1" && rm -rf run && cp -a sample run && cd run && \#(preparing) && PATH="$1/bin:$PATH" exec bash -eo pipefail "$1/pasted""#)
  }

  private func contents() throws -> String { try tool.export(tool.path("run/bot.memory")) }

  /// The bug: the help wrapped long examples without a backslash, so that the dry run of `delete --help`, when pasted, deleted memories.
  @Test(.timeLimit(.minutes(5))) func everyExampleRunsAsItIsPasted() throws {
    try makeSample()
    let before = try tool.export(tool.path("sample/bot.memory"))
    var dryRuns = 0
    for command in Self.commands {
      let lines = try examples(command)
      let pasted = command.isEmpty ? [lines.joined(separator: "\n")] : commands(lines)
      #expect(!pasted.isEmpty)
      for text in pasted {
        let outcome = try paste(text, preparing: command.isEmpty || command == ["create"] ? "rm -r bot.memory" : ":")
        #expect(outcome.termination == .exited(0), "\(text): \(outcome.standardOutput) \(outcome.standardError)")
        guard text.contains("--dry-run") else { continue }
        dryRuns += 1
        #expect(try contents() == before, "\(text)")
      }
    }
    #expect(dryRuns >= 2)
  }

  @Test(.timeLimit(.minutes(5))) func theTourOfTheReadmeRunsAsItIsPasted() throws {
    // From Tests/MemtoolTests/ to the package's root.
    var root = URL(filePath: #filePath)
    for _ in 0..<3 { root.deleteLastPathComponent() }
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let section = try #require(readme.components(separatedBy: "## memtool\n").dropFirst().first)
    let block = try #require(section.components(separatedBy: "```").dropFirst().first)
    #expect(block.split(separator: "\n").count { $0.hasPrefix("memtool ") } >= 12)
    try makeSample()
    let outcome = try paste(block, preparing: "rm -r *.memory && cp -r '\(root.path)/Samples' .")
    #expect(outcome.termination == .exited(0), "\(outcome)")
  }

  @Test func linesOfExamplesAreNotWrapped() throws {
    for command in Self.commands {
      for columns in [20, 200] {
        let lines = try examples(command, columns: columns)
        #expect(lines.allSatisfy { $0.hasPrefix("  ") && $0.utf8.count <= 78 }, "\(command): \(lines)")
        #expect(try lines == examples(command), "\(command)")
      }
    }
  }
}
