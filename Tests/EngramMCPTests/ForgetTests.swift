import Engram
import Formats
import Testing

@testable import EngramMCP

@Suite struct ForgetTests {
  private static let asking =
    #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#

  private func forget(_ client: Client, _ more: String = "") async throws -> JSONValue {
    try client.send(
      #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{\#(Self.asking),"name":"memory_forget_user","arguments":{"confirm":"ada"}\#(more)}}"#
    )
    return try #require(try await client.receive()["result"])
  }

  private func answered(_ state: String, _ answer: String) -> String {
    #","requestState":"\#(state)","inputResponses":{"erase":\#(answer)}"#
  }

  @Test func theUserIsAskedAndTheAnswerCountsOnce() async throws {
    let client = try await Client(allowsForget: true)
    try await client.store.add(MemoryDraft(userID: "ada", text: "a secret"))
    let question = try await forget(client)
    #expect(question["resultType"] == .string("input_required"))
    #expect(question["inputRequests"]?["erase"]?["method"] == .string("elicitation/create"))
    let state = try #require(question["requestState"]?.text)

    // No, and a state that was used or made up: nothing is erased.
    #expect(try await forget(client, answered(state, #"{"action":"decline"}"#))["isError"] == .bool(true))
    for state in [state, "1234"] {
      let again = try await forget(client, answered(state, #"{"action":"accept","content":{"erase":true}}"#))
      #expect(again["resultType"] == .string("input_required"))
    }
    #expect(try client.store.count(scope: .user("ada")) == 1)

    let second = try #require(try await forget(client)["requestState"]?.text)
    let receipt = try await forget(client, answered(second, #"{"action":"accept","content":{"erase":true}}"#))
    #expect(receipt["structuredContent"]?["memories"]?.integer == 1)
    #expect(try client.store.count(scope: .user("ada")) == 0)
    #expect(try await client.finish().isEmpty)
  }

  @Test func theUserIDMustBeConfirmed() async throws {
    let client = try await Client(allowsForget: true)
    #expect(try await client.call("memory_forget_user", #"{"confirm":"bob"}"#).text?.contains("Nothing was erased") == true)
    #expect(try await client.call("memory_forget_user", #"{"confirm":"ada"}"#)["memories"]?.integer == 0)
    #expect(try await client.finish().isEmpty)
  }
}
