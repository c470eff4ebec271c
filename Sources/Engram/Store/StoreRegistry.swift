import Files
import Foundation
import Synchronization

/// The stores that this process has open, by device and inode: LMDB must never open one file twice in a process.
///
/// A store is opened and closed by one thread at a time, which may block; callers that ask for another store do not wait for it.
enum StoreRegistry {
  private enum Entry {
    /// A thread is opening the store: others wait for the outcome.
    case opening
    case open(StoreCore, handles: Int)
    /// The last handle is being closed: a thread that opens the store waits for the outcome.
    case closing(StoreCore)
    /// A close failed, for example because snapshots were held. The core serves no more calls, but its last handle can be closed again.
    case halfClosed(StoreCore)
  }

  /// The outcome of looking up a store that is to be opened.
  private enum Admission {
    case joined(StoreCore)
    /// The caller opens the store and records the outcome.
    case opens
    /// Another thread was opening or closing the store: the caller must try again.
    case waited
  }

  /// Held for moments only, because threads of the cooperative pool lock it, too.
  private static let entries = Mutex<[FileID: Entry]>([:])
  /// Wakes threads that wait until another thread has opened or closed the store.
  private static let changed = NSCondition()

  /// How long an opening waits for another thread that opens or closes the store: longer than that thread waits for a lock.
  private static let patience = FileLock.patience * 2

  /// The core of the store at `path`, opened if this process does not have it open yet. Blocks: call it by ``onBlockingThread(_:)``.
  static func acquire(_ path: String, options: StoreOptions) throws -> StoreCore {
    let deadline = ContinuousClock.now + patience
    var landmarks: StoreLandmarks?
    do {
      try Limits.check(options)
      while true {
        let prepared = try StoreOpening.prepare(path, options: options, &landmarks)
        // The options are compared with the live generation. This read follows to it, because another process may have moved the store
        // to another embedder.
        if options.embedder != nil || options.dimension != nil { try? openCore(at: path)?.live.read(waits: false) { _ in } }
        switch try admission(prepared.root.id, options) {
        case .joined(let core): return core
        case .opens: return try open(prepared, options)
        case .waited:
          guard ContinuousClock.now < deadline else {
            throw StoreError(
              .storeBusy,
              "this process itself was still opening or closing the store after \(patience): try again",
              holder: MachineIdentity.processID)
          }
        }
      }
    } catch {
      throw StoreMove.surfacing(error, committed: false, isOpening: true, "the store \(path) cannot be opened") {
        // If this process has the store open already, that core has known the files for longer than this opening has.
        try openCore(at: path)?.live.move() ?? landmarks?.move()
      }
    }
  }

  /// The core that this process has open in the directory that `path` leads to.
  private static func openCore(at path: String) throws(FileError) -> StoreCore? {
    guard let id = try Directories.status(path, followingLinks: true)?.id else { return nil }
    switch entries.withLock({ $0[id] }) {
    case .open(let core, _), .closing(let core), .halfClosed(let core): return core
    case .opening, nil: return nil
    }
  }

  private static func admission(_ id: FileID, _ options: StoreOptions) throws -> Admission {
    // Held from the look to the wait, so that no change is missed in between.
    changed.lock()
    defer { changed.unlock() }
    let admission = try entries.withLock { entries -> Admission in
      switch entries[id] {
      case nil:
        entries[id] = .opening
        return .opens
      case .open(let core, let handles):
        try core.check(options)
        entries[id] = .open(core, handles: handles + 1)
        return .joined(core)
      case .halfClosed:
        throw StoreError(
          .stillInUse, "this process could not close the store yet, because snapshots are held: drop them and close it again")
      case .opening, .closing: return .waited
      }
    }
    if case .waited = admission { _ = changed.wait(until: Date(timeIntervalSinceNow: 1)) }
    return admission
  }

  private static func open(_ paths: StorePaths, _ options: StoreOptions) throws -> StoreCore {
    let id = paths.root.id
    do {
      let core = try StoreCore(id: id, try StoreOpening.open(paths, options: options), options: options)
      set(id, .open(core, handles: 1))
      return core
    } catch {
      set(id, nil)
      throw error
    }
  }

  /// Releases a handle.
  ///
  /// - Returns: Whether it was the last one: the caller then drains the core and calls ``finishClosing(_:until:)`` or
  ///   ``giveUpClosing(_:)``.
  static func release(_ core: StoreCore) -> Bool {
    entries.withLock { entries in
      switch entries[core.id] {
      case .open(let open, let handles) where open === core && handles > 1:
        entries[core.id] = .open(core, handles: handles - 1)
        return false
      case .open(let last, _) where last === core, .halfClosed(let last) where last === core:
        entries[core.id] = .closing(core)
        return true
      default: return false
      }
    }
  }

  /// Closes the drained core's files; the store can be opened again. Blocks.
  static func finishClosing(_ core: StoreCore, until deadline: ContinuousClock.Instant) throws {
    try core.closeFiles(until: deadline)
    set(core.id, nil)
  }

  /// Keeps the last handle after a close that failed, so that it can be closed again.
  static func giveUpClosing(_ core: StoreCore) { set(core.id, .halfClosed(core)) }

  private static func set(_ id: FileID, _ entry: Entry?) {
    entries.withLock { $0[id] = entry }
    changed.lock()
    changed.broadcast()
    changed.unlock()
  }
}
