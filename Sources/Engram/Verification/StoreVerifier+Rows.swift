import VectorSearch

/// Which memory names which row, by the memories' numbers.
struct RowOwners {
  /// For each row, the number of the first memory that names it plus one, or 0.
  private(set) var first: [UInt32] = []
  /// The numbers of memories that name a row which another memory names, too.
  private(set) var others: [Int] = []

  mutating func add(_ number: Int, of row: Int) {
    if row >= first.count { first.append(contentsOf: repeatElement(0, count: row + 1 - first.count)) }
    if first[row] == 0 { first[row] = UInt32(number + 1) } else { others.append(number) }
  }
}

/// Checks the rows against the checksums in the records that name them.
extension StoreVerifier {
  /// Notes that a memory's record names a row.
  mutating func claimRow(_ row: Int, _ number: Int) {
    let id = memories.elements[number].key
    guard rows != nil else {
      memories.elements[number].isSlotFound = true
      return report.add("memories: memory \(id) names row \(row) in a store without rows")
    }
    guard (0..<state.rowsHigh).contains(row) else {
      memories.elements[number].isSlotFound = true
      return report.add("memories: memory \(id) names row \(row), the last one is \(state.rowsHigh - 1)")
    }
    report.rows += 1
    guard row < readableRows else { return report.add("rows.f32 ends before row \(row) of memory \(id)") }
    owners.add(number, of: row)
  }

  /// Compares the checksums and norms of the rows with the records.
  mutating func checkRows(_ digests: RowDigests) throws {
    for owner in owners.first where owner > 0 {
      checkRow(of: Int(owner) - 1, digests)
      try meter.pass()
    }
    for number in owners.others {
      checkRow(of: number, digests)
      try meter.pass()
    }
    owners = RowOwners()
  }

  private mutating func checkRow(of number: Int, _ digests: RowDigests) {
    guard let rows else { return }
    let row = memories.elements[number].row
    func tell(_ problem: String) {
      report.add("rows.f32: row \(row) of memory \(memories.elements[number].key) \(problem)")
    }
    if !digests.failures.isEmpty, let failure = digests.failures[row] { return tell("cannot be read: \(failure)") }
    report.bytes += rows.header.dimension * 4
    guard digests.checksums[row] == memories.elements[number].rowChecksum else { return tell("does not match its checksum") }
    if let codes, digests.wrongCodes.contains(row), row < codes.rowCount, codes.trusted(firstRow: row, count: 1) != 0 {
      report.add(
        "\(GenerationCodes.fileName): row \(row) of memory \(memories.elements[number].key) has another code than its embedding gives")
    }
    let squared = digests.squaredNorms[row]
    if !squared.isFinite {
      tell("has a component that is not finite")
    } else if rows.header.metric == .cosine, abs(squared - 1) > 2 * VectorPreparation.unitTolerance {
      tell("has the norm \(squared.squareRoot()), not 1")
    }
  }
}
