import CLMDB

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A failure of LMDB, or of a value's checksum: one struct over the C code.
package struct LMDBError: Error, Sendable, Equatable, CustomStringConvertible {
  /// LMDB's code, or an `errno` value.
  package let code: Int32
  /// The call that failed, and on what.
  package let operation: String
  /// In an error that ``isReadersFull``: the reader slots by the process that holds them, as far as the table could be read.
  package let slotsByProcess: [Int32: Int]
  /// In such an error: slots that pin no snapshot. Their processes keep them for later reads and release them soon.
  package let idleSlots: Int

  package init(code: Int32, operation: String, slotsByProcess: [Int32: Int] = [:], idleSlots: Int = 0) {
    self.code = code
    self.operation = operation
    self.slotsByProcess = slotsByProcess
    self.idleSlots = idleSlots
  }

  package var description: String {
    if self.isChecksumMismatch { return "\(operation): the value does not match its checksum" }
    // SAFETY: mdb_strerror returns a static or thread-local NUL-terminated string, copied here.
    return unsafe "\(operation): \(String(cString: mdb_strerror(code)))"
  }

  /// Outside the ranges of both `errno` and LMDB.
  static let checksumMismatchCode: Int32 = -40_001

  /// A value whose stored checksum differs from that of its bytes, or that is too short to carry one.
  package var isChecksumMismatch: Bool { code == Self.checksumMismatchCode }
  /// The lock that keeps writers out was not free in time: see ``ReadExclusion``.
  package var isTimeout: Bool { code == ETIMEDOUT }
  package var isReadersFull: Bool { code == MDB_READERS_FULL }
  package var isMapFull: Bool { code == MDB_MAP_FULL }
  package var isNoSpace: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }
  package var isPermission: Bool { code == EACCES || code == EPERM }
  package var isReadOnlyFileSystem: Bool { code == EROFS }
  package var isInputOutput: Bool { code == EIO }
  /// The process or the system has no descriptor or address space left, or another process has grown the data beyond this one's map.
  package var isOutOfResources: Bool { code == EMFILE || code == ENFILE || code == ENOMEM || code == EAGAIN || code == MDB_MAP_RESIZED }
  /// The environment was closed, or belongs to the parent of a fork.
  package var isClosed: Bool { code == EBADF }
  package var isInterrupted: Bool { code == EINTR }
  /// The environment must be closed; the outcome of the transaction is in doubt.
  package var isPanic: Bool { code == MDB_PANIC }
  /// The file is not LMDB's, or it is damaged.
  package var isCorruption: Bool {
    [MDB_CORRUPTED, MDB_INVALID, MDB_PAGE_NOTFOUND, MDB_VERSION_MISMATCH, MDB_BAD_TXN, MDB_INCOMPATIBLE].contains(code)
      || isChecksumMismatch
  }
}

/// Turns a C code into an error, naming the call.
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(LMDBError) {
  if code != MDB_SUCCESS { throw LMDBError(code: code, operation: operation()) }
}
