import Files
import VectorSearch

/// Rows of a batch on their way to the file: gathered, then written in runs of consecutive rows.
struct RowStaging: ~Copyable {
  private let file: RowFile
  private var pending: [(row: Int, order: Int, components: [Float])] = []
  /// Rows gathered so far: what comes later is dropped by ``drop(from:)``.
  private(set) var mark = 0
  /// Whether rows were written since the last flush to disk.
  private(set) var needsFlush = false

  /// Rows gathered before they are written, so that a large import holds a few MiB at a time.
  private static let gatheredBytes = 4 << 20

  init(_ file: RowFile) { self.file = file }

  mutating func append(row: Int, _ components: [Float]) throws {
    pending.append((row, mark, components))
    mark += 1
    if pending.count * file.header.strideBytes >= Self.gatheredBytes { try write() }
  }

  /// The components of a row that is gathered and not written yet; nil for any other.
  ///
  /// - Complexity: O(rows gathered).
  func components(ofRow row: Int) -> [Float]? { pending.first { $0.row == row }?.components }

  /// Forgets what was gathered since `mark`: its body was undone. Rows that are already in the file are in slots that no record names.
  mutating func drop(from mark: Int) {
    pending.removeAll { $0.order >= mark }
  }

  /// Writes what is gathered; a full disk shows here.
  mutating func write() throws {
    guard !pending.isEmpty else { return }
    pending.sort { $0.row < $1.row }
    let stride = file.header.strideBytes / 4
    try file.reserve(rowCount: pending[pending.count - 1].row + 1)
    needsFlush = true
    var start = 0
    var run: [Float] = []
    for index in pending.indices {
      run.append(contentsOf: pending[index].components)
      run.append(contentsOf: repeatElement(0, count: stride - pending[index].components.count))
      if index + 1 == pending.count || pending[index + 1].row != pending[index].row + 1 {
        try file.write(strides: run, fromRow: pending[start].row)
        run.removeAll(keepingCapacity: true)
        start = index + 1
      }
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Writes what is gathered, and makes room for all rows that the batch has given out: an opener takes a file that ends before one of
  /// them for truncated, and the last run may reach beyond the rows that are written.
  mutating func finish(rowCount: Int) throws {
    try write()
    if needsFlush { try file.reserve(rowCount: rowCount) }
  }

  /// Makes every written row durable: before the commit that names it.
  mutating func flush() throws(FileError) {
    guard needsFlush else { return }
    try file.synchronize()
    needsFlush = false
  }
}
