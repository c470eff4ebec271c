import Engram
import Foundation
import TestSupport
import Testing

@testable import EngramHTTP

/// Servers with wrong answers: each is an error that names the endpoint and the reason, and the request is not repeated.
@Suite(.timeLimit(.minutes(5))) struct WrongAnswerTests {
  private static func data(_ objects: String...) -> String { EmbeddingServer.body(objects) }
  private static let good = EmbeddingServer.object(0, [1, 2, 3, 4])

  @Test(arguments: [
    (
      data(EmbeddingServer.object(0, [1, 2, 3]), EmbeddingServer.object(1, [1, 2, 3])), StoreError.Code.dimensionMismatch,
      "has 3 components, expected 4"
    ),
    (data(good, EmbeddingServer.object(1, [1, 2, 3, 4, 5])), .dimensionMismatch, "vector 1 has 5 components, expected 4"),
    (data(good, EmbeddingServer.object(1, [])), .dimensionMismatch, "vector 1 has 0 components"),
    (data(good), .embedderFailed, "1 vectors for 2 texts: that of text 1 is missing"),
    (data(), .embedderFailed, "0 vectors for 2 texts"),
    (
      data(good, EmbeddingServer.object(1, [1, 2, 3, 4]), EmbeddingServer.object(2, [1, 2, 3, 4])), .embedderFailed,
      "a vector 2, and 2 texts"
    ),
    (data(good, good), .embedderFailed, "two vectors 0"),
    (data(good, EmbeddingServer.object(-1, [1, 2, 3, 4])), .embedderFailed, "a vector -1"),
    (data(good, #"{"embedding":[1,2,3,4]}"#), .embedderFailed, "no 'index'"),
    (data(good, #"{"index":1}"#), .embedderFailed, "vector 1 of its answer has no 'embedding'"),
    (data(good, #"{"index":1,"embedding":[1,2,3,1e40]}"#), .notFinite, "too large"),
    (data(good, #"{"index":1,"embedding":[0,0,0,-0.0]}"#), .zeroNorm, "vector 1 is zero"),
    (data(good, #"{"index":1,"embedding":[1,2,3,null]}"#), .embedderFailed, "expected a number, found null"),
    (data(good, #"{"index":1,"embedding":[1,2,3,NaN]}"#), .embedderFailed, "not the JSON"),
    (data(good, #"{"index":1,"embedding":"AAAA!"}"#), .embedderFailed, "not the JSON"),
    (data(good, #"{"index":1.5,"embedding":[1,2,3,4]}"#), .embedderFailed, "not the JSON"),
    (data(good, #"{"index":1,"embedding":[1,2,3,4"#), .embedderFailed, "not the JSON"),
    (#"{"data":{}}"#, .embedderFailed, "expected an array, found an object"),
    (#"{"data":[],"data":[]}"#, .embedderFailed, "two lists"),
    (#"{"object":"error","message":"no such model"}"#, .embedderFailed, "no 'data' (status 200): 'no such model'"),
    ("[[1,2,3,4],[1,2,3,4]]", .embedderFailed, "expected an object, found an array"),
    ("", .embedderFailed, "not the JSON"),
    ("<html>\n <body>Sign in</body></html>", .embedderFailed, "'<html> <body>Sign in</body></html>'"),
    ("\u{1B}[31mred", .embedderFailed, #"\u{1B}[31mred"#),
  ])
  func anAnswerThatIsNotAsItShouldBeIsRefused(body: String, code: StoreError.Code, words: String) async throws {
    let server = EmbeddingServer { _, _ in .answer(200, body) }
    let error = try await failure(server.embedder(), ["a", "b"])
    #expect(error.code == code && error.message.contains(words), "\(error.message)")
    #expect(error.message.contains("http://127.0.0.1:\(server.server.port)/v1/embeddings"), "\(error.message)")
    #expect(error.message.utf8.count < 700 && server.server.requests.count == 1)
  }

  @Test(arguments: [
    (400, #"{"error":{"message":"this model\nreads 512 tokens","type":"x"}}"#, "status 400: 'this model reads 512 tokens'"),
    (404, #"{"error":"model \"tiny\" not found, try pulling it first"}"#, "status 404: 'model \"tiny\" not found"),
    (422, #"{"detail":"bad input"}"#, "status 422: 'bad input'"), (418, "", "status 418"), (303, "", "status 303"),
    (204, "", "not the JSON"),
    (404, String(repeating: "<p>no</p> ", count: 5000), "<p>no</p>"),
  ])
  func aRefusalIsNotRepeated(status: Int, body: String, words: String) async throws {
    let server = EmbeddingServer { _, _ in .answer(status, body) }
    let error = try await failure(server.embedder())
    #expect(error.code == .embedderFailed && error.message.contains(words), "\(error.message)")
    #expect(error.message.utf8.count < 700 && server.server.requests.count == 1)
  }

  /// Includes replies with a challenge: Foundation never ends a request whose challenge is neither answered nor rejected.
  @Test(arguments: ["", "Basic realm=\"x\"", "Bearer", "nonsense", "Digest realm=\"x\", nonce=\"y\""], [401, 403])
  func aKeyThatIsRefusedIsInNoMessage(challenge: String, status: Int) async throws {
    let server = EmbeddingServer { _, request in
      .answer(
        status, headers: challenge.isEmpty ? [:] : ["WWW-Authenticate": challenge],
        #"{"error":{"message":"wrong key: \#(request.headers["authorization"] ?? "none")"}}"#)
    }
    let error = try await failure(server.embedder(environment: ["MY_KEY": "top-secret"]) { $0.key = .environment("MY_KEY") })
    #expect(error.code == .embedderFailed && server.server.requests.count == 1)
    #expect(error.message.contains("status \(status): 'wrong key: Bearer …'; the key was that of MY_KEY"), "\(error.message)")
    #expect(!error.description.contains("top-secret"))
    let none = try await failure(server.embedder())
    #expect(none.message.contains("no key was sent"), "\(none.message)")
  }

  @Test func anAnswerWithoutAnEndIsCutOff() async throws {
    let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
    let server = EmbeddingServer { _, _ in .endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk) }
    let error = try await failure(server.embedder { $0.maximumResponseBytes = 100_000 })
    #expect(error.code == .embedderFailed && error.message.contains("more than 100000 bytes"), "\(error.message)")
    try await until { server.server.abandoned == 1 }
    #expect(server.server.requests.count == 1)
    // The announced length alone is enough.
    let announced = EmbeddingServer { _, _ in .endless("HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n", " ") }
    #expect(try await failure(announced.embedder()).message.contains("more than 67108864 bytes"))
    try await until { announced.server.abandoned == 1 }
  }

  @Test(arguments: [301, 302, 307, 308])
  func aRedirectWithinTheServerIsFollowed(status: Int) async throws {
    let server = EmbeddingServer { _, request in
      request.path == "/v1/embeddings" ? .answer(status, headers: ["Location": "/elsewhere?x=1"], "moved") : nil
    }
    let embedder = try server.embedder { $0.key = .value("k") }
    #expect(try await embedder.embed("tea") == Embedding(EmbeddingServer.vector("tea")))
    let requests = server.server.requests
    #expect(requests.map(\.path) == ["/v1/embeddings", "/elsewhere?x=1"] && requests.allSatisfy { $0.method == "POST" })
    #expect(requests.allSatisfy { $0.headers["authorization"] == "Bearer k" } && requests[0].body == requests[1].body)
  }

  @Test(arguments: [301, 302, 307, 308])
  func aRedirectToAnotherServerIsRefusedByName(status: Int) async throws {
    let other = EmbeddingServer()
    let server = EmbeddingServer { _, _ in
      .answer(status, headers: ["Location": "http://127.0.0.1:\(other.server.port)/v1/embeddings?token=hidden"], "")
    }
    let error = try await failure(server.embedder { $0.key = .value("top-secret") })
    #expect(error.code == .embedderFailed)
    #expect(
      error.message.contains("another server, http://127.0.0.1:\(other.server.port)/v1/embeddings: nothing was sent"), "\(error.message)")
    #expect(!error.message.contains("hidden") && !error.message.contains("top-secret"))
    #expect(other.server.requests.isEmpty && server.server.requests.count == 1)
  }

  @Test func aRedirectToNothingOrWithoutAnEndIsAnError() async throws {
    let circle = EmbeddingServer { _, _ in .answer(307, headers: ["Location": "/v1/embeddings"], "") }
    #expect(try await failure(circle.embedder()).message.contains("redirects more than 5 times"))
    #expect(circle.server.requests.count == 6)
    for headers in [[:], ["Location": "file:///etc/passwd"], ["Location": ""]] {
      let server = EmbeddingServer { _, _ in .answer(307, headers: headers, "") }
      #expect(try await failure(server.embedder()).message.contains("redirects"))
    }
  }
}
