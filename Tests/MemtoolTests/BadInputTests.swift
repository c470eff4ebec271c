import Foundation
import TestSupport
import Testing

/// Exact messages and exit codes for invalid input; the store stays as it was.
@Suite struct BadInputTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store(
      "s.memory", "--dimension", "2",
      lines: #"{"type":"memory","id":"00000000-0000-7000-8000-000000000001","userID":"u","text":"t","dedupeKey":"k","embedding":[1,0]}"#
        + "\n")
  }

  @Test(arguments: [
    (#"{"type":"memory","userID":"u"}"#, "the key 'text' is missing"),
    (#"{"type":"memory","text":"t"}"#, "the key 'userID' is missing"),
    (#"{"userID":"u","text":"t"}"#, "the key 'type' is missing"),
    (#"{"type":"memo","userID":"u","text":"t"}"#, "the type is 'memo', it must be store, context or memory"),
    (#"{"type":"memory","userID":"","text":"t"}"#, "the userID is empty, it needs 1 to 1024 UTF-8 bytes"),
    (#"{"type":"memory","userID":7,"text":"t"}"#, "userID: expected a string, found a number (column 27)"),
    (#"{"type":"memory","userID":"u","userID":"v","text":"t"}"#, "userID: the key occurs twice in the line (column 32)"),
    (#"{"type":"memory","userID":"u","text":"t","x":1,"x":2}"#, "x: the key \"x\" occurs twice in one object (column 49)"),
    (#"{"type":"memory","userID":"u","text":"t","embedding":[1,2,3]}"#, "the vector has 3 components, the store has dimension 2"),
    (
      #"{"type":"memory","userID":"u","text":"t","embedding":"AADAfwAAgD8="}"#,
      "component 0 of the vector is NaN or infinite as a 32-bit float"
    ),
    (#"{"type":"memory","userID":"u","text":"t","embedding":[0,0]}"#, "the vector is zero, which has no direction to compare by cosine"),
    (#"{"type":"memory","userID":"u","text":"t","embedding":[1e19,0]}"#, "the vector's norm is "),
    (
      #"{"type":"memory","userID":"u","text":"t","embedding":"AAA"}"#,
      "embedding: the length of base64 is a multiple of 4, this has 3 characters (column 58)"
    ),
    (
      #"{"type":"memory","userID":"u","text":"t","createdAt":"yesterday"}"#,
      "createdAt: not a time such as 2026-01-02T03:04:05.678Z, in the years 1 to 9999 (column 55)"
    ),
    (#"{"type":"memory","userID":"u","text":"t","importance":1.5}"#, "the importance is 1.5, it must lie in 0…1"),
    (#"{"type":"memory","userID":"u","text":"t","id":"1"}"#, "id: not the 36 characters of a UUID (column 48)"),
    (
      #"{"type":"memory","userID":"u","text":"t","metadata":{"a":[1]}}"#,
      "metadata: a metadata value is a string, a number, true or false, not an array (column 58)"
    ),
    (
      #"{"type":"memory","userID":"u","text":"t","metadata":{"a":1,"a":2}}"#,
      "metadata: the key \"a\" occurs twice in one object (column 61)"
    ),
    (
      #"{"type":"memory","userID":"u","text":"t""#, "the text ends before a comma or the end of the array or object (column 41)"
    ),
    (#"{"type":"memory","userID":"u","text":"t"} x"#, "something follows the value (column 43)"),
    ("nonsense", "expected an object, found null (column 1)"),
    ("?", "expected a value, found \"?\" (column 1)"),
    (#"{"type":"store","format":2}"#, "the file has format 2, this version of Engram reads up to 1"),
    (#"{"type":"store","format":1,"dimension":3}"#, "the file has vectors of dimension 3, the store has dimension 2"),
    (#"{"type":"store","format":1,"metric":"dot"}"#, "the file's vectors are for the metric dot, the store compares by cosine"),
    (
      #"{"type":"context","recordType":"a b","userID":"u","value":{}}"#,
      "the record type 'a b' needs 1 to 64 letters, digits, '.', '_' or '-'"
    ),
    (#"{"type":"context","recordType":"Mood","userID":"u","value":[]}"#, "the value of a context must be an object"),
    (
      #"{"type":"context","recordType":"UserContext","userID":"u","value":{"userID":"u"}}"#,
      "the value does not decode as a UserContext: the field 'firstSeen' is missing"
    ),
    (
      #"{"type":"context","recordType":"UserContext","userID":"u","value":{"userID":"v","firstSeen":0}}"#,
      "the value is the context of 'v', not of 'u'"
    ),
    (
      #"{"type":"memory","id":"00000000-0000-7000-8000-000000000001","userID":"u","text":"t"}"#,
      "the store has a memory with the id 00000000-0000-7000-8000-000000000001 already: skip or replace it (--on-conflict skip, or replace)"
    ),
    (
      #"{"type":"memory","userID":"u","text":"t","dedupeKey":"k"}"#,
      "the store has a memory of 'u' with the dedupe key 'k' already: skip or replace it (--on-conflict skip, or replace)"
    ),
  ])
  func wrongLineIsNamed(_ line: String, _ message: String) throws {
    // A store line must be the first line; every other line comes after a valid one.
    let isStore = line.contains(#""type":"store""#)
    let good = #"{"type":"memory","userID":"new","text":"good","embedding":[0,1]}"# + "\n"
    let before = try tool.export(store)
    let file = try tool.write(isStore ? line + "\n" + good : good + line, to: "bad.jsonl")
    let outcome = try tool.run("import", store, file, exit: 1)
    let expected = "memtool: \(file):\(isStore ? 1 : 2): \(message)"
    if message.hasSuffix(" ") {
      #expect(outcome.standardError.hasPrefix(expected))
    } else {
      #expect(outcome.standardError == expected + "\n")
    }
    #expect(outcome.standardOutput.isEmpty)
    #expect(try tool.export(store) == before)
  }

  @Test func lineThatIsTooLongIsNamed() throws {
    let result = try tool.shell("(printf '{\"type\":\"'; head -c 67108864 /dev/zero | tr '\\0' x) | \"$0\" import \"$1/s.memory\" -")
    #expect(result.termination == .exited(1))
    #expect(result.standardError == "memtool: standard input:1: the line is longer than 64 MiB\n")
  }

  @Test func errorInTheLastOfManyLinesChangesNothing() throws {
    let before = try tool.export(store)
    let good = (0..<5000).map { #"{"type":"memory","userID":"u\#($0)","text":"t","embedding":[0,1]}"# }
    let file = try tool.write(good.joined(separator: "\n") + "\n{\n", to: "bad.jsonl")
    #expect(try tool.run("import", store, file, exit: 1).standardError.contains(":5001: "))
    #expect(try tool.export(store) == before)
    #expect(try tool.run("verify", store).standardOutput.hasPrefix("ok: 1 memory,"))
  }

  @Test func sameIDTwiceNamesBothLines() throws {
    let line = #"{"type":"memory","id":"00000000-0000-7000-8000-000000000002","userID":"u","text":"t"}"#
    let file = try tool.write("\(line)\n\n\(line)\n", to: "twice.jsonl")
    #expect(
      try tool.run("import", store, file, exit: 1).standardError
        == "memtool: \(file):3: the id 00000000-0000-7000-8000-000000000002 is in \(file):1 too: "
        + "skip or replace it (--on-conflict skip, or replace)\n"
    )
  }

  @Test func usageErrorsExitWith64() throws {
    let id = "00000000-0000-7000-8000-000000000001"
    let cases: [([String], String)] = [
      (["search", store, "text"], "Error: Say whose memories: --user <id> or --all.\n"),
      (["search", store, "--all"], "Error: Say what to search for: either a text or --vector <file|json>.\n"),
      (["search", store, "text", "--all", "--user", "u"], "Error: Give either --user or --all, not both.\n"),
      (["search", store, "text", "--all", "--limit", "0"], "Error: The limit is 0, it must be at least 1.\n"),
      (["search", store, "text", "--all", "--fast"], "Error: --fast and --recall are for a search by --vector.\n"),
      (["search", store, "--vector", "[1,2]", "--all", "--recall", "0.4"], "Error: The recall is 0.4, it must be 0.5 to 1.\n"),
      (["search", store, "--vector", "[1,2]", "--all", "--recall", "nan"], "Error: The recall is nan, it must be 0.5 to 1.\n"),
      (
        ["search", store, "text", "--all", "--since", "soon"],
        "Error: The value 'soon' is invalid for '--since <time>': not a time: give a date "
      ),
      (
        ["create", store, "--embedder", "gpt:/models"],
        "Error: The value 'gpt:/models' is invalid for '--embedder <none|hashing|bert:DIRECTORY|http:URL#MODEL|command:CMD>': There is no embedder 'gpt'. There are: none, hashing, bert:DIRECTORY, http:URL#MODEL, command:CMD."
      ),
      (
        ["create", store, "--embedder", "bert"],
        "Error: The value 'bert' is invalid for '--embedder <none|hashing|bert:DIRECTORY|http:URL#MODEL|command:CMD>': The embedder 'bert' is given as bert:DIRECTORY."
      ),
      (["create", store, "--dimension", "0"], "Error: The dimension is 0, it must lie in 1…65536.\n"),
      (["get", store, "nonsense"], "Error: The value 'nonsense' is invalid for '<id>'\n"),
      (["delete", store], "Error: Say what to delete: ids, or conditions with --user <id> or --all.\n"),
      (["delete", store, id, "--all"], "Error: Give either ids or conditions, not both.\n"),
      (["delete", store, "--user", "u"], "Error: Give at least one condition, such as --kind or --until.\n"),
      (["export", store, "--format", "npy"], "Error: --format npy writes two files: say where with --output <file>.\n"),
      (["import", store], "Error: Missing expected argument '<file> ...'\n"),
      (["nonsense"], "Error: There is no command 'nonsense'.\nUsage: memtool <subcommand>\n"),
    ]
    for (arguments, message) in cases {
      let outcome = try tool.run(arguments, exit: 64)
      #expect(outcome.standardError.hasPrefix(message), "\(arguments): \(outcome.standardError)")
      #expect(outcome.standardOutput.isEmpty)
    }
  }

  @Test func failuresAreOneLine() throws {
    let missing = tool.path("missing")
    let id = "00000000-0000-7000-8000-00000000ffff"
    let cases: [([String], String)] = [
      (["inspect", missing], "there is no store at \(missing)"),
      (["create", store], "\(store) exists already: choose another name, or remove it first"),
      (["import", store, missing], "\(missing) cannot be read: No such file or directory"),
      (["get", store, id], "there is no memory \(id)"),
      (["delete", store, "00000000-0000-7000-8000-000000000001", id], "there is no memory \(id); nothing was deleted"),
      (["context", "get", store, "--user", "u"], "the user 'u' has no UserContext"),
      (["context", "set", store, "--user", "u", "[1]"], "the context must be a JSON object"),
      (["export", store, "--user", "nobody"], "the store has no user 'nobody'"),
      (["inspect", store, "--record", "nonsense"], "'nonsense' is neither a memory's id nor USER/TYPE"),
      (["inspect", store, "--user", "evil\n\u{1B}[31m"], "the store has no user 'evil\\u{A}\\u{1B}[31m'"),
      (
        ["search", store, "text", "--all", "--mode", "dense"],
        "the store has no embedder, so a text has no vector: give one with --vector, or search by words"
      ),
      (["search", store, "--all", "--vector", "[1,2,3]"], "the vector has 3 components, the store has dimension 2"),
      (
        ["search", store, "--all", "--vector", "[1,"],
        "the vector is not a JSON array of numbers: the text ends before a value (column 4)"
      ),
      (["add", store, "--user", "", "text"], "the userID is empty, it needs 1 to 1024 UTF-8 bytes"),
      (["add", store, "--user", "u", "--importance", "7", "text"], "the importance is 7.0, it must lie in 0…1"),
    ]
    let before = try tool.export(store)
    for (arguments, message) in cases {
      let outcome = try tool.run(arguments, exit: 1)
      #expect(outcome.standardError == "memtool: \(message)\n", "\(arguments)")
      #expect(outcome.standardOutput.isEmpty)
    }
    #expect(try tool.export(store) == before)
  }
}
