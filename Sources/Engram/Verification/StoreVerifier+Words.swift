import LMDB

/// Checks the words of memories against their records, in both directions, as an index is checked; but the entry of a memory in a record of
/// `words` is compared, not an entry of the table.
extension StoreVerifier {
  private var keepsWords: Bool { state.tables.contains(.words) }

  mutating func countWords(of record: MemoryRecord) throws {
    guard keepsWords else { return }
    let entry = try wordsEntry(of: record)
    let place = WordsKey(user: reader.userKey(record.memory.userID), createdAt: entry.createdAt, id: entry.id)
    sums[Tables.Words.number].add(given: place.encoded, WordsBlock([entry]).encoded())
  }

  private func wordsEntry(of record: MemoryRecord) throws -> WordsEntry {
    let session = record.memory.sessionID.map { reader.userKey($0).number } ?? 0
    return try reader.generation.termReaders.withReader { WordsEntry(record, session: session, $0) }
  }

  /// Must be called after all records of memories were walked.
  mutating func checkWords() throws {
    guard keepsWords else { return }
    var last: WordsKey?
    try walk(Tables.Words.self) { verifier, key, value in
      let entries = WordsBlock(try WordsView(value)).entries
      if let first = entries.first, key != WordsKey(user: key.user, createdAt: first.createdAt, id: first.id) {
        verifier.report.add("words: a record is under another key than that of its first memory, \(first.id)")
      }
      for entry in entries {
        let bytes = WordsBlock([entry]).encoded()
        let place = WordsKey(user: key.user, createdAt: entry.createdAt, id: entry.id)
        verifier.sums[Tables.Words.number].add(found: place.encoded, unsafe bytes.span.bytes)
        if let last, last.isAtOrAfter(place) {
          verifier.report.add("words: memory \(entry.id) is out of order")
        }
        last = place
      }
    }
    if sums[Tables.Words.number].agree { return }
    try reader.walkKeys(Tables.Memories.self) { id in
      try meter.pass()
      if !damagedMemories.contains(id) { checkWords(of: id) }
      return true
    }
    try checkNamesInWords()
  }

  private mutating func checkWords(of id: MemoryID) {
    reportingProblems(in: Tables.Words.self) { verifier in
      guard let record = try verifier.reader.memoryRecord(id) else { return }
      let (user, entry) = (verifier.reader.userKey(record.memory.userID), try verifier.wordsEntry(of: record))
      var found: WordsEntry?
      let place = WordsKey(user: user, createdAt: entry.createdAt, id: id)
      try verifier.reader.walk(Tables.Words.self, prefix: user.prefix, from: .at(place), backwards: true) { _, value in
        found = WordsBlock(try WordsView(value)).entries.first { $0.id == id }
        return false
      }
      guard let found else { throw StoreError(.corrupted, "memory \(id) has no entry") }
      if found != entry { throw StoreError(.corrupted, "what they say of memory \(id) is not what its record says") }
    }
  }

  private mutating func checkNamesInWords() throws {
    var cursor = try reader.view.cursor(in: reader.schema[Tables.Words.self])
    var found = try cursor.first()
    while found {
      try meter.pass()
      // Damaged records were reported by the walk before.
      if let key = try? WordsKey(decoding: cursor.key), let value = try? cursor.value(), let view = try? WordsView(value) {
        for slot in 0..<view.count {
          let id = view.id(slot)
          if let number = memories.number(of: id) {
            if users.elements[Int(memories.elements[number].user)].key != key.user {
              report.add("words: memory \(id) is among the words of another user")
            }
          } else if !damagedMemories.contains(id) {
            report.add("words: they name memory \(id), which has no record")
          }
        }
      }
      found = try cursor.next()
    }
  }
}

extension WordsKey {
  fileprivate func isAtOrAfter(_ other: WordsKey) -> Bool {
    user == other.user ? (createdAt, id) >= (other.createdAt, other.id) : other.user < user
  }
}
