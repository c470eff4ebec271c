import CBertKernels
import Engram
import Foundation
import TestSupport
import Testing

@testable import EngramBERT

struct BertEmbedderTests {
  @Test func tokensEqualThoseOfTheReference() throws {
    let model = try TinyModel()
    let embedder = try model.embedder()
    let cases = try TinyModel.expected()
    #expect(cases.count > 200)
    for item in cases { #expect(embedder.tokenIDs(of: item.text) == item.ids, "\(item.text.debugDescription)") }
    // The older vocabulary file gives the same tokens.
    try model.remove("tokenizer.json")
    let plain = try model.embedder()
    for item in cases { #expect(plain.tokenIDs(of: item.text) == item.ids, "\(item.text.debugDescription)") }
  }

  @Test(arguments: 0...bert_best_level())
  func meansOfTokensEqualThoseOfTheReference(level: Int32) async throws {
    let model = try TinyModel()
    let embedder = try model.embedder(level: level)
    let cases = try TinyModel.expected()
    let vectors = try await embedder.embed(cases.map(\.text))
    #expect(vectors.count == cases.count)
    for (item, vector) in zip(cases, vectors) { expect(vector.values, equal: item.mean, item.text) }
  }

  @Test func firstTokensEqualThoseOfTheReference() async throws {
    let model = try TinyModel()
    try model.replace("\"pooling_mode_cls_token\": false", with: "\"pooling_mode_cls_token\": true", in: "1_Pooling/config.json")
    try model.replace("\"pooling_mode_mean_tokens\": true", with: "\"pooling_mode_mean_tokens\": false", in: "1_Pooling/config.json")
    let modules = #"[{"path": "", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}]"#
    try model.write(Data(modules.utf8), "modules.json")
    let cases = try TinyModel.expected()
    let vectors = try await model.embedder().embed(cases.map(\.text))
    for (item, vector) in zip(cases, vectors) { expect(vector.values, equal: item.first, item.text) }
  }

  @Test func aTextHasOneVectorWhateverItIsEmbeddedWith() async throws {
    let model = try TinyModel()
    let texts = try TinyModel.expected().map(\.text)
    let alone = try model.embedder(threads: 1)
    var vectors: [Embedding] = []
    for text in texts { vectors.append(try await alone.embed(text)) }
    let expected = vectors
    let shared = try model.embedder(threads: 3)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for seed in 0..<8 {
        group.addTask {
          var generator = SeededGenerator(seed: UInt64(seed))
          let order = Array(texts.indices).shuffled(using: &generator)
          return try await shared.embed(order.map { texts[$0] }) == order.map { expected[$0] }
        }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }

  /// A text with as many tokens as this model has positions is long enough to be computed in parts.
  @Test(arguments: [1, 2, 3, 64])
  func aLongTextHasOneVectorForAnyNumberOfThreads(threads: Int) async throws {
    let model = try TinyModel()
    try model.replace("40", with: "64", in: "sentence_bert_config.json")
    let text = String(repeating: "a b c d. ", count: 20)
    let embedder = try model.embedder(threads: threads)
    #expect(embedder.tokenIDs(of: text).count == 64)
    #expect(try await embedder.embed([text]) == model.embedder(threads: 1).embed([text]))
  }

  @Test func noTextsAndEmptyTextsAreLegal() async throws {
    let embedder = try TinyModel().embedder()
    #expect(try await embedder.embed([String]()).isEmpty)
    let vector = try await embedder.embed("")
    #expect(vector.dimension == 32)
    #expect(vector.values.contains { $0 != 0 })
  }

  @Test func aCancelledTaskGetsNoVectors() async throws {
    let embedder = try TinyModel().embedder()
    let task = Task {
      // SAFETY: the task is used during the closure only.
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return try await embedder.embed([String](repeating: "ramen", count: 500))
    }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func prefixesAreThoseOfTheFolderOrOfTheCaller() async throws {
    let model = try TinyModel()
    let plain = try model.embedder()
    #expect(try await plain.embed(queries: ["ramen"]) == plain.embed(["ramen"]))
    let prompts = #"{"prompts": {"query": "a: ", "passage": "b: "}, "default_prompt_name": null}"#
    try model.write(Data(prompts.utf8), "config_sentence_transformers.json")
    let prompted = try model.embedder()
    #expect(try await prompted.embed(["ramen"]) == plain.embed(["b: ramen"]))
    #expect(try await prompted.embed(queries: ["ramen"]) == plain.embed(["a: ramen"]))
    let given = try model.embedder(query: "c: ", passage: "")
    #expect(try await given.embed(["ramen"]) == plain.embed(["ramen"]))
    #expect(try await given.embed(queries: ["ramen"]) == plain.embed(["c: ramen"]))
    #expect(Set([plain, prompted, given].map(\.identity.version)).count == 3)
  }

  @Test func aStoreSearchesWithThePrefixOfQueries() async throws {
    let directory = TemporaryDirectory()
    let embedder = try TinyModel().embedder(query: "query: ")
    let options = StoreOptions(embedder: embedder)
    let store = try await MemoryStore.open(at: URL(fileURLWithPath: directory.path).appendingPathComponent("store"), options: options)
    let drafts = ["query: ramen", "ramen"].map { MemoryDraft(userID: "maya", text: $0) }
    _ = try await store.add(drafts)
    let found = try await store.search("ramen", scope: .user("maya"), limit: 2)
    #expect(found.map(\.memory.text) == ["query: ramen", "ramen"])
    #expect(found[0].score > 0.99999)
    try await store.close()
  }

  @Test func theIdentityFollowsWhatMakesVectors() throws {
    let model = try TinyModel()
    let identity = try model.embedder().identity
    #expect(identity.name == "tiny-bert")
    #expect(identity.dimension == 32)
    #expect(identity.version.count == 32)
    #expect(try TinyModel().embedder(threads: 1).identity == identity, "another folder, the same content")
    var weights = try model.data("model.safetensors")
    weights[weights.count - 1] ^= 1
    try model.write(weights, "model.safetensors")
    let changed = try model.embedder().identity
    #expect(changed != identity)
    try model.replace("40", with: "39", in: "sentence_bert_config.json")
    #expect(try model.embedder().identity != changed)
  }

  @Test func linksToFilesAreFollowed() throws {
    let model = try TinyModel()
    let identity = try model.embedder().identity
    try FileManager.default.moveItem(atPath: model.path("model.safetensors"), toPath: model.path("blob"))
    try FileManager.default.createSymbolicLink(atPath: model.path("model.safetensors"), withDestinationPath: "blob")
    #expect(try model.embedder().identity == identity)
  }

  @Test func chunksKeepTheOrderAndLeaveNothingOut() {
    var generator = SeededGenerator(seed: 5)
    for count in 0..<200 {
      let lengths = (0..<count).map { _ in
        Int.random(in: 2...60, using: &generator) + (Int.random(in: 0..<20, using: &generator) == 0 ? 400 : 0)
      }
      let chunks = BertEmbedder.chunks(lengths, for: 2)
      #expect(chunks.flatMap { Array($0) } == Array(0..<count))
      #expect(chunks.allSatisfy { !$0.isEmpty })
      #expect(chunks.allSatisfy { $0.count == 1 || lengths[$0].reduce(0, +) <= 120 })
    }
  }

  private func expect(_ vector: [Float], equal expected: [Float], _ text: String) {
    #expect(vector.count == expected.count)
    let difference = zip(vector, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(difference < 2e-5, "\(text.debugDescription)")
  }
}
