import Files
import Synchronization
import VectorSearch

/// Rows of a batch that are not in the file yet: gathered in memory, then written in runs of consecutive rows.
struct RowStaging: ~Copyable {
  private let file: RowFile
  /// Gets the codes of the rows; nil while the generation has none.
  private let codes: GenerationCodes?
  private let codeFile: CodeFile?
  private var pending: [(row: Int, order: Int, components: [Float])] = []
  /// The number of rows gathered so far. ``drop(from:)`` drops the rows that were gathered after this value was read.
  private(set) var mark = 0
  /// Whether rows were written since the last flush to disk.
  private(set) var needsFlush = false

  /// Bytes of rows that are gathered before they are written, so that a large import holds a few MiB at a time.
  private static let gatheredBytes = 4 << 20

  /// - Parameter codes: Nil while the generation has no codes.
  init(_ file: RowFile, _ codes: GenerationCodes?) {
    self.file = file
    self.codes = codes
    codeFile = codes?.file()
  }

  /// Whether the rows get codes.
  var writesCodes: Bool { codeFile != nil && codesFailure == nil }
  /// Why codes could not be written; a disk without room is no reason, but an error of the write.
  private(set) var codesFailure: FileError?

  mutating func append(row: Int, _ components: [Float]) throws {
    pending.append((row, mark, components))
    mark += 1
    if pending.count * file.header.strideBytes >= Self.gatheredBytes { try write() }
  }

  /// The components of a row that is gathered and not written yet; nil for any other.
  ///
  /// - Complexity: O(rows gathered).
  func components(ofRow row: Int) -> [Float]? { pending.first { $0.row == row }?.components }

  /// Forgets the rows gathered since `mark`, whose body was undone. Rows that were already written lie in slots that no record names.
  mutating func drop(from mark: Int) {
    pending.removeAll { $0.order >= mark }
  }

  /// Writes the gathered rows to the file; throws if the disk is full.
  mutating func write() throws {
    guard !pending.isEmpty else { return }
    pending.sort { $0.row < $1.row }
    let stride = file.header.strideBytes / 4
    try file.reserve(rowCount: pending[pending.count - 1].row + 1)
    needsFlush = true
    var start = 0
    var run: [Float] = []
    var encoded = CodeFile.Encoded()
    for index in pending.indices {
      let components = pending[index].components
      run.append(contentsOf: components)
      run.append(contentsOf: repeatElement(0, count: stride - components.count))
      codeFile?.encode(components.span, into: &encoded)
      if index + 1 == pending.count || pending[index + 1].row != pending[index].row + 1 {
        try file.write(strides: run, fromRow: pending[start].row)
        try writeCodes(encoded, fromRow: pending[start].row)
        run.removeAll(keepingCapacity: true)
        encoded.removeAll()
        start = index + 1
      }
    }
    if codeFile != nil { codes?.unflushedRows.add(pending.count, ordering: .relaxed) }
    pending.removeAll(keepingCapacity: true)
  }

  private mutating func writeCodes(_ encoded: CodeFile.Encoded, fromRow row: Int) throws(FileError) {
    guard writesCodes else { return }
    do throws(FileError) {
      try codeFile?.write(encoded, fromRow: row)
    } catch {
      if error.isNoSpace { throw error }
      codesFailure = error
    }
  }

  /// Writes the gathered rows, and grows the file to `rowCount` rows, which are all that were allocated: the last run may be longer than
  /// the rows that are written, and a file that ends before an allocated row counts as truncated when the store is opened.
  mutating func finish(rowCount: Int) throws {
    try write()
    if needsFlush { try file.reserve(rowCount: rowCount) }
  }

  /// Makes every written row durable. Must come before the commit that names the rows.
  mutating func flush() throws(FileError) {
    guard needsFlush else { return }
    try file.synchronize()
    needsFlush = false
  }
}
