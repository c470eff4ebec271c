public import Foundation
import Synchronization

extension MemoryStore {
  /// Adds the messages of a conversation that the store does not have yet, in one commit.
  ///
  /// A message is identified by its id, or without one by its role, speaker, text, caption and own time, within the conversation with the
  /// same id of the same user. So a conversation that has grown can be added again. Each message becomes a memory of the kind `message`,
  /// whose session is the conversation, and whose time is after that of the message before.
  ///
  /// - Parameters:
  ///   - conversation: If neither it nor its messages have a time, the time is now.
  ///   - onEmbeddingFailure: As for ``add(_:onEmbeddingFailure:)-(MemoryDraft,_)``.
  /// - Returns: What became of each message, in their order: `.existing` for those that the store has.
  /// - Throws: As ``add(_:onEmbeddingFailure:)-([MemoryDraft],_)``. Nothing is stored.
  @discardableResult
  public func add(_ conversation: Conversation, onEmbeddingFailure: EmbeddingFailurePolicy = .throw) async throws -> [Added] {
    var maker = ConversationDrafts()
    let drafts = try maker.drafts(of: conversation, isPart: false, fallback: Date())
    var known: [Int: Added] = [:]
    try readOnce { reader in
      for (index, draft) in drafts.enumerated() {
        guard let key = draft.dedupeKey, let record = try reader.liveMemoryRecord(dedupeKey: key, of: draft.userID) else { continue }
        known[index] = Added(id: record.memory.id, outcome: .existing, isEmbedded: record.row != nil)
      }
    }
    let new = drafts.indices.filter { known[$0] == nil }
    if !new.isEmpty {
      for (index, added) in zip(new, try await add(new.map { drafts[$0] }, onEmbeddingFailure: onEmbeddingFailure)) { known[index] = added }
    }
    return drafts.indices.compactMap { known[$0] }
  }

  /// Reads files of conversations into the store, a batch of conversations in each commit.
  ///
  /// <doc:Conversations> has the formats. Messages that the store has already are skipped: importing a file again changes nothing. A
  /// conversation at fault is reported and left out; the others are imported.
  ///
  /// - Parameters:
  ///   - files: Files, and folders whose `conversations*.json` are read.
  ///   - userID: The user of the conversations. Nil: the user that the file names; see ``ConversationReader``.
  ///   - format: Nil: detected by the content of each file.
  ///   - options: What is read.
  ///   - progress: Called now and then. See ``OperationProgress``.
  /// - Returns: The counts of what was imported and left out, and the first faults.
  /// - Throws: ``StoreError`` of ``ConversationReader`` and ``add(_:onEmbeddingFailure:)-([MemoryDraft],_)``, `.invalidArgument` if a file
  ///   has no times and the options have none; `CancellationError`. Batches that were committed before stay; importing the same files again
  ///   skips them.
  /// - Complexity: O(bytes). Holds one conversation and one batch; in files of single messages also about 100 bytes for each.
  @discardableResult
  public func importConversations(
    from files: [URL], for userID: String? = nil, format: ConversationFormat? = nil, options: ConversationOptions = ConversationOptions(),
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ConversationReport {
    let sources = try await onBlockingThread { try files.flatMap(ConversationReader.files).map { try ImportSource.file($0) } }
    return try await importConversations(from: sources, for: userID, format: format, options: options, progress: progress)
  }

  /// Reads conversations from files or other sources: see ``importConversations(from:for:format:options:progress:)-([URL],_,_,_,_)``.
  @discardableResult
  public func importConversations(
    from sources: [ImportSource], for userID: String? = nil, format: ConversationFormat? = nil,
    options: ConversationOptions = ConversationOptions(), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ConversationReport {
    if !options.isDryRun { _ = try writer() }
    let state = ConversationImportState(ConversationImport(self, sources, userID, format, options))
    do {
      while true {
        let batch = try await onCancellableThread { check in try state.read(check) }
        guard let batch else { break }
        var added: [Added] = []
        if options.isDryRun {
          state.countDryRun(batch)
        } else {
          if !batch.drafts.isEmpty { added = try await add(batch.drafts, options.onEmbeddingFailure, textsAtOnce: 256) }
          state.count(added, existing: batch.existing)
        }
        progress(state.progress)
      }
    } catch {
      throw StoreError.surfacing(error, "the import failed")
    }
    progress(state.progress)
    return state.report
  }
}

/// The state of an import, which its threads use one after the other.
private final class ConversationImportState: Sendable {
  private let value: Mutex<ConversationImport>

  init(_ value: sending ConversationImport) { self.value = Mutex(value) }

  var report: ConversationReport { value.withLock { $0.report } }
  var progress: OperationProgress { value.withLock { $0.progress } }

  func read(_ check: () throws -> Void) throws -> ConversationBatch? { try value.withLock { try $0.read(check) } }

  func count(_ added: [Added], existing: Int) {
    value.withLock {
      $0.count(added)
      $0.count(existing: existing)
    }
  }

  func countDryRun(_ batch: ConversationBatch) {
    value.withLock {
      $0.count(existing: batch.existing)
      $0.count(new: batch.drafts.count)
    }
  }
}
