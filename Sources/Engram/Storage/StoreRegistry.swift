import Files
import Synchronization

/// The stores that this process has open, by device and inode: LMDB must never open one file twice in a process.
///
/// Opening and closing run one at a time, on threads that may block.
enum StoreRegistry {
  private static let cores = Mutex<[FileID: (core: StoreCore, handles: Int)]>([:])

  /// The core of the store at `path`, opened if this process does not have it open yet.
  static func acquire(_ path: String, options: StoreOptions) throws -> StoreCore {
    do {
      return try cores.withLock { cores in
        let prepared = try StoreOpening.prepare(path, options: options)
        if let open = cores[prepared.id] {
          try open.core.check(options)
          cores[prepared.id] = (open.core, open.handles + 1)
          return open.core
        }
        let core = try StoreCore(id: prepared.id, try StoreOpening.open(prepared.path, options: options), options: options)
        cores[prepared.id] = (core, 1)
        return core
      }
    } catch {
      throw StoreError.wrapping(error, "the store \(path) cannot be opened")
    }
  }

  /// Whether the caller's handle is the last one of the core.
  static func isLastHandle(_ core: StoreCore) -> Bool { cores.withLock { $0[core.id]?.handles == 1 } }

  /// Gives a handle back; the last one closes the core.
  ///
  /// - Throws: ``StoreError`` `.stillInUse` where snapshots are still held; the handle stays.
  static func release(_ core: StoreCore) throws {
    try cores.withLock { cores in
      guard let open = cores[core.id], open.core === core else { return }
      if open.handles > 1 {
        cores[core.id] = (core, open.handles - 1)
      } else {
        try core.closeFiles()
        cores[core.id] = nil
      }
    }
  }
}
