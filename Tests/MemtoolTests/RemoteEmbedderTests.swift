import Foundation
import TestSupport
import Testing

@testable import memtool

/// memtool with embeddings from a server or from a program.
@Suite(.timeLimit(.minutes(3))) struct RemoteEmbedderTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  /// A server whose vectors have two components: the length of the text, and one.
  private static func server(_ reply: @escaping @Sendable (LocalServer.Request) -> LocalServer.Reply? = { _ in nil }) -> LocalServer {
    LocalServer { request in
      if let reply = reply(request) { return reply }
      let objects = texts(request).enumerated().map { #"{"index":\#($0.offset),"embedding":[\#($0.element.utf8.count),1]}"# }
      return .answer(200, #"{"data":[\#(objects.joined(separator: ","))]}"#)
    }
  }

  private static func texts(_ request: LocalServer.Request) -> [String] {
    let object = try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any]
    return object?["input"] as? [String] ?? []
  }

  @Test func aServerEmbedsForEveryCommand() throws {
    let server = Self.server()
    let address = "\(server.address)#tiny?query=q:%20&passage=p:%20&key=MY_KEY"
    let outcome = try tool.shell(
      """
      set -e; export MY_KEY=top-secret
      "$0" create "$1/s" --embedder '\(address)'
      export MEMTOOL_EMBEDDER='http:\(address)'
      "$0" add "$1/s" --user ada 'green tea'; "$0" search "$1/s" 'tea' --user ada --json
      """)
    #expect(outcome.termination == .exited(0), "\(outcome)")
    #expect(outcome.standardOutput.contains("(2 dimensions, cosine, embedder: http:tiny)"), "\(outcome.standardOutput)")
    #expect(outcome.standardOutput.contains(#""text":"green tea""#), "\(outcome.standardOutput)")
    // The dimension is requested when the store is made; later it is known.
    #expect(server.requests.map(Self.texts) == [["dimension"], ["p: green tea"], ["q: tea"]])
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer top-secret" })
  }

  @Test func whatIsWrongWithAServerIsSaidWithoutTheKey() throws {
    let server = Self.server { .answer(401, #"{"error":{"message":"wrong key \#($0.headers["authorization"] ?? "")"}}"#) }
    let outcome = try tool.shell(
      #"OPENAI_API_KEY=top-secret "$0" create "$1/s" --embedder 'http:\#(server.address)#tiny'; echo $?; ls "$1/s" 2>&1"#)
    #expect(outcome.standardOutput.hasPrefix("1\n") && outcome.standardOutput.contains("No such file"), "\(outcome)")
    let place = "the embedder at \(server.address)/v1/embeddings failed"
    #expect(outcome.standardError.contains("\(place): status 401: 'wrong key Bearer …'; the key was that of OPENAI_API_KEY"), "\(outcome)")
    let other = Self.server()
    let mismatch = try tool.shell(
      #"""
      "$0" create "$1/t" --embedder '\#(other.address)#tiny' --dimension 3; MEMTOOL_EMBEDDER='\#(other.address)#tiny' "$0" add "$1/t" --user u text
      """#)
    #expect(mismatch.standardError.contains("vector 0 has 2 components, expected 3"), "\(mismatch)")
  }

  @Test(arguments: [
    ("http:http://h", "it is given as http:URL#MODEL"), ("http://h#", "no model is named"),
    ("http://h#m?key", "'key' is not written as name=value"),
    ("http://h#m?keys=K", "there is no 'keys'"), ("http://h#m?dimensions=x", "no number"),
  ])
  func anAddressThatIsWrongIsAUsageError(argument: String, words: String) throws {
    let outcome = try tool.run("create", tool.path("s"), "--embedder", argument, exit: 64)
    #expect(outcome.standardError.contains(words), "\(outcome.standardError)")
  }

  @Test func aProgramEmbedsForEveryCommand() throws {
    let program = #"while read -r line; do echo "$line" >&2; echo "{\"embedding\":[${#line},1],\"model\":\"mine\"}"; done"#
    _ = try tool.write(program, to: "embed.sh")
    let outcome = try tool.shell(
      """
      set -e
      "$0" create "$1/s" --embed-command "sh $1/embed.sh"
      export MEMTOOL_EMBEDDER="command:sh $1/embed.sh"
      "$0" add "$1/s" --user ada 'green tea'; "$0" search "$1/s" 'tea' --user ada --json
      ! "$0" create "$1/t" --embed-command cat --embedder hashing
      """)
    #expect(outcome.termination == .exited(0), "\(outcome)")
    #expect(outcome.standardOutput.contains("(2 dimensions, cosine, embedder: command:mine)"), "\(outcome)")
    #expect(outcome.standardOutput.contains(#""text":"green tea""#), "\(outcome)")
    #expect(
      outcome.standardError.contains(#"{"text":"green tea","kind":"passage"}"#) && outcome.standardError.contains(#""kind":"query"}"#))
    #expect(outcome.standardError.contains("Give either --embedder or --embed-command, not both."))
    // The program has another identity than the store's embedder.
    let other = try tool.shell(#"MEMTOOL_EMBEDDER="command:while read -r l; do echo '[1,2]'; done" "$0" add "$1/s" --user ada text"#)
    #expect(other.termination == .exited(1) && other.standardError.contains("'command, version 1, 2 dimensions'"), "\(other)")
  }

  /// If memtool is killed, the program only sees the end of its input.
  @Test func theProgramEndsIfMemtoolIsKilled() async throws {
    let state = tool.path("state")
    let program = "read -r a; echo '[1,2]'; read -r b; echo waits > '\(state)'; read -r c; echo ended > '\(state)'"
    try tool.run("create", tool.path("s"), "--embed-command", "while read -r line; do echo '[1,2]'; done")
    let child = try Subprocess(
      tool.executable, ["add", tool.path("s"), "--user", "ada", "text"], environment: ["MEMTOOL_EMBEDDER": "command:\(program)"])
    try await expect("waits\n", in: state)
    child.kill()
    try await expect("ended\n", in: state)
    #expect(try child.finish().termination == .signalled(SIGKILL))
  }

  /// If the program does not end by itself, it is killed a second after the work is done.
  @Test func aProgramThatGoesOnIsEndedWithMemtool() throws {
    let program = "trap '' TERM; while read -r line; do echo '[1,2]'; sleep 1000 & echo $! > '\(tool.path("pid"))'; wait; done"
    try tool.run("create", tool.path("s"), "--embed-command", program)
    let process = try #require(Int32(tool.text("pid").trimmingCharacters(in: .whitespacesAndNewlines)))
    let stat = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    #expect(kill(process, 0) != 0 || stat.contains(") Z"), "\(stat)")
  }

  /// Waits until a file has this text. The test's time limit ends the wait.
  private func expect(_ text: String, in file: String) async throws {
    while (try? String(contentsOfFile: file, encoding: .utf8)) != text { try await Task.sleep(for: .milliseconds(2)) }
  }
}
