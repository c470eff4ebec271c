import Files
import LMDB
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A share in `writer.lock`, held while something is read on a read-only medium: LMDB's lock table cannot be written there, and a writer, who may
/// reach the same files by another mount, would reuse pages under the reader. So no writer is at work while a read lasts.
///
/// A `flock` needs no right to write: the descriptor is a reading one.
final class WriterExclusion: ReadExclusion {
  /// How long a writer is waited for.
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
      // Nothing could be done about a failure, and the lock goes with the descriptor.
      if state.snapshots == 0 { try? state.lock.unlock() }
    }
  }
}
