import Foundation
import TestSupport
import Testing

@testable import Engram

/// Searches by text compared with the reference of the ranking: every term and every score.
@Suite struct RankingTests {
  private struct Fixture: Decodable {
    struct Scope: Decodable {
      struct Entry: Decodable {
        let text: String
        let second: Double
        let session: String?
        let author: String?
        let extra: String?
      }

      struct Query: Decodable {
        let text: String
        let vector: [Float]
        let lexical: [Double]
        let hybrid: [Double]
      }

      let memories: [Entry]
      let vectors: [[Float]]
      let queries: [Query]
    }

    struct Terms: Decodable {
      let text: String
      let terms: [String]

      init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        text = try container.decode(String.self)
        terms = try container.decode([String].self)
      }
    }

    let terms: [Terms]
    let scopes: [Scope]
  }

  private static func fixture() throws -> Fixture {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
      "Fixtures/ranking.json")
    return try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: file))
  }

  @Test func theTermsOfATextAreThoseOfTheReference() throws {
    let english = try TermReader(.english, seed: 5)
    // This reader removes no endings and leaves out no words.
    let plain = try TermReader(.none, seed: 5)
    let fixture = try Self.fixture()
    try #require(fixture.terms.count > 900)
    // Twice: the second time, every word is already in the cache.
    for _ in 0..<2 {
      for example in fixture.terms {
        #expect(english.terms(of: example.text).said == example.terms.map { plain.terms(of: $0).said[0] }, "\(example.text)")
      }
    }
  }

  @Test(.timeLimit(.minutes(5))) func everyScoreIsThatOfTheReference() async throws {
    let fixture = try Self.fixture()
    try #require(fixture.scopes.count == 5)
    for scope in fixture.scopes {
      let place = TestStore()
      let store = try await place.open()
      var drafts: [MemoryDraft] = []
      for (entry, vector) in zip(scope.memories, scope.vectors) {
        var draft = MemoryDraft(userID: "u", text: entry.text, embedding: Embedding(vector))
        draft.createdAt = Date(timeIntervalSince1970: entry.second)
        (draft.sessionID, draft.speaker, draft.caption) = (entry.session, entry.author, entry.extra)
        drafts.append(draft)
      }
      // Added in reverse order of time; another user has the same sessions.
      let ids = try await store.add(drafts.reversed()).map(\.id).reversed()
      try await store.add(
        drafts.map { draft in
          var draft = draft
          (draft.userID, draft.id) = ("v", MemoryDraft(userID: "v", text: "").id)
          return draft
        })
      let places = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
      for query in scope.queries {
        for (mode, expected) in [(SearchMode.lexical, query.lexical), (.hybrid, query.hybrid)] {
          let found = try store.search(
            TextQuery(
              query.text, embedding: Embedding(query.vector), scope: .user("u"), mode: mode, limit: 1000, includesExplanation: true))
          var scores = [Double?](repeating: nil, count: expected.count)
          for hit in found { scores[try #require(places[hit.memory.id])] = Double(hit.score) }
          for (score, expected) in zip(scores, expected) {
            // A memory that shares no term with the query is not found by words.
            #expect(abs((score ?? min(0, expected)) - expected) < 1e-5, "\(query.text) \(mode): \(score ?? .nan) against \(expected)")
          }
          if mode == .hybrid { #expect(found.count == expected.count) }
          let order = found.map { $0.score }
          #expect(order == order.sorted(by: >))
          for hit in found {
            let parts = try #require(hit.explanation?.parts)
            var sum: Float = parts.words + parts.session + parts.author
            sum += parts.question + parts.dense + parts.sessionDense
            #expect(abs(sum - hit.score) < 1e-5)
          }
        }
      }
      try await store.close()
    }
  }
}
