import Engram
import Formats
import Foundation
import Testing

@testable import EngramMCP

@Suite struct OfferTests {
  @Test func resourcesAreListedAndRead() async throws {
    let client = try await Client()
    let memory = try await client.store.add(MemoryDraft(userID: "ada", text: "Ada drinks tea", kind: "fact", sessionID: "s/1 é"))
    try await client.store.put(UserContext(userID: "ada", preferences: ["tone": "dry"]))
    let listed = try #require(try await client.ask("resources/list")["result"])
    #expect(listed["cacheScope"] == .string("private"))
    let uris = listed["resources"]?.elements?.compactMap { $0["uri"]?.text } ?? []
    #expect(uris == ["engram://profile", "engram://recent", "engram://about"])
    #expect(try await client.ask("resources/templates/list")["result"]?["resourceTemplates"]?.elements?.count == 2)

    for (uri, part) in [
      ("engram://profile", "dry"), ("engram://recent", "drinks tea"), ("engram://about", #""fact":1"#),
      ("engram://memory/\(memory.id)", "drinks tea"), ("engram://session/s%2F1%20%C3%A9", "drinks tea"),
    ] {
      let result = try #require(try await client.ask("resources/read", #""uri":"\#(uri)""#)["result"], "\(uri)")
      #expect(result["ttlMs"]?.integer == 0 && result["cacheScope"] == .string("private"))
      #expect(result.element("contents", 0)?["uri"] == .string(uri))
      #expect(result.element("contents", 0)?["text"]?.text?.contains(part) == true, "\(result)")
    }
    for uri in [
      "engram://memory/x", "engram://session/none", "engram://", "engram://profile/", "file:///etc/passwd", "engram://session/%zz",
    ] {
      #expect(try await client.ask("resources/read", #""uri":"\#(uri)""#)["error"]?["code"]?.integer == -32602, "\(uri)")
    }
    #expect(try await client.finish().isEmpty)
  }

  @Test func promptsContainWhatIsRemembered() async throws {
    let client = try await Client()
    try await client.store.add([
      MemoryDraft(userID: "ada", text: "Ada drinks green tea"), MemoryDraft(userID: "ada", text: "Ada drinks green teas"),
      MemoryDraft(userID: "ada", text: "Meeting on Friday", expiresAt: Date(timeIntervalSinceNow: 86_400)),
    ])
    let listed = try #require(try await client.ask("prompts/list")["result"])
    #expect(listed["prompts"]?.elements?.compactMap { $0["name"]?.text } == ["recall", "remember", "review"])
    for (name, arguments, part) in [
      ("recall", #"{"topic":"tea"}"#, "Ada drinks green tea"), ("remember", #"{"text":"I moved"}"#, "I moved"),
      ("remember", "{}", "conversation"),
      ("review", "{}", "Meeting on Friday"),
    ] {
      let result = try #require(try await client.ask("prompts/get", #""name":"\#(name)","arguments":\#(arguments)"#)["result"], "\(name)")
      #expect(result.element("messages", 0)?["content"]?["text"]?.text?.contains(part) == true)
    }
    for arguments in [#""name":"recall""#, #""name":"recall","arguments":{"subject":"tea"}"#, #""name":"recall","arguments":{"topic":7}"#] {
      #expect(try await client.ask("prompts/get", arguments)["error"]?["code"]?.integer == -32602)
    }
    #expect(try await client.finish().isEmpty)
  }

  @Test func withoutAFixedUserEachToolRequiresOne() async throws {
    let client = try await Client(user: .argument)
    #expect(try await client.call("memory_search", #"{"query":"tea"}"#).text?.contains("`user` is missing") == true)
    #expect(try await client.call("memory_search", #"{"query":"tea","user_id":"bob"}"#).text?.contains("Use `user`") == true)
    _ = try await client.call("memory_add", #"{"user":"bob","memories":[{"text":"tea"}]}"#)
    #expect(try await client.call("memory_search", #"{"user":"bob","query":"tea"}"#)["returned"]?.integer == 1)
    #expect(try await client.call("memory_search", #"{"user":"ada","query":"tea"}"#)["returned"]?.integer == 0)
    #expect(try await client.ask("server/discover")["result"]?["instructions"]?.text?.contains("names its user") == true)
    for method in ["resources/list", "prompts/list"] {
      #expect(try await client.ask(method)["error"]?["code"]?.integer == -32601)
    }
    #expect(try await client.finish().isEmpty)
  }
}
