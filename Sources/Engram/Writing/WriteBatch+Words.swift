import LMDB

/// The words of memories, stored in the same commit as the memories' records. Each change of a memory rewrites the whole record of `words`
/// that contains it, a few kilobytes. So the words of added memories are gathered and stored at the end of the body, user by user: a record
/// that several of them belong to is written once.
extension WriteBatch {
  /// Words of added memories that are kept in memory.
  private static let addedWordsLimit = 8192

  private var keepsWords: Bool { state.tables.contains(.words) }

  /// - Parameter words: The words of the memory; nil: they are made here.
  mutating func insertWords(of record: MemoryRecord, _ user: UserKey, _ words: MemoryWords?) throws {
    guard keepsWords else { return }
    addedWords.append((user, try wordsEntry(of: record, words)))
    if addedWords.count >= Self.addedWordsLimit { try writeWords() }
  }

  /// Stores the words that are kept in memory: at the end of a body, and before other changes of words.
  ///
  /// - Throws: ``StoreError`` `.corrupted`; the body can only be undone then.
  mutating func writeWords() throws {
    guard !addedWords.isEmpty else { return }
    let added = addedWords
    addedWords.removeAll(keepingCapacity: true)
    // The order of adding decides where a record is split, so it is kept within each user.
    let order = added.indices.sorted { left, right in
      added[left].user == added[right].user ? left < right : added[left].user < added[right].user
    }
    var open: OpenWords?
    for index in order {
      let (user, entry) = added[index]
      let key = WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)
      if try open?.add(entry, key) == true { continue }
      if let open { try putWords(open.key, open.bytes) }
      open = try openWords(with: entry, key)
    }
    if let open { try putWords(open.key, open.bytes) }
  }

  /// A record of words that entries are added to before it is stored.
  private struct OpenWords {
    let key: WordsKey
    /// The key of the user's next record; nil: there is none.
    let next: WordsKey?
    var bytes: [UInt8]

    /// Adds an entry; false, and nothing is changed, if it does not belong to the record, or the record would become too large.
    mutating func add(_ entry: WordsEntry, _ place: WordsKey) throws -> Bool {
      guard place.user == key.user, (key.createdAt, key.id) <= (place.createdAt, place.id) else { return false }
      if let next, (next.createdAt, next.id) <= (place.createdAt, place.id) { return false }
      guard case .record(let changed) = try unsafe WordsView(bytes.span.bytes).with(entry, mustExist: false) else { return false }
      bytes = changed
      return true
    }
  }

  /// Adds an entry to the record that it belongs to.
  ///
  /// - Returns: The record, which is not stored yet; nil if it was stored, as several records.
  private mutating func openWords(with entry: WordsEntry, _ key: WordsKey) throws -> OpenWords? {
    guard let found = try wordsKey(atOrBefore: key) else {
      guard let first = try reader.firstKey(of: Tables.Words.self, prefix: key.user.prefix) else {
        return OpenWords(key: key, next: nil, bytes: WordsBlock([entry]).encoded())
      }
      // The memory precedes all others of the user: their first record begins with it from now on.
      let changed = try words(first, with: entry, mustExist: false)
      // Deleted before the record is stored: if it is split, its second half may get this key.
      try delete(first, in: Tables.Words.self)
      try put(changed, key)
      return nil
    }
    let changed = try words(found, with: entry, mustExist: false)
    guard case .record(let bytes) = changed else {
      try put(changed, found)
      return nil
    }
    var next: WordsKey?
    try reader.walkKeys(Tables.Words.self, prefix: key.user.prefix, from: .after(found)) { key in
      next = key
      return false
    }
    return OpenWords(key: found, next: next, bytes: bytes)
  }

  /// Stores the words of a memory that was changed; its id and creation time are the same as before.
  mutating func replaceWords(of record: MemoryRecord, _ user: UserKey) throws {
    guard keepsWords else { return }
    try writeWords()
    let entry = try wordsEntry(of: record)
    guard let found = try wordsKey(atOrBefore: WordsKey(user: user, createdAt: entry.createdAt, id: entry.id)) else { return }
    try put(try words(found, with: entry, mustExist: true), found)
  }

  mutating func removeWords(of memory: Memory, _ user: UserKey) throws {
    guard keepsWords else { return }
    try writeWords()
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

  private func words(_ key: WordsKey, with entry: WordsEntry, mustExist: Bool) throws -> ChangedWords {
    guard let value = try reader.value(key, in: Tables.Words.self) else { throw StoreError(.corrupted, "a record of words is missing") }
    return try WordsView(value).with(entry, mustExist: mustExist)
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

  private func wordsEntry(of record: MemoryRecord, _ words: MemoryWords? = nil) throws -> WordsEntry {
    let session = record.memory.sessionID.map { UserKey($0, secret: generation.secret).number } ?? 0
    if let words { return WordsEntry(record, session: session, words) }
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

/// A record of words with an entry added or replaced.
private enum ChangedWords {
  case none
  case record([UInt8])
  /// May be too large for one record.
  case block(WordsBlock)
}

extension WordsView {
  /// - Parameter mustExist: If true, the record changes only if the memory has an entry in it.
  fileprivate func with(_ entry: WordsEntry, mustExist: Bool) -> ChangedWords {
    let place = place(entry.createdAt, entry.id)
    if mustExist, !place.isThere { return .none }
    if !place.isThere || session(place.index) == entry.session, count < WordsBlock.capacity {
      let bytes = with(entry, at: place.index, replaces: place.isThere)
      if bytes.count <= WordsBlock.splitBytes { return .record(bytes) }
    }
    var block = WordsBlock(self)
    if place.isThere { block.entries[place.index] = entry } else { block.entries.insert(entry, at: place.index) }
    return .block(block)
  }
}
