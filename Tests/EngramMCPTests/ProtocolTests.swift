import Formats
import Testing

@testable import EngramMCP

@Suite struct ProtocolTests {
  @Test func requestsOfTheCurrentEraNeedNoHandshake() async throws {
    let client = try await Client()
    let result = try #require(try await client.ask("server/discover")["result"])
    #expect(result["resultType"] == .string("complete"))
    #expect(result["supportedVersions"]?.elements?.first == .string("2026-07-28"))
    #expect(result["cacheScope"] == .string("public"))
    #expect((result["ttlMs"]?.integer ?? -1) >= 0)
    #expect(result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["version"] == .string("1.0"))
    #expect(try await client.finish().isEmpty)
  }

  @Test func theEarlierErasBeginWithInitialize() async throws {
    for (asked, selected) in [("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"), ("2024-11-05", "2025-11-25")] {
      let client = try await Client()
      let initialize =
        #"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"\#(asked)","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
      try client.send(initialize)
      let result = try #require(try await client.receive()["result"])
      #expect(result["protocolVersion"] == .string(selected))
      #expect(result["resultType"] == nil && result["ttlMs"] == nil)
      try client.send(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
      try client.send(#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)
      #expect(try await client.receive()["result"] == .object([]))
      try client.send(#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#)
      let tools = try #require(try await client.receive()["result"])
      #expect(tools["ttlMs"] == nil && tools["tools"]?.elements?.count == 9)
      try client.send(#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"engram://nothing"}}"#)
      #expect(try await client.receive()["error"]?["code"]?.integer == -32002)
      #expect(try await client.finish().isEmpty)
    }
  }

  @Test func initializeIsAcceptedAfterDiscover() async throws {
    let client = try await Client()
    #expect(try await client.ask("server/discover")["result"] != nil)
    try client.send(#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#)
    #expect(try await client.receive()["result"]?["protocolVersion"] == .string("2025-06-18"))
    #expect(try await client.finish().isEmpty)
  }

  /// Each line, and the code of its error; nil: no answer.
  @Test(arguments: [
    ("{", -32700), ("[]", -32600), ("3", -32600), (#"{"id":1,"method":"ping"}"#, -32600),
    (#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600), (#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
    (#"{"jsonrpc":"2.0","id":1}"#, -32600), (#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, -32602),
    (
      #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#, -32602
    ),
    (
      #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}"#, -32022
    ),
    (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{\#(Client.modern)}}"#, -32601),
    (#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{\#(Client.modern)}}"#, -32601),
    (#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{\#(Client.modern),"uri":"engram://profile"}}"#, -32601),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{\#(Client.modern),"cursor":""}}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{\#(Client.modern),"name":"memory_serach"}}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{\#(Client.modern)}}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{\#(Client.modern),"name":"memory_get","arguments":[]}}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{\#(Client.modern),"uri":"engram://nothing"}}"#, -32602),
    (#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{\#(Client.modern),"name":"nothing"}}"#, -32602),
  ])
  func faultsHaveTheirCodes(line: String, code: Int) async throws {
    let client = try await Client()
    try client.send(line)
    let answer = try await client.receive()
    #expect(answer["error"]?["code"]?.integer == code)
    // An id that is none is answered by null.
    let isReadable = line.contains(#""id":1,"#) || line.hasSuffix(#""id":1}"#)
    #expect(answer["id"] == (isReadable ? .number(.integer(1)) : .null))
    // The session goes on.
    #expect(try await client.ask("server/discover")["result"] != nil)
    #expect(try await client.finish().isEmpty)
  }

  @Test func anUnsupportedVersionIsAnsweredWithTheSupportedOnes() async throws {
    let client = try await Client()
    try client.send(
      #"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2031-01-01","io.modelcontextprotocol/clientCapabilities":{}}}}"#
    )
    let data = try await client.receive()["error"]?["data"]
    #expect(data?["requested"] == .string("2031-01-01"))
    #expect(data?["supported"]?.elements?.contains(.string("2026-07-28")) == true)
    #expect(try await client.finish().isEmpty)
  }

  @Test func idsAreRepeatedAsTheyCame() async throws {
    let client = try await Client()
    for id in ["0", "-7", #""1""#, #""é\u0000\n""#] {
      let answer = try await client.ask("server/discover", id: id)
      #expect(answer["id"] == (try JSONReader.read(Array(id.utf8)) { reader in try reader.readValue() }))
    }
    #expect(try await client.finish().isEmpty)
  }

  @Test func nothingAnswersNotificationsAndResponses() async throws {
    let client = try await Client()
    for line in [
      #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
      #"{"jsonrpc":"2.0","method":"notifications/nothing"}"#, #"{"jsonrpc":"2.0","id":1,"result":{}}"#, "", "  ",
    ] {
      try client.send(line)
    }
    #expect(try await client.ask("server/discover", id: "5")["id"]?.integer == 5)
    #expect(try await client.finish().isEmpty)
  }

  @Test func requestsBeforeTheEndOfTheInputAreAnswered() async throws {
    let client = try await Client()
    for id in 0..<50 {
      try client.send(
        #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{\#(Client.modern),"name":"memory_add","arguments":{"memories":[{"text":"fact \#(id)"}]}}}"#
      )
    }
    let answers = try await client.finish()
    #expect(Set(answers.compactMap { $0["id"]?.integer }) == Set(0..<50))
    #expect(answers.allSatisfy { $0["result"]?["isError"] == .bool(false) })
  }

  @Test func aCancelledServerEnds() async throws {
    let client = try await Client()
    #expect(try await client.ask("server/discover")["result"] != nil)
    client.cancel()
    #expect(try await client.finish().isEmpty)
  }
}
