import Foundation
import TestSupport
import Testing

@testable import EngramBERT

/// A copy of the folder `Fixtures/tiny`, whose files a test may change.
final class TinyModel {
  private let directory = TemporaryDirectory()
  let url: URL

  struct Case: Decodable {
    let text: String
    let ids: [Int32]
    let mean: [Float]
    let first: [Float]
  }

  static var fixtures: URL { URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures") }

  /// The results of the reference.
  static func expected() throws -> [Case] {
    try JSONDecoder().decode([Case].self, from: Data(contentsOf: fixtures.appendingPathComponent("expected.json")))
  }

  init() throws {
    url = URL(fileURLWithPath: directory.path).appendingPathComponent("tiny")
    try FileManager.default.copyItem(at: Self.fixtures.appendingPathComponent("tiny"), to: url)
  }

  func path(_ file: String) -> String { url.appendingPathComponent(file).path }
  func data(_ file: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(file)) }
  func write(_ data: Data, _ file: String) throws { try data.write(to: url.appendingPathComponent(file)) }
  func remove(_ file: String) throws { try FileManager.default.removeItem(at: url.appendingPathComponent(file)) }

  /// Replaces the first occurrence of `old`, which must exist.
  func replace(_ old: String, with new: String, in file: String) throws {
    let text = String(decoding: try data(file), as: UTF8.self)
    let range = try #require(text.range(of: old), "\(file) has no \(old)")
    try write(Data(text.replacingCharacters(in: range, with: new).utf8), file)
  }

  /// Replaces bytes in the header of the weights by the same number of bytes.
  func patchWeights(_ old: String, with new: String) throws {
    precondition(old.utf8.count == new.utf8.count)
    var weights = try data("model.safetensors")
    let range = try #require(weights.range(of: Data(old.utf8)))
    weights.replaceSubrange(range, with: Data(new.utf8))
    try write(weights, "model.safetensors")
  }

  func embedder(query: String? = nil, passage: String? = nil, threads: Int = 2, level: Int32? = nil) throws -> BertEmbedder {
    try BertEmbedder(directory: url, queryPrefix: query, passagePrefix: passage, threads: threads, level: level)
  }
}
