import LMDB

/// The words of memories, stored in the same commit as the memories' records. Each change of a memory rewrites the whole record of `words`
/// that contains it, a few kilobytes.
extension WriteBatch {
  private var keepsWords: Bool { state.tables.contains(.words) }

  mutating func insertWords(of record: MemoryRecord, _ user: UserKey) throws {
    guard keepsWords else { return }
    let entry = try wordsEntry(of: record)
    let key = WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)
    if let found = try wordsKey(atOrBefore: key) { return try put(try words(found, with: entry, mustExist: false), found) }
    guard let first = try reader.firstKey(of: Tables.Words.self, prefix: user.prefix) else {
      return try putWords(key, WordsBlock([entry]).encoded())
    }
    // The memory precedes all others of the user: their first record begins with it from now on.
    let changed = try words(first, with: entry, mustExist: false)
    // Deleted before the record is stored: if it is split, its second half may get this key.
    try delete(first, in: Tables.Words.self)
    try put(changed, key)
  }

  /// Stores the words of a memory that was changed; its id and creation time are the same as before.
  mutating func replaceWords(of record: MemoryRecord, _ user: UserKey) throws {
    guard keepsWords else { return }
    let entry = try wordsEntry(of: record)
    guard let found = try wordsKey(atOrBefore: WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)) else { return }
    try put(try words(found, with: entry, mustExist: true), found)
  }

  mutating func removeWords(of memory: Memory, _ user: UserKey) throws {
    guard keepsWords else { return }
    let createdAt = memory.createdAt.milliseconds
    guard let found = try wordsKey(atOrBefore: WordsKey(user: user, createdAt: createdAt, id: memory.id)),
      let block = try words(found, without: memory.id, createdAt)
    else { return }
    // The record gets the key of its first memory, so that no key names a deleted memory.
    guard let first = block.entries.first else { return try delete(found, in: Tables.Words.self) }
    let key = WordsKey(user: user, createdAt: first.createdAt, id: first.id)
    if key != found { try delete(found, in: Tables.Words.self) }
    try putWords(key, block.encoded())
  }

  private mutating func put(_ changed: ChangedWords, _ key: WordsKey) throws {
    switch changed {
    case .none: break
    case .record(let bytes): try putWords(key, bytes)
    case .block(let block): try put(block, key)
    }
  }

  private enum ChangedWords {
    case none
    case record([UInt8])
    /// May be too large for one record.
    case block(WordsBlock)
  }

  /// A record with an entry added or replaced.
  ///
  /// - Parameter mustExist: If true, the record changes only if the memory has an entry in it.
  private func words(_ key: WordsKey, with entry: WordsEntry, mustExist: Bool) throws -> ChangedWords {
    guard let value = try reader.value(key, in: Tables.Words.self) else { throw StoreError(.corrupted, "a record of words is missing") }
    let view = try WordsView(value)
    let place = view.place(entry.createdAt, entry.id)
    if mustExist, !place.isThere { return .none }
    if !place.isThere || view.session(place.index) == entry.session, view.count < WordsBlock.capacity {
      let bytes = view.with(entry, at: place.index, replaces: place.isThere)
      if bytes.count <= WordsBlock.splitBytes { return .record(bytes) }
    }
    var block = WordsBlock(view)
    if place.isThere { block.entries[place.index] = entry } else { block.entries.insert(entry, at: place.index) }
    return .block(block)
  }

  /// A record without the entry of a memory; nil if the memory has no entry in it.
  private func words(_ key: WordsKey, without id: MemoryID, _ createdAt: Int64) throws -> WordsBlock? {
    guard let value = try reader.value(key, in: Tables.Words.self) else { throw StoreError(.corrupted, "a record of words is missing") }
    let view = try WordsView(value)
    let place = view.place(createdAt, id)
    guard place.isThere else { return nil }
    var block = WordsBlock(view)
    block.entries.remove(at: place.index)
    return block
  }

  private func wordsEntry(of record: MemoryRecord) throws -> WordsEntry {
    let session = record.memory.sessionID.map { UserKey($0, secret: store.secret).number } ?? 0
    return try generation.termReaders.withReader { WordsEntry(record, session: session, $0) }
  }

  /// The key of the record that contains a memory, or that it would be added to; nil if the memory precedes all records of the user.
  private func wordsKey(atOrBefore key: WordsKey) throws -> WordsKey? {
    var found: WordsKey?
    try reader.walkKeys(Tables.Words.self, prefix: key.user.prefix, from: .at(key), backwards: true) { key in
      found = key
      return false
    }
    return found
  }

  /// Stores a block under a key, in two halves if it is too large. If it fits without its last memory, that memory begins a new block
  /// instead: memories that are added in the order of time fill their blocks.
  private mutating func put(_ block: WordsBlock, _ key: WordsKey) throws {
    guard block.entries.count > 1, block.byteCount > WordsBlock.splitBytes || block.entries.count > WordsBlock.capacity else {
      return try putWords(key, block.encoded())
    }
    let rest = WordsBlock(Array(block.entries.dropLast()))
    let grewAtEnd = rest.byteCount <= WordsBlock.splitBytes && rest.entries.count <= WordsBlock.capacity
    let cut = grewAtEnd ? block.entries.count - 1 : block.entries.count / 2
    let second = block.entries[cut]
    try put(WordsBlock(Array(block.entries[..<cut])), key)
    try put(WordsBlock(Array(block.entries[cut...])), WordsKey(user: key.user, createdAt: second.createdAt, id: second.id))
  }
}
