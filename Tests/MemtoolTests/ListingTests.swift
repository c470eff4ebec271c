import Formats
import Foundation
import TestSupport
import Testing

@testable import memtool

/// `list`, `users`, `edit`, `stats` and `context get` for people.
@Suite struct ListingTests {
  private let tool: Tool
  private static let evil = "evil\u{1B}[31m\u{202E}"

  init() throws { tool = try Tool() }

  private func objects(_ output: String) throws -> [[String: Any]] {
    try output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func filled() throws -> String {
    var lines = (0..<7).map {
      #"{"type":"memory","id":"00000000-0000-7000-8000-00000000000\#($0)","userID":"maya","text":"number \#($0)","kind":"\#($0 % 2 == 0 ? "even" : "odd")","createdAt":"2026-01-0\#($0 + 1)T00:00:00Z"}"#
    }
    lines.append(#"{"type":"memory","userID":"noah","text":"evil\u001b[31m\u202e","createdAt":"2026-01-02T00:00:00Z"}"#)
    lines.append(
      #"{"type":"context","recordType":"UserContext","userID":"noah","value":{"firstSeen":1767225600000,"topics":["tea","evil\u001b[31m\u202e"],"preferences":{"tea":"green"}}}"#
    )
    return try tool.store("s.memory", "--embedder", "hashing", lines: lines.joined(separator: "\n") + "\n")
  }

  @Test func pagesJoinToTheWholeListInBothDirections() throws {
    let store = try filled()
    for (direction, expected) in [([], Array((0..<7).reversed())), (["--oldest-first"], Array(0..<7))] {
      var (texts, cursor): ([String], String?) = ([], nil)
      var pages = 0
      repeat {
        let more = cursor.map { ["--after", $0] } ?? []
        var lines = try objects(tool.run(["list", store, "--user", "maya", "--limit", "3", "--json"] + direction + more).standardOutput)
        cursor = lines.last?["next"] as? String
        if cursor != nil { lines.removeLast() }
        #expect(lines.count <= 3 && lines.allSatisfy { $0["version"] as? Int == 1 })
        texts += lines.compactMap { $0["text"] as? String }
        pages += 1
      } while cursor != nil && pages < 9
      #expect(texts == expected.map { "number \($0)" } && pages == 3)
    }
    let table = try tool.run("list", store, "--user", "maya", "--kind", "odd", "--limit", "2")
    #expect(table.standardOutput.contains("number 5") && !table.standardOutput.contains("number 1"))
    let next = try #require(table.standardError.wholeMatch(of: /memtool: there are more: --after ([\w-]{44})\n/))
    let rest = try tool.run("list", store, "--user", "maya", "--kind", "odd", "--after", String(next.1))
    #expect(rest.standardOutput.contains("number 1") && rest.standardError.isEmpty)
  }

  @Test func whatIsWrongWithAPageIsSaid() throws {
    let store = try filled()
    #expect(try tool.run("list", store, "--user", "x", "--limit", "0", exit: 64).standardError.contains("The limit is 0"))
    #expect(try tool.run("list", store, exit: 64).standardError.contains("Say whose memories"))
    #expect(try tool.run("list", store, "--user", "maya", "--after", Self.evil, exit: 1).standardError.contains("cursor"))
    #expect(try tool.run("list", store, "--user", "nobody").standardError == "memtool: the store has no user 'nobody'\n")
    #expect(try tool.run("list", store, "--all").standardOutput.contains(#"evil\u{1B}[31m\u{202E}"#))
    let empty = try tool.store("empty.memory")
    #expect(try tool.run("list", empty, "--all").standardError == "nothing found\n")
    #expect(try tool.run("users", empty).standardError == "the store has no users\n")
    #expect(try tool.run("users", empty, "--json").standardOutput.isEmpty)
    #expect(try tool.run("stats", empty).standardOutput.hasSuffix("nothing needs to be done\n"))
  }

  @Test func usersAreListedWithCountsAndSizes() throws {
    let store = try filled()
    let first = try objects(tool.run("users", store, "--limit", "1", "--json").standardOutput)
    let cursor = try #require(first.last?["next"] as? String)
    let second = try objects(tool.run("users", store, "--after", cursor, "--json").standardOutput)
    let rows = Dictionary(uniqueKeysWithValues: ([first[0]] + second).map { ($0["userID"] as? String ?? "", $0) })
    #expect(rows.count == 2 && first.count == 2 && second.count == 1)
    let maya = try #require(rows["maya"])
    #expect(maya["memories"] as? Int == 7 && maya["textBytes"] as? Int == 7 * 8 && maya["contexts"] as? Int == 0)
    #expect(maya["embeddingBytes"] as? Int == 7 * 384 * 4 && maya["changedAt"] as? String == "2026-01-07T00:00:00.000Z")
    #expect(rows["noah"]?["contexts"] as? Int == 1)
    let table = try tool.run("users", store).standardOutput
    #expect(table.contains("maya") && table.hasPrefix("memories  embedded  contexts"))
  }

  @Test func anEditChangesWhatIsNamedOnly() throws {
    let store = try filled()
    let id = "00000000-0000-7000-8000-000000000003"
    let edited = try tool.run(
      "edit", store, "--user", "maya", "00000003", "--text", "a yellow submarine", "--importance", "0.75", "--tag", "b", "--tag", "a",
      "--expires-at", "7d", "--if-version", "1", "--json")
    let memory = try #require(try objects(edited.standardOutput).first)
    #expect(memory["version"] as? Int == 2 && memory["kind"] as? String == "odd" && memory["tags"] as? [String] == ["a", "b"])
    let expiry = try #require((memory["expiresAt"] as? String).flatMap { TimestampText.milliseconds($0) })
    #expect(abs(Double(expiry) / 1000 - Date().timeIntervalSince1970 - 7 * 86_400) < 600)
    // Found by the words and the embedding of the new text, and no more by those of the old one.
    let hits = try objects(tool.run("search", store, "yellow submarine", "--user", "maya", "--mode", "dense", "--json").standardOutput)
    #expect(hits.first?["id"] as? String == id)
    let stale = try tool.run("edit", store, "--user", "maya", id, "--kind", "x", "--if-version", "1", exit: 1)
    #expect(stale.standardError.contains("expected to be version 1, and is version 2"))
    #expect(
      try tool.run("edit", store, "--user", "maya", id, "--clear", "expiry", "--clear", "kind", "--remove-tag", "a").standardOutput
        == "edited \(id): version 3\n")
    let now = try #require(try objects(tool.run("get", store, id, "--json").standardOutput).first)
    #expect(
      now["expiresAt"] as? String == nil && now["kind"] as? String == nil && now["tags"] as? [String] == ["b"]
        && now["importance"] as? Double == 0.75)
    #expect(now["text"] as? String == "a yellow submarine" && now["version"] as? Int == 3)
    // Nothing that is wrong changes anything.
    let before = try tool.export(store)
    for (words, message) in [
      ([id], "Say what to change"), ([id, "--kind", "k", "--clear", "kind"], "either --kind or --clear kind"),
      ([id, "--tag", "t", "--remove-tag", "t"], "both added and removed"), ([id, "--expires-at", "soon"], "not a time: give a date"),
      (["xyz", "--kind", "k"], "<id>"),
    ] { #expect(try tool.run(["edit", store, "--user", "maya"] + words, exit: 64).standardError.contains(message), "\(words)") }
    #expect(try tool.run("edit", store, "--user", "noah", id, "--kind", "k", exit: 1).standardError.contains("has no memory"))
    #expect(try tool.run("edit", store, "--user", "maya", id, "--importance", "7", exit: 1).standardError.contains("0…1"))
    #expect(try tool.export(store) == before)
  }

  @Test func aTextOfAStoreOfOwnVectorsNeedsItsVector() throws {
    let store = try tool.store(
      "v.memory", "--dimension", "2",
      lines: #"{"type":"memory","id":"00000000-0000-7000-8000-000000000001","userID":"u","text":"t","embedding":[1,0]}"# + "\n")
    let refused = try tool.run("edit", store, "--user", "u", "00000001", "--text", "other", exit: 1)
    #expect(refused.standardError.hasSuffix("(--vector gives the embedding of the new text)\n"), "\(refused)")
    try tool.run("edit", store, "--user", "u", "00000001", "--text", "other", "--vector", "[0,1]")
    #expect(try tool.run("search", store, "--all", "--vector", "[0,1]").standardOutput.contains("1.0000"))
  }

  @Test func statsSayWhatToDo() throws {
    let store = try tool.store("s.memory", "--embedder", "hashing")
    try tool.run("add", store, "--user", "u", "one")
    try tool.run("import", store, tool.write(#"{"type":"memory","userID":"u","text":"two","createdAt":"2020-01-01"}"# + "\n", to: "two"))
    try tool.run(
      "edit", store, "--user", "u", try #require(objects(tool.run("list", store, "--all", "--json").standardOutput).last?["id"] as? String),
      "--text", "new")
    let figures = try #require(try objects(tool.run("stats", store, "--json").standardOutput).first)
    #expect(figures["memories"] as? Int == 2 && figures["users"] as? Int == 1 && figures["rowsDead"] as? Int == 1)
    #expect((figures["created"] as? [[String: Int]])?.map { $0["memories"] } == [1, 1, 1])
    #expect((figures["bytes"] as? Int ?? 0) > 4096)
    let text = try tool.run("stats", store).standardOutput
    #expect(text.contains("1 in 1 day, 1 in 7 days, 1 in 30 days") && text.contains("dead rows   1 of"), "\(text)")
  }

  @Test func aContextOnATerminalHasDates() throws {
    let store = try filled()
    let shown = try tool.onTerminal("context", "get", store, "--user", "noah").standardOutput
    #expect(shown.contains("firstSeen") && shown.contains("2026-01-01T00:00:00.000Z"), "\(shown)")
    #expect(shown.contains("preferences.tea") && shown.contains(#"tea, evil\u{1B}[31m\u{202E}"#) && !shown.contains("1767225600000"))
    for words in [["--raw"], ["--json"]] {
      let raw = try tool.onTerminal(["context", "get", store, "--user", "noah"] + words).standardOutput
      #expect(raw.hasPrefix("{") && raw.contains(#""firstSeen":1767225600000"#))
    }
    let piped = try tool.run("context", "get", store, "--user", "noah").standardOutput
    #expect(piped.hasPrefix("{"))
    #expect(try tool.run("context", "get", store, "--user", "noah", "--raw").standardOutput == piped)
  }
}
