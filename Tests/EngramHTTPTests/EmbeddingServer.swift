import Engram
import Foundation
import Synchronization
import TestSupport

@testable import EngramHTTP

/// A server that returns embeddings of four components, and an embedder that uses it.
struct EmbeddingServer {
  let server: LocalServer

  /// - Parameter misbehave: The reply to the n-th request, counted from 0; nil: the right vectors.
  init(
    at reserved: LocalServer.ReservedPort? = nil,
    _ misbehave: @escaping @Sendable (Int, LocalServer.Request) -> LocalServer.Reply? = { _, _ in nil }
  ) {
    let count = Atomic(0)
    server = LocalServer(at: reserved) { request in
      let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
      return misbehave(number, request) ?? .answer(200, Self.body(for: request))
    }
  }

  var url: URL { URL(string: server.address)! }

  /// Options whose pauses are milliseconds.
  static var options: HTTPEmbedderOptions {
    var options = HTTPEmbedderOptions()
    options.key = .none
    options.firstPause = .milliseconds(1)
    options.longestPause = .milliseconds(50)
    return options
  }

  func embedder(
    at path: String = "", dimension: Int = 4, pauses: Pauses = Pauses(), environment: [String: String] = [:],
    _ change: (inout HTTPEmbedderOptions) -> Void = { _ in }
  ) throws -> HTTPEmbedder {
    var options = Self.options
    change(&options)
    let url = URL(string: server.address + path)!
    return try HTTPEmbedder(EmbeddingsClient(url, model: "tiny", options, pauses: pauses, environment: environment), dimension: dimension)
  }

  /// The vector that the server returns for a text.
  static func vector(_ text: String) -> [Float] {
    let hash = text.utf8.reduce(7) { ($0 * 31 + Int($1)) % 8191 }
    return [Float(text.utf8.count), Float(hash % 97), Float(hash % 89), -1]
  }

  static func texts(_ request: LocalServer.Request) -> [String] {
    let object = try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any]
    return object?["input"] as? [String] ?? []
  }

  static func object(_ index: Int, _ vector: [Float]) -> String {
    #"{"object":"embedding","embedding":[\#(vector.map(\.description).joined(separator: ", "))],"index":\#(index)}"#
  }

  static func body(_ objects: [String]) -> String {
    #"{"object":"list","data":[\#(objects.joined(separator: ","))],"model":"tiny","usage":{"prompt_tokens":1,"total_tokens":1}}"#
  }

  static func body(for request: LocalServer.Request) -> String {
    body(texts(request).enumerated().map { object($0.offset, vector($0.element)) })
  }
}

/// Calls `embed`, and returns the ``StoreError`` that it throws.
func failure(_ embedder: HTTPEmbedder, _ texts: [String] = ["a"]) async throws -> StoreError {
  do {
    _ = try await embedder.embed(texts)
  } catch let error as StoreError {
    return error
  }
  throw Unexpected()
}

/// Thrown if a call succeeds that should have failed.
struct Unexpected: Error {}

/// Waits for a change made by another thread. The test's time limit ends the wait.
func until(_ condition: () -> Bool) async throws {
  while !condition() { try await Task.sleep(for: .milliseconds(1)) }
}
