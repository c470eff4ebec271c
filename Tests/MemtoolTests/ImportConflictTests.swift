import TestSupport
import Testing

@Suite struct ImportConflictTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", lines: Self.line(1, "old", dedupe: "k") + Self.line(2, "other", user: "v") + Self.context(1))
  }

  private static func id(_ number: Int) -> String { "00000000-0000-7000-8000-00000000000\(number)" }

  private static func line(_ number: Int?, _ text: String, user: String = "u", dedupe: String? = nil) -> String {
    let id = number.map { #""id":"\#(Self.id($0))","# } ?? ""
    let key = dedupe.map { #","dedupeKey":"\#($0)""# } ?? ""
    return #"{"type":"memory",\#(id)"userID":"\#(user)","text":"\#(text)"\#(key)}"# + "\n"
  }

  private static func context(_ level: Int) -> String {
    #"{"type":"context","recordType":"UserContext","userID":"u","value":{"userID":"u","firstSeen":0,"friendshipLevel":\#(level)}}"# + "\n"
  }

  private func texts() throws -> [String] {
    try tool.run("search", store, "--all", "--vector", "[1]", exit: 1)
    return try tool.export(store).split(separator: "\n").compactMap { line in
      line.split(separator: #""text":""#).dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
    }
  }

  @Test func skipKeepsWhatIsThere() throws {
    let file = try tool.write(
      Self.line(1, "new") + Self.line(nil, "new", dedupe: "k") + Self.line(3, "three") + Self.line(3, "again") + Self.context(2),
      to: "f.jsonl")
    let expected = #"{"memories":1,"contexts":0,"skipped":4,"replaced":0}"# + "\n"
    #expect(try tool.run("import", store, file, "--on-conflict", "skip", "--dry-run", "--json").standardOutput == expected)
    #expect(try tool.run("import", store, file, "--on-conflict", "skip", "--json").standardOutput == expected)
    #expect(try texts() == ["old", "other", "three"])
    #expect(try tool.run("context", "get", store, "--user", "u").standardOutput.contains(#""friendshipLevel":1"#))
  }

  @Test func replaceTakesWhatIsNew() throws {
    // The second line replaces two memories: one has its id, the other its dedupe key.
    let file = try tool.write(
      Self.line(4, "four", dedupe: "m") + Self.line(1, "new", dedupe: "m") + Self.line(nil, "free again", dedupe: "k") + Self.context(2),
      to: "f.jsonl")
    let expected = #"{"memories":2,"contexts":0,"skipped":0,"replaced":2}"# + "\n"
    #expect(try tool.run("import", store, file, "--on-conflict", "replace", "--dry-run", "--json").standardOutput == expected)
    #expect(try tool.run("import", store, file, "--on-conflict", "replace", "--json").standardOutput == expected)
    #expect(try texts() == ["new", "other", "free again"])
    #expect(try tool.run("context", "get", store, "--user", "u").standardOutput.contains(#""friendshipLevel":2"#))
    try tool.run("verify", store)
  }

  @Test func anotherUsersMemoryIsNeverReplaced() throws {
    let before = try tool.export(store)
    let file = try tool.write(Self.line(2, "mine now"), to: "f.jsonl")
    for mode in ["replace", "fail"] { try tool.run("import", store, file, "--on-conflict", mode, exit: 1) }
    #expect(
      try tool.run("import", store, file, "--on-conflict", "replace", exit: 1).standardError
        == "memtool: \(file):1: the id \(Self.id(2)) belongs to a memory of another user, which is not replaced\n")
    #expect(try tool.export(store) == before)
  }

  /// An expired memory does not conflict with the lines after it either.
  @Test(arguments: ["fail", "skip", "replace"]) func whatHasExpiredStandsInNobodysWay(policy: String) throws {
    let expired = #"{"type":"memory","id":"\#(Self.id(8))","userID":"u","text":"gone","dedupeKey":"e","expiresAt":"1999-01-01"}"# + "\n"
    let file = try tool.write(expired + Self.line(8, "eight") + Self.line(nil, "nine", dedupe: "e"), to: "f.jsonl")
    let expected = #"{"memories":3,"contexts":0,"skipped":0,"replaced":0}"# + "\n"
    #expect(try tool.run("import", store, file, "--on-conflict", policy, "--dry-run", "--json").standardOutput == expected)
    #expect(try tool.run("import", store, file, "--on-conflict", policy, "--json").standardOutput == expected)
    #expect(try texts() == ["old", "other", "eight", "nine"])
  }

  @Test func dryRunChangesNothing() throws {
    let before = try tool.export(store)
    let commits = try tool.run("inspect", store, "--json").standardOutput
    let file = try tool.write(Self.line(7, "seven"), to: "f.jsonl")
    #expect(try tool.run("import", store, file, "--dry-run").standardOutput == "would import 1 memory and 0 contexts, skip 0, replace 0\n")
    #expect(try tool.export(store) == before)
    #expect(try tool.run("inspect", store, "--json").standardOutput == commits)
  }
}
