import Foundation
import TestSupport
import Testing

/// The commands on single memories and contexts, and the keys of their JSON.
@Suite struct CommandTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store("s.memory", "--embedder", "hashing")
  }

  private func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func add(_ arguments: String...) throws -> String {
    try tool.run(["add", store] + arguments).standardOutput.trimmingCharacters(in: .newlines)
  }

  @Test func aSummaryTakesThePlaceOfMemoriesUntilItIsRetracted() throws {
    let ids = try [
      add("--user", "maya", "Maya loves ramen", "--trust", "high", "--source", "chat"),
      add("--user", "maya", "Maya loves udon", "--trust", "low"),
    ]
    let summary = try add(
      "--user", "maya", "Maya loves noodles", "--derived-from", ids[0], "--derived-from", ids[1], "--supersede-origins")
    let table = try tool.run("search", store, "what does Maya love?", "--user", "maya", "--explain").standardOutput
    #expect(table.split(whereSeparator: \.isNewline).count == 2 && table.contains("  trust  ") && table.contains("  low  "), "\(table)")
    #expect(!table.contains("source"), "a column is shown if a memory needs it: \(table)")
    #expect(try object(try tool.run("get", store, summary, "--json").standardOutput)["derivedFrom"] as? [String] == ids)
    #expect(try tool.run("delete", store, "--user", "maya", "--retract", summary).standardOutput == "deleted 1 memory\n")
    let all = try tool.run("search", store, "what does Maya love?", "--user", "maya", "--explain").standardOutput
    #expect(all.split(whereSeparator: \.isNewline).count == 3 && all.contains("chat"), "\(all)")
    // Nothing else is superseded by it.
    #expect(try tool.run("delete", store, ids[0], "--retract", exit: 1).standardError.contains("delete it instead"))
    try tool.run("add", store, "--user", "maya", "x", "--supersede-origins", exit: 64)
    try tool.run("delete", store, "--user", "maya", "--kind", "fact", "--retract", exit: 64)
    try tool.run("verify", store)
  }

  @Test func addGetSearchAndDeleteWork() throws {
    let id = try add(
      "--user", "maya", "Maya loves ramen", "--kind", "fact", "--speaker", "Maya", "--metadata", "n=17", "--metadata", "zip=\"0123\"")
    _ = try add("--user", "maya", "The train leaves at nine", "--kind", "message")
    _ = try add("--user", "noah", "Noah loves ramen, too")
    let memory = try object(try tool.run("get", store, id, "--json", "--vector").standardOutput)
    #expect(memory["text"] as? String == "Maya loves ramen" && memory["userID"] as? String == "maya")
    #expect(
      (memory["metadata"] as? [String: Any])?["n"] as? Int == 17 && (memory["metadata"] as? [String: Any])?["zip"] as? String == "0123")
    #expect((memory["embedding"] as? [Any])?.count == 384)

    let hits = try tool.run("search", store, "ramen", "--user", "maya", "--explain", "--json").standardOutput.split(separator: "\n")
    #expect(hits.count == 2)
    let best = try object(String(hits[0]))
    #expect(best["id"] as? String == id && best["kind"] as? String == "fact" && (best["score"] as? Double ?? 0) > 0.3)
    #expect((best["explanation"] as? [String: Any])?["rowsInScope"] as? Int == 2)
    #expect(try tool.run("search", store, "ramen", "--all", "--json").standardOutput.split(separator: "\n").count == 3)
    #expect(
      try tool.run("search", store, "ramen", "--all", "--metadata", "n=17.0", "--json").standardOutput.split(separator: "\n").count == 1)
    #expect(try tool.run("search", store, "ramen", "--all", "--until", "2020-01-01").standardError == "nothing found\n")

    #expect(
      try tool.run("delete", store, "--all", "--kind", "fact", "--dry-run", "--json").standardOutput == #"{"deleted":0,"matching":1}"#
        + "\n")
    #expect(try tool.run("delete", store, "--user", "noah", "--kind", "fact").standardOutput == "deleted 0 memories\n")
    #expect(try tool.run("delete", store, id).standardOutput == "deleted 1 memory\n")
    try tool.run("get", store, id, exit: 1)
    try tool.run("verify", store)
  }

  @Test func whatFewMemoriesHaveIsAddedShownAndFilteredBy() throws {
    let old = try add("--user", "maya", "Maya lives in Graz")
    let new = try add(
      "--user", "maya", "Maya lives in Linz", "--tag", "home", "--tag", "city", "--source", "chat", "--trust", "high", "--replaces", old,
      "--caption", "a map", "--valid-from", "2026-01-01", "--valid-until", "2027-01-01")
    let shown = try tool.run("get", store, new).standardOutput
    for words in ["city, home", "chat", "high", "a map", "2026-01-01", "2027-01-01", old] { #expect(shown.contains(words), "\(shown)") }
    #expect(try tool.run("get", store, old).standardOutput.contains(new))
    // The successor's mark has made a second version of the older memory.
    let withHistory = try object(try tool.run("get", store, old, "--history", "--json").standardOutput)
    let versions = try #require(withHistory["history"] as? [[String: Any]])
    #expect(withHistory["version"] as? Int == 2 && versions.map { $0["version"] as? Int } == [1])
    #expect(versions[0]["supersededBy"] == nil && versions[0]["text"] as? String == "Maya lives in Graz")
    let lines = try tool.run("get", store, old, "--history").standardOutput.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("version  stored") } && lines.last?.hasSuffix("Maya lives in Graz") == true, "\(lines)")
    func found(_ arguments: String...) throws -> [String] {
      try tool.run(["search", store, "Maya lives", "--user", "maya", "--json"] + arguments).standardOutput.split(separator: "\n")
        .map { try #require(try object(String($0))["id"] as? String) }
    }
    #expect(try found() == [new] && found("--superseded") == [old])
    #expect(try found("--as-of", "2026-01-01") == [] && found("--as-of", "2100-01-01T00:00:00Z") == [new])
    let created = try #require(try object(try tool.run("get", store, new, "--json").standardOutput)["createdAt"] as? String)
    #expect(try found("--as-of", created) == [new])
    #expect(try found("--superseded", "--as-of", created) == [old] && found("--mode", "dense", "--as-of", created) == [new])
    #expect(try tool.run("search", store, "x", "--all", "--as-of", "soon", exit: 64).standardError.contains("--as-of"))
    #expect(try found("--tag", "home", "--tag", "city") == [new] && found("--tag", "hom") == [])
    #expect(try found("--source", "chat") == [new] && found("--trust", "medium") == [new])
    #expect(try found("--valid-at", "2026-06-01") == [new] && found("--valid-at", "2027-06-01") == [])
    #expect(try tool.run("add", store, "--user", "maya", "x", "--trust", "total", exit: 64).standardError.contains("low"))
    #expect(try tool.run("add", store, "--user", "noah", "x", "--replaces", old, exit: 1).standardError.contains("no memory"))
  }

  @Test func dedupeKeyReturnsTheFirstID() throws {
    let id = try add("--user", "u", "once", "--dedupe-key", "k")
    #expect(try add("--user", "u", "twice", "--dedupe-key", "k") == id)
  }

  @Test func textAndContextsComeFromStandardInput() throws {
    let id = try tool.shell(#"printf 'two\nlines\n' | "$0" add "$1/s.memory" --user u -"#).standardOutput.trimmingCharacters(in: .newlines)
    #expect(try object(try tool.run("get", store, id, "--json").standardOutput)["text"] as? String == "two\nlines")
    let result = try tool.shell(
      #"echo '{"firstSeen":7,"topics":["tea"]}' | "$0" context set "$1/s.memory" --user u - && "$0" context get "$1/s.memory" --user u"#)
    #expect(result.standardOutput == #"{"topics":["tea"],"userID":"u","firstSeen":7}"# + "\n")
  }

  @Test func contextsOfAnyTypeAreListed() throws {
    try tool.run("context", "set", store, "--user", "b", "--type", "Mood", "--schema", "3", #"{"x":{"$bytes":"AAE="}}"#)
    try tool.run("context", "set", store, "--user", "a/c", #"{"firstSeen":1}"#)
    try tool.run("context", "set", store, "--user", "a/c", #"{"firstSeen":2}"#)
    let list = try tool.run("context", "list", store, "--json").standardOutput.split(separator: "\n").map { try object(String($0)) }
    #expect(list.map { $0["userID"] as? String } == ["a/c", "b"])
    #expect(list.map { $0["version"] as? Int } == [2, 1] && list.map { $0["schema"] as? Int } == [1, 3])
    #expect(
      try tool.run("inspect", store, "--record", "a/c/UserContext").standardOutput.contains(
        #""contents": {"userID": "a/c", "firstSeen": 2}"#))
    #expect(try tool.run("context", "get", store, "--user", "b", "--type", "Mood").standardOutput == #"{"x":{"$bytes":"AAE="}}"# + "\n")
  }

  /// Searches by words, by vectors and by both; each result has the parts of its score.
  @Test func aTextIsSearchedForInEveryMode() throws {
    _ = try add("--user", "maya", "--speaker", "Maya", "she likes ramen")
    _ = try add("--user", "maya", "he repairs bicycles")
    func found(_ arguments: String...) throws -> [[String: Any]] {
      try tool.run(["search", store, "ramen", "--user", "maya", "--json"] + arguments).standardOutput.split(separator: "\n").map {
        try object(String($0))
      }
    }
    func parts(_ hit: [String: Any]?) -> [String: Any]? { (hit?["explanation"] as? [String: Any])?["parts"] as? [String: Any] }
    let words = try found("--mode", "lexical", "--explain")
    #expect(words.count == 1 && words[0]["text"] as? String == "she likes ramen" && words[0]["score"] as? Double == 1)
    #expect(parts(words[0])?["words"] as? Double == 1 && parts(words[0])?["similarity"] is NSNull)
    let both = try found("--explain")
    #expect(both.count == 2 && parts(both[0])?["similarity"] is Double && parts(both[0])?["dense"] as? Double == 0.2)
    let dense = try found("--mode", "dense", "--explain")
    #expect(dense.count == 2 && dense[0]["text"] as? String == "she likes ramen" && parts(dense[0]) == nil)
    #expect(try found("--min-score", "0.9").count == 1)
    let table = try tool.run("search", store, "ramen", "--user", "maya", "--explain").standardOutput
    #expect(table.contains("session dense") && table.contains("similarity"))
    let plain = store + "-plain"
    try tool.run("create", plain)
    try tool.run("add", plain, "--user", "maya", "she likes ramen")
    #expect(try tool.run("search", plain, "ramen", "--user", "maya").standardOutput.contains("she likes ramen"))
    #expect(try tool.run("search", plain, "ramen", "--user", "maya", "--mode", "dense", exit: 1).standardError.contains("no embedder"))
    try tool.run("search", store, "--vector", "[1]", "--user", "maya", "--mode", "lexical", exit: 64)
  }

  /// Two memories are compared by their floats: the explanation says that the search was exact.
  @Test func aSearchCanBeFast() throws {
    let small = store + "-small"
    try tool.run("create", small, "--dimension", "2")
    for (text, vector) in [("one", "[1,0]"), ("two", "[0,1]")] {
      try tool.run("add", small, text, "--user", "maya", "--vector", vector)
    }
    for options in [["--fast"], ["--recall", "0.9"], ["--fast", "--recall", "1"]] {
      let lines = try tool.run(["search", small, "--vector", "[1,0]", "--all", "--json", "--explain"] + options).standardOutput
      let hits = try lines.split(separator: "\n").map { try object(String($0)) }
      let explanation = try #require(hits.first?["explanation"] as? [String: Any])
      #expect(hits.map { $0["text"] as? String } == ["one", "two"])
      #expect(explanation["isApproximate"] as? Bool == false && explanation["tier"] as? String == "floats")
    }
  }

  @Test func inspectHasTheAgreedShape() throws {
    let id = try add("--user", "maya", "text")
    let whole = try object(try tool.run("inspect", store, "--json").standardOutput)
    #expect(whole["memories"] as? Int == 1 && whole["contexts"] as? Int == 0 && whole["users"] as? Int == 1)
    #expect(whole["dimension"] as? Int == 384 && whole["metric"] as? String == "cosine" && whole["generation"] as? Int == 1)
    #expect(whole["batchSequence"] as? Int == 1 && whole["lastCommit"] is String && (whole["readers"] as? [Any])?.count == 0)
    let files = try #require(whole["files"] as? [[String: Any]])
    #expect(Set(files.compactMap { $0["name"] as? String }).isSuperset(of: ["current", "gen-1/data.mdb", "gen-1/rows.f32"]))
    #expect((whole["databases"] as? [[String: Any]])?.count == 14)
    #expect((whole["missingTables"] as? [String])?.isEmpty == true)
    let record = try object(try tool.run("inspect", store, "--record", id, "--json").standardOutput)
    #expect(
      (record["record"] as? [String: Any])?["text"] as? String == "text" && (record["row"] as? [String: Any])?["intact"] as? Bool == true)
    #expect((record["diagnostic"] as? String)?.hasPrefix("{\"row\": 0, ") == true)
    let user = try object(try tool.run("inspect", store, "--user", "maya", "--json").standardOutput)
    #expect(user["memories"] as? Int == 1 && user["embeddings"] as? Int == 1 && (user["newest"] as? [Any])?.count == 1)
    #expect(
      try tool.run("verify", store, "--json").standardOutput == #"{"ok":true,"memories":1,"contexts":0,"rows":1,"problems":[]}"# + "\n")
  }

  @Test func exportAndVerifyWorkWhileAnotherProcessWrites() throws {
    let writer = try tool.start(
      shell:
        #"i=0; while [ $i -lt 40 ]; do "$0" add "$1/s.memory" --user u$((i % 3)) "text $i" || exit 1; i=$((i + 1)); done; echo written"#)
    var counts: [Int] = []
    while counts.last != 40, counts.count < 400 {
      let lines = try tool.export(store).split(separator: "\n")
      counts.append(lines.count - 1)
      #expect(lines.dropFirst().allSatisfy { $0.hasPrefix(#"{"type":"memory""#) && $0.hasSuffix("}") })
      try tool.run("verify", store)
    }
    #expect(counts == counts.sorted() && counts.last == 40)
    #expect(try writer.finish().termination == .exited(0))
    #expect(try tool.run("inspect", store, "--readers").standardOutput == "no other process reads the store\n")
  }
}
