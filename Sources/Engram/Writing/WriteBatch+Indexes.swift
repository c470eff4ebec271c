import LMDB

/// The entries of a memory in the tables that index memories.
extension WriteBatch {
  mutating func insertIndexEntries(of memory: Memory, _ user: UserKey) throws {
    for index in indexes { try insert(memory, user, into: index) }
  }

  mutating func removeIndexEntries(of memory: Memory, _ user: UserKey) throws {
    for index in indexes { try remove(memory, user, from: index) }
  }

  /// Deletes and writes only the entries that differ between the two memories.
  mutating func replaceIndexEntries(of old: Memory, by new: Memory, _ user: UserKey) throws {
    for index in indexes { try replace(old, new, user, in: index) }
  }

  /// The index tables that this generation has. An older generation may lack some; the next generation has all.
  private var indexes: [any MemoryIndex.Type] {
    state.tables == .known ? Tables.indexes : Tables.indexes.filter { state.tables.isSuperset(of: $0.option) }
  }

  private mutating func insert<Index: MemoryIndex>(_ memory: Memory, _ user: UserKey, into index: Index.Type) throws {
    try index.forEachEntry(of: memory, owner(user)) { key, value in try put(key, value, in: index) }
  }

  private mutating func remove<Index: MemoryIndex>(_ memory: Memory, _ user: UserKey, from index: Index.Type) throws {
    try index.forEachEntry(of: memory, owner(user)) { key, _ in try delete(key, in: index) }
  }

  private mutating func replace<Index: MemoryIndex>(_ old: Memory, _ new: Memory, _ user: UserKey, in index: Index.Type) throws {
    let (before, after) = (entries(of: old, user, in: index), entries(of: new, user, in: index))
    for key in before.keys where after[key] == nil { try delete(key, in: index) }
    for (key, value) in after where before[key] != value { try put(key, value, in: index) }
  }

  private func entries<Index: MemoryIndex>(of memory: Memory, _ user: UserKey, in index: Index.Type) -> [Index.EntryKey: [UInt8]] {
    var entries: [Index.EntryKey: [UInt8]] = [:]
    index.forEachEntry(of: memory, owner(user)) { key, value in entries[key] = value }
    return entries
  }

  private func owner(_ user: UserKey) -> IndexOwner { IndexOwner(key: user, secret: generation.secret) }
}
