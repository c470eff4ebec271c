import LMDB
import Synchronization

/// Keeps the lists of live rows of the last commits that were searched.
///
/// A write transaction must not ask for a list: it has the number of the commit before it.
final class LiveRowsCache: Sendable {
  private struct State {
    /// Of different commits, in their order. Two, because a search may have begun just before a commit that another search has seen.
    var lists: [LiveRows] = []
    /// Blocks that searches have walked since a list was made or brought up to date.
    var walked = 0
  }

  private let state = Mutex(State())

  /// The list at the reader's instant; nil if there are too many blocks for a list.
  ///
  /// - Throws: ``StoreError`` `.corrupted`.
  func list(_ reader: borrowing RecordReader, _ record: StateRecord) throws -> LiveRows? {
    if let known = known(reader, record, limit: nil) { return known }
    guard let made = try LiveRows(reader, record) else { return nil }
    state.withLock { state in
      // One that shares nothing with the others replaces them: they would take as much memory again.
      if state.lists.last.map({ $0.batchSequence < record.batchSequence }) ?? true { state = State(lists: [made]) }
    }
    return made
  }

  /// The list at the reader's instant, for a search that can walk the blocks of its users instead; nil if it should.
  ///
  /// A list that is missing, or to which many commits have to be added, is made once searches have walked as many blocks as it has. So a
  /// search of a small user does not wait until the blocks of a large store are read, and all searches together read at most twice as many
  /// blocks as necessary.
  ///
  /// - Parameter rowCount: How many rows the users have.
  /// - Throws: ``StoreError`` `.corrupted`.
  func listUnlessWalkIsCheaper(_ reader: borrowing RecordReader, _ record: StateRecord, rowCount: Int) throws -> LiveRows? {
    // An entry of the log takes about as long as a block of 64 rows.
    if let known = known(reader, record, limit: max(64, rowCount / 64)) { return known }
    // A list of an earlier commit than others would not be kept.
    let (walked, isLast) = state.withLock { ($0.walked, $0.lists.allSatisfy { $0.batchSequence < record.batchSequence }) }
    guard isLast, walked >= (try reader.entryCount(of: Tables.Blocks.self)) else { return nil }
    return try list(reader, record)
  }

  /// Counts a search that has walked blocks.
  func noteWalk(ofBlocks count: Int) { state.withLock { $0.walked += count } }

  /// A list that is kept, or one that is made from it by the log.
  ///
  /// - Parameter limit: The most entries of the log to read; nil: as many as pay.
  private func known(_ reader: borrowing RecordReader, _ record: StateRecord, limit: Int?) -> LiveRows? {
    guard let list = state.withLock({ $0.lists.last { $0.batchSequence <= record.batchSequence } }) else { return nil }
    if list.batchSequence == record.batchSequence { return list }
    // A damaged entry of the log or a damaged memory is reported by those who need it.
    guard let advanced = try? list.advanced(reader, record, limit: limit) else { return nil }
    state.withLock { state in
      if state.lists.contains(where: { $0.batchSequence == record.batchSequence }) { return }
      state.lists.append(advanced)
      state.lists.sort { $0.batchSequence < $1.batchSequence }
      if state.lists.count > 2 { state.lists.removeFirst() }
      state.walked = 0
    }
    return advanced
  }
}
