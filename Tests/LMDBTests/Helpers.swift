import LMDB

extension Environment.Options {
  /// The options with which a writer opens a store that may be new.
  static var creating: Self {
    var options = Self()
    options.createsDatabases = true
    return options
  }
}

extension Key {
  init(_ bytes: [UInt8]) {
    self.init()
    for byte in bytes { append(byte) }
  }

  init(_ text: String) { self.init(Array(text.utf8)) }
}

/// The bytes of a span, copied out of the map.
func copy(_ span: RawSpan) -> [UInt8] {
  // SAFETY: the buffer is read inside the closure only.
  unsafe span.withUnsafeBytes { unsafe Array($0) }
}

/// The value of `key`, copied.
func value(_ key: [UInt8], _ view: borrowing TransactionView, in database: Database) throws(LMDBError) -> [UInt8]? {
  if let found = try view.value(Key(key), in: database) { return copy(found) }
  return nil
}

func value(_ key: String, _ view: borrowing TransactionView, in database: Database) throws(LMDBError) -> [UInt8]? {
  try value(Array(key.utf8), view, in: database)
}

struct Entry: Equatable {
  let key: [UInt8]
  let value: [UInt8]
}

/// Every entry of a database, from the first to the last.
func entries(_ view: borrowing TransactionView, in database: Database) throws(LMDBError) -> [Entry] {
  var cursor = try view.cursor(in: database)
  var entries: [Entry] = []
  var isStanding = try cursor.first()
  while isStanding {
    entries.append(Entry(key: copy(cursor.key), value: copy(try cursor.value())))
    isStanding = try cursor.next()
  }
  return entries
}

/// The error that `body` throws; nil if it throws none.
func failure(of body: () throws(LMDBError) -> Void) -> LMDBError? {
  do throws(LMDBError) {
    try body()
    return nil
  } catch {
    return error
  }
}

/// A snapshot that arrays, closures and other threads can hold. Only one thread uses it at a time.
final class HeldSnapshot: @unchecked Sendable {
  // SAFETY of @unchecked: every test hands the box to another thread and waits; no two threads use it at once.
  var transaction: EnvironmentSnapshot

  init(_ environment: Environment) throws(LMDBError) { transaction = try EnvironmentSnapshot(environment) }

  func withView<Success>(_ body: (borrowing TransactionView) throws -> Success) rethrows -> Success {
    try Self.lend(transaction, to: body)
  }

  func value(_ key: String, in database: Database) throws -> [UInt8]? {
    try withView { view in try LMDBTests.value(key, view, in: database) }
  }

  // A view must not outlive the access to a stored property; a borrowed parameter lives long enough.
  private static func lend<Success>(
    _ transaction: borrowing EnvironmentSnapshot, to body: (borrowing TransactionView) throws -> Success
  ) rethrows -> Success {
    try body(transaction.view)
  }
}

/// A write transaction that can be given to another thread, whose use there must trap.
final class HeldWriter: @unchecked Sendable {
  // SAFETY of @unchecked: used by one thread after the other; the process ends at the second one's use.
  private var transaction: EnvironmentTransaction?

  init(_ environment: Environment) throws(LMDBError) { transaction = try EnvironmentTransaction(environment) }

  func commit() throws(LMDBError) { try transaction.take()?.commit() }
  func abort() { transaction = nil }
}

/// Commits `changes`; a nil value deletes its key.
func commit(_ changes: [String: [UInt8]?], to environment: Environment, database: Int = 0) throws(LMDBError) {
  var transaction = try EnvironmentTransaction(environment)
  for (key, value) in changes.sorted(by: { $0.key < $1.key }) {
    if let value {
      try transaction.put(Key(key), value, in: environment.databases[database])
    } else {
      try transaction.delete(Key(key), in: environment.databases[database])
    }
  }
  try transaction.commit()
}
