import Files
import LMDB

/// LMDB's `lock.mdb`, which it writes through a map: a byte without a disk block would be SIGBUS there on a full disk.
///
/// LMDB extends the file with `ftruncate`, a hole, and touches a further page of it whenever so many readers come together. So the blocks are
/// taken before, by exactly the size that LMDB wants: a shorter file is extended with a hole, a longer one has more slots.
///
/// All of this happens before this process opens the environment: closing a descriptor of the file later would drop LMDB's locks.
enum LockTable {
  /// `sizeof(MDB_txninfo)` of LMDB 0.9, which has one slot in it, and `sizeof(MDB_reader)` for each further slot.
  static let sizeBytes = 192 + (Environment.Options().maximumReaders - 1) * 64

  /// Fills a new, empty file.
  ///
  /// Blocks and zeros: where blocks can be taken, the zeros make them ones that were written, which every file system tells from a hole.
  static func fill(_ file: borrowing FileHandle) throws(FileError) {
    file.refuseCopyOnWrite()
    do throws(FileError) {
      _ = try file.allocate(sizeBytes)
      try file.writeZeros(from: 0, to: sizeBytes)
    } catch {
      // Others can use the room that was taken.
      try? file.truncate(to: 0)
      throw error
    }
  }

  /// Takes the blocks that are missing in a file of an earlier version, or of a copy that has holes.
  ///
  /// - Parameter isAlone: No other process has the environment open: LMDB will begin the table anew. Otherwise its size is settled, and its
  ///   bytes are in use.
  /// - Throws: `FileError` if there is no room.
  static func back(_ file: borrowing FileHandle, isAlone: Bool) throws(FileError) {
    let size = try file.status().sizeBytes
    if try file.firstHole() == size, size == sizeBytes || !isAlone { return }
    if isAlone {
      try file.truncate(to: 0)
      try fill(file)
    } else {
      _ = try file.allocate(size)
    }
  }
}
