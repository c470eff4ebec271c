import Formats

/// Conversations that are committed together.
struct ConversationBatch: Sendable {
  /// The drafts of messages that the store does not have.
  var drafts: [MemoryDraft] = []
  /// The number of messages that the store has already.
  var existing = 0
}

/// Reads the files of an import, batch by batch. Used by one thread at a time.
struct ConversationImport {
  /// Bounds of a batch, large enough that a commit costs little for each message.
  private static let batchMessages = 1_024
  private static let batchBytes = 4 << 20

  private let store: MemoryStore
  private let sources: [ImportSource]
  private let userID: String?
  private let format: ConversationFormat?
  private let options: ConversationOptions
  private var reader: ConversationReader?
  private var next = 0
  private var hasConversation = false
  private var doneBytes = 0
  private var maker = ConversationDrafts()
  private var wholeCount = 0
  /// Users and keys of the messages of a dry run, which stores nothing that a later message could be compared with.
  private var seen: Set<String> = []
  private(set) var report = ConversationReport()

  init(
    _ store: MemoryStore, _ sources: [ImportSource], _ userID: String?, _ format: ConversationFormat?, _ options: ConversationOptions
  ) {
    self.store = store
    self.sources = sources
    self.userID = userID
    self.format = format
    self.options = options
  }

  var progress: OperationProgress {
    let (total, done) = (sources.reduce(0) { $0 + $1.sizeBytes }, doneBytes + (reader?.consumedBytes ?? 0))
    return OperationProgress(phase: .importing, done: min(done, total), total: total, count: report.added + report.existing)
  }

  /// The next conversations; nil if all are read.
  ///
  /// - Parameter check: Called for each element; an error that it throws ends the import.
  /// - Throws: ``StoreError`` of ``ConversationReader``; `.invalidArgument` if a file has no times, and the options have none.
  mutating func read(_ check: () throws -> Void) throws -> ConversationBatch? {
    var (drafts, bytes) = ([MemoryDraft](), 0)
    while drafts.count < Self.batchMessages, bytes < Self.batchBytes {
      try check()
      guard let element = try nextElement() else {
        if drafts.isEmpty { return nil }
        break
      }
      for draft in try self.drafts(of: element) {
        bytes += draft.text.utf8.count
        drafts.append(draft)
      }
    }
    return try batch(drafts)
  }

  mutating func count(_ added: [Added]) {
    for one in added { if one.outcome == .existing { report.existing += 1 } else { report.added += 1 } }
  }

  mutating func count(existing: Int) { report.existing += existing }

  mutating func count(new: Int) { report.added += new }

  private mutating func nextElement() throws -> ConversationReader.Element? {
    while true {
      if reader == nil {
        guard next < sources.count else { return nil }
        reader = try ConversationReader(sources[next], for: userID, format: format, options: options)
        hasConversation = false
        next += 1
      }
      if let element = try reader?.next() { return element }
      doneBytes += sources[next - 1].sizeBytes
      reader = nil
    }
  }

  /// The drafts of an element's conversations; conversations at fault are counted and left out.
  private mutating func drafts(of element: ConversationReader.Element) throws -> [MemoryDraft] {
    if let fault = element.fault { report.add(fault) }
    report.replacedSurrogates += element.replacedSurrogates
    report.attachments += element.attachments
    report.leftOut.merge(element.leftOut, uniquingKeysWith: +)
    var drafts: [MemoryDraft] = []
    for conversation in element.conversations {
      var conversation = conversation
      if conversation.source == nil { conversation.source = reader?.format.rawValue }
      do {
        let made = try maker.drafts(of: conversation, isPart: element.isPart, fallback: options.createdAt)
        // Checked before anything is embedded: only this conversation fails.
        for draft in made { _ = try PreparedDraft(draft, store: store.core.generation.store) }
        drafts += made
        if !element.isPart { wholeCount += 1 }
      } catch {
        guard let reader else { throw error }
        let fault = reader.fault(error.message, at: element.number, id: conversation.id)
        // Fails the import: in a file without times, every conversation would be at fault.
        if !hasConversation, error.code == .invalidArgument, options.createdAt == nil, conversation.hasNoTime {
          throw StoreError(.invalidArgument, fault.description)
        }
        report.add(fault)
      }
      hasConversation = true
    }
    report.conversations = wholeCount + maker.partCount
    return drafts
  }

  /// Separates the drafts that are new from those that the store has already, which are only counted.
  private mutating func batch(_ drafts: [MemoryDraft]) throws -> ConversationBatch {
    var batch = ConversationBatch()
    let isDryRun = options.isDryRun
    try store.readOnce { reader in
      for draft in drafts {
        guard let key = draft.dedupeKey else { continue }
        let isKnown = try reader.liveMemoryRecord(dedupeKey: key, of: draft.userID) != nil
        if isKnown || isDryRun && !seen.insert("\(draft.userID.utf8.count):\(draft.userID)\(key)").inserted {
          batch.existing += 1
        } else {
          batch.drafts.append(draft)
        }
      }
    }
    return batch
  }
}

extension Conversation {
  fileprivate var hasNoTime: Bool { createdAt == nil && messages.allSatisfy { $0.createdAt == nil } }
}
