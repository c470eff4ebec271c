import Engram
import Formats
import Testing

@testable import EngramMCP

@Suite struct SubscriptionTests {
  @Test func changesOfTheStoreAreReported() async throws {
    let client = try await Client()
    let acknowledged = try await client.ask(
      "subscriptions/listen",
      #""notifications":{"resourceSubscriptions":["engram://recent","engram://profile","engram://nothing"],"toolsListChanged":true}"#,
      id: "77")
    #expect(acknowledged["method"] == .string("notifications/subscriptions/acknowledged"))
    #expect(acknowledged["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.integer == 77)
    #expect(acknowledged["params"]?["notifications"]?["resourceSubscriptions"]?.elements?.count == 2)
    #expect(acknowledged["params"]?["notifications"]?["toolsListChanged"] == nil)

    try await client.store.add(MemoryDraft(userID: "ada", text: "new"))
    let updated = try await client.receive()
    #expect(updated["method"] == .string("notifications/resources/updated"))
    #expect(updated["params"]?["uri"] == .string("engram://recent"))
    #expect(updated["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.integer == 77)

    // Another user's change is none of this client's business; the profile's comes next.
    try await client.store.add(MemoryDraft(userID: "bob", text: "new"))
    try await client.store.put(UserContext(userID: "ada"))
    #expect(try await client.receive()["params"]?["uri"] == .string("engram://profile"))

    // The subscription is answered at the end.
    let rest = try await client.finish()
    #expect(rest.count == 1 && rest[0]["id"]?.integer == 77)
    #expect(rest[0]["result"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.integer == 77)
  }

  @Test func theEarlierErasSubscribeToOneResourceAtATime() async throws {
    let client = try await Client()
    #expect(try await client.initialize()["capabilities"]?["resources"]?["subscribe"] == .bool(true))
    func ask(_ method: String, _ uri: String) async throws -> JSONValue {
      try client.send(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{"uri":"\#(uri)"}}"#)
      return try await client.receive()
    }
    #expect(try await ask("resources/subscribe", "engram://nothing")["error"]?["code"]?.integer == -32002)
    #expect(try await ask("resources/subscribe", "engram://recent")["result"] == .object([]))
    try await client.store.add(MemoryDraft(userID: "ada", text: "new"))
    let updated = try await client.receive()
    #expect(updated["method"] == .string("notifications/resources/updated") && updated["id"] == nil)
    #expect(updated["params"] == .object([JSONValue.Member(key: "uri", value: .string("engram://recent"))]))
    #expect(try await ask("resources/unsubscribe", "engram://recent")["result"] == .object([]))
    try await client.store.add(MemoryDraft(userID: "ada", text: "newer"))
    #expect(try await client.finish().isEmpty)
  }

  @Test func aCancelledSubscriptionIsNotAnswered() async throws {
    let client = try await Client()
    _ = try await client.ask("subscriptions/listen", #""notifications":{"resourceSubscriptions":["engram://recent"]}"#, id: "7")
    try client.send(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#)
    #expect(try await client.ask("server/discover")["result"] != nil)
    try await client.store.add(MemoryDraft(userID: "ada", text: "new"))
    #expect(try await client.finish().isEmpty)
  }
}
