import Files
import LMDB
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A shared lock on `writer.lock`, held during reads on a read-only medium. LMDB's lock table cannot be written there, so a writer that
/// reaches the same files by another mount would reuse pages that are being read. With this lock, no process writes during a read.
///
/// `flock` needs no write permission, so the descriptor is opened for reading.
final class WriterExclusion: ReadExclusion {
  /// How long a read waits for a writer.
  static let patience = Duration.seconds(5)

  private struct State: ~Copyable {
    let lock: FileLock
    var snapshots = 0
  }

  private let state: Mutex<State>
  private let place: FilePlace

  /// - Throws: `FileError` if `writer.lock` is missing or must not be read.
  init(_ paths: StorePaths) throws(FileError) {
    place = paths.writerLock
    state = Mutex(State(lock: try FileLock(existing: paths.writerLock)))
  }

  func enter() throws(LMDBError) {
    try state.withLock { state throws(LMDBError) in
      if state.snapshots == 0 {
        do throws(FileError) {
          try state.lock.lock(.shared, atMost: Self.patience)
        } catch {
          let holder = error.holders.first.map { "process \($0) writes" } ?? error.reason
          throw LMDBError(
            code: error.errno,
            operation: "reading without the locks of LMDB, which needs \(place) while the read lasts (\(holder)): try again, or read "
              + "a medium that nobody writes to with access .immutable")
        }
      }
      state.snapshots += 1
    }
  }

  func leave() {
    state.withLock { state in
      state.snapshots -= 1
      // A failure cannot be handled here, and closing the descriptor releases the lock anyway.
      if state.snapshots == 0 { try? state.lock.unlock() }
    }
  }
}
