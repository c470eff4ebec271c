import Foundation
import TestSupport
import Testing

@testable import Engram

/// The code of the documentation that people try first.
@Suite struct DocumentationTests {
  private let directory = TemporaryDirectory()

  private static let root: URL = {
    // From Tests/EngramTests/Store/ to the package's root.
    var url = URL(filePath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return url
  }()

  private func text(_ path: String) throws -> String { try String(contentsOf: Self.root.appending(path: path), encoding: .utf8) }

  /// Each question shares words with the text that it must find, because the embedder of the examples knows no synonyms.
  @Test(arguments: [
    ("README.md", "loves ramen with extra egg", "which ramen does she love?"),
    ("Sources/Engram/Documentation.docc/Engram.md", "loves ramen with extra egg", "which ramen does she love?"),
    ("Sources/Engram/Documentation.docc/GettingStarted.md", "moves to Lisbon in March", "when does she move to Lisbon?"),
  ])
  func theExamplesFindWhatTheyAskFor(path: String, memory: String, question: String) async throws {
    let page = try text(path)
    #expect(page.contains("text: \"\(memory)\"") && page.contains("search(\"\(question)\""))
    let store = try await MemoryStore.open(
      at: URL(fileURLWithPath: directory.path("store")), options: StoreOptions(embedder: HashingEmbedder()))
    let others = [
      "hates Mondays", "has a dog named Turing", "what she said about her brother", "does not like to eat late", "works in a bank",
    ]
    try await store.add((others + [memory]).map { MemoryDraft(userID: "ada", text: $0) })
    let hits = try await store.search(question, scope: .user("ada"), limit: 5)
    #expect(hits.first?.memory.text == memory && (hits.first?.score ?? 0) > 0.2, "\(hits.map { ($0.score, $0.memory.text) })")
    try await store.close()
  }

  /// The first page lists every type by its purpose.
  @Test func everyPublicTypeIsUnderATopic() throws {
    let page = try text("Sources/Engram/Documentation.docc/Engram.md")
    let topics = try #require(page.range(of: "## Topics")).upperBound
    let named = Set(page[topics...].matches(of: /(?m)^- ``(\w+)``$/).map { String($0.output.1) })
    let sources = Self.root.appending(path: "Sources/Engram")
    let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var declared: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let code = try String(contentsOf: file, encoding: .utf8)
      declared.formUnion(
        code.matches(of: /(?m)^public (?:final |indirect )?(?:struct|class|enum|protocol|actor|typealias) (\w+)/).map {
          String($0.output.1)
        })
    }
    #expect(declared.count > 50 && declared.subtracting(named).sorted() == [])
  }
}
