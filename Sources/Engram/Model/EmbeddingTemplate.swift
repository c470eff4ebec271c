import Formats

/// What an embedder gets of a memory. A generation keeps to one template, as it does to its embedder.
enum EmbeddingTemplate: UInt64, Sendable {
  /// The text alone: stores that an earlier version pinned to their embedder.
  case text = 0
  /// `speaker: text [shares caption]`, without what is missing. Who says something is a part of what it means: with it, models of sentences find a
  /// third more in conversations.
  case speakerAndCaption = 1

  func text(_ text: String, speaker: String?, caption: String?) -> String {
    guard self == .speakerAndCaption else { return text }
    let said = speaker.map { "\($0): \(text)" } ?? text
    return caption.map { "\(said) [shares \($0)]" } ?? said
  }

  func text(of draft: MemoryDraft) -> String { text(draft.text, speaker: draft.speaker, caption: draft.caption) }
  func text(of memory: Memory) -> String { text(memory.text, speaker: memory.speaker, caption: memory.caption) }

  /// Whether the embedder gets the same of both.
  func isSame(_ left: Memory, _ right: Memory) -> Bool { text(of: left).hasSameBytes(as: text(of: right)) }
}

/// What the vectors of a store follow from: two vectors are comparable if this is the same for both.
struct EmbeddingBasis: Sendable, Equatable {
  /// Nil: vectors are given by the callers, and none is pinned.
  let embedder: EmbedderIdentity?
  let template: EmbeddingTemplate
}
