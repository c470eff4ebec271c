import Formats
import Foundation
import LMDB

/// One committed change, of this process or another.
public struct StoreChange: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// Added or updated.
    case memoryPut(MemoryID)
    case memoryDeleted(MemoryID)
    case contextPut(recordType: String)
    case contextDeleted(recordType: String)
    /// Changes were missed, because more happened than the log keeps: read again all data that you display.
    case lagged
  }

  /// The number of the commit. The changes of one commit come together and in order.
  public let batchSequence: UInt64
  /// Empty for `.lagged`.
  public let userID: String
  public let kind: Kind

  /// Whether all fields are the same, the userID byte for byte.
  public static func == (left: StoreChange, right: StoreChange) -> Bool {
    left.batchSequence == right.batchSequence && left.userID.hasSameBytes(as: right.userID) && left.kind == right.kind
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(batchSequence)
    hasher.combine(kind)
  }
}

/// The changes committed after the sequence was made, in commit order. Ends when the store is closed or the task is cancelled.
///
/// A consumer that is slower than the writers does not slow them down: if the log no longer has its next change, it gets
/// ``StoreChange/Kind/lagged``.
public struct ChangeSequence: AsyncSequence, Sendable {
  public typealias Element = StoreChange

  let core: StoreCore
  /// Nil: of all users.
  let userID: String?
  let start: UInt64

  public func makeAsyncIterator() -> Iterator { Iterator(core: core, userID: userID, next: start + 1) }

  public struct Iterator: AsyncIteratorProtocol {
    let core: StoreCore
    let userID: String?
    /// The first batch that was not reported yet.
    var next: UInt64
    /// A slice, because its first element is removed in constant time: one commit can have tens of thousands.
    private var pending: ArraySlice<StoreChange> = []

    init(core: StoreCore, userID: String?, next: UInt64) {
      self.core = core
      self.userID = userID
      self.next = next
    }

    /// How soon a commit of another process is seen; those of this process are seen at once.
    private static var pollInterval: Duration { .milliseconds(50) }
    /// Entries read at a time.
    private static var pageLimit: Int { 1024 }

    /// - Throws: ``StoreError`` `.corrupted` and other errors of a read, except `.closed`, which ends the sequence.
    public mutating func next() async throws -> StoreChange? {
      while pending.isEmpty {
        if Task.isCancelled || core.commits.isFinished { return nil }
        let seen = core.commits.count
        do {
          try fill()
        } catch let error as StoreError where error.code == .closed {
          return nil
        }
        if pending.isEmpty { await core.commits.wait(past: seen, atMost: Self.pollInterval) }
      }
      return pending.removeFirst()
    }

    private mutating func fill() throws {
      let first = next
      var following = next
      var changes: [StoreChange] = []
      let userID = userID
      try core.live.read { reader in
        let state = try reader.state()
        guard state.batchSequence >= first else { return }
        var begin = first
        if state.logFirst > first {
          changes.append(StoreChange(batchSequence: state.logFirst - 1, userID: "", kind: .lagged))
          begin = state.logFirst
        }
        following = state.batchSequence + 1
        var count = 0
        var last: UInt64 = 0
        try reader.walk(Tables.Log.self, from: .at(LogKey(sequence: begin, index: 0))) { key, value in
          // Whole batches only: a full page ends where the next batch begins.
          if count >= Iterator.pageLimit, key.sequence != last {
            following = key.sequence
            return false
          }
          last = key.sequence
          let record = try LogRecord(value)
          if let change = StoreChange(record, key.sequence), userID.map(record.userID.hasSameBytes) ?? true || change.kind == .lagged {
            changes.append(change)
          }
          count += 1
          return true
        }
      }
      next = following
      pending = changes[...]
    }
  }
}

extension StoreChange {
  init?(_ record: LogRecord, _ sequence: UInt64) {
    let kind: Kind
    switch (record.operation, record.memoryID, record.recordType) {
    case (.putMemory, let id?, _): kind = .memoryPut(id)
    case (.deleteMemory, let id?, _): kind = .memoryDeleted(id)
    case (.putContext, _, let type?): kind = .contextPut(recordType: type)
    case (.deleteContext, _, let type?): kind = .contextDeleted(recordType: type)
    case (.overflow, _, _): kind = .lagged
    default: return nil
    }
    self.init(batchSequence: sequence, userID: record.userID, kind: kind)
  }
}
