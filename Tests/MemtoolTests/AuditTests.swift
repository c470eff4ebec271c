import Formats
import Foundation
import LMDB
import Testing
import TestSupport

@testable import Engram

/// The output of `memtool audit`.
@Suite struct AuditTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    let soon = Date(timeIntervalSinceNow: 3 * 86_400).ISO8601Format()
    let later = Date(timeIntervalSinceNow: 20 * 86_400).ISO8601Format()
    let lines = [
      #"{"type":"context","recordType":"UserContext","userID":"noah","value":{"userID":"noah","firstSeen":0}}"#,
      Self.line(1, "maya", "loves ramen", #","embedding":[3,4,0],"kind":"fact","sessionID":"s","metadata":{"topic":"food"}"#),
      Self.line(2, "maya", "loves ramen", #","embedding":[3,4,0],"kind":"fact","sessionID":"t""#),
      Self.line(3, "maya", #"likes ramen\u001b[31m"#, #","embedding":[3,4.1,0],"expiresAt":"\#(soon)""#),
      Self.line(4, "maya", " ", #","embedding":[0,-1,0],"kind":"message","expiresAt":"\#(later)""#),
      Self.line(5, "noah", "", #","kind":"message","sessionID":"s""#),
      Self.line(6, "zoë", "tea", #","embedding":[3,4,0]"#),
    ]
    store = try tool.store("s.memory", "--dimension", "3", lines: lines.map { $0 + "\n" }.joined())
  }

  private static func id(_ number: Int) -> String { "00000000-0000-7000-8000-00000000000\(number)" }

  private static func line(_ number: Int, _ user: String, _ text: String, _ rest: String) -> String {
    #"{"type":"memory","id":"\#(id(number))","userID":"\#(user)","text":"\#(text)","createdAt":"2026-01-0\#(number)T00:00:00Z"\#(rest)}"#
  }

  /// The output of an audit without the time at its beginning.
  private func audit(_ arguments: String...) throws -> String {
    let output = try tool.run(["audit", store] + arguments)
    #expect(output.standardError.isEmpty)
    let time = /20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ/
    return output.standardOutput.replacing(time, with: "TIME", maxReplacements: 1)
  }

  @Test func theTablesAreThese() throws {
    #expect(
      try audit("--constant", "3") == """
        as of                TIME, commit 1
        users                3, 3 with memories
        memories             6, 42 B of text
        contexts             1
        embeddings           5 of 3 dimensions, cosine
        memories per user    1 to 4; 25 %: 1, median: 1, 75 %: 4, 90 %: 4, 99 %: 4
        created              2026-01-01T00:00:00.000Z to 2026-01-06T00:00:00.000Z
        expired              0, not swept yet
        expiring             1 within 7 days, 2 within 30 days
        same text            1 group, 1 surplus memory
        same embedding       1 group, 1 surplus memory
        near duplicates      3 pairs with a cosine of 0.97 or more, 1 of equal embeddings
        compared             6 of 6 pairs, all of each user
        empty texts          2
        without embedding    1
        zero embeddings      0
        dead components      1 of 3: 2
        constant embeddings  1, of 3 memories (an embedding that 3 or more share)
        kinds                2, on 4 of 6 memories
        metadata keys        1
        sessions             3

        users by memories
        memories  contexts  embeddings  text  user
               4         0           4  39 B  maya
               1         1           0   0 B  noah
               1         0           1   3 B  zoë

        same text
        memories  user  ids                                   text
               2  maya  00000000-0000-7000-8000-000000000001  loves ramen
                        00000000-0000-7000-8000-000000000002

        same embedding
        memories  user  ids                                   text
               2  maya  00000000-0000-7000-8000-000000000001  loves ramen
                        00000000-0000-7000-8000-000000000002

        near duplicates
        cosine  user  ids                                   text
        0.9999  maya  00000000-0000-7000-8000-000000000001  loves ramen
                      00000000-0000-7000-8000-000000000003  likes ramen\\u{1B}[31m
        0.9999  maya  00000000-0000-7000-8000-000000000002  loves ramen
                      00000000-0000-7000-8000-000000000003  likes ramen\\u{1B}[31m

        empty texts
        00000000-0000-7000-8000-000000000004
        00000000-0000-7000-8000-000000000005

        without embedding
        00000000-0000-7000-8000-000000000005

        constant embeddings
        memories  users  texts  ids                                   text
               3      2      2  00000000-0000-7000-8000-000000000001  loves ramen
                                00000000-0000-7000-8000-000000000002
                                00000000-0000-7000-8000-000000000006

        kinds
        memories  name
               2  fact
               2  message

        metadata keys
        memories  name
               1  topic

        """)
  }

  @Test func theObjectIsThis() throws {
    let object =
      #"{"asOf":"TIME","batchSequence":1,"userID":"maya","dimension":3,"metric":"cosine","memories":4,"contexts":0,"embeddings":4,"#
      + #""textBytes":39,"users":{"count":1,"withMemories":1,"memoriesPerUser":{"minimum":4,"percent25":4,"median":4,"percent75":4,"#
      + #""percent90":4,"percent99":4,"maximum":4},"largest":[{"userID":"maya","memories":4,"contexts":0,"embeddings":4,"textBytes":39}]},"#
      + #""times":{"oldest":"2026-01-01T00:00:00.000Z","newest":"2026-01-04T00:00:00.000Z","expired":0,"expiringWithin7Days":1,"#
      + #""expiringWithin30Days":2},"sameText":{"groups":1,"surplus":1,"largest":[{"userID":"maya","count":2,"ids":["\#(Self.id(1))"],"#
      + #""excerpt":"loves ramen"}]},"sameEmbedding":{"groups":1,"surplus":1,"largest":[{"userID":"maya","count":2,"#
      + #""ids":["\#(Self.id(1))"],"excerpt":"loves ramen"}]},"nearDuplicates":{"threshold":0.97,"pairs":3,"identical":1,"compared":6,"#
      + #""possible":6,"window":1000,"partialUsers":0,"partial":[],"closest":[{"userID":"maya","score":SCORE,"#
      + #""ids":["\#(Self.id(1))","\#(Self.id(3))"],"excerpts":["loves ramen","likes ramen\u001b[31m"]}]},"#
      + #""unmatched":{"emptyTexts":{"count":1,"first":["\#(Self.id(4))"]},"withoutEmbedding":{"count":0,"first":[]},"#
      + #""zeroEmbeddings":{"count":0,"first":[]},"deadComponents":{"count":1,"first":[2]},"#
      + #""constants":{"count":1,"memories":2,"largest":[{"count":2,"users":1,"texts":1,"ids":["\#(Self.id(1))"],"#
      + #""excerpt":"loves ramen"}]}},"kinds":{"distinct":2,"occurrences":3,"uncounted":0,"commonest":[{"name":"fact","count":2}]},"#
      + #""metadataKeys":{"distinct":1,"occurrences":1,"uncounted":0,"commonest":[{"name":"topic","count":1}]},"sessions":2}"# + "\n"
    let output = try audit("--user", "maya", "--limit", "1", "--constant", "2", "--json")
    #expect(output.replacing(/"score":0\.9999\d*/, with: "\"score\":SCORE") == object)
    #expect(try JSONSerialization.jsonObject(with: Data(output.utf8)) is [String: Any])
  }

  /// The JSON object has every field of the library's report, with the same values.
  @Test func theObjectHoldsTheLibrarysReport() async throws {
    let lines = SampleLines.jsonLines(count: 120, seed: 8) { index, generator in
      index % 7 == 0 ? nil : (0..<2).map { _ in Float.random(in: 0.1...1, using: &generator) }
    }
    let path = try tool.store("t.memory", "--dimension", "2", lines: lines)
    let text = try tool.run("audit", path, "--json", "--threshold", "0.9999", "--limit", "7").standardOutput
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: path), options: StoreOptions(access: .readOnly))
    let report = try await store.audit(AuditOptions(limit: 7, threshold: 0.9999))
    try await store.close()
    func field(_ path: String...) -> Any? { path.reduce(object) { ($0 as? [String: Any])?[$1] } }
    #expect(field("memories") as? Int == 120 && field("embeddings") as? Int == report.embeddings && field("userID") is NSNull)
    #expect(field("users", "count") as? Int == 4 && field("contexts") as? Int == 8)
    let users = try #require(field("users", "largest") as? [[String: Any]])
    #expect(users.compactMap { $0["userID"] as? String } == report.users.largest.map(\.userID))
    #expect(users.compactMap { $0["textBytes"] as? Int } == report.users.largest.map(\.textBytes))
    let near = try #require(report.nearDuplicates)
    #expect(near.pairs > 7 && field("nearDuplicates", "pairs") as? Int == near.pairs)
    let closest = try #require(field("nearDuplicates", "closest") as? [[String: Any]])
    #expect(closest.compactMap { $0["ids"] as? [String] } == near.closest.map { [$0.first.description, $0.second.description] })
    #expect(closest.compactMap { ($0["score"] as? Double).map(Float.init) } == near.closest.map(\.score))
    #expect(field("unmatched", "withoutEmbedding", "count") as? Int == report.unmatched.withoutEmbedding?.count)
    let kinds = try #require(field("kinds", "commonest") as? [[String: Any]])
    #expect(kinds.compactMap { $0["name"] as? String } == ["fact"] && kinds.first?["count"] as? Int == report.kinds.occurrences)
    #expect(field("metadataKeys", "distinct") as? Int == 7 && field("sessions") as? Int == report.sessions)
  }

  @Test func listsThatTheLimitCutsSaySo() throws {
    let lines = (0..<2_003).map {
      #"{"type":"memory","userID":"u\#($0 % 2_002 == 0 ? 1 : 0)","text":"text \#($0 / 3)","kind":"k\#($0 % 3)","embedding":[1,\#($0 % 5)]}"#
    }
    let path = try tool.store("t.memory", "--dimension", "2", lines: lines.map { $0 + "\n" }.joined())
    let output = try tool.run("audit", path, "--limit", "2", "--window", "10").standardOutput
    #expect(output.contains("compared             19956 of 2001001 pairs: of 1 user with more than 2000 embeddings, each one with the 10 "))
    for title in ["same text: 2 of 667", "kinds: 2 of 3", "constant embeddings: 2 of 5"] { #expect(output.contains("\n\(title)\n")) }
    #expect(output.contains("and 1 more") && output.contains("not every pair compared\nembeddings  pairs compared       of  user\n"))
    #expect(output.contains("\n      2001           19955  2001000  u0\n"))
  }

  @Test(arguments: [
    (["--threshold", "0"], "The threshold is 0.0, it must lie above 0 and not above 1."),
    (["--threshold", "1.01"], "The threshold is 1.01, it must lie above 0 and not above 1."),
    (["--threshold", "nan"], "The threshold is nan, it must lie above 0 and not above 1."),
    (["--threshold=-0.5"], "The threshold is -0.5, it must lie above 0 and not above 1."),
    (["--threshold", "much"], "The value 'much' is invalid for '--threshold <cosine>'"),
    (["--limit", "0"], "The limit is 0, it must be at least 1."),
    (["--window", "0"], "The window is 0, it must be at least 1."),
    (["--constant", "1"], "The count of a constant embedding is 1, it must be at least 2."),
  ])
  func badOptionsAreRefusedByName(_ options: [String], _ message: String) throws {
    let outcome = try tool.run(["audit", store] + options, exit: 64)
    #expect(outcome.standardError.hasPrefix("Error: \(message)\n") && outcome.standardOutput.isEmpty)
  }

  @Test func unknownUsersAndStoresAreNamed() throws {
    #expect(try tool.run("audit", store, "--user", "nobody", exit: 1).standardError == "memtool: the store has no user 'nobody'\n")
    #expect(try tool.run("audit", store, "--user", "", exit: 1).standardError.hasPrefix("memtool: the userID is empty"))
    #expect(try tool.run("audit", tool.path("none"), exit: 1).standardError.hasPrefix("memtool: "))
  }

  @Test func aStoreWithoutEmbeddingsHasNulls() throws {
    let path = try tool.store("t.memory", lines: #"{"type":"memory","userID":"u","text":"t"}"# + "\n")
    let output = try tool.run("audit", path, "--json").standardOutput
    for name in ["dimension", "sameEmbedding", "nearDuplicates", "withoutEmbedding", "zeroEmbeddings", "deadComponents", "constants"] {
      #expect(output.contains("\"\(name)\":null"))
    }
    let tables = try tool.run("audit", path).standardOutput
    #expect(tables.contains("embeddings         none\n") && !tables.contains("compared"))
  }

  @Test func progressIsShownOnATerminalUnlessQuiet() throws {
    let lines = (0..<1_500).map { #"{"type":"memory","userID":"u","text":"\#($0)","embedding":[1,\#($0)]}"# + "\n" }.joined()
    try tool.store("t.memory", "--dimension", "2", lines: lines)
    func onTerminal(_ options: String) throws -> String {
      try tool.shell(
        "NO_COLOR=1 TERM=xterm python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' \"$0\" audit \"$1/t.memory\" --limit 1 \(options)"
      ).standardOutput
    }
    let shown = try onTerminal("")
    for part in ["auditing  [", "memories/s", "comparing [", "items/s", "\r\u{1B}[Kas of"] { #expect(shown.contains(part), "\(part)") }
    let quiet = try onTerminal("--quiet")
    #expect(quiet.hasPrefix("as of") && !quiet.contains("\u{1B}"))
  }

  // MARK: Damage

  @Test func aDamagedRowIsExitCode3() throws {
    let url = URL(fileURLWithPath: "\(store)/gen-1/rows.f32")
    var bytes = try Data(contentsOf: url)
    bytes[4096 + 5] ^= 1
    try bytes.write(to: url)
    #expect(try tool.run("audit", store, exit: 3).standardError.contains("row 0"))
  }

  @Test func aRowBeyondTheLastIsNotTouched() throws {
    let environment = try Environment(path: "\(store)/gen-1", databases: Tables.names, options: Environment.Options())
    let schema = Schema(environment)
    var transaction = try EnvironmentTransaction(environment)
    var state = try Self.state(transaction, schema)
    try #require(state.rowsHigh > 4)
    state.rowsHigh = 1
    var writer = CBORWriter()
    state.encode(into: &writer)
    try transaction.put(MetaKey.state.encoded, writer.bytes, in: schema[Tables.Meta.self])
    try transaction.commit()
    #expect(environment.close())
    #expect(
      try tool.run("audit", store, exit: 3).standardError
        == "memtool: memory \(Self.id(2)) names row 1, which the store does not have\n")
  }
  /// The state record; a new one if there is none.
  private static func state(_ transaction: borrowing EnvironmentTransaction, _ schema: Schema) throws -> StateRecord {
    guard let value = try transaction.view.value(MetaKey.state.encoded, in: schema[Tables.Meta.self]) else { return StateRecord() }
    return try StateRecord(value)
  }
}
