import LMDB
import VectorSearch

/// Encodes rows that a generation holds already: Architecture.md ("Codes") has the steps.
/// Blocks: runs on a thread of its own, or on that of the writer.
struct CodeBuild {
  let codes: GenerationCodes
  let rows: RowFile
  /// Called for about 4 MiB of rows; an error that it throws ends the work.
  let check: () throws -> Void

  /// Nil if the generation's rows can have no codes.
  init?(_ generation: Generation, check: @escaping () throws -> Void = {}) {
    guard let codes = generation.codes, let rows = generation.rows else { return nil }
    self.codes = codes
    self.rows = rows
    self.check = check
  }

  /// Consecutive rows, of which those in `live` are live: bit i is row `first` + i.
  struct LiveRun {
    let first: Int
    let live: LiveMask
  }

  /// The live rows of an instant, in the order of the file.
  static func liveRows(_ reader: borrowing RecordReader) throws -> [LiveRun] {
    var found: [LiveRun] = []
    try reader.walk(Tables.Blocks.self) { _, value in
      let block = try BlockRecord(value)
      if block.live != 0 { found.append(LiveRun(first: block.firstRow, live: block.live)) }
      return true
    }
    return found.sorted { $0.first < $1.first }
  }

  // MARK: The file

  /// The generation's file; made with the mean of the rows if it is missing.
  ///
  /// - Throws: `FileError`; ``StoreError`` if the file is damaged.
  func openFile(_ live: [LiveRun]) throws -> CodeFile {
    if let file = codes.file() { return file }
    if let damage = codes.damage { throw damage }
    return try codes.create(mean: try mean(live))
  }

  /// More rows would make no difference that shows.
  private static let meanRows = 32_768

  /// The mean of at most 32,768 rows, which lie evenly in the file.
  private func mean(_ live: [LiveRun]) throws -> [Float] {
    let total = live.reduce(0) { $0 + $1.live.nonzeroBitCount }
    let step = max(1, (total + Self.meanRows - 1) / Self.meanRows)
    var sums = [Double](repeating: 0, count: rows.header.dimension)
    var (number, count) = (0, 0)
    try forEachRow(live) { row in
      defer { number += 1 }
      guard number % step == 0 else { return }
      let components = rows.row(row)
      // A damaged row must not make the mean useless.
      guard components.indices.allSatisfy({ components[$0].isFinite }) else { return }
      for index in components.indices { sums[index] += Double(components[index]) }
      count += 1
    }
    return sums.map { count == 0 ? 0 : Float($0 / Double(count)) }
  }

  // MARK: Encoding

  /// Rows that are encoded before they are written.
  private static let runRows = 128

  /// Writes the codes of live rows, without a flush.
  ///
  /// - Throws: `FileError`, and what ``check`` throws: some codes may have been written.
  /// - Complexity: O(rows × dimension).
  func encode(_ live: [LiveRun], into file: CodeFile) throws {
    let stride = rows.header.strideBytes / 4
    // Consecutive rows. They are copied, because four are encoded together.
    var (run, count, first) = ([Float](), 0, 0)
    var encoded = CodeFile.Encoded()
    func write() throws {
      guard count > 0 else { return }
      file.encode(run.span, count: count, stride: stride, into: &encoded)
      try file.write(encoded, fromRow: first)
      encoded.removeAll()
      run.removeAll(keepingCapacity: true)
      count = 0
    }
    try forEachRow(live) { row in
      if row != first + count || count == Self.runRows {
        try write()
        first = row
      }
      let components = rows.row(row)
      unsafe components.withUnsafeBufferPointer { unsafe run.append(contentsOf: $0) }
      run.append(contentsOf: repeatElement(0, count: stride - components.count))
      count += 1
    }
    try write()
  }

  /// The same for rows of chunks: bit i is row i of the chunk.
  func encode(_ chunks: [Int: LiveMask], into file: CodeFile) throws {
    try encode(chunks.sorted { $0.key < $1.key }.map { LiveRun(first: $0.key * CodeFile.chunkRows, live: $0.value) }, into: file)
  }

  private func forEachRow(_ live: [LiveRun], _ body: (Int) throws -> Void) throws {
    let rowsPerCheck = max(1, (4 << 20) / rows.header.strideBytes)
    var left = rowsPerCheck
    for block in live {
      left -= block.live.nonzeroBitCount
      if left < 0 {
        left = rowsPerCheck
        try check()
      }
      var remaining = block.live
      while remaining != 0 {
        let place = remaining.trailingZeroBitCount
        remaining &= remaining - 1
        try body(block.first + place)
      }
    }
  }

  /// Writes the codes of all rows of an instant, and flushes them.
  func encodeAll(_ reader: borrowing RecordReader) throws {
    let live = try Self.liveRows(reader)
    try rows.cover(rowCount: reader.state().rowsHigh)
    let file = try openFile(live)
    try encode(live, into: file)
    try file.synchronize()
  }
}
