import Foundation
import VectorSearch

/// A draft that was checked on its own, before any lock is taken: an invalid draft fails no other write.
struct PreparedDraft: Sendable {
  private let draft: MemoryDraft
  private let id: MemoryID
  /// The row as it will be in the file; nil for a memory without an embedding.
  let components: [Float]?

  /// - Throws: ``StoreError`` naming the field that is out of bounds.
  init(_ draft: MemoryDraft, store: StoreRecord) throws(StoreError) {
    self.draft = draft
    id = draft.id ?? MemoryID()
    var prepared: [Float]?
    if let embedding = draft.embedding { prepared = try Self.components(embedding, store: store) }
    components = prepared
    try Limits.check(memory(now: 0))
  }

  static func components(_ embedding: Embedding, store: StoreRecord) throws(StoreError) -> [Float] {
    guard let dimension = store.dimension else {
      throw StoreError(
        .dimensionMismatch, "the vector has \(embedding.values.count) components, the store was made without a dimension and holds none")
    }
    do throws(VectorError) {
      return try VectorPreparation.prepare(embedding.values, dimension: dimension, metric: store.metric.rows)
    } catch {
      throw StoreError(error)
    }
  }

  /// Whether the draft is stored without an embedding on purpose.
  var isTextOnly: Bool { draft.isTextOnly }

  /// - Parameters:
  ///   - now: The creation time of a draft that has none, in milliseconds since 1970.
  ///   - old: The memory whose id and creation time the result gets; nil: those of the draft.
  func memory(now: Int64, replacing old: Memory? = nil) -> Memory {
    Memory(
      id: old?.id ?? id, userID: draft.userID, text: draft.text, kind: draft.kind, sessionID: draft.sessionID, speaker: draft.speaker,
      createdAt: old?.createdAt ?? draft.createdAt?.roundedToMilliseconds ?? Date(milliseconds: now), importance: draft.importance,
      expiresAt: draft.expiresAt?.roundedToMilliseconds, dedupeKey: draft.dedupeKey, metadata: draft.metadata,
      details: draft.details.rounded)
  }

  /// Estimated bytes that storing the draft takes.
  var sizeBytes: Int { 512 + draft.text.utf8.count + (draft.caption?.utf8.count ?? 0) + (components?.count ?? 0) * 4 }
}
