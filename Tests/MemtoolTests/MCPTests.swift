import Formats
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct MCPTests {
  private static let meta =
    #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#

  private func request(_ id: Int, _ method: String, _ members: String = "") -> String {
    #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(Self.meta)\#(members.isEmpty ? "" : ",")\#(members)}}"#
  }

  private func adding(_ id: Int, _ text: String) -> String {
    request(id, "tools/call", #""name":"memory_add","arguments":{"memories":[{"text":"\#(text)"}]}"#)
  }

  private func value(_ line: some StringProtocol) throws -> JSONValue {
    try JSONReader.read(Array(line.utf8)) { reader in try reader.readValue() }
  }

  private func server(_ tool: Tool, _ store: String, _ options: String...) throws -> Subprocess {
    try Subprocess(tool.executable, ["mcp", store, "--user", "ada"] + options)
  }

  /// Waits for the end of a child whose input stays open.
  private func awaitEnd(_ child: Subprocess) throws -> Subprocess.Termination {
    let limit = ContinuousClock.now + .seconds(60)
    while !child.hasEnded, ContinuousClock.now < limit { usleep(1000) }
    #expect(child.hasEnded, "the server ends by itself")
    return try child.finish().termination
  }

  @Test func theOutputHasMessagesOnlyAndTheEndOfTheInputEndsTheServer() throws {
    let tool = try Tool()
    let child = try server(tool, try tool.store("a store", "--embedder", "hashing"))
    try child.say(request(1, "server/discover"))
    try child.say("nonsense")
    try child.say(adding(2, "Ada drinks tea"))
    let outcome = try child.finish()
    #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
    let messages = try outcome.standardOutput.split(separator: "\n").map { try value($0) }
    #expect(messages.count == 3)
    #expect(messages.allSatisfy { $0["jsonrpc"] == .string("2.0") })
    #expect(try tool.export(tool.path("a store")).contains("Ada drinks tea"))
  }

  @Test func aSignalEndsTheServer() throws {
    let tool = try Tool()
    let child = try server(tool, try tool.store("store", "--embedder", "hashing"))
    try child.say(request(1, "server/discover"))
    _ = try child.readLine()
    kill(child.processID, SIGTERM)
    #expect(try awaitEnd(child) == .exited(128 + SIGTERM))
  }

  @Test func aClientThatIsGoneEndsTheServer() throws {
    let tool = try Tool()
    _ = try tool.store("store", "--embedder", "hashing")
    let child = try tool.start(shell: #""$0" mcp "$1/store" --user ada | head -n 1"#)
    try child.say(request(1, "server/discover"))
    _ = try child.readLine()
    // Nothing more is sent.
    #expect(try awaitEnd(child) == .exited(0))
  }

  @Test func serversOnOneStoreLoseNothing() throws {
    let tool = try Tool()
    let store = try tool.store("store", "--embedder", "hashing")
    let servers = try (0..<3).map { _ in try server(tool, store) }
    for id in 0..<20 { for (number, server) in servers.enumerated() { try server.say(adding(id, "fact \(number).\(id)")) } }
    for server in servers {
      let outcome = try server.finish()
      #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
      let answers = try outcome.standardOutput.split(separator: "\n").map { try value($0) }
      #expect(answers.count == 20 && answers.allSatisfy { $0["result"]?["isError"] == .bool(false) })
    }
    #expect(try tool.export(store).split(separator: "\n").filter { $0.contains(#""type":"memory""#) }.count == 60)
  }

  /// The server ignores SIGPIPE. A program that it starts does not: `… | head` in it must end.
  @Test func aProgramThatEmbedsHasTheSignalsOfANewProcess() throws {
    let tool = try Tool()
    let command =
      "grep SigIgn: /proc/self/status >'\(tool.path("signals"))'; "
      + #"while read -r line; do echo '{"embedding":[1,2,3],"model":"m"}'; done"#
    let store = try tool.store("store", "--embed-command", command)
    try FileManager.default.removeItem(atPath: tool.path("signals"))
    let child = try Subprocess(
      tool.executable, ["mcp", store, "--user", "ada"], environment: ["MEMTOOL_EMBEDDER": "command:\(command)"])
    try child.say(adding(1, "Ada drinks tea"))
    #expect(try value(try child.readLine())["result"]?["isError"] == .bool(false))
    #expect(try child.finish().termination == .exited(0))
    let digits = try #require(try tool.text("signals").split(whereSeparator: \.isWhitespace).last)
    let ignored = try #require(UInt64(digits, radix: 16))
    #expect(ignored & (1 << UInt64(SIGPIPE - 1)) == 0)
  }

  @Test func theUserMustBeNamed() throws {
    let tool = try Tool()
    let store = try tool.store("store", "--embedder", "hashing")
    #expect(try tool.run(["mcp", store], exit: 64).standardError.contains("--user"))
    #expect(try tool.run(["mcp", store, "--user", "ada", "--user-argument"], exit: 64).standardError.contains("--user"))
    #expect(try tool.run(["mcp", tool.path("nothing"), "--user", "ada"], exit: 1).standardOutput.isEmpty)
  }
}
