import CLMDB

/// The reading half of a transaction, lent for as long as the transaction is neither changed nor ended: the compiler refuses to
/// let it, a cursor or a value outlive that.
@safe
package struct TransactionView: ~Escapable {
  // SAFETY: alive as long as the transaction that the view is borrowed from.
  let transaction: OpaquePointer

  @_lifetime(immortal)
  init(transaction: OpaquePointer) { unsafe self.transaction = transaction }

  /// The value of `key`, without its checksum; nil if the key is missing.
  ///
  /// - Throws: ``LMDBError`` with `isChecksumMismatch` for a damaged value; "missing" and "damaged" are never confused.
  @_lifetime(copy self)
  package func value(_ key: borrowing Key, in database: Database) throws(LMDBError) -> RawSpan? {
    guard let stored = try storedValue(key.bytes, in: database) else { return nil }
    return try database.verified(key: key.bytes, stored: stored)
  }

  package func contains(_ key: borrowing Key, in database: Database) throws(LMDBError) -> Bool {
    try storedValue(key.bytes, in: database) != nil
  }

  @_lifetime(copy self)
  func storedValue(_ key: RawSpan, in database: Database) throws(LMDBError) -> RawSpan? {
    var data = unsafe MDB_val()
    let code = unsafe key.withUnsafeBytes { bytes in
      // SAFETY: LMDB only reads the key, and only during the call.
      var key = unsafe MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      return unsafe mdb_get(transaction, database.handle, &key, &data)
    }
    if code == MDB_NOTFOUND { return nil }
    try check(code, "mdb_get in \(database.name)")
    // SAFETY: the bytes live in the map until the transaction changes or ends, which `self`'s lifetime excludes.
    return unsafe _overrideLifetime(data.span, copying: self)
  }

  /// A cursor before the first key of `database`.
  @_lifetime(copy self)
  package func cursor(in database: Database) throws(LMDBError) -> Cursor {
    let cursor = try Cursor(self, database: database)
    return unsafe _overrideLifetime(cursor, copying: self)
  }

  /// Whether pages are listed as free. Free pages keep their old bytes.
  package var hasFreedPages: Bool {
    get throws(LMDBError) {
      var statistics = MDB_stat()
      // SAFETY: database 0 is LMDB's own list of free pages, which every transaction has.
      unsafe try check(mdb_stat(transaction, 0, &statistics), "mdb_stat of the free pages")
      return statistics.ms_entries > 0
    }
  }

  package func statistics(of database: Database) throws(LMDBError) -> DatabaseStatistics {
    var statistics = MDB_stat()
    unsafe try check(mdb_stat(transaction, database.handle, &statistics), "mdb_stat of \(database.name)")
    return DatabaseStatistics(
      entries: statistics.ms_entries,
      pages: statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages,
      depth: Int(statistics.ms_depth),
      pageSizeBytes: Int(statistics.ms_psize))
  }
}

extension MDB_val {
  /// The bytes; the caller gives them the lifetime of the transaction.
  var span: RawSpan {
    @_lifetime(immortal)
    get {
      guard let start = unsafe mv_data else { return RawSpan() }
      let span = unsafe RawSpan(_unsafeStart: start, byteCount: mv_size)
      return unsafe _overrideLifetime(span, borrowing: ())
    }
  }
}

extension Database {
  /// Checks the checksum in the last eight bytes and returns the bytes before it.
  @_lifetime(copy stored)
  func verified(key: RawSpan, stored: RawSpan) throws(LMDBError) -> RawSpan {
    guard checksum.matches(key: key, stored: stored) else {
      throw LMDBError(code: LMDBError.checksumMismatchCode, operation: "value of key \(key.hexadecimal) in \(name)")
    }
    return stored.extracting(0..<stored.byteCount - RecordChecksum.byteCount)
  }
}

extension RawSpan {
  /// Two lower-case digits a byte.
  package var hexadecimal: String {
    var text = ""
    for offset in 0..<byteCount {
      let byte = bigEndian(at: offset, as: UInt8.self)
      text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
    return text
  }
}
