import CLMDB

/// Walks one database in key order. The compiler ensures that it is released before its transaction changes or ends.
@safe
package struct Cursor: ~Copyable, ~Escapable {
  private let cursor: OpaquePointer
  private let database: Database
  private var currentKey = unsafe MDB_val()
  private var currentValue = unsafe MDB_val()

  @_lifetime(copy view)
  init(_ view: TransactionView, database: Database) throws(LMDBError) {
    var opened: OpaquePointer?
    unsafe try check(mdb_cursor_open(view.transaction, database.handle, &opened), "mdb_cursor_open in \(database.name)")
    // SAFETY: mdb_cursor_open succeeded, so the pointer is set.
    unsafe cursor = opened!
    self.database = database
  }

  deinit { unsafe mdb_cursor_close(cursor) }

  /// The key that the cursor is on. Valid until it moves.
  package var key: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(currentKey.span, borrowing: self) }
  }

  /// The value that the cursor is on, checked, without its checksum. Valid until the cursor moves.
  @_lifetime(borrow self)
  package func value() throws(LMDBError) -> RawSpan {
    let value = unsafe try database.verified(key: currentKey.span, stored: currentValue.span)
    return unsafe _overrideLifetime(value, borrowing: self)
  }

  /// A copy of ``value()``.
  package func valueBytes() throws(LMDBError) -> [UInt8] {
    let value = try value()
    return unsafe value.withUnsafeBytes { unsafe Array($0) }
  }

  /// Moves to the first key at or after `key`; false, and the cursor is at no entry, if there is none.
  package mutating func seek(to key: borrowing Key) throws(LMDBError) -> Bool {
    let bytes = key.bytes
    let cursor = unsafe cursor
    var found = unsafe MDB_val()
    var value = unsafe MDB_val()
    let code = unsafe bytes.withUnsafeBytes { buffer in
      // SAFETY: LMDB only reads the searched key during the call, and then points `found` into its own page.
      unsafe found = MDB_val(mv_size: buffer.count, mv_data: UnsafeMutableRawPointer(mutating: buffer.baseAddress))
      return unsafe mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE)
    }
    return unsafe try settle(code, found, value)
  }

  /// Moves to the last key before `key`; false if there is none.
  package mutating func seek(before key: borrowing Key) throws(LMDBError) -> Bool {
    if try seek(to: key) { return try move(MDB_PREV) }
    return try move(MDB_LAST)
  }

  package mutating func first() throws(LMDBError) -> Bool { try move(MDB_FIRST) }
  package mutating func last() throws(LMDBError) -> Bool { try move(MDB_LAST) }
  package mutating func next() throws(LMDBError) -> Bool { try move(MDB_NEXT) }
  package mutating func previous() throws(LMDBError) -> Bool { try move(MDB_PREV) }

  private mutating func move(_ operation: MDB_cursor_op) throws(LMDBError) -> Bool {
    var key = unsafe currentKey
    var value = unsafe currentValue
    let code = unsafe mdb_cursor_get(cursor, &key, &value, operation)
    return unsafe try settle(code, key, value)
  }

  private mutating func settle(_ code: Int32, _ key: MDB_val, _ value: MDB_val) throws(LMDBError) -> Bool {
    if code == MDB_NOTFOUND {
      unsafe currentKey = MDB_val()
      unsafe currentValue = MDB_val()
      return false
    }
    try check(code, "mdb_cursor_get in \(database.name)")
    unsafe currentKey = key
    unsafe currentValue = value
    return true
  }
}
