import Foundation
import Testing

@testable import Engram

struct EmbeddingTests {
  @Test func literalArrayAndSequenceGiveTheSameEmbedding() {
    let literal: Embedding = [0, 0.5, 1]
    #expect(literal == Embedding([Float(0), 0.5, 1]))
    #expect(literal == Embedding((0..<3).lazy.map { Float($0) / 2 }))
    #expect(literal.values == [0, 0.5, 1])
    #expect(literal.dimension == 3)
    #expect(literal != [0, 0.5, 2])
  }

  @Test func identityIsReadableAndSurvivesCoding() throws {
    let identity = EmbedderIdentity(name: "hashing", dimension: 384, version: "1")
    #expect("\(identity)" == "hashing, version 1, 384 dimensions")
    let decoded = try JSONDecoder().decode(EmbedderIdentity.self, from: JSONEncoder().encode(identity))
    #expect(decoded == identity)
    #expect(decoded != EmbedderIdentity(name: "hashing", dimension: 384, version: "2"))
  }

  @Test func oneTextIsEmbeddedThroughTheProtocol() async throws {
    let embedder: any Embedder = HashingEmbedder(dimension: 32)
    let one = try await embedder.embed("green tea")
    #expect(try await embedder.embed(["green tea"]) == [one])
  }
}
