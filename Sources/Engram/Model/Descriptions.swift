import Formats

// One line each, for logs and debuggers: names and texts cut at 60 characters and escaped.

extension Memory: CustomStringConvertible {
  public var description: String { "\(id) of \(Excerpt(userID)): \(Excerpt(text))" }
}

extension MemoryDraft: CustomStringConvertible {
  public var description: String { "draft of \(Excerpt(userID)): \(Excerpt(text))" }
}

extension SearchResult: CustomStringConvertible {
  public var description: String { "\(score) \(memory)" }
}

extension StoreStatus: CustomStringConvertible {
  public var description: String {
    var text = "commit \(batchSequence), generation \(generation): memories \(memories), contexts \(contexts), users \(users)"
    if dimension != nil { text += ", rows \(rowsLive) of \(rowsAllocated)" }
    if isReopening { text += "; is being opened again" }
    if isMoved { text += "; was moved" }
    if let poison { text += "; writes no more (\(poison.code))" }
    return text
  }
}

private struct Excerpt: CustomStringConvertible {
  let description: String

  init(_ text: String) { description = TerminalText.excerpt(text, limit: 60) }
}
