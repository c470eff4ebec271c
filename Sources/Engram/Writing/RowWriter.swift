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

/// A thread that writes the rows of one batch, part by part, and flushes them, while the thread of the writer stores the records. On a busy
/// machine it may not run in time: then the thread of the writer does what it has not begun.
///
/// All calls come from the thread of the writer; ``end()`` is the last.
final class RowWriterThread: Sendable {
  private enum Job: Sendable {
    case write([RowWriter.Row])
    case finish(rowCount: Int)
  }

  private struct State {
    /// Nil at the end, so that a thread that runs late does not keep the files open.
    var writer: RowWriter?
    /// Those that no thread has begun, the oldest first.
    var jobs: [Job] = []
    /// After it nothing is written or flushed.
    var failure: FileError?
    var flushed: Result<Void, FileError>?
  }

  private let state: Mutex<State>
  /// Held while a job is taken and done: they are done one after the other, because rows of an undone body precede those of the next.
  private let working = Mutex<Void>(())
  private let added = DispatchSemaphore(value: 0)
  private let stop = StopFlag()

  /// The parts that may wait, so that a large import holds a few MiB.
  private static let partsAhead = 16

  /// - Throws: ``StoreError`` `.outOfResources` if no thread can be started.
  init(_ writer: RowWriter) throws(StoreError) {
    state = Mutex(State(writer: writer))
    try startThread(blocksSignals: true) { [self] in
      while true {
        added.wait()
        if stop.isSet { return }
        doNext()
      }
    }
  }

  /// Does the oldest job that no thread has begun; false if there is none. When it returns, no other thread is doing a job.
  @discardableResult
  private func doNext() -> Bool {
    working.withLock { _ in
      let next = state.withLock { state -> (RowWriter, Job)? in
        guard let writer = state.writer, !state.jobs.isEmpty else { return nil }
        return (writer, state.jobs.removeFirst())
      }
      guard let (writer, job) = next else { return false }
      switch job {
      case .write(let rows): attempt { () throws(FileError) in try writer.write(rows) }
      case .finish(let rowCount):
        attempt { () throws(FileError) in try writer.file.reserve(rowCount: rowCount) }
        flush(writer.file)
      }
      return true
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

  private func flush(_ file: RowFile) {
    guard failure == nil else { return }
    var flushed = Result<Void, FileError>.success(())
    do throws(FileError) {
      try file.synchronize()
    } catch {
      flushed = .failure(error)
    }
    state.withLock { $0.flushed = flushed }
  }

  private var failure: FileError? { state.withLock { $0.failure } }

  /// - Returns: The jobs that wait.
  @discardableResult
  private func add(_ job: Job) -> Int {
    defer { added.signal() }
    return state.withLock { state in
      state.jobs.append(job)
      return state.jobs.count
    }
  }

  /// Has rows written; writes earlier ones here if many are not written yet.
  ///
  /// - Throws: The `FileError` of an earlier part.
  func write(_ rows: [RowWriter.Row]) throws(FileError) {
    if let failure { throw failure }
    if add(.write(rows)) > Self.partsAhead { doNext() }
  }

  /// Has the file grown to `rowCount` rows, and flushed. ``flushed`` has the outcome after ``wait()``.
  func finish(rowCount: Int) { add(.finish(rowCount: rowCount)) }

  /// Returns once everything was done.
  ///
  /// - Throws: The `FileError` of a write.
  func wait() throws(FileError) {
    while doNext() {}
    if let failure { throw failure }
  }

  /// The outcome of the flush; nil if there was none.
  var flushed: Result<Void, FileError>? { state.withLock { $0.flushed } }

  /// Returns once the last byte was written: what was not begun is not done.
  func end() {
    stop.set()
    state.withLock { state in
      state.jobs = []
      state.writer = nil
    }
    working.withLock { _ in }
    added.signal()
  }
}
