import Engram
import Formats
import Synchronization
import Testing

@testable import EngramMCP

/// Embeds only after it was released.
private final class PatientEmbedder: Embedder {
  private let hashing = HashingEmbedder(dimension: 32)
  private let isReleased = Mutex(false)
  let calls = Mutex(0)
  let cancellations = Mutex(0)
  var identity: EmbedderIdentity { hashing.identity }

  func release() { isReleased.withLock { $0 = true } }

  func embed(_ texts: [String]) async throws -> [Embedding] {
    calls.withLock { $0 += 1 }
    while !isReleased.withLock({ $0 }) {
      do {
        try await Task.sleep(for: .milliseconds(1))
      } catch {
        cancellations.withLock { $0 += 1 }
        throw error
      }
    }
    return try await hashing.embed(texts)
  }
}

/// Fails with an error of its own.
private struct BrokenEmbedder: Embedder {
  struct Failure: Error {}
  let identity = HashingEmbedder(dimension: 32).identity
  func embed(_ texts: [String]) async throws -> [Embedding] { throw Failure() }
}

@Suite(.timeLimit(.minutes(2))) struct CancellationTests {
  @Test func withoutItsEmbedderTheServerWorksByWords() async throws {
    let client = try await Client(embedder: BrokenEmbedder())
    let added = try await client.call("memory_add", #"{"memories":[{"text":"Ada drinks tea"}]}"#)
    #expect(added.element("memories", 0)?["words_only"] == .bool(true))
    let found = try await client.call("memory_search", #"{"query":"tea"}"#)
    #expect(found["returned"]?.integer == 1 && found["words_only"] == .bool(true))
    let prompt = try await client.ask("prompts/get", #""name":"recall","arguments":{"topic":"tea"}"#)
    #expect(prompt["result"]?.element("messages", 0)?["content"]?["text"]?.text?.contains("Ada drinks tea") == true)
    #expect(try await client.finish().isEmpty)
  }

  @Test func theEndWaitsOnlyWhileSomethingIsDone() async {
    // What changes with each look is waited for beyond the pause.
    var left = 100
    await MCPServer.waits(atMost: .seconds(60), still: .milliseconds(20)) {
      left -= 1
      return left
    }
    #expect(left == 0)
    // What does not change is not, and what is done is not waited for.
    let start = ContinuousClock.now
    await MCPServer.waits(atMost: .seconds(60), still: .milliseconds(20)) { 1 }
    await MCPServer.waits(atMost: .milliseconds(20)) { 1 }
    await MCPServer.waits(atMost: .seconds(60)) { 0 }
    let elapsed = ContinuousClock.now - start
    #expect(elapsed >= .milliseconds(40) && elapsed < .seconds(60))
  }

  private func search(_ client: Client, id: Int) throws {
    try client.send(
      #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{\#(Client.modern),"name":"memory_search","arguments":{"query":"tea"}}}"#
    )
  }

  @Test func aCancelledRequestIsStoppedAndNotAnswered() async throws {
    let embedder = PatientEmbedder()
    let client = try await Client(embedder: embedder)
    try search(client, id: 1)
    try search(client, id: 2)
    while embedder.calls.withLock({ $0 }) < 2 { await Task.yield() }
    try client.send(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"changed my mind"}}"#)
    while embedder.cancellations.withLock({ $0 }) == 0 { await Task.yield() }
    // Others overtake what waits.
    #expect(try await client.ask("tools/list", id: "3")["id"]?.integer == 3)
    embedder.release()
    #expect(try await client.receive()["id"]?.integer == 2)
    #expect(try await client.finish().isEmpty)
  }

  @Test func anIDInUseIsRefused() async throws {
    let embedder = PatientEmbedder()
    let client = try await Client(embedder: embedder)
    try search(client, id: 1)
    try search(client, id: 1)
    #expect(try await client.receive()["error"]?["code"]?.integer == -32600)
    embedder.release()
    #expect(try await client.receive()["result"] != nil)
    #expect(try await client.finish().isEmpty)
  }

  /// The server ends although the embedder does not: what it waits for is cancelled after two seconds.
  @Test func theEndOfTheInputEndsWhatDoesNotEnd() async throws {
    let embedder = PatientEmbedder()
    let client = try await Client(embedder: embedder)
    try search(client, id: 1)
    while embedder.calls.withLock({ $0 }) < 1 { await Task.yield() }
    let rest = try await client.finish()
    #expect(rest.count == 1 && rest[0]["error"]?["code"]?.integer == -32603)
    #expect(embedder.cancellations.withLock { $0 } == 1)
  }

  @Test func aClientMaySendMuchBeforeItReads() async throws {
    let client = try await Client(reads: false)
    let count = 3000
    // 30 MB of answers, and more requests than pipes hold: sending waits while the server waits for its reader.
    let send = client.sender
    let sent = Mutex(0)
    async let all: Void = Client.onThread {
      for id in 0..<count {
        try send(#"{"jsonrpc":"2.0","id":\#(id),"method":"tools/list","params":{\#(Client.modern)}}"#)
        sent.withLock { $0 = id + 1 }
      }
    }
    // The server reads on until 8 MiB of answers wait.
    while sent.withLock({ $0 }) < 850 { await Task.yield() }
    client.startReading()
    for id in 0..<count { #expect(try await client.receive()["id"]?.integer == id) }
    try await all
    #expect(try await client.finish().isEmpty)
  }
}
