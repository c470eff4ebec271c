import Checksums
import LMDB

/// Sums over the entries of an index: over those that follow from the records, and over those that the table has.
///
/// The sums are of hashes with a seed of this process, which cannot be known ahead: equal sums and counts mean the same entries, in any
/// order. So an index of any size is compared with 32 bytes of memory, and its entries are compared one by one only if the sums differ.
struct IndexSums {
  private static let seed = UInt64.random(in: .min ... .max)

  private var given = (count: 0, sum: UInt64(0))
  private var found = (count: 0, sum: UInt64(0))

  var agree: Bool { given == found }

  mutating func add(given key: borrowing Key, _ value: [UInt8]) {
    given.count += 1
    given.sum &+= unsafe Self.hash(key.bytes, value.span.bytes)
  }

  mutating func add(found key: borrowing Key, _ value: RawSpan) {
    found.count += 1
    found.sum &+= Self.hash(key.bytes, value)
  }

  private static func hash(_ key: RawSpan, _ value: RawSpan) -> UInt64 { XXH3.hash64(key, seed: XXH3.hash64(value, seed: seed)) }
}

/// Checks every index against the records of the memories, in both directions.
extension StoreVerifier {
  /// Adds the entries that follow from a memory to the sums.
  mutating func countEntries(of memory: Memory, _ owner: IndexOwner) {
    for index in indexes { count(memory, owner, in: index) }
  }

  private mutating func count<Index: MemoryIndex>(_ memory: Memory, _ owner: IndexOwner, in index: Index.Type) {
    index.forEachEntry(of: memory, owner) { key, value in sums[index.number].add(given: key.encoded, value) }
  }

  /// Compares every index with the sums. Must be called after all records of memories were walked.
  mutating func checkIndexes() throws {
    for index in indexes { try check(index) }
  }

  private mutating func check<Index: MemoryIndex>(_ index: Index.Type) throws {
    try walk(index) { verifier, key, value in
      verifier.sums[index.number].add(found: key.encoded, value)
      _ = try index.owner(key, value, secret: verifier.reader.generation.secret)
    }
    if sums[index.number].agree { return }
    try reader.walkKeys(Tables.Memories.self) { id in
      try meter.pass()
      if !damagedMemories.contains(id) { checkEntries(of: id, in: index) }
      return true
    }
    try checkNames(in: index)
  }

  /// Checks that the index has every entry that follows from the record.
  private mutating func checkEntries<Index: MemoryIndex>(of id: MemoryID, in index: Index.Type) {
    reportingProblems(in: index) { verifier in
      guard let memory = try verifier.reader.memoryRecord(id)?.memory else { return }
      try index.forEachEntry(of: memory, verifier.owner(of: memory)) { key, value in
        guard let stored = try verifier.reader.value(key, in: index) else {
          throw StoreError(.corrupted, "memory \(id) has no entry")
        }
        if unsafe !stored.equals(value.span.bytes) { throw StoreError(.corrupted, "the entry of memory \(id) does not lead to it") }
      }
    }
  }

  /// Checks that every entry of the index follows from the record of its memory.
  private mutating func checkNames<Index: MemoryIndex>(in index: Index.Type) throws {
    var cursor = try reader.view.cursor(in: reader.schema[index])
    var found = try cursor.first()
    while found {
      try meter.pass()
      // Damaged entries were reported by the walk that counted them.
      if let key = try? Index.EntryKey(decoding: cursor.key), let value = try? cursor.value(),
        let id = try? index.owner(key, value, secret: reader.generation.secret).memory
      {
        if memories.number(of: id) == nil {
          if !damagedMemories.contains(id) { report.add("\(index.name): it names memory \(id), which has no record") }
        } else if let memory = try? reader.memoryRecord(id)?.memory, !gives(memory, key, in: index) {
          report.add("\(index.name): an entry of memory \(id) is under another user, time or name than its record says")
        }
      }
      found = try cursor.next()
    }
  }

  private func gives<Index: MemoryIndex>(_ memory: Memory, _ key: Index.EntryKey, in index: Index.Type) -> Bool {
    var isGiven = false
    index.forEachEntry(of: memory, owner(of: memory)) { given, _ in isGiven = isGiven || given == key }
    return isGiven
  }

  private func owner(of memory: Memory) -> IndexOwner {
    IndexOwner(key: reader.userKey(memory.userID), secret: reader.generation.secret)
  }
}
