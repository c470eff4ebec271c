import Engram
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import EngramHTTP

/// Correct answers, in batches.
@Suite(.timeLimit(.minutes(5))) struct HTTPEmbedderTests {
  @Test func textsAreSentToTheEndpointAndTheirVectorsComeBack() async throws {
    let server = EmbeddingServer()
    let embedder = try server.embedder()
    let texts = ["green tea", "", "naïve 日本 \"quoted\"\n"]
    let vectors = try await embedder.embed(texts)
    #expect(vectors == ["green tea", " ", texts[2]].map { Embedding(EmbeddingServer.vector($0)) })
    let request = try #require(server.server.requests.first)
    #expect(request.method == "POST" && request.path == "/v1/embeddings")
    #expect(request.headers["content-type"] == "application/json" && request.headers["authorization"] == nil)
    let body = try #require(try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any])
    #expect(Set(body.keys) == ["model", "input"] && body["model"] as? String == "tiny")
    #expect(try await embedder.embed([]).isEmpty)
    #expect(server.server.requests.count == 1)
    #expect(embedder.identity == EmbedderIdentity(name: "http:tiny", dimension: 4, version: "1"))
  }

  @Test func manyTextsAreSplitAndComeBackInTheirOrder() async throws {
    let server = EmbeddingServer()
    let embedder = try server.embedder { ($0.maximumTexts, $0.maximumRequestBytes) = (7, 20) }
    let texts = (0..<60).map { "text \($0)" } + [String(repeating: "long ", count: 10)] + (60..<90).map { "\($0)" }
    #expect(try await embedder.embed(texts) == texts.map { Embedding(EmbeddingServer.vector($0)) })
    let sent = server.server.requests.map(EmbeddingServer.texts)
    #expect(sent.flatMap(\.self).sorted() == texts.sorted())
    #expect(sent.allSatisfy { $0.count <= 7 && ($0.count == 1 || $0.reduce(0) { $0 + $1.utf8.count } <= 20) }, "\(sent)")
    #expect(sent.contains { $0.count == 7 } && sent.contains { $0.count == 1 })
  }

  @Test func vectorsAreOrderedByIndex() async throws {
    let server = EmbeddingServer { _, request in
      let texts = EmbeddingServer.texts(request)
      return .answer(
        200, EmbeddingServer.body(texts.indices.reversed().map { EmbeddingServer.object($0, EmbeddingServer.vector(texts[$0])) }))
    }
    let texts = ["a", "bb", "ccc"]
    #expect(try await server.embedder().embed(texts) == texts.map { Embedding(EmbeddingServer.vector($0)) })
  }

  @Test func vectorsMayComeAsBase64() async throws {
    let server = EmbeddingServer { _, _ in
      .answer(200, #"{"data":[{"index":0,"embedding":"\#(Self.base64([1, -0.5, 3, 4e-3]))"}]}"#)
    }
    #expect(try await server.embedder().embed("a") == Embedding([1, -0.5, 3, 4e-3]))
    let wrong = EmbeddingServer { _, _ in .answer(200, #"{"data":[{"index":0,"embedding":"\#(Self.base64([1, .nan, 3, 4]))"}]}"#) }
    #expect(try await failure(wrong.embedder()).code == .notFinite)
  }

  static func base64(_ floats: [Float]) -> String {
    var data = Data()
    for float in floats { for shift in [0, 8, 16, 24] { data.append(UInt8(truncatingIfNeeded: float.bitPattern >> shift)) } }
    return data.base64EncodedString()
  }

  @Test func prefixesAreSentAndArePartOfTheIdentity() async throws {
    let server = EmbeddingServer()
    let plain = try server.embedder()
    let embedder = try server.embedder { ($0.queryPrefix, $0.passagePrefix) = ("query: ", "passage: ") }
    #expect(try await embedder.embed("tea") == Embedding(EmbeddingServer.vector("passage: tea")))
    #expect(try await embedder.embed(queries: ["tea"]) == [Embedding(EmbeddingServer.vector("query: tea"))])
    let other = try server.embedder { ($0.queryPrefix, $0.passagePrefix) = ("query: passage: ", "") }
    let revised = try server.embedder { $0.revision = "2" }
    #expect(Set([plain, embedder, other, revised].map(\.identity)).count == 4)
    #expect(revised.identity.version == "2")
    // The address and the way of asking do not change the vectors, so they do not change the identity.
    let elsewhere = try EmbeddingServer().embedder(at: "/v1") { ($0.maximumTexts, $0.key) = (3, .value("k")) }
    #expect(elsewhere.identity == plain.identity)
  }

  @Test func theDimensionIsAskedForOnce() async throws {
    let server = EmbeddingServer()
    let client = try EmbeddingsClient(server.url, model: "tiny", EmbeddingServer.options, pauses: Pauses(), environment: [:])
    let embedder = try await HTTPEmbedder.connect(client)
    #expect(embedder.identity.dimension == 4 && server.server.requests.count == 1)
    // The same through the public function.
    var options = EmbeddingServer.options
    options.shortenedDimension = 4
    #expect(try await HTTPEmbedder.connect(to: server.url, model: "tiny", options: options).identity == embedder.identity)
    let body = String(decoding: try #require(server.server.requests.last).body, as: UTF8.self)
    #expect(body.contains(#""dimensions":4"#))
    options.shortenedDimension = 3
    let error = await #expect(throws: StoreError.self) { try await HTTPEmbedder.connect(to: server.url, model: "tiny", options: options) }
    #expect(error?.code == .dimensionMismatch)
  }

  @Test func aStoreSearchesWithIt() async throws {
    let directory = TemporaryDirectory()
    let server = EmbeddingServer()
    let store = try await MemoryStore.open(
      at: URL(fileURLWithPath: directory.path("s")), options: StoreOptions(embedder: server.embedder()))
    try await store.add((0..<10).map { MemoryDraft(userID: "u", text: "text \($0)") })
    let hits = try await store.search("text 3", scope: .user("u"), mode: .dense, limit: 1)
    #expect(hits.first?.memory.text == "text 3")
    try await store.close()
  }

  /// Twelve calls of five requests each. The first three requests are answered when a fourth has arrived.
  @Test func requestsOfManyTasksAreBounded() async throws {
    let now = Atomic(0)
    let most = Mutex(0)
    let four = DispatchSemaphore(value: 0)
    let server = EmbeddingServer { number, _ in
      let running = now.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
      most.withLock { $0 = max($0, running) }
      // The first three requests wait for the fourth, which must arrive.
      if number == 3 { for _ in 0..<3 { four.signal() } } else if number < 3 { four.wait() }
      usleep(1000)
      now.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      return nil
    }
    let embedder = try server.embedder { ($0.concurrentRequests, $0.maximumTexts) = (4, 2) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<12 {
        group.addTask {
          let texts = (0..<10).map { "\(task) \($0)" }
          let vectors = try await embedder.embed(texts)
          #expect(vectors == texts.map { Embedding(EmbeddingServer.vector($0)) })
        }
      }
      try await group.waitForAll()
    }
    #expect(most.withLock { $0 } == 4 && server.server.requests.count == 60)
  }

  @Test func aServerThatTakesFewerTextsGetsHalves() async throws {
    let server = EmbeddingServer { _, request in
      EmbeddingServer.texts(request).count > 3 ? .answer(413, #"{"error":"batch size 16 > maximum allowed batch size 3"}"#) : nil
    }
    let texts = (0..<16).map { "text \($0)" }
    #expect(try await server.embedder().embed(texts) == texts.map { Embedding(EmbeddingServer.vector($0)) })
    let strict = EmbeddingServer { _, _ in .answer(413, #"{"error":"too long"}"#) }
    let error = try await failure(strict.embedder(), texts)
    #expect(error.code == .embedderFailed && error.message.contains("status 413: 'too long'"))
    #expect(strict.server.requests.map { EmbeddingServer.texts($0).count } == [16, 8, 4, 2, 1])
  }
}
