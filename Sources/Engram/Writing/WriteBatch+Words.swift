import LMDB

/// The words of memories, in the commit of their records. A record of `words` is rewritten with each of its memories: some kilobytes.
extension WriteBatch {
  private var keepsWords: Bool { state.tables.contains(.words) }

  mutating func insertWords(of record: MemoryRecord, _ user: UserKey) throws {
    guard keepsWords else { return }
    let entry = try wordsEntry(of: record)
    let key = WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)
    guard let found = try wordsKey(atOrBefore: key) else {
      guard let first = try reader.firstKey(of: Tables.Words.self, prefix: user.prefix) else {
        var block = WordsBlock()
        block.entries.append(entry)
        return try put(key, block.encoded(), in: Tables.Words.self)
      }
      // Before all others: their record begins with it from now on.
      var block = try wordsBlock(first)
      block.entries.insert(entry, at: 0)
      try delete(first, in: Tables.Words.self)
      return try put(block, key)
    }
    var block = try wordsBlock(found)
    block.entries.insert(entry, at: block.place(entry.createdAt, entry.id).index)
    try put(block, found)
  }

  /// After a change of the record: its id and time stay.
  mutating func replaceWords(of record: MemoryRecord, _ user: UserKey) throws {
    guard keepsWords else { return }
    let entry = try wordsEntry(of: record)
    guard let found = try wordsKey(atOrBefore: WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)) else { return }
    var block = try wordsBlock(found)
    let place = block.place(entry.createdAt, entry.id)
    guard place.isThere, block.entries[place.index] != entry else { return }
    block.entries[place.index] = entry
    try put(block, found)
  }

  mutating func removeWords(of memory: Memory, _ user: UserKey) throws {
    guard keepsWords else { return }
    let createdAt = memory.createdAt.milliseconds
    guard let found = try wordsKey(atOrBefore: WordsKey(user: user, createdAt: createdAt, id: memory.id)) else { return }
    var block = try wordsBlock(found)
    let place = block.place(createdAt, memory.id)
    guard place.isThere else { return }
    block.entries.remove(at: place.index)
    if block.entries.isEmpty { return try delete(found, in: Tables.Words.self) }
    try put(found, block.encoded(), in: Tables.Words.self)
  }

  private func wordsEntry(of record: MemoryRecord) throws -> WordsEntry {
    let session = record.memory.sessionID.map { UserKey($0, secret: store.secret).number } ?? 0
    return try generation.termReaders.withReader { WordsEntry(record, session: session, $0) }
  }

  /// The key of the record that a memory is in, or belongs into.
  private func wordsKey(atOrBefore key: WordsKey) throws -> WordsKey? {
    var found: WordsKey?
    try reader.walkKeys(Tables.Words.self, prefix: key.user.prefix, from: .at(key), backwards: true) { key in
      found = key
      return false
    }
    return found
  }

  private func wordsBlock(_ key: WordsKey) throws -> WordsBlock {
    guard let value = try reader.value(key, in: Tables.Words.self) else { throw StoreError(.corrupted, "a record of words is missing") }
    return WordsBlock(try WordsView(value))
  }

  /// Stores a block under a key, in two halves if it is too large. One that has grown at its end leaves its last memory to a block of its
  /// own: a conversation fills its blocks.
  private mutating func put(_ block: WordsBlock, _ key: WordsKey) throws {
    guard block.entries.count > 1, block.byteCount > WordsBlock.splitBytes || block.entries.count > WordsBlock.capacity else {
      return try put(key, block.encoded(), in: Tables.Words.self)
    }
    let rest = WordsBlock(Array(block.entries.dropLast()))
    let grewAtEnd = rest.byteCount <= WordsBlock.splitBytes && rest.entries.count <= WordsBlock.capacity
    let cut = grewAtEnd ? block.entries.count - 1 : block.entries.count / 2
    let second = block.entries[cut]
    try put(WordsBlock(Array(block.entries[..<cut])), key)
    try put(WordsBlock(Array(block.entries[cut...])), WordsKey(user: key.user, createdAt: second.createdAt, id: second.id))
  }
}

extension WordsBlock {
  fileprivate init(_ entries: [WordsEntry]) { self.entries = entries }
}
