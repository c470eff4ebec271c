/// The outcome of adding one draft.
public struct Added: Sendable, Hashable {
  public enum Outcome: String, Sendable, Hashable {
    /// The draft is a new memory.
    case added
    /// The user has a memory with the same dedupe key: nothing was added, and ``Added/id`` is the id of that memory.
    case existing
    /// The draft replaced the user's memory with the same dedupe key, which keeps its id. Only an upsert does this.
    case updated
    /// The draft had expired already: no read shows it.
    case expired
  }

  /// The memory's id: the draft's, if it brought one and the memory is new.
  public let id: MemoryID
  public let outcome: Outcome
  /// Whether the memory with this id has an embedding. If not, no search by vector finds it.
  public let isEmbedded: Bool
}

/// What adding does if the store's embedder fails. It fails if it throws, or returns another number of vectors than texts or a vector that
/// cannot be stored.
public enum EmbeddingFailurePolicy: Sendable, Hashable {
  /// The call throws the error, and nothing is stored.
  case `throw`
  /// The texts are stored without an embedding: ``Added/isEmbedded`` is false for them, and no search by vector finds them.
  case keepText
}
