import Engram
import Foundation
import TestSupport
import Testing

@testable import memtool

/// Embedding programs that work and that fail.
@Suite(.timeLimit(.minutes(3))) struct EmbedProgramTests {
  private let directory = TemporaryDirectory()

  /// Answers each line with a vector of three components, of which the first is the line's length.
  private static let good = #"while read -r line; do echo "[${#line},1,2]"; done"#

  private func answers(_ script: String, _ texts: [String], silence: Duration = .seconds(60)) async throws -> [[Float]] {
    try await EmbedProgram(script, silence: silence).answers(to: texts, .query, dimension: 3).map(\.vector)
  }

  @Test func everyTextIsALineAndEveryLineAVector() async throws {
    // The program appends a line to the file before it answers it.
    let script = #"while read -r line; do printf '%s\n' "$line" >> '\#(directory.path("input"))'; echo "[${#line},1,2]"; done"#
    let texts = ["tea", "", "two\nlines \"quoted\" \u{1F98A}"]
    let program = try EmbedProgram(script, silence: .seconds(60))
    let vectors = try await program.answers(to: texts, .query, dimension: 3).map(\.vector)
    _ = try await program.answers(to: ["b"], .passage, dimension: 3)
    let lines = try String(contentsOfFile: directory.path("input"), encoding: .utf8).split(separator: "\n").map(String.init)
    #expect(lines.count == 4 && lines[0] == #"{"text":"tea","kind":"query"}"# && lines[3] == #"{"text":"b","kind":"passage"}"#)
    #expect(lines[2].contains(#"two\nlines \"quoted\""#) && vectors[0][0] == Float(lines[0].utf8.count))
  }

  /// The bug: when an `EmbedProgram` was released, nothing waited for its process, which stayed in the table of processes. The runner of
  /// the tests, which waits for any child, got this process again and again and no other.
  @Test(arguments: [#"read -r line; echo "[$$,1,2]"; cat"#, #"read -r line; echo "[$$,1,2]"; exec sleep 600"#])
  func aProgramThatIsNoLongerUsedIsWaitedFor(_ script: String) async throws {
    let process = Int(try await answers(script, ["a"])[0][0])
    let deadline = ContinuousClock.now + .seconds(60)
    while FileManager.default.fileExists(atPath: "/proc/\(process)"), ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(5))
    }
    #expect(!FileManager.default.fileExists(atPath: "/proc/\(process)"))
  }

  /// More bytes than the pipes hold, in both directions.
  @Test func aLargeBatchDoesNotBlock() async throws {
    let answer = "[" + [String](repeating: "0.125", count: 400).joined(separator: ",") + "]"
    let program = try EmbedProgram("while read -r line; do echo '\(answer)'; done", silence: .seconds(60))
    let texts = [String](repeating: String(repeating: "text ", count: 400), count: 200)
    let answers = try await program.answers(to: texts, .passage, dimension: 400)
    #expect(answers.count == 200 && answers.allSatisfy { $0.vector.count == 400 })
  }

  @Test func callsOfManyTasksGetTheirOwnAnswers() async throws {
    let program = try EmbedProgram(Self.good, silence: .seconds(60))
    let one = try await program.answers(to: ["x"], .query, dimension: 3)[0].vector[0]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for length in 1...20 {
        group.addTask {
          let vectors = try await program.answers(to: (0..<5).map { String(repeating: "x", count: length + $0) }, .query, dimension: 3)
          let expected = (0..<5).map { one + Float(length + $0 - 1) }
          #expect(vectors.map { $0.vector[0] } == expected)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(arguments: [
    ("exit 3", StoreError.Code.embedderFailed, "ended with exit code 3 after 0 answers"),
    ("read -r line; echo '[1,2,3]'; exit 0", .embedderFailed, "ended with exit code 0 after 1 answer"),
    ("kill -9 $$", .embedderFailed, "was ended by signal 9"), ("no-such-program-anywhere 2>/dev/null", .embedderFailed, "exit code 127"),
    ("exec <&-; exit 0", .embedderFailed, "ended with exit code 0"), ("while read -r l; do echo hello; done", .embedderFailed, "'hello'"),
    ("while read -r l; do echo; done", .embedderFailed, "line 1 of its answers"),
    ("while read -r l; do echo '[1,2'; done", .embedderFailed, "no array of numbers"),
    ("while read -r l; do echo '{\"x\":1}'; done", .embedderFailed, "no 'embedding'"),
    ("while read -r l; do echo '{\"error\":\"no GPU\"}'; done", .embedderFailed, "the program says: no GPU"),
    ("while read -r l; do echo '[1,2]'; done", .dimensionMismatch, "a vector of 2 components, expected 3"),
    ("while read -r l; do echo '[1,2,1e40]'; done", .notFinite, "1e40"), ("while read -r l; do echo '[0,0,0]'; done", .zeroNorm, "zero"),
    ("while read -r l; do printf '[1,2,3]\\n[1,2,3]\\n[1,2,3]\\n'; done", .embedderFailed, "more lines than it got texts"),
    ("echo ready; while read -r l; do echo '[1,2,3]'; done", .embedderFailed, "'ready"),
  ])
  func aProgramThatFailsIsNamed(script: String, code: StoreError.Code, words: String) async throws {
    let program = try EmbedProgram(script, silence: .seconds(60))
    let error = await #expect(throws: StoreError.self) { _ = try await program.answers(to: ["a", "b"], .passage, dimension: 3) }
    #expect(error?.code == code && error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("the embed command '") == true)
    // The program is not used any more.
    let again = await #expect(throws: StoreError.self) { _ = try await program.answers(to: ["a"], .passage, dimension: 3) }
    #expect(again?.message == error?.message)
  }

  /// Writing to it would raise a signal that ends this process.
  @Test func aProgramThatEndsWhileTextsAreWrittenIsAnError() async throws {
    let texts = [String](repeating: String(repeating: "text ", count: 400), count: 400)
    let error = await #expect(throws: StoreError.self) { _ = try await answers("read -r line; exit 7", texts) }
    #expect(error?.message.contains("exit code 7") == true, "\(error?.message ?? "")")
  }

  @Test func aProgramThatHangsIsEndedWithItsChildren() async throws {
    let file = directory.path("pid")
    let script = "read -r line; echo '[1,2,3]'; sleep 1000 & echo $! > '\(file)'; wait"
    let error = await #expect(throws: StoreError.self) { _ = try await answers(script, ["a", "b"], silence: .milliseconds(500)) }
    #expect(error?.message.contains("answered 1 of 2 texts, and then nothing for 0.5 seconds") == true, "\(error?.message ?? "")")
    try await expectEnd(file)
  }

  @Test func cancellationEndsTheProgram() async throws {
    let file = directory.path("pid")
    let program = try EmbedProgram(
      "read -r line; echo $$ > '\(file).new'; mv '\(file).new' '\(file)'; exec sleep 1000", silence: .seconds(600))
    let task = Task { try await program.answers(to: ["a"], .query, dimension: nil) }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(2)) }
    let start = ContinuousClock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { _ = try await task.value }
    #expect(ContinuousClock.now - start < .seconds(200))
    try await expectEnd(file)
    let error = await #expect(throws: StoreError.self) { _ = try await program.answers(to: ["a"], .query, dimension: nil) }
    #expect(error?.message.contains("a call was cancelled") == true)
  }

  @Test func theModelIsPartOfTheIdentity() async throws {
    let named = try await CommandEmbedder(#"while read -r l; do echo '{"embedding":[1,2,3],"model":"mine"}'; done"#)
    #expect(named.identity == EmbedderIdentity(name: "command:mine", dimension: 3, version: "1"))
    #expect(try await named.embed(["a", "b"]).count == 2)
    #expect(try await CommandEmbedder(Self.good).identity == EmbedderIdentity(name: "command", dimension: 3, version: "1"))
  }

  /// Waits until the process has ended whose number is in the file.
  private func expectEnd(_ file: String) async throws {
    let process = try #require(Int32(String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)))
    while kill(process, 0) == 0, !Self.isZombie(process) { try await Task.sleep(for: .milliseconds(2)) }
  }

  /// Whether the process has ended, but its parent has not waited for it yet.
  private static func isZombie(_ process: Int32) -> Bool {
    let stat = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    return stat.split(separator: ")").last?.hasPrefix(" Z") == true
  }
}
