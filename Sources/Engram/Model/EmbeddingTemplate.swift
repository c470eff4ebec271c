import Formats

/// The form of the text that an embedder gets for a memory. A generation has one template, as it has one embedder.
enum EmbeddingTemplate: UInt64, Sendable {
  /// The text alone: stores that an earlier version pinned to their embedder.
  case text = 0
  /// `speaker: text [shares caption]`, without the parts that the memory lacks. The speaker is part of the meaning: with it, sentence
  /// models find a third more in conversations.
  case speakerAndCaption = 1

  func text(_ text: String, speaker: String?, caption: String?) -> String {
    guard self == .speakerAndCaption else { return text }
    let said = speaker.map { "\($0): \(text)" } ?? text
    return caption.map { "\(said) [shares \($0)]" } ?? said
  }

  func text(of draft: MemoryDraft) -> String { text(draft.text, speaker: draft.speaker, caption: draft.caption) }
  func text(of memory: Memory) -> String { text(memory.text, speaker: memory.speaker, caption: memory.caption) }

  /// Whether the embedder gets the same text for both.
  func isSame(_ left: Memory, _ right: Memory) -> Bool { text(of: left).hasSameBytes(as: text(of: right)) }
}

/// What determines the vectors of a store: two vectors are comparable if it is the same for both.
struct EmbeddingBasis: Sendable, Equatable {
  /// Nil: vectors are given by the callers, and none is pinned.
  let embedder: EmbedderIdentity?
  let template: EmbeddingTemplate
}
