import Engram

/// Elements of a result that must fit into a number of tokens.
///
/// Counted is the JSON of each element, by `TokenEstimate`, and ``perElement`` tokens for what its letters do not show: an id of 36
/// hexadecimal digits has about twice as many tokens as a word of that length. The JSON occurs twice in an answer, as structured content and as text;
/// a host shows a model one of them.
struct TokenBudget {
  static let perElement = 12
  /// Hosts cut results of more than 25,000 tokens.
  static let largest = 20_000

  let limit: Int
  private(set) var used = 0
  /// JSON of the elements that fit.
  private(set) var elements: [String] = []
  private(set) var omitted = 0

  init(_ limit: Int) { self.limit = min(limit, Self.largest) }

  /// Adds an element if it fits.
  ///
  /// The first one is always added: if it is too large, with its text cut to the budget. The text is cut to nothing shorter than 64 tokens.
  /// - Parameter render: Makes the JSON, with the beginning of the text if it gets one.
  /// - Returns: Whether it was added.
  @discardableResult
  mutating func add(_ memory: Memory, _ render: (_ cutText: String?) -> String) -> Bool {
    let whole = render(nil)
    let cost = TokenEstimate.tokens(of: whole) + Self.perElement
    if cost <= limit - used {
      append(whole, cost)
      return true
    }
    guard elements.isEmpty else {
      omitted += 1
      return false
    }
    let others = cost - TokenEstimate.tokens(of: memory.text)
    let room = max(64, limit - others)
    guard TokenEstimate.tokens(of: memory.text) > room else {
      append(whole, cost)
      return true
    }
    let cut = render(Self.beginning(of: memory.text, tokens: room))
    append(cut, TokenEstimate.tokens(of: cut) + Self.perElement)
    return true
  }

  private mutating func append(_ json: String, _ cost: Int) {
    elements.append(json)
    used += cost
  }

  /// The longest beginning that has at most so many tokens by the estimate.
  static func beginning(of text: String, tokens: Int) -> String {
    var (ascii, others) = (0, 0)
    let scalars = text.unicodeScalars
    var end = scalars.startIndex
    while end < scalars.endIndex {
      if scalars[end].isASCII { ascii += 1 } else { others += 1 }
      if (ascii + 3) / 4 + others > tokens { break }
      end = scalars.index(after: end)
    }
    return String(scalars[..<end])
  }
}
