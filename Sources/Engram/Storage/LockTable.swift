import Files
import LMDB

/// LMDB's `lock.mdb`. LMDB writes it through a map: on a full disk, writing to a page without a disk block raises SIGBUS.
///
/// LMDB extends the file with `ftruncate`, which leaves a hole, and writes to one more page of it whenever the number of readers requires
/// that. So all blocks are allocated first, for exactly the size that LMDB wants: LMDB would extend a shorter file with a hole, and a
/// longer one has more slots.
///
/// All of this happens before this process opens the environment: closing a descriptor of the file later would drop LMDB's locks.
enum LockTable {
  /// `sizeof(MDB_txninfo)` of LMDB 0.9, which has one slot in it, and `sizeof(MDB_reader)` for each further slot.
  static let sizeBytes = 192 + (Environment.Options().maximumReaders - 1) * 64

  /// Fills a new, empty file.
  ///
  /// Allocates blocks and writes zeros: the zeros turn allocated blocks into written ones, which every file system distinguishes from a
  /// hole.
  static func fill(_ file: borrowing FileHandle) throws(FileError) {
    file.refuseCopyOnWrite()
    do throws(FileError) {
      _ = try file.allocate(sizeBytes)
      try file.writeZeros(from: 0, to: sizeBytes)
    } catch {
      // Releases the blocks that were allocated.
      try? file.truncate(to: 0)
      throw error
    }
  }

  /// Allocates the blocks that are missing in a file of an earlier version, or of a copy that has holes.
  ///
  /// - Parameter isAlone: Whether no other process has the environment open. Then LMDB will initialize the table. Otherwise the size of the
  ///   table is fixed, and its bytes are in use.
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
