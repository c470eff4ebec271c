import CRawLMDB

/// The reference that Engram is compared with: LMDB called as directly as Swift can, with one database of 16-byte keys.
final class RawLMDB {
  private let environment: OpaquePointer
  private let database: MDB_dbi

  init(path: String) {
    var created: OpaquePointer?
    Self.check(mdb_env_create(&created))
    environment = created!
    Self.check(mdb_env_set_mapsize(environment, 16 << 30))
    Self.check(mdb_env_open(environment, path, UInt32(MDB_NOTLS), 0o600))
    var begun: OpaquePointer?
    Self.check(mdb_txn_begin(environment, nil, 0, &begun))
    var opened: MDB_dbi = 0
    Self.check(mdb_dbi_open(begun, nil, 0, &opened))
    Self.check(mdb_txn_commit(begun))
    database = opened
  }

  deinit { mdb_env_close(environment) }

  static func check(_ code: Int32) {
    precondition(code == 0, String(cString: mdb_strerror(code)))
  }

  /// The key of a number: scattered, as hashed user keys are.
  static func key(_ number: Int) -> [UInt64] {
    let mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
    return [mixed.byteSwapped, UInt64(number)]
  }

  private func withKey(_ number: Int, _ body: (inout MDB_val) -> Void) {
    var words = Self.key(number)
    words.withUnsafeMutableBytes { bytes in
      var key = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
      body(&key)
    }
  }

  /// Stores values of `sizeBytes` under the keys of `numbers` in one commit.
  func put(_ numbers: some Sequence<Int>, sizeBytes: Int) {
    var begun: OpaquePointer?
    Self.check(mdb_txn_begin(environment, nil, 0, &begun))
    var value = [UInt8](repeating: 7, count: sizeBytes)
    for number in numbers {
      withKey(number) { key in
        value.withUnsafeMutableBytes { bytes in
          var data = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
          Self.check(mdb_put(begun, database, &key, &data, 0))
        }
      }
    }
    Self.check(mdb_txn_commit(begun))
  }

  /// One reader: renew, get and reset for each of `numbers`. Returns the sum of the sizes read.
  func get(_ numbers: [Int]) -> Int {
    var begun: OpaquePointer?
    Self.check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun))
    mdb_txn_reset(begun)
    var bytes = 0
    for number in numbers {
      Self.check(mdb_txn_renew(begun))
      withKey(number) { key in
        var data = MDB_val()
        Self.check(mdb_get(begun, database, &key, &data))
        bytes += data.mv_size
      }
      mdb_txn_reset(begun)
    }
    mdb_txn_abort(begun)
    return bytes
  }

  static var version: String { String(cString: mdb_version(nil, nil, nil)) }
}
