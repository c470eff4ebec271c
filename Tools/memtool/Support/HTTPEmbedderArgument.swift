import ArgumentParser
import Engram
import EngramHTTP
import Foundation

/// `URL#MODEL`, and after a question mark further settings: `URL#MODEL?key=VARIABLE&query=query:%20&passage=passage:%20`.
struct HTTPEmbedderArgument {
  let baseURL: URL
  let model: String
  var options = HTTPEmbedderOptions()

  /// - Throws: ``ValidationError``.
  init(parsing text: String) throws {
    let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let url = URL(string: String(parts[0])) else { throw Self.wrong("it is given as http:URL#MODEL") }
    let words = parts[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard !words[0].isEmpty else { throw Self.wrong("no model is named behind '#'") }
    (baseURL, model) = (url, String(words[0]))
    for pair in words.dropFirst().first?.split(separator: "&") ?? [] {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let value = String(sides[1]).removingPercentEncoding else {
        throw Self.wrong("'\(pair)' is not written as name=value")
      }
      switch sides[0] {
      case "key": options.key = .environment(value)
      case "query": options.queryPrefix = value
      case "passage": options.passagePrefix = value
      case "revision": options.revision = value
      case "dimensions":
        guard let dimensions = Int(value) else { throw Self.wrong("dimensions is '\(value)', which is no number") }
        options.shortenedDimension = dimensions
      default: throw Self.wrong("there is no '\(sides[0])': it may have key, query, passage, dimensions and revision")
      }
    }
  }

  /// - Parameter dimension: Nil to ask the server.
  func embedder(dimension: Int?) async throws -> HTTPEmbedder {
    if let dimension { return try HTTPEmbedder(baseURL: baseURL, model: model, dimension: dimension, options: options) }
    return try await HTTPEmbedder.connect(to: baseURL, model: model, options: options)
  }

  private static func wrong(_ what: String) -> ValidationError { ValidationError("The embedder 'http' cannot be understood: \(what).") }
}
