import LMDB

/// One database of a store: the shape of its keys, and the owners of its entries.
///
/// A table is a type without values, so that the compiler knows of every use which table it is; ``Tables/all`` is the one list of them.
/// FileFormat.md has the bytes.
protocol Table: SendableMetatype {
  associatedtype EntryKey: TableKey

  /// LMDB's name of the database; part of the checksum of each value.
  static var name: String { get }
  /// The place in ``Tables/all``.
  static var number: Int { get }
  /// The option that the state record has while the table is kept up to date; empty: every store has the table.
  static var option: OptionalTables { get }

  /// The user and the memories that an entry belongs to.
  ///
  /// - Parameters:
  ///   - value: Without its checksum.
  ///   - secret: The store's secret, for a value that has the name of the user and not the key.
  /// - Throws: ``StoreError`` `.corrupted` if the value does not decode.
  static func owner(_ key: EntryKey, _ value: RawSpan, secret: [UInt8]) throws -> EntryOwner
}

extension Table {
  static var option: OptionalTables { [] }
}

/// The key of a table: fixed parts, so that the order of the bytes is the order of the parts.
protocol TableKey: Hashable, Sendable {
  /// The bytes of the key in LMDB.
  var encoded: Key { get }

  /// - Throws: ``StoreError`` `.corrupted` if the bytes have another shape.
  init(decoding bytes: RawSpan) throws(StoreError)
}

/// The user and the memories that an entry belongs to, by which an erasure is decided.
struct EntryOwner: Sendable {
  /// Nil: the entry belongs to no user.
  var user: UserKey?
  /// The memory that the entry is about.
  var memory: MemoryID?
  /// The memories that the entry is about, if there are several.
  var memories: [MemoryID] = []

  static let nobody = EntryOwner()

  static func user(_ user: UserKey) -> EntryOwner { EntryOwner(user: user) }
}

/// The databases of a store.
enum Tables {
  /// In the order of their numbers. A new one comes last.
  static let all: [any Table.Type] = [
    Meta.self, Users.self, Contexts.self, History.self, Memories.self, Timeline.self, Blocks.self, Columns.self, Expiry.self, Dedupe.self,
    Tokens.self, Log.self, Sessions.self, Words.self,
  ]

  static let names = all.map { $0.name }
  static let optionalNames = Set(all.filter { !$0.option.isEmpty }.map { $0.name })
}

/// The tables of an environment that is open.
final class Schema: Sendable {
  /// By the numbers of the tables; nil: an optional one that is missing.
  private let databases: [Database?]

  init(_ environment: Environment) {
    databases = Tables.names.map { name in environment.databases.first { $0.name == name } }
    precondition(Tables.all.enumerated().allSatisfy { $0 == $1.number }, "a table has another number than its place in the list")
  }

  /// The tables that exist, in the order of their numbers.
  var tables: [any Table.Type] { Tables.all.filter { databases[$0.number] != nil } }

  /// Optional tables that do not exist.
  var missing: OptionalTables { OptionalTables(Tables.all.filter { databases[$0.number] == nil }.map { $0.option }) }

  /// The database of a table, which must exist: ``RecordReader/has(_:)`` tells whether an optional one does.
  subscript(_ table: (some Table).Type) -> Database {
    guard let database = databases[table.number] else { preconditionFailure("the table \(table.name) is missing, and was not asked for") }
    return database
  }
}

extension RawSpan {
  /// - Throws: ``StoreError`` `.corrupted` unless the key of `table` has so many bytes.
  func requireCount(_ count: Int, _ table: String) throws(StoreError) {
    guard byteCount == count else { throw StoreError(.corrupted, "a key of \(table) has \(byteCount) bytes") }
  }
}
