import Foundation

/// LMDB's write mutex. A thread holds it from the beginning to the end of a write transaction.
///
/// It is a robust mutex of glibc in the map of `lock.mdb`. Its first word is the number of the thread that holds it, and other threads wait
/// on that word.
package enum WriteMutex {
  /// Its place in `lock.mdb`: the cache line after the one with the mutex of the reader table.
  #if arch(arm64)
    static let offset = 128
  #else
    static let offset = 64
  #endif

  /// The place of the mutex of the reader table: after two numbers of four bytes.
  static let readerTableOffset = 8

  /// The number of the thread that holds a mutex; nil if none does.
  ///
  /// The two bits that are ignored mean that a thread waits, and that the last holder has died.
  static func holder(_ word: UInt32) -> Int32? {
    let thread = Int32(word & 0x3FFF_FFFF)
    return thread == 0 ? nil : thread
  }

  /// The thread that holds the write mutex according to the file; nil if there is none, or no file.
  ///
  /// Must not be called in a process that has the environment open: closing the descriptor would drop LMDB's locks.
  package static func holder(inFile path: String) -> Int32? { word(path, at: offset).flatMap(holder) }

  /// Reads four bytes of a file, or of a process's memory through its file in /proc.
  static func word(_ path: String, at offset: Int) -> UInt32? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 { return nil }
    defer { close(file) }
    var word: UInt32 = 0
    // SAFETY: pread fills at most the four bytes of `word`.
    return unsafe pread(file, &word, 4, off_t(offset)) == 4 ? word : nil
  }
}
