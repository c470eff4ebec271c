import Foundation
import VectorSearch

/// A draft that was checked on its own, before any lock is taken: an invalid draft fails no other write.
struct PreparedDraft: Sendable {
  let draft: MemoryDraft
  private let id: MemoryID
  /// The row as it will be in the file; nil for a memory without an embedding.
  let components: [Float]?
  /// The words of the memory, and what they were made with; nil: they are made in the transaction.
  private var words: (made: MemoryWords, basis: TermReaders.Basis)?

  /// - Parameter id: The id of a draft that has none; nil: a new one.
  /// - Throws: ``StoreError`` naming the field that is out of bounds.
  init(_ draft: MemoryDraft, id: MemoryID? = nil, store: StoreRecord) throws(StoreError) {
    self.draft = draft
    self.id = draft.id ?? id ?? MemoryID()
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

  /// The words of the memory, if they were made ahead with readers of the same terms as `readers`.
  func words(_ readers: TermReaders) -> MemoryWords? {
    guard let words, words.basis == readers.basis else { return nil }
    return words.made
  }

  /// Makes the words ahead of the transaction.
  mutating func makeWords(_ reader: TermReader, of readers: TermReaders) {
    let made = MemoryWords(
      draft.text, caption: draft.caption, speaker: draft.speaker, separatesQuestions: draft.sessionID != nil, reader)
    words = (made, readers.basis)
  }

  /// Drafts of one call that one thread prepares.
  private static let draftsPerThread = 128
  /// Drafts that one thread of the cooperative pool prepares, in some milliseconds.
  private static let longestPart = 1000

  /// Checks drafts, and makes their words ahead of the transaction, so that other writers do not wait for it. Many drafts are divided among
  /// the processors.
  ///
  /// - Throws: ``StoreError`` of the first draft that is out of bounds; that of ``TermReaders/withReader(_:)``.
  static func prepare(_ drafts: [MemoryDraft], store: StoreRecord, _ readers: TermReaders) async throws -> [PreparedDraft] {
    let threads = min(ProcessInfo.processInfo.activeProcessorCount, drafts.count / draftsPerThread)
    // Made here, so that they are in the order of the drafts.
    let ids = drafts.map { $0.id ?? MemoryID() }
    guard threads > 1 else { return try prepare(drafts[...], ids, store, readers) }
    let parts = (0..<threads).map { drafts[drafts.count * $0 / threads..<drafts.count * ($0 + 1) / threads] }
    // So many would block threads of the cooperative pool for longer than they may be.
    let isLong = drafts.count / threads > longestPart
    return try await withThrowingTaskGroup(of: (part: Int, Result<[PreparedDraft], any Error>).self) { group in
      for (number, part) in parts.enumerated() {
        group.addTask {
          guard isLong else { return (number, Result { try prepare(part, ids, store, readers) }) }
          return (number, try await onBlockingThread { Result { try prepare(part, ids, store, readers) } })
        }
      }
      var results = [Result<[PreparedDraft], any Error>?](repeating: nil, count: threads)
      for try await (part, result) in group { results[part] = result }
      var prepared: [PreparedDraft] = []
      prepared.reserveCapacity(drafts.count)
      for result in results { if let result { prepared += try result.get() } }
      return prepared
    }
  }

  /// - Parameter ids: Those of all drafts of the call, by their places.
  private static func prepare(
    _ drafts: ArraySlice<MemoryDraft>, _ ids: [MemoryID], _ store: StoreRecord, _ readers: TermReaders
  ) throws -> [PreparedDraft] {
    try readers.withReader { reader in
      try drafts.indices.map { place in
        var prepared = try PreparedDraft(drafts[place], id: ids[place], store: store)
        prepared.makeWords(reader, of: readers)
        return prepared
      }
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
