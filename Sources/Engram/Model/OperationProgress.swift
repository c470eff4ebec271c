/// How far a long operation has come.
package struct OperationProgress: Sendable {
  package enum Phase: Sendable {
    case checking, embedding, writing, verifying, copying, auditing
    /// Bytes of values in damaged pages.
    case salvaging
    /// What is erased with what stays; pairs of embeddings.
    case comparing
    /// Files, for what was erased.
    case scanning
  }

  package let phase: Phase
  /// Of `total`, in the unit of the phase: bytes when a file is read or scanned, texts when they are embedded, entries otherwise.
  package let done: Int
  package let total: Int
  /// Lines, texts, entries or MiB so far.
  package let count: Int

  package init(phase: Phase, done: Int, total: Int, count: Int) {
    self.phase = phase
    self.done = done
    self.total = total
    self.count = count
  }
}
