import Files
import LMDB
import Synchronization
import VectorSearch

/// The compressed codes of a generation's rows, as far as this process knows them.
///
/// The state record has the last batch up to which every live row has a code on the disk, ``StateRecord/codesThrough``; zero: there are no
/// codes. While it is not zero, each commit writes the codes of its rows before it happens, without a flush: so live rows of later batches have
/// codes, too, as long as the machine does not lose what was not flushed. A process cannot know whether it did, so it does not use the
/// codes of rows that were committed after ``StateRecord/codesThrough`` and before it first looked: the log has them.
/// Architecture.md ("Codes") has the reasons.
final class GenerationCodes: Sendable {
  private let place: FilePlace
  let header: CodeFileHeader
  private let isReadOnly: Bool
  private let state = Mutex(State())
  /// Rows whose codes this process has written and not flushed.
  let unflushedRows = Atomic(0)
  /// Rows whose codes this process has flushed since the last commit that names ``flushedThrough``.
  let unnamedRows = Atomic(0)
  /// The last batch of which this process knows that all codes were flushed. The next commit stores it.
  let flushedThrough = Atomic<UInt64>(0)
  /// For searches by codes.
  let liveRows = LiveRowsCache()

  private struct State {
    var file: CodeFile?
    var damage: (any Error)?
    var trust: Trust?
  }

  private struct Trust {
    /// The batch at which this process first looked.
    let since: UInt64
    /// The rows of earlier batches whose codes may not be on the disk.
    var distrusted: DistrustedRows
    /// Snapshots of earlier batches use no codes: rows that were live in them may have been removed before ``distrusted`` was determined.
    var validFrom: UInt64

    var isComplete: Bool {
      if case .rows(let rows) = distrusted { return rows.isEmpty }
      return false
    }

    /// - Parameter sequence: A batch whose live rows all have codes.
    mutating func complete(at sequence: UInt64) {
      if isComplete { return }
      distrusted = .none
      validFrom = max(validFrom, sequence)
    }
  }

  /// - Parameter directory: The generation's directory.
  init(_ directory: FilePlace, _ rows: RowFileHeader, isReadOnly: Bool) {
    place = directory.appending(Self.fileName)
    header = CodeFileHeader(rows: rows)
    self.isReadOnly = isReadOnly
  }

  static let fileName = "codes"

  /// Why the file cannot be used; nil if it can, or is missing.
  var damage: (any Error)? { state.withLock { $0.damage } }

  /// The file, opened when it is first asked for; nil if it is missing or damaged.
  func file() -> CodeFile? {
    state.withLock { state -> CodeFile? in
      if let file = state.file { return file }
      if state.damage != nil { return nil }
      do {
        guard let status = try Directories.status(place) else { return nil }
        guard StoreTrust.isOwnFile(status) else {
          throw StoreError(.unexpectedFile, "\(place) is not a file of this user alone")
        }
        try MappedFile.back(place, isReadOnly: isReadOnly)
        state.file = try CodeFile(path: place, header: header, isReadOnly: isReadOnly)
      } catch is FileError {
        // Too many open files, or the file was removed: the next call tries again, and floats give the same results.
      } catch {
        state.damage = StoreError.surfacing(error, "the codes cannot be used")
      }
      return state.file
    }
  }

  /// Ends the use of the file by this process. The next commit of this process that adds rows ends it for every process.
  func giveUp(_ error: any Error) {
    state.withLock { state in
      state.file = nil
      state.damage = error
    }
  }

  /// Makes the file if it is missing. The caller excludes other makers.
  ///
  /// - Throws: `FileError`; ``StoreError`` if there is a file that cannot be opened.
  func create(mean: [Float]) throws -> CodeFile {
    if try Directories.status(place) == nil { try CodeFile.create(path: place, header: header, mean: mean) }
    guard let file = file() else { throw damage ?? StoreError(.outOfResources, "\(place) cannot be opened at the moment") }
    return file
  }

