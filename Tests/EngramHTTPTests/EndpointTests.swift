import Engram
import Foundation
import TestSupport
import Testing

@testable import EngramHTTP

/// Addresses, keys and options.
@Suite(.timeLimit(.minutes(5))) struct EndpointTests {
  private func endpoint(_ url: String) throws -> Endpoint { try Endpoint(baseURL: try #require(URL(string: url))) }

  @Test(arguments: [
    ("http://localhost:11434", "http://localhost:11434/v1/embeddings"), ("http://localhost:11434/", "http://localhost:11434/v1/embeddings"),
    ("http://h/v1", "http://h/v1/embeddings"), ("https://h/v1/", "https://h/v1/embeddings"),
    ("https://h/v1/embeddings", "https://h/v1/embeddings"), ("https://h/api", "https://h/api/v1/embeddings"),
    ("https://h/v1beta/openai/", "https://h/v1beta/openai/embeddings"), ("https://h/vectors", "https://h/vectors/v1/embeddings"),
    ("https://h/a%20b/v1?version=2", "https://h/a%20b/v1/embeddings?version=2"), ("http://[::1]:8080", "http://[::1]:8080/v1/embeddings"),
  ])
  func theEndpointFollowsFromTheBaseURL(base: String, expected: String) throws {
    #expect(try endpoint(base).url.absoluteString == expected)
    #expect(try endpoint(base).description == expected.prefix { $0 != "?" })
  }

  @Test(arguments: [
    "ftp://h", "localhost:11434", "http://", "file:///tmp", "/v1", "http://user:secret@h/v1", "http://secret@h", "http://h/#secret",
  ])
  func anAddressThatIsNoneIsRefused(url: String) throws {
    let error = #expect(throws: StoreError.self) { try endpoint(url) }
    #expect(error?.code == .invalidArgument && error?.message.contains("secret") == false)
  }

  @Test(arguments: [
    ("http://localhost", true), ("http://127.0.0.1:80", true), ("http://[::1]", true), ("https://h", true), ("http://h", false),
    ("http://127.0.0.1.example.com", false), ("http://localhost.example.com", false), ("http://192.168.0.2", false),
  ])
  func theStandardKeyIsNotSentInClearText(url: String, isSent: Bool) throws {
    let endpoint = try endpoint(url)
    let environment = ["OPENAI_API_KEY": "k1", "MINE": "k2"]
    #expect(try HTTPSecret.standard.value(for: endpoint, in: environment) == (isSent ? "k1" : nil))
    #expect(try HTTPSecret.environment("MINE").value(for: endpoint, in: environment) == "k2")
    #expect(try HTTPSecret.value("k3").value(for: endpoint, in: environment) == "k3")
    #expect(try HTTPSecret.none.value(for: endpoint, in: environment) == nil)
    #expect(try HTTPSecret.standard.value(for: endpoint, in: [:]) == nil)
  }

  @Test func aKeyIsReadFromTheEnvironmentAndSent() async throws {
    let server = EmbeddingServer()
    // The public initialiser reads the program's own environment. HOME is set everywhere and contains no line feed.
    var options = EmbeddingServer.options
    options.key = .environment("HOME")
    let home = try #require(ProcessInfo.processInfo.environment["HOME"])
    _ = try await HTTPEmbedder(baseURL: server.url, model: "tiny", dimension: 4, options: options).embed("a")
    _ = try await server.embedder(environment: ["OPENAI_API_KEY": "k1", "GATEWAY": "g"]) {
      ($0.key, $0.headers) = (.standard, ["api-key": .environment("GATEWAY")])
    }.embed("a")
    #expect(server.server.requests.map { $0.headers["authorization"] } == ["Bearer \(home)", "Bearer k1"])
    #expect(server.server.requests.last?.headers["api-key"] == "g")
  }

  @Test func aKeyThatCannotBeSentIsRefusedAndNotShown() throws {
    let server = EmbeddingServer()
    let missing = #expect(throws: StoreError.self) { try server.embedder { $0.key = .environment("NO_SUCH") } }
    #expect(missing?.code == .invalidArgument && missing?.message.contains("NO_SUCH is not set") == true)
    for key in ["top-secret\n", "top-secret\r\nX: y", "top-secret\u{E9}"] {
      let error = #expect(throws: StoreError.self) { try server.embedder { $0.key = .value(key) } }
      #expect(error?.code == .invalidArgument && error?.message.contains("top-secret") == false)
    }
    let header = #expect(throws: StoreError.self) { try server.embedder { $0.headers = ["a b": .value("x")] } }
    #expect(header?.code == .invalidArgument)
  }

  @Test func noDescriptionHasAKey() throws {
    var options = HTTPEmbedderOptions()
    options.key = .value("top-secret")
    options.headers = ["api-key": .value("top-secret")]
    var dumped = ""
    dump(options, to: &dumped)
    for text in ["\(options)", String(reflecting: options), dumped, "\(options.key)", String(reflecting: options.key)] {
      #expect(!text.contains("top-secret"), "\(text)")
    }
  }

  @Test func optionsOutsideTheirRangeAreRefusedByName() throws {
    let server = EmbeddingServer()
    let changes: [(String, (inout HTTPEmbedderOptions) -> Void)] = [
      ("maximumTexts", { $0.maximumTexts = 0 }), ("maximumRequestBytes", { $0.maximumRequestBytes = 0 }),
      ("maximumResponseBytes", { $0.maximumResponseBytes = 0 }), ("concurrentRequests", { $0.concurrentRequests = 0 }),
      ("requestTimeout", { $0.requestTimeout = .zero }), ("timeout", { $0.timeout = .seconds(-1) }), ("retries", { $0.retries = -1 }),
      ("firstPause", { $0.firstPause = .seconds(-1) }), ("longestPause", { $0.longestPause = .seconds(-1) }),
      ("shortenedDimension", { $0.shortenedDimension = 0 }), ("8", { $0.shortenedDimension = 8 }),
    ]
    for (name, change) in changes {
      let error = #expect(throws: StoreError.self) { try server.embedder(change) }
      #expect(error?.code == .invalidArgument && error?.message.contains(name) == true, "\(name)")
    }
    for dimension in [0, -1, 65_537] { #expect(throws: StoreError.self) { try server.embedder(dimension: dimension) } }
    #expect(throws: StoreError.self) { try HTTPEmbedder(baseURL: server.url, model: "", dimension: 4) }
  }
}
