/// Search results that fit into a budget of tokens, such as the room that a prompt has for memories.
///
/// ```swift
/// let hits = try await store.search("where does she live?", scope: .user("ada"), limit: 50)
/// let fitting = hits.fitting(maxTokens: 800)
/// let prompt = fitting.kept.map(\.memory.text).joined(separator: "\n")
/// print("\(fitting.tokens) tokens, \(fitting.omitted.count) results left out")
/// ```
public struct FittingResults: Sendable, Hashable, Codable {
  /// The results that fit, in their order; the first result is always among them.
  public let kept: [SearchResult]
  /// The results that did not fit, in their order.
  public let omitted: [SearchResult]
  /// The tokens of the kept results; more than the budget only if the first result alone exceeds it.
  public let tokens: Int
}

extension [SearchResult] {
  /// Keeps the first result, and each later one that still fits. Memories are never cut; their captions count as well.
  ///
  /// A result that fits only without its ``SearchResult/neighbors`` is kept without them. A result that does not fit is left out; a smaller
  /// one after it may still be kept.
  ///
  /// - Parameters:
  ///   - maxTokens: The budget.
  ///   - countTokens: Counts the tokens of a text with the tokenizer of the model. The default estimates them, see ``TokenEstimate``.
  /// - Complexity: O(bytes of the texts).
  public func fitting(maxTokens: Int, countTokens: (String) -> Int = TokenEstimate.tokens(of:)) -> FittingResults {
    var kept: Self = []
    var omitted: Self = []
    var used = 0
    func tokens(of memory: Memory) -> Int { countTokens(memory.text) + (memory.caption.map(countTokens) ?? 0) }
    for result in self {
      let alone = tokens(of: result.memory)
      let whole = result.neighbors.reduce(alone) { $0 + tokens(of: $1) }
      if whole <= maxTokens - used {
        kept.append(result)
        used += whole
      } else if alone <= maxTokens - used || kept.isEmpty {
        kept.append(SearchResult(memory: result.memory, score: result.score, neighbors: [], explanation: result.explanation))
        used += alone
      } else {
        omitted.append(result)
      }
    }
    return FittingResults(kept: kept, omitted: omitted, tokens: used)
  }
}

/// Estimates how many tokens a text has, without the tokenizer of a model.
public enum TokenEstimate {
  /// One token for every four ASCII characters, rounded up, and one for each other Unicode scalar: about right for English, and rather too
  /// many for other languages.
  public static func tokens(of text: String) -> Int {
    var (ascii, others) = (0, 0)
    for scalar in text.unicodeScalars { if scalar.isASCII { ascii += 1 } else { others += 1 } }
    return (ascii + 3) / 4 + others
  }
}
