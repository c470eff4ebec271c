import Foundation
import TestSupport
import Testing

/// SIGINT and SIGTERM: unfinished files are removed, and the exit code names the signal.
@Suite(.serialized) struct InterruptionTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let lines = (0..<20_000).map { #"{"type":"memory","userID":"u\#($0 % 50)","text":"the text of number \#($0)","embedding":[1,\#($0)]}"# }
    store = try tool.store("s.memory", "--dimension", "2", lines: lines.joined(separator: "\n") + "\n")
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: URL(fileURLWithPath: store).deletingLastPathComponent().path).sorted()
  }

  /// Starts memtool, and sends the signal once `isBegun` sees a file that memtool will have to remove.
  private func interrupt(_ words: [String], with signal: Int32, once isBegun: () throws -> Bool) throws -> Subprocess.Outcome {
    let child = try Subprocess(tool.executable, words)
    while try !isBegun() { usleep(200) }
    kill(child.processID, signal)
    return try child.finish()
  }

  private func isBuilding(_ number: Int) -> Bool { FileManager.default.fileExists(atPath: "\(store)/gen-\(number)") }

  /// The bug: a signal ended the program at once: temporary copies stayed, a progress bar stayed on the terminal, and nothing said what had
  /// been done.
  @Test(.timeLimit(.minutes(5)), arguments: [SIGINT, SIGTERM]) func whatWasBegunIsRemoved(signal: Int32) throws {
    let before = try names()
    let export = try tool.export(store)
    var interrupted = 0
    for words in [
      ["backup", store, tool.path("copy.memory")], ["repair", store, "--into", tool.path("repaired.memory")],
      ["export", store, "-o", tool.path("all.jsonl")], ["compact", store],
    ] {
      let outcome = try interrupt(words, with: signal) { try words[0] == "compact" ? isBuilding(2) : names() != before }
      // The command may have finished before the signal.
      guard outcome.termination != .exited(0) else {
        for name in try names() where !before.contains(name) { try FileManager.default.removeItem(atPath: tool.path(name)) }
        continue
      }
      interrupted += 1
      #expect(outcome.termination == .exited(128 + signal), "\(words): \(outcome)")
      #expect(
        outcome.standardError == "memtool: interrupted; nothing was changed\n" && outcome.standardOutput.isEmpty, "\(words): \(outcome)")
      #expect(try names() == before, "\(words)")
    }
    #expect(interrupted >= 2)
    #expect(try tool.export(store) == export)
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 20000 memories"))
  }

  @Test(.timeLimit(.minutes(5))) func anImportThatIsInterruptedChangesNothing() throws {
    let export = try tool.export(store)
    let lines = (0..<60_000).map { #"{"type":"memory","userID":"v\#($0 % 50)","text":"number \#($0)","embedding":[1,\#($0)]}"# }
    let file = try tool.write(lines.joined(separator: "\n") + "\n", to: "more.jsonl")
    let started = ContinuousClock.now
    let outcome = try interrupt(["import", store, file], with: SIGINT) { .now - started > .milliseconds(400) }
    #expect(outcome.termination == .exited(130) && outcome.standardError == "memtool: interrupted; nothing was changed\n", "\(outcome)")
    #expect(try tool.export(store) == export)
  }

  /// A read from a terminal or a pipe cannot be interrupted: the program does not wait for it.
  @Test(.timeLimit(.minutes(5))) func aCommandThatWaitsForItsInputEndsAtOnce() throws {
    let child = try Subprocess(tool.executable, ["import", store, "-"])
    usleep(300_000)
    let started = ContinuousClock.now
    kill(child.processID, SIGTERM)
    #expect(throws: Subprocess.Failure.self) { try child.readLine() }
    #expect(.now - started < .seconds(50))
    #expect(try child.finish().termination == .exited(143))
  }

  /// The screen, byte by byte: progress bars, then an empty line in their place, then how the command ended.
  @Test(.timeLimit(.minutes(5)), arguments: [SIGINT, SIGTERM]) func aTerminalIsLeftWithoutTheBar(signal: Int32) throws {
    let before = try names()
    let lines = (0..<20_000).map { #"{"type":"memory","userID":"v\#($0 % 50)","text":"number \#($0)","embedding":[1,\#($0)]}"# }
    let file = try tool.write(lines.joined(separator: "\n") + "\n", to: "more.jsonl")
    for (words, phase) in [
      (["verify", store], "verifying"), (["verify", "--deep", store], "verifying"), (["audit", store], "auditing"),
      (["backup", store, tool.path("copy.memory")], "copying"), (["compact", store], "copying"),
      (["repair", store, "--into", tool.path("repaired.memory")], "salvaging"), (["import", store, file], "checking"),
    ] {
      // A carriage return and the sequence that clears the rest of the line.
      let start = "\r\u{1B}[K"
      let outcome = try tool.onTerminal(interruptedBy: signal, once: start + phase, words)
      #expect(outcome.termination == .exited(128 + signal), "\(words): \(outcome)")
      let parts = outcome.standardOutput.components(separatedBy: start)
      #expect(parts.first == "" && parts.last == "memtool: interrupted; nothing was changed\r\n", "\(words): \(outcome)")
      let bars = parts.dropFirst().dropLast()
      let bar = /[a-z]+ +\[#*-*\]  \d+ %  \d+ [A-Za-z]+\/s  \d+ s left/
      #expect(!bars.isEmpty && bars.allSatisfy { $0.wholeMatch(of: bar) != nil }, "\(words): \(outcome)")
    }
    #expect(try names().filter { $0 != "more.jsonl" } == before)
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 20000 memories"))
  }

  @Test(.timeLimit(.minutes(5))) func anErasureThatIsInterruptedSaysWhatHolds() throws {
    let outcome = try interrupt(["forget", store, "--user", "u7", "--yes"], with: SIGINT) { isBuilding(2) }
    guard outcome.termination != .exited(0) else { return }
    #expect(outcome.termination == .exited(130))
    #expect(
      outcome.standardError == "memtool: interrupted; hidden from everybody; the next command that writes takes it out of the files\n",
      "\(outcome)")
    try tool.run("export", store, "--user", "u7", exit: 1)
    try tool.run("add", store, "--user", "w", "text")
    #expect(try FileManager.default.contentsOfDirectory(atPath: store).filter { $0.hasPrefix("gen-") } != ["gen-1"])
  }
}
