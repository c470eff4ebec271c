import Files
import VectorSearch

/// Rows of a batch that are not in the file yet: gathered in memory, then written in runs of consecutive rows.
///
/// Once there are many, they are written and flushed on a thread beside the one that stores the records, which waits for it before the
/// commit. The end of a batch that is aborted waits, too: no row is written after `writer.lock` was released.
struct RowStaging: ~Copyable {
  private let writer: RowWriter
  private var pending: [RowWriter.Row] = []
  /// The number of rows gathered so far. ``drop(from:)`` drops the rows that were gathered after this value was read.
  private(set) var mark = 0
  /// Whether rows were written since the last flush to disk.
  private(set) var needsFlush = false
  /// Nil before the first part is full, and if the system gives no thread.
  private var background: RowWriterThread?
  private var hasNoThread = false

  /// Bytes of rows that are passed to the other thread at once.
  private static let partBytes = 256 << 10
  /// Bytes of rows that are gathered before they are written here if there is no other thread, so that a large import holds a few MiB.
  private static let gatheredBytes = 4 << 20

  /// - Parameter codes: Nil while the generation has no codes.
  init(_ file: RowFile, _ codes: GenerationCodes?) { writer = RowWriter(file, codes) }

  deinit { background?.end() }

  /// Whether the rows get codes.
  var writesCodes: Bool { writer.writesCodes }
  /// Why codes could not be written; a disk without room is no reason, but an error of the write. Complete after ``finish(rowCount:)``.
  var codesFailure: FileError? { writer.codesFailure }

  mutating func append(row: Int, _ components: [Float]) throws {
    pending.append(RowWriter.Row(number: row, order: mark, components: components))
    mark += 1
    let gathered = pending.count * writer.file.header.strideBytes
    guard gathered >= Self.partBytes else { return }
    if background == nil, !hasNoThread {
      background = try? RowWriterThread(writer)
      hasNoThread = background == nil
    }
    if background != nil { try pass() } else if gathered >= Self.gatheredBytes { try write() }
  }

  /// Passes the gathered rows to the other thread.
  private mutating func pass() throws(FileError) {
    guard !pending.isEmpty else { return }
    needsFlush = true
    try background?.write(pending)
    pending.removeAll(keepingCapacity: true)
  }

  /// The components of a row that is gathered and not written yet; nil for any other, which can be read from the file.
  ///
  /// - Throws: `FileError` if the other thread could not write.
  /// - Complexity: O(rows gathered), and the time of the other thread.
  func components(ofRow row: Int) throws(FileError) -> [Float]? {
    if let gathered = pending.first(where: { $0.number == row }) { return gathered.components }
    try background?.wait()
    return nil
  }

  /// Forgets the rows gathered since `mark`, whose body was undone. Rows that were already written lie in slots that no record names.
  mutating func drop(from mark: Int) {
    pending.removeAll { $0.order >= mark }
  }

  /// Writes the gathered rows to the file; throws if the disk is full.
  mutating func write() throws(FileError) {
    if let background {
      try pass()
      return try background.wait()
    }
    guard !pending.isEmpty else { return }
    needsFlush = true
    try writer.write(pending)
    pending.removeAll(keepingCapacity: true)
  }

  /// Lets the other thread, if there is one, do what ``finish(rowCount:)`` and ``flush()`` wait for.
  mutating func begin(rowCount: Int) throws(FileError) {
    guard let background else { return }
    try pass()
    background.finish(rowCount: rowCount)
  }

  /// Writes the gathered rows, and grows the file to `rowCount` rows, which are all that were allocated: the last run may be longer than
  /// the rows that are written, and a file that ends before an allocated row counts as truncated when the store is opened.
  mutating func finish(rowCount: Int) throws(FileError) {
    try write()
    if needsFlush { try writer.file.reserve(rowCount: rowCount) }
  }

  /// Makes every written row durable. Must come before the commit that names the rows.
  mutating func flush() throws(FileError) {
    guard needsFlush else { return }
    // A flush is never tried twice: after a failure the second one could succeed without having written.
    if let flushed = background?.flushed { try flushed.get() } else { try writer.file.synchronize() }
    needsFlush = false
  }

  /// Ends the other thread in a batch that another error has ended.
  ///
  /// - Returns: The error of a flush that the thread has done: the kernel may have dropped rows, and a later flush would not say so.
  func abandon() -> FileError? {
    background?.end()
    if case .failure(let error)? = background?.flushed { return error }
    return nil
  }
}
