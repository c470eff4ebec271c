import VectorSearch

/// Which memory names which row, by the memories' numbers.
struct RowOwners {
  /// One more than a number, or 0: the first that names the row.
  private(set) var first: [UInt32] = []
  /// Those that name a row that another names, too.
  private(set) var others: [Int] = []

  mutating func add(_ number: Int, of row: Int) {
    if row >= first.count { first.append(contentsOf: repeatElement(0, count: row + 1 - first.count)) }
    if first[row] == 0 { first[row] = UInt32(number + 1) } else { others.append(number) }
  }
}

/// Rows and the checksums in the records that name them.
extension StoreVerifier {
  private static var runBytes: Int { 256 << 10 }

  /// Notes that a memory's record names a row.
  mutating func claimRow(_ row: Int, _ number: Int) {
    let id = memories.elements[number].key
    guard rows != nil else {
      memories.elements[number].found.insert(.slot)
      return report.add("memories: memory \(id) names row \(row) in a store without rows")
    }
    guard (0..<state.rowsHigh).contains(row) else {
      memories.elements[number].found.insert(.slot)
      return report.add("memories: memory \(id) names row \(row), the last one is \(state.rowsHigh - 1)")
    }
    report.rows += 1
    guard row < readableRows else { return report.add("rows.f32 ends before row \(row) of memory \(id)") }
    owners.add(number, of: row)
  }

  /// Reads the rows in the order of the file, a run at a time, and compares them with the records.
  mutating func checkRows() {
    guard let rows else { return }
    let runRows = max(1, Self.runBytes / rows.header.strideBytes)
    var buffer: [Float] = []
    for start in stride(from: 0, to: owners.first.count, by: runRows) {
      let run = start..<min(start + runRows, owners.first.count)
      guard owners.first[run].contains(where: { $0 > 0 }) else { continue }
      checkRun(run, of: rows, &buffer)
    }
    for number in owners.others { checkSingleRow(number, of: rows) }
    owners = RowOwners()
  }

  private mutating func checkRun(_ run: Range<Int>, of rows: RowFile, _ buffer: inout [Float]) {
    // A bad sector costs its own row only: what could not be read as a whole is read row by row.
    let readable = (try? rows.read(rows: run, into: &buffer)) ?? 0
    let (dimension, stride) = (rows.header.dimension, rows.header.strideBytes / 4)
    for (index, owner) in owners.first[run].enumerated() where owner > 0 {
      let number = Int(owner) - 1
      if index < readable {
        checkComponents(buffer.span.extracting(index * stride..<index * stride + dimension), rows.header.metric, number)
      } else {
        checkSingleRow(number, of: rows)
      }
    }
  }

  private mutating func checkSingleRow(_ number: Int, of rows: RowFile) {
    let row = memories.elements[number].row
    let components: [Float]
    do {
      components = try rows.read(row: row)
    } catch {
      return report.add("rows.f32: row \(row) of memory \(memories.elements[number].key) cannot be read: \(Self.message(of: error))")
    }
    checkComponents(components.span, rows.header.metric, number)
  }

  private mutating func checkComponents(_ row: Span<Float>, _ metric: RowMetric, _ number: Int) {
    report.bytes += row.count * 4
    func tell(_ problem: String) {
      report.add("rows.f32: row \(memories.elements[number].row) of memory \(memories.elements[number].key) \(problem)")
    }
    guard RowFile.checksum(of: row) == memories.elements[number].rowChecksum else { return tell("does not match its checksum") }
    let squared = VectorPreparation.squaredNorm(row)
    if !squared.isFinite {
      tell("has a component that is not finite")
    } else if metric == .cosine, abs(squared - 1) > 2 * VectorPreparation.unitTolerance {
      tell("has the norm \(squared.squareRoot()), not 1")
    }
  }
}
