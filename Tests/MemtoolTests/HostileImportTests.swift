import Foundation
import TestSupport
import Testing

/// A single line that is made to use much memory or time: it is refused by name, within limits of both.
@Suite(.serialized) struct HostileImportTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", "--dimension", "8")
  }

  private static let memory = #"{"type":"memory","userID":"u","text":"t","#
  private static let context = #"{"type":"context","recordType":"Mood","userID":"u","value":"#

  private static func list(_ element: (Int) -> String, bytes: Int) -> String {
    var text = ""
    var number = 0
    while text.utf8.count < bytes {
      if number > 0 { text += "," }
      text += element(number)
      number += 1
    }
    return text
  }

  /// The most memory that memtool may use: more under a sanitizer, which keeps freed memory for a while and adds shadow memory.
  private static func bound(_ mebibytes: Int) -> Int {
    mebibytes * (TestProcess.hasThreadSanitizer ? 4 : TestProcess.hasShadowMemory ? 2 : 1)
  }

  /// The most processor time that memtool may use, in seconds; a clock would count what other tests take from it.
  private static let seconds: Double = TestProcess.hasShadowMemory ? 300 : 30

  /// What memtool said and used.
  private struct Run {
    var outcome: Subprocess.Outcome
    /// The most memory at any time.
    var mebibytes: Int
    /// Of processor time.
    var seconds: Double
  }

  /// Runs memtool with `line` as its input.
  private func run(_ arguments: [String], _ line: String) throws -> Run {
    let file = try tool.write(line + "\n", to: "hostile.jsonl")
    let script = """
      import resource, subprocess, sys
      status = subprocess.run(sys.argv[1:]).returncode
      used = resource.getrusage(resource.RUSAGE_CHILDREN)
      print(used.ru_maxrss, used.ru_utime + used.ru_stime)
      sys.exit(status)
      """
    let outcome = try Subprocess.run(
      "/usr/bin/env", ["python3", "-c", script, tool.executable] + arguments.map { $0 == "FILE" ? file : $0 }, timeout: .seconds(500))
    let used = try #require(outcome.standardOutput.split(separator: "\n").last).split(separator: " ")
    return try Run(outcome: outcome, mebibytes: #require(Int(used[0])) >> 10, seconds: #require(Double(used[1])))
  }

  /// The bug: a line was kept whole before it was checked: a line of 64 MiB used up to 1.5 GB and two minutes, and an error that quoted a
  /// line had 64 MiB. Now lists are cut off when no record could hold them, and quotations after 64 characters.
  @Test(
    .timeLimit(.minutes(10)),
    arguments: [
      ("nested", "x: arrays and objects are nested more than 128 deep"),
      ("unknown", "1000: one of more than 1000 unknown keys in the line"),
      ("metadata", "metadata: more than 29127 entries"), ("array", "value: the value is larger than can be stored"),
      ("keys", "value: the value is larger than can be stored"), ("bytes", "value: the value is larger than can be stored"),
      ("embedding", "embedding: more than 65536 numbers in the array"),
      ("base64", "the vector has 2097152 components, the store has dimension 8"),
      ("digits", "importance: the number is too large for a double"),
      ("text", "the text has 2097152 UTF-8 bytes, at most 1048576 are allowed"),
      ("type", "the record type 'ééé"), ("metric", "the file's vectors are for the metric mmm"),
      ("embedder", "embedder: more than 1024 bytes in a name"),
      ("key", "importance: expected a number, found a string"),
    ])
  func aLineOfEveryKindIsRefusedWithinBounds(kind: String, message: String) throws {
    let size = 12 << 20
    let line =
      switch kind {
      case "nested": Self.memory + #""x":"# + String(repeating: "[", count: size)
      case "unknown": Self.memory + Self.list({ #""\#($0)":0"# }, bytes: 1 << 20) + "}"
      case "metadata": Self.memory + #""metadata":{"# + Self.list({ #""\#($0)":0"# }, bytes: 4 << 20) + "}}"
      case "array": Self.context + #"{"a":["# + String(repeating: "[],", count: 9 << 20) + "[]]}}"
      case "keys": Self.context + "{" + Self.list({ #""\#($0)":0"# }, bytes: size) + "}}"
      case "bytes": Self.context + #"{"a":{"$bytes":""# + String(repeating: "AAAA", count: 3 << 20) + #""}}}"#
      case "embedding": Self.memory + #""embedding":["# + String(repeating: "0,", count: size / 2) + "0]}"
      case "base64": Self.memory + #""embedding":""# + String(repeating: "AAAA", count: (8 << 20) / 3) + "AAA=\"}"
      case "digits": Self.memory + #""importance":"# + String(repeating: "1", count: size) + "}"
      case "text": #"{"type":"memory","userID":"u","text":""# + String(repeating: #"\u0041"#, count: size / 6) + #""}"#
      case "type":
        #"{"type":"context","userID":"u","value":{},"recordType":""# + String(repeating: "é", count: size / 2) + #""}"#
      case "metric": #"{"type":"store","format":1,"metric":""# + String(repeating: "m", count: size) + #""}"#
      case "embedder":
        #"{"type":"store","format":1,"embedder":{"version":"1","dimension":8,"name":""# + String(repeating: "m", count: size) + #""}}"#
      default: Self.memory + "\"" + String(repeating: #"\u0041"#, count: size / 6) + #"":0,"importance":"a"}"#
      }
    let run = try run(["import", store, "FILE"], line)
    let outcome = run.outcome
    #expect(outcome.standardError.hasPrefix("memtool: \(tool.path("hostile.jsonl")):1: \(message)"), "\(outcome.standardError.prefix(500))")
    #expect(outcome.standardError.utf8.count < 1000)
    #expect(outcome.termination == .exited(1))
    #expect(run.mebibytes < Self.bound(600), "\(run.mebibytes) MiB")
    #expect(run.seconds < Self.seconds, "\(run.seconds) s")
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 0 memories, 0 contexts, "))
  }

  /// The bug: a key of a `$map` was encoded and hashed once for each level of nesting, and every key that was written held a copy of all
  /// the text before it, so that a map of numbers used memory with the square of its size.
  @Test(.timeLimit(.minutes(8))) func keysThatAreNoTextsTakeLinearTimeAndMemory() throws {
    let nested =
      String(repeating: #"{"$map":[["#, count: 60) + #"{"$bytes":""# + String(repeating: "AAAA", count: 1 << 18) + #""}"#
      + String(repeating: ",0],[1,1]]}", count: 60)
    let many = #"{"$map":["# + Self.list({ "[\(1_000_000 - $0),0]" }, bytes: 1 << 20) + "]}"
    for (value, type) in [(nested, "Nested"), (many, "Many")] {
      let line = #"{"type":"context","recordType":"\#(type)","userID":"u","value":\#(value)}"#
      let imported = try run(["import", store, "FILE"], line)
      #expect(imported.outcome.termination == .exited(0), "\(imported.outcome)")
      let shown = try run(["context", "get", store, "--user", "u", "--type", type], "")
      #expect(shown.outcome.termination == .exited(0), "\(shown.outcome.standardError)")
      #expect(shown.outcome.standardOutput.utf8.count > 1 << 20)
      for run in [imported, shown] {
        #expect(run.mebibytes < Self.bound(400), "\(run.mebibytes) MiB")
        #expect(run.seconds < Self.seconds, "\(run.seconds) s")
      }
    }
  }

  /// The bug: an input that is read as a whole had no limit of size: /dev/zero used all memory.
  @Test(
    .timeLimit(.minutes(6)),
    arguments: [["search", "STORE", "--all", "--vector", "/dev/zero"], ["add", "STORE", "--user", "u", "t", "--vector", "/dev/zero"]])
  func whatNeverEndsIsNotReadForEver(arguments: [String]) throws {
    let run = try run(arguments.map { $0 == "STORE" ? store : $0 }, "")
    let outcome = run.outcome
    #expect(outcome.termination == .exited(1) && outcome.standardError == "memtool: /dev/zero has more than 64 MiB\n", "\(outcome)")
    #expect(run.mebibytes < Self.bound(400), "\(run.mebibytes) MiB")
  }

  @Test(.timeLimit(.minutes(6))) func contextsAndVectorsOfTheCommandLineAreBoundedToo() throws {
    let zeros = try tool.write("[" + String(repeating: "0,", count: 1 << 20) + "0]", to: "vector.json")
    let outcome = try tool.run(["search", store, "--all", "--vector", zeros], exit: 1)
    #expect(outcome.standardError.hasPrefix("memtool: \(zeros) is not a JSON array of numbers: more than 65536 numbers in the array"))
    let result = try tool.shell(
      #"(printf '{"a":"'; head -c 9000000 /dev/zero | tr '\0' x; printf '"}') | "$0" context set "$1/s.memory" --user u --type T -"#)
    #expect(result.termination == .exited(1) && result.standardError.contains("the value is larger than can be stored"), "\(result)")
    let deep = try tool.shell(#"(head -c 100000 /dev/zero | tr '\0' '[') | "$0" context set "$1/s.memory" --user u --type T -"#)
    #expect(deep.termination == .exited(1) && deep.standardError.contains("nested more than 128 deep"), "\(deep)")
    let endless = try tool.shell(#"cat /dev/zero | "$0" context set "$1/s.memory" --user u --type T -"#)
    #expect(endless.termination == .exited(1) && endless.standardError == "memtool: standard input has more than 64 MiB\n", "\(endless)")
  }
}
