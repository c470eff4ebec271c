import Files
import LMDB

/// Removes the directories of generations that no process has open: those that were superseded, and those whose building was broken off.
enum GenerationSweep {
  /// The caller holds `open.lock`, and has `live` open for writing.
  ///
  /// - Returns: The generations that stay because a process has them open or builds them.
  @discardableResult
  static func run(_ paths: StorePaths, live: Generation) throws -> [UInt64] {
    let others = try numbers(paths).filter { $0 != live.number }
    if others.isEmpty { return [] }
    // The name of a generation that is about to go must not stay in `current`.
    if try StoreOpening.currentNumber(paths) < live.number { try StoreOpening.setCurrent(live.number, paths) }
    return try others.filter { number in
      try number < live.number ? !removeSuperseded(number, paths) : !removeUnfinished(number, paths, live)
    }
  }

  /// The numbers of the generations in the store's directory.
  static func numbers(_ paths: StorePaths) throws(FileError) -> [UInt64] {
    try Directories.entries(paths.directory).compactMap { StorePaths.generationNumber(directoryName: $0) }
  }

  /// - Returns: Whether it is gone.
  private static func removeSuperseded(_ number: UInt64, _ paths: StorePaths) throws -> Bool {
    guard let lock = try FileLock(ifExists: paths.data(number)) else {
      try Directories.removeTree(paths.generation(number))
      return true
    }
    #if PlantedDefects
      if PlantedDefect.openGenerationsAreRemoved.isPlanted {
        try Directories.removeTree(paths.generation(number))
        return true
      }
    #endif
    guard try lock.tryLock(.exclusive) else { return false }
    try Directories.removeTree(paths.generation(number))
    return true
  }

  /// A later generation than the live one is being built, or was when its builder ended; unless it has just become the live one.
  private static func removeUnfinished(_ number: UInt64, _ paths: StorePaths, _ live: Generation) throws -> Bool {
    let building = try FileLock(path: paths.rebuildLock)
    guard try building.tryLock(.exclusive) else { return false }
    // Only now: a builder that commits and ends between the two would leave a live generation that nobody has open.
    let transaction = try ReadTransaction(live.environment)
    guard try RecordReader(transaction.view, live, now: 0).state().supersededBy == 0 else { return false }
    return try removeSuperseded(number, paths)
  }
}
