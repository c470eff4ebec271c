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

@Suite(.timeLimit(.minutes(2))) struct CancellationTests {
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
    let client = try await Client()
    let count = 3000
    // More than pipes and queues hold: sending waits while the server waits for its reader.
    let send = client.sender
    async let sent: Void = Client.onThread {
      for id in 0..<count { try send(#"{"jsonrpc":"2.0","id":\#(id),"method":"tools/list","params":{\#(Client.modern)}}"#) }
    }
    for id in 0..<count { #expect(try await client.receive()["id"]?.integer == id) }
    try await sent
    #expect(try await client.finish().isEmpty)
  }
}
