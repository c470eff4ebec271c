import Foundation
import TestSupport
import Testing

/// `memtool watch` beside processes that write.
@Suite struct WatchTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", "--embedder", "hashing")
  }

  @Test(.timeLimit(.minutes(2))) func changesOfOtherProcessesComeAndASignalEndsItWithTheirNumber() throws {
    let child = try Subprocess(tool.executable, ["watch", store, "--after", "0"])
    try tool.run("add", store, "--user", "maya", "evil\u{1B}[31m\u{202E}")
    #expect(try child.readLine().contains(#"  maya  memoryPut  "#))
    try tool.run("context", "set", store, "--user", "noah", #"{"firstSeen":1}"#)
    let context = try child.readLine()
    #expect(context.contains("  noah  contextPut  UserContext"))
    let commit = context.prefix { $0 != " " }
    kill(child.processID, SIGINT)
    let ended = try child.finish()
    #expect(ended.termination == .exited(130) && ended.standardError == "memtool: go on with --after \(commit)\n", "\(ended)")
    #expect(ended.standardOutput.contains(#"evil\u{1B}[31m\u{202E}"#) && ended.standardOutput.hasSuffix("\n"))

    // What was seen is not repeated, what came meanwhile is not missed.
    try tool.run("delete", store, "--user", "maya", "--until", "2999-01-01")
    try tool.run("add", store, "--user", "noah", "later")
    let resumed = try Subprocess(tool.executable, ["watch", store, "--after", String(commit), "--json"])
    let lines = [try resumed.readLine(), try resumed.readLine()]
    #expect(lines[0].contains(#""change":"memoryDeleted","userID":"maya""#), "\(lines)")
    #expect(lines[1].contains(#""change":"memoryPut","userID":"noah""#) && lines[1].contains(#""text":"later""#), "\(lines)")
    kill(resumed.processID, SIGTERM)
    #expect(try resumed.finish().termination == .exited(143))

    let one = try Subprocess(tool.executable, ["watch", store, "--user", "noah", "--after", "0", "--json"])
    #expect(try one.readLine().contains(#""recordType":"UserContext""#))
    #expect(try one.readLine().contains(#""text":"later""#))
    kill(one.processID, SIGINT)
    _ = try one.finish()
  }

  /// A reader that is gone ends the command although nothing more is committed.
  @Test(.timeLimit(.minutes(2))) func itEndsWithItsReader() throws {
    try tool.run("add", store, "--user", "maya", "text")
    for prefix in ["", "trap '' PIPE; "] {
      let result = try tool.shell(prefix + #""$0" watch "$1/s.memory" --after 0 --json | head -n 1"#)
      #expect(result.standardOutput.contains(#""change":"memoryPut""#) && result.standardError.isEmpty, "\(result)")
      #expect(result.standardOutput.split(separator: "\n").count == 1)
    }
  }

  @Test func aCommitThatIsNotThereIsRefused() throws {
    let refused = try tool.run("watch", store, "--after", "99", exit: 1)
    #expect(refused.standardError.contains("no changes can follow commit 99"), "\(refused)")
    #expect(try tool.run("watch", store, "--after", "-1", exit: 64).standardError.contains("--after"))
    #expect(try tool.run("watch", tool.path("missing"), exit: 1).standardError.contains("there is no store"))
  }
}
