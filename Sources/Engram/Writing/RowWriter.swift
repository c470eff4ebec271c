import Dispatch
import Files
import Synchronization
import VectorSearch

/// Writes rows and their codes to the files of a generation, for one batch.
final class RowWriter: Sendable {
  struct Row: Sendable {
    let number: Int
    /// Its place in the order in which the rows were gathered.
    let order: Int
    let components: [Float]
  }

  let file: RowFile
  /// Gets the codes of the rows; nil while the generation has none.
  private let codes: GenerationCodes?
  private let codeFile: CodeFile?
  private let failure = Mutex<FileError?>(nil)

  init(_ file: RowFile, _ codes: GenerationCodes?) {
    self.file = file
    self.codes = codes
    codeFile = codes?.file()
  }

  var writesCodes: Bool { codeFile != nil && codesFailure == nil }
  /// Why codes could not be written; a disk without room is no reason, but an error of the write.
  var codesFailure: FileError? { failure.withLock { $0 } }

  /// Writes rows in runs of consecutive ones. Each row is in `rows` once.
  ///
  /// - Throws: `FileError`: the disk is full, among others. A part may have been written.
  func write(_ rows: [Row]) throws(FileError) {
    let rows = rows.sorted { $0.number < $1.number }
    guard let last = rows.last else { return }
    let stride = file.header.strideBytes / 4
    try file.reserve(rowCount: last.number + 1)
    var start = 0
    var run: [Float] = []
    var encoded = CodeFile.Encoded()
    for index in rows.indices {
      let components = rows[index].components
      run.append(contentsOf: components)
      run.append(contentsOf: repeatElement(0, count: stride - components.count))
      if index + 1 == rows.count || rows[index + 1].number != rows[index].number + 1 {
        try file.write(strides: run, fromRow: rows[start].number)
        codeFile?.encode(run.span, count: index + 1 - start, stride: stride, into: &encoded)
        try write(encoded, fromRow: rows[start].number)
        run.removeAll(keepingCapacity: true)
        encoded.removeAll()
        start = index + 1
      }
    }
    if codeFile != nil { codes?.unflushedRows.add(rows.count, ordering: .relaxed) }
  }

  private func write(_ encoded: CodeFile.Encoded, fromRow row: Int) throws(FileError) {
    guard writesCodes else { return }
    do throws(FileError) {
      try codeFile?.write(encoded, fromRow: row)
    } catch {
      if error.isNoSpace { throw error }
      failure.withLock { $0 = error }
    }
  }
}

/// A thread that writes the rows of one batch, part by part, and flushes them, while the thread of the writer stores the records.
///
/// All calls come from that one thread; ``end()`` is the last.
final class RowWriterThread: Sendable {
  private enum Job: Sendable {
    case write([RowWriter.Row])
    case finish(rowCount: Int)
    case report
    case end
  }

  private struct State {
    var jobs: [Job] = []
    /// After it nothing is written or flushed.
    var failure: FileError?
    var flushed: Result<Void, FileError>?
  }

  private let writer: RowWriter
  private let state = Mutex(State())
  // All begin at 0, because a semaphore must not be released with a value below its first one.
  private let added = DispatchSemaphore(value: 0)
  private let reported = DispatchSemaphore(value: 0)
  /// The parts that may still be passed, so that a large import holds a few MiB.
  private let free = DispatchSemaphore(value: 0)
  private static let partsAhead = 16

  /// - Throws: ``StoreError`` `.outOfResources` if no thread can be started.
  init(_ writer: RowWriter) throws(StoreError) {
    self.writer = writer
    for _ in 0..<Self.partsAhead { free.signal() }
    try startThread(blocksSignals: true) { [self] in run() }
  }

  private func run() {
    while true {
      added.wait()
      switch state.withLock({ $0.jobs.removeFirst() }) {
      case .write(let rows):
        attempt { () throws(FileError) in try writer.write(rows) }
        free.signal()
      case .finish(let rowCount):
        attempt { () throws(FileError) in try writer.file.reserve(rowCount: rowCount) }
        flush()
      case .report: reported.signal()
      case .end:
        reported.signal()
        return
      }
    }
  }

  private func attempt(_ body: () throws(FileError) -> Void) {
    guard failure == nil else { return }
    do throws(FileError) {
      try body()
    } catch {
      state.withLock { $0.failure = error }
    }
  }

  private func flush() {
    guard failure == nil else { return }
    var flushed = Result<Void, FileError>.success(())
    do throws(FileError) {
      try writer.file.synchronize()
    } catch {
      flushed = .failure(error)
    }
    state.withLock { $0.flushed = flushed }
  }

  private var failure: FileError? { state.withLock { $0.failure } }

  private func add(_ job: Job) {
    state.withLock { $0.jobs.append(job) }
    added.signal()
  }

  /// Has rows written; waits if many are not written yet.
  ///
  /// - Throws: The `FileError` of an earlier part.
  func write(_ rows: [RowWriter.Row]) throws(FileError) {
    if let failure { throw failure }
    free.wait()
    add(.write(rows))
  }

  /// Has the file grown to `rowCount` rows, and flushed. ``flushed`` has the outcome after ``wait()``.
  func finish(rowCount: Int) { add(.finish(rowCount: rowCount)) }

  /// Returns once everything was done.
  ///
  /// - Throws: The `FileError` of a write.
  func wait() throws(FileError) {
    add(.report)
    reported.wait()
    if let failure { throw failure }
  }

  /// The outcome of the flush; nil if there was none.
  var flushed: Result<Void, FileError>? { state.withLock { $0.flushed } }

  /// Returns once the thread has written its last byte.
  func end() {
    add(.end)
    reported.wait()
  }
}
