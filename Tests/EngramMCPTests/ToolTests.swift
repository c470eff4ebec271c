import Engram
import Formats
import Testing

@testable import EngramMCP

@Suite struct ToolTests {
  @Test func theListingIsShort() async throws {
    for client in [try await Client(allowsForget: true), try await Client(user: .argument, allowsForget: true)] {
      let result = try #require(try await client.ask("tools/list")["result"])
      var writer = JSONWriter()
      writer.write(result)
      #expect(writer.bytes.count < 10_000, "\(writer.bytes.count) bytes")
      let names = result["tools"]?.elements?.compactMap { $0["name"]?.text } ?? []
      #expect(names == ToolCatalog.all.map(\.name))
      for tool in result["tools"]?.elements ?? [] {
        #expect(tool["inputSchema"]?["type"] == .string("object") && tool["inputSchema"]?["additionalProperties"] == .bool(false))
        #expect(tool["outputSchema"]?["type"] == .string("object"))
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint"] { #expect(tool["annotations"]?[hint] != nil) }
        #expect(tool["annotations"]?["openWorldHint"] == .bool(false))
      }
      #expect(try await client.finish().isEmpty)
    }
  }

  @Test func memoriesAreAddedFoundReadAndDeleted() async throws {
    let client = try await Client()
    let added = try await client.call(
      "memory_add", #"{"memories":[{"text":"Ada drinks green tea","kind":"preference","tags":["food"]},{"text":"Ada lives in Turin"}]}"#)
    let ids = (added["memories"]?.elements ?? []).compactMap { $0["id"]?.text }
    #expect(ids.count == 2)
    // Again: the same ids, nothing new.
    let again = try await client.call("memory_add", #"{"memories":[{"text":"Ada lives in Turin"}]}"#)
    #expect(again.element("memories", 0)?["id"]?.text == ids[1] && again.element("memories", 0)?["created"] == .bool(false))

    let found = try await client.call("memory_search", #"{"query":"which tea?","limit":1,"explain":true}"#)
    #expect(found.element("memories", 0)?["id"]?.text == ids[0])
    #expect(found.element("memories", 0)?["why"]?.text?.contains("words") == true)
    #expect(found["total_in_scope"]?.integer == 2 && found["returned"]?.integer == 1)
    // To JSON Schema, 1.0 is an integer.
    #expect(try await client.call("memory_search", #"{"query":"tea","limit":1.0}"#)["returned"]?.integer == 1)

    let read = try await client.call("memory_get", #"{"ids":["\#(ids[0])","00000000-0000-7000-8000-000000000000"],"neighbours":2}"#)
    #expect(read.element("memories", 0)?["tags"] == .array([.string("food")]))
    #expect(read.element("memories", 0)?["after"]?.elements?.count == 1)
    #expect(read["missing"]?.elements?.count == 1)

    let updated = try await client.call("memory_update", #"{"id":"\#(ids[0])","text":"Ada drinks black tea","if_version":1}"#)
    #expect(updated["version"]?.integer == 2)
    #expect(try await client.call("memory_update", #"{"id":"\#(ids[0])","text":"x","if_version":1}"#).text?.contains("version") == true)
    let versions = try await client.call("memory_get", #"{"ids":["\#(ids[0])"],"history":true}"#)
    #expect(versions.element("memories", 0)?.element("earlier", 0)?["text"] == .string("Ada drinks green tea"))

    let deleted = try await client.call("memory_delete", #"{"ids":["\#(ids[0])","00000000-0000-7000-8000-000000000000"]}"#)
    #expect(deleted["deleted"]?.elements?.count == 1 && deleted["missing"]?.elements?.count == 1)
    let overview = try await client.call("memory_overview")
    #expect(overview["memories"]?.integer == 1 && overview["user"] == .string("ada") && overview["exists"] == .bool(true))
    #expect(try await client.finish().isEmpty)
  }

  /// The bug: a memory keeps the key that its first text gave it. After that text was corrected, adding it again returned the id of the
  /// corrected memory, and nothing was stored.
  @Test func aTextThatIsNoLongerRememberedCanBeAddedAgain() async throws {
    let client = try await Client()
    struct Added: Equatable {
      let id: String
      let isNew: Bool
    }
    func add(_ text: String, _ more: String = "") async throws -> Added {
      let added = try await client.call("memory_add", #"{"memories":[{"text":"\#(text)"\#(more)}]}"#).element("memories", 0)
      return Added(id: try #require(added?["id"]?.text), isNew: added?["created"] == .bool(true))
    }
    let turin = try await add("Ada lives in Turin")
    let rome = try await add("Ada lives in Rome", #","replaces":"\#(turin.id)""#)
    // She is back.
    let back = try await add("Ada lives in Turin", #","replaces":"\#(rome.id)""#)
    #expect(back.isNew && back.id != turin.id)
    #expect(try await add("Ada lives in Turin") == Added(id: back.id, isNew: false))
    #expect(try await client.call("memory_search", #"{"query":"lives"}"#).element("memories", 0)?["id"]?.text == back.id)

    _ = try await client.call("memory_update", #"{"id":"\#(back.id)","text":"Ada lives in Milan"}"#)
    let again = try await add("Ada lives in Turin")
    #expect(again.isNew)
    #expect(try await add("Ada lives in Turin") == Added(id: again.id, isNew: false))
    // A key that the client chose is stored once, whatever the text.
    let named = try await add("Ada has a cat", #","key":"pet""#)
    #expect(try await add("Ada has a dog", #","key":"pet""#) == Added(id: named.id, isNew: false))
    #expect(try await client.finish().isEmpty)
  }

  @Test func oneMemoryTakesThePlaceOfSeveral() async throws {
    let client = try await Client()
    let added = try await client.call(
      "memory_add",
      #"{"memories":[{"text":"Ada likes ramen","trust":"high"},{"text":"Ada likes udon","trust":"low"},{"text":"Ada likes tea"}]}"#)
    let ids = (added["memories"]?.elements ?? []).compactMap { $0["id"]?.text }
    let summary = try await client.call(
      "memory_add", #"{"memories":[{"text":"Ada likes noodle soups","combines":["\#(ids[0])","\#(ids[1])"]}]}"#)
    let id = try #require(summary.element("memories", 0)?["id"]?.text)
    let found = try await client.call("memory_search", #"{"query":"what does Ada like?"}"#)
    #expect(Set((found["memories"]?.elements ?? []).compactMap { $0["id"]?.text }) == [id, ids[2]])
    #expect(found["memories"]?.elements?.first { $0["id"]?.text == id }?["trust"] == .string("low"))
    let trusted = try await client.call("memory_search", #"{"query":"what does Ada like?","trust":"low"}"#)
    #expect((trusted["memories"]?.elements ?? []).compactMap { $0["id"]?.text } == [id])
    let read = try await client.call("memory_get", #"{"ids":["\#(id)","\#(ids[0])"]}"#)
    #expect(read.element("memories", 0)?["derived_from"] == .array(ids.prefix(2).map { .string($0) }))
    #expect(read.element("memories", 1)?["superseded_by"]?.text == id)
    // Of memories that were replaced, nothing can be made again.
    let refused = try await client.call("memory_add", #"{"memories":[{"text":"soups","combines":["\#(ids[0])","\#(ids[2])"]}]}"#)
    #expect(refused.text?.contains("was replaced by \(id)") == true)
    #expect(try await client.call("memory_overview")["memories"]?.integer == 4)
    #expect(try await client.finish().isEmpty)
  }

  @Test func neighboursAndVersionsOfALongMemoryAreShownAndCut() async throws {
    let client = try await Client()
    let long = String(repeating: "long words ", count: 10_000)
    let added = try await client.call("memory_add", #"{"memories":[{"text":"first \#(long)"},{"text":"second \#(long)"}]}"#)
    let id = try #require(added.element("memories", 0)?["id"]?.text)
    _ = try await client.call("memory_update", #"{"id":"\#(id)","text":"again \#(long)"}"#)
    let memory = try await client.call("memory_get", #"{"ids":["\#(id)"],"neighbours":1,"history":true}"#).element("memories", 0)
    #expect(memory?["cut"] == .bool(true))
    for (key, start) in [("after", "second"), ("earlier", "first")] {
      #expect(memory?.element(key, 0)?["text"]?.text?.hasPrefix(start) == true && memory?.element(key, 0)?["cut"] == .bool(true))
    }
    #expect(try await client.finish().isEmpty)
  }

  @Test func pagesFollowEachOtherWithinTheBudget() async throws {
    let client = try await Client()
    let texts = (0..<40).map { #"{"text":"fact number \#($0) \#(String(repeating: "word ", count: 20))"}"# }
    _ = try await client.call("memory_add", #"{"memories":[\#(texts.joined(separator: ","))]}"#)
    var seen: [String] = []
    var cursor = ""
    while true {
      let page = try await client.call("memory_list", #"{"limit":10,"max_tokens":500,"order":"oldest"\#(cursor)}"#)
      let ids = (page["memories"]?.elements ?? []).compactMap { $0["id"]?.text }
      #expect(!ids.isEmpty && ids.count < 10)
      seen += ids
      guard let next = page["next_cursor"]?.text else { break }
      cursor = #","cursor":"\#(next)""#
    }
    #expect(seen.count == 40 && Set(seen).count == 40)
    #expect(try await client.call("memory_list", #"{"cursor":"nonsense"}"#).text?.contains("cursor") == true)
    #expect(try await client.finish().isEmpty)
  }

  @Test func theFirstMemoryIsCutIfItIsTooLarge() async throws {
    let client = try await Client()
    _ = try await client.call("memory_add", #"{"memories":[{"text":"tea \#(String(repeating: "long words ", count: 5000))"}]}"#)
    let found = try await client.call("memory_search", #"{"query":"tea","max_tokens":300}"#)
    #expect(found.element("memories", 0)?["cut"] == .bool(true))
    #expect((found["tokens_estimated"]?.integer ?? .max) <= 320)
    #expect(try await client.finish().isEmpty)
  }

  @Test func theProfileChangesInOneStep() async throws {
    let client = try await Client()
    #expect(try await client.call("profile_get")["version"]?.integer == 0)
    let change = #"{"set":{"preferences.language":"Italian","topics":["tea"]},"increment":{"friendshipLevel":2},"key":"k1"}"#
    for _ in 0..<2 {
      let changed = try await client.call("profile_update", change)
      #expect(changed["version"]?.integer == 1 && changed["value"]?["friendshipLevel"]?.integer == 2)
      #expect(changed["value"]?["preferences"]?["language"] == .string("Italian"))
    }
    // A combining mark after the point belongs to the name.
    let lower = try await client.call(
      "profile_update", #"{"increment":{"friendshipLevel":-5},"set":{"preferences.\u0301x":"y"},"if_version":1,"key":"k2"}"#)
    #expect(lower["value"]?["friendshipLevel"]?.integer == -3 && lower["value"]?["preferences"]?["\u{301}x"] == .string("y"))
    // Another version is no call that was done before.
    let late = try await client.call("profile_update", #"{"unset":["topics"],"if_version":1,"key":"k3"}"#)
    #expect(late.text?.contains("version") == true)
    #expect(try await client.call("profile_update", #"{"set":{"name":"x"}}"#).text?.contains("preferences.NAME") == true)
    #expect(try await client.call("profile_update", #"{"unset":["topics"],"if_version":7}"#).text?.contains("version") == true)
    #expect(try await client.finish().isEmpty)
  }

  /// The arguments, and what the sentence must contain.
  @Test(arguments: [
    ("memory_search", #"{"q":"tea"}"#, "Use `query`, not `q`"), ("memory_search", #"{"qeury":"tea"}"#, "Use `query`, not `qeury`"),
    ("memory_search", "{}", "`query` is missing"), ("memory_search", #"{"query":"tea","limit":0}"#, "from 1 to 50, not 0"),
    ("memory_search", #"{"query":"tea","limit":"5"}"#, "an integer"), ("memory_search", #"{"query":"tea","limit":5.5}"#, "an integer"),
    ("memory_search", #"{"query":"tea","kind":null}"#, "leave it out"), ("memory_search", #"{"query":""}"#, "empty"),
    ("memory_add", #"{"memories":[{"text":" \n\t"}]}"#, "`memories[0].text` is empty"),
    ("memory_search", #"{"query":["tea"]}"#, "a text, not an array"), ("memory_search", #"{"query":"tea","since":"soon"}"#, "`since`"),
    ("memory_search", #"{"query":"tea","user":"bob"}"#, "There is no `user`"),
    ("memory_search", #"{"query":"tea","since":"2026-01-02","until":"2026-01-01"}"#, "later than"),
    ("memory_add", #"{"memories":[]}"#, "0 elements"), ("memory_add", #"{"text":"x"}"#, "Use `memories`"),
    ("memory_add", #"{"memories":[{"text":"a"},{"content":"b"}]}"#, "Use `text`, not `content` in `memories[1]`"),
    ("memory_add", #"{"memories":[{"text":"a","trust":"hihg"}]}"#, "Did you mean `high`"),
    ("memory_add", #"{"memories":[{"text":"a","expires_in":"7 days"}]}"#, "7d"),
    ("memory_add", #"{"memories":[{"text":"a"},{"text":"a"}]}"#, "twice"),
    ("memory_get", #"{"ids":["7"]}"#, "id of a memory"),
    ("memory_update", #"{"id":"00000000-0000-7000-8000-000000000000"}"#, "Nothing to change"),
    ("memory_update", #"{"id":"00000000-0000-7000-8000-000000000000","text":"a"}"#, "no memory"),
    ("memory_overview", #"{"verbose":true}"#, "there are no arguments"),
  ])
  func wrongArgumentsAreRefusedByASentence(tool: String, arguments: String, sentence: String) async throws {
    let client = try await Client()
    let answer = try await client.call(tool, arguments).text
    #expect(answer?.contains(sentence) == true, "\(answer ?? "no sentence")")
    #expect(try await client.finish().isEmpty)
  }

  @Test func aReadOnlyServerOffersNoChanges() async throws {
    let client = try await Client(isReadOnly: true, allowsForget: true)
    let names = try await client.ask("tools/list")["result"]?["tools"]?.elements?.compactMap { $0["name"]?.text }
    #expect(names == ["memory_search", "memory_get", "memory_list", "profile_get", "memory_overview"])
    #expect(try await client.ask("tools/call", #""name":"memory_add","arguments":{}"#)["error"]?["code"]?.integer == -32602)
    #expect(try await client.finish().isEmpty)
  }

  @Test func anotherUsersMemoryCountsAsAbsent() async throws {
    let client = try await Client()
    let id = try await client.store.add(MemoryDraft(userID: "bob", text: "Bob's secret tea")).id.description
    #expect(try await client.call("memory_get", #"{"ids":["\#(id)"]}"#)["missing"]?.elements == [.string(id)])
    #expect(try await client.call("memory_delete", #"{"ids":["\#(id)"]}"#)["deleted"]?.elements == [])
    #expect(try await client.call("memory_search", #"{"query":"secret tea"}"#)["returned"]?.integer == 0)
    #expect(try await client.call("memory_overview")["exists"] == .bool(false))
    #expect(try await client.finish().isEmpty)
  }
}