  // MARK: Trust

  /// The codes that a search at the reader's instant may use; nil if there are none.
  ///
  /// - Complexity: O(1), but for the first call: O(entries of the log since the codes were flushed).
  func reading(_ reader: borrowing RecordReader, _ record: StateRecord) -> CodeReading? {
    guard record.codesThrough > 0, let file = file() else { return nil }
    var distrusted = known(record)
    if distrusted == nil {
      let found = Self.distrusted(reader, record)
      state.withLock { state in
        let sequence = record.batchSequence
        if state.trust == nil { state.trust = Trust(since: sequence, distrusted: found, validFrom: sequence) }
      }
      distrusted = known(record)
    }
    // A system that gives no more address space is no reason to fail: floats give the same results.
    guard case .some(.rows(let rows)) = distrusted, let count = try? file.cover(rowCount: record.rowsHigh) else { return nil }
    return CodeReading(file: file, rowCount: count, distrusted: rows)
  }

  private func known(_ record: StateRecord) -> DistrustedRows? {
    state.withLock { state in
      guard let trust = state.trust else { return nil }
      if record.codesThrough >= trust.since { state.trust?.complete(at: record.batchSequence) }
      return state.trust.map { record.batchSequence < $0.validFrom ? .all : $0.distrusted }
    }
  }

  /// The rows that have to be encoded again before ``flushedThrough`` may move.
  func distrusted(_ reader: borrowing RecordReader, _ record: StateRecord) -> DistrustedRows {
    _ = reading(reader, record)
    return known(record) ?? .all
  }

  /// Whether rows have to be encoded again.
  func needsEncoding(_ reader: borrowing RecordReader, _ record: StateRecord) -> Bool {
    if case .rows(let rows) = distrusted(reader, record) { return !rows.isEmpty }
    return true
  }

  /// To be called once the distrusted rows were encoded and flushed again.
  ///
  /// - Parameter sequence: The batch whose rows they are.
  func trustAll(at sequence: UInt64) { state.withLock { $0.trust?.complete(at: sequence) } }

  /// Whether the file is missing or damaged.
  var isLost: Bool {
    if file() != nil { return false }
    if damage != nil { return true }
    do throws(FileError) {
      return try Directories.status(place) == nil
    } catch {
      return false
    }
  }

  /// Rows of batches after the last one whose codes were flushed.
  private static func distrusted(_ reader: borrowing RecordReader, _ record: StateRecord) -> DistrustedRows {
    do {
      var rows: [Int: LiveMask] = [:]
      let isComplete = try forEachRow(after: record.codesThrough, reader, record) { row in
        let (chunk, place) = row.quotientAndRemainder(dividingBy: CodeFile.chunkRows)
        rows[chunk, default: 0] |= 1 << LiveMask(place)
      }
      return isComplete ? .rows(rows) : .all
    } catch {
      // A damaged record is reported by those who need it.
      return .all
    }
  }

  /// Calls `body` with the row of each memory that was changed after a batch.
  ///
  /// - Returns: False if the log does not have all of these changes.
  static func forEachRow(
    after sequence: UInt64, _ reader: borrowing RecordReader, _ record: StateRecord, _ body: (Int) throws -> Void
  ) throws -> Bool {
    if record.logFirst > sequence + 1 { return false }
    var isComplete = true
    try reader.walk(Tables.Log.self, from: .at(LogKey(sequence: sequence + 1, index: 0))) { _, value in
      let entry = try LogRecord(value)
      isComplete = entry.operation != .overflow
      if entry.operation == .putMemory, let id = entry.memoryID, let row = try reader.memoryRecord(id)?.row { try body(row.row) }
      return isComplete
    }
    return isComplete
  }
}

/// Rows whose codes must not be used.
enum DistrustedRows: Sendable {
  /// By the number of the chunk: bit i is its row i.
  case rows([Int: LiveMask])
  case all

  static let none = Self.rows([:])
}
