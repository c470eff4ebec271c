import LMDB

extension Tables {
  /// The words of each user's memories by time, some tens of memories to a record: a ``WordsBlock`` each.
  ///
  /// A key has the time and id of the record's first memory.
  enum Words: Table {
    static let name = "words"
    static let number = 13
    static let option = OptionalTables.words

    static func owner(_ key: WordsKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner {
      let view = try WordsView(value)
      return EntryOwner(user: key.user, memories: (0..<view.count).map { view.id($0) })
    }
  }
}

/// The time and id of a record's first memory.
typealias WordsKey = TimelineKey
