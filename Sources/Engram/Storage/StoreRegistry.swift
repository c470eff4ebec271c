import Files
import Foundation
import Synchronization

/// The stores that this process has open, by device and inode: LMDB must never open one file twice in a process.
///
/// Opening and closing run one at a time, on threads that may block.
enum StoreRegistry {
  private struct Entry {
    let core: StoreCore
    var handles: Int
    /// The last handle is being closed: an opener waits for the outcome.
    var isClosing = false
    /// A close was given up because snapshots were held: the core serves nobody any more.
    var isHalfClosed = false
  }

  private static let cores = Mutex<[FileID: Entry]>([:])
  /// Wakes openers that wait for a close under way.
  private static let closingEnded = NSCondition()

  /// The core of the store at `path`, opened if this process does not have it open yet.
  static func acquire(_ path: String, options: StoreOptions) throws -> StoreCore {
    do {
      // Held but for the wait, so that no end of a close is missed. On a thread of its own: see ``onBlockingThread(_:)``.
      closingEnded.lock()
      defer { closingEnded.unlock() }
      while true {
        if let core = try acquireUnlessClosing(path, options: options) { return core }
        closingEnded.wait()
      }
    } catch {
      throw StoreError.wrapping(error, "the store \(path) cannot be opened")
    }
  }

  /// Nil while the store is being closed.
  private static func acquireUnlessClosing(_ path: String, options: StoreOptions) throws -> StoreCore? {
    try cores.withLock { cores in
      let prepared = try StoreOpening.prepare(path, options: options)
      guard var open = cores[prepared.id] else {
        let core = try StoreCore(id: prepared.id, try StoreOpening.open(prepared.path, options: options), options: options)
        cores[prepared.id] = Entry(core: core, handles: 1)
        return core
      }
      if open.isClosing { return nil }
      if open.isHalfClosed {
        throw StoreError(
          .stillInUse, "this process could not close the store yet, because snapshots are held: drop them and close it again")
      }
      try open.core.check(options)
      open.handles += 1
      cores[prepared.id] = open
      return open.core
    }
  }

  /// Gives a handle back.
  ///
  /// - Returns: Whether it was the last one: the caller then drains the core and calls ``finishClosing(_:)`` or ``giveUpClosing(_:)``.
  static func release(_ core: StoreCore) -> Bool {
    cores.withLock { cores in
      guard var open = cores[core.id], open.core === core else { return false }
      if open.handles == 1 { open.isClosing = true } else { open.handles -= 1 }
      cores[core.id] = open
      return open.isClosing
    }
  }

  /// Closes the drained core's files; the store can be opened again.
  static func finishClosing(_ core: StoreCore) throws {
    try cores.withLock { cores in
      try core.closeFiles()
      cores[core.id] = nil
    }
    wakeOpeners()
  }

  /// The last handle stays, to be closed again.
  static func giveUpClosing(_ core: StoreCore) {
    cores.withLock { cores in
      cores[core.id]?.isClosing = false
      cores[core.id]?.isHalfClosed = true
    }
    wakeOpeners()
  }

  private static func wakeOpeners() {
    closingEnded.lock()
    closingEnded.broadcast()
    closingEnded.unlock()
  }
}
