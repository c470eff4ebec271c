import Files
import LMDB

/// Removes the directories of generations that no process has open: those that were superseded, and those whose building was broken off.
///
/// In two steps, because processes that open or follow wait for `open.lock`, and removing a large directory is slow: under the lock a directory
/// gets a name that nothing takes for a generation; without it everything of such a name is removed, also what a killed process left.
///
/// LMDB announces a commit to readers by a number in the lock table, which the writer raises after it has written the meta page. A writer that is
/// killed in between has committed, and no reader knows until the next write transaction begins or the first process opens the file. So a
/// generation may be superseded although readers do not see it: only a write transaction, or the meta pages, can tell.
enum GenerationSweep {
  /// The first step. The caller holds `open.lock`, and has `live` open for writing.
  ///
  /// - Parameter requireInPlace: Asked before and after each change: in a store that was restored meanwhile the names are those of other files.
  /// - Returns: The generations that stay because a process has them open or builds them.
  static func setAside(_ paths: StorePaths, live: Generation, requireInPlace: () throws -> Void) throws -> [UInt64] {
    let others = try numbers(paths).filter { $0 != live.number }
    if others.isEmpty { return [] }
    // The name of a generation that is about to go must not stay in `current`.
    if try StoreOpening.currentNumber(paths) < live.number {
      try StoreOpening.setCurrent(live.number, paths, requireInPlace: requireInPlace)
    }
    return try others.filter { number in
      try number < live.number
        ? !setAsideUnused(number, paths, requireInPlace) : !setAsideUnfinished(number, paths, live, requireInPlace)
    }
  }

  /// The second step, without a lock: what was set aside, by whatever process, is gone afterwards.
  static func removeSetAside(_ paths: StorePaths) throws {
    for name in try paths.root.entries() where StorePaths.isSetAside(directoryName: name) {
      try Directories.removeTreeWithOthers(paths.root.place(name))
    }
  }

  /// Removes what is left of a `current` whose writer was killed before its rename. The caller holds `open.lock`, as all do who write it,
  /// except for a builder that names its generation: while one is at work, or a backup, the files stay until the next sweep.
  static func removeUnfinishedCurrent(_ paths: StorePaths) throws(FileError) {
    if try unfinishedCurrent(paths).isEmpty { return }
    let building = try FileLock(path: paths.rebuildLock)
    guard try building.tryLock(.exclusive) else { return }
    for path in try unfinishedCurrent(paths) { try Directories.removeFile(path) }
  }

  private static func unfinishedCurrent(_ paths: StorePaths) throws(FileError) -> [FilePlace] {
    var found: [FilePlace] = []
    for name in try paths.root.entries() where StorePaths.isUnfinishedCurrent(fileName: name) {
      let place = paths.root.place(name)
      if try Directories.status(place)?.isRegularFile == true { found.append(place) }
    }
    return found
  }

  /// Whether there is something that a sweep removes, or a generation that is not the live one.
  static func isDue(_ paths: StorePaths) throws(FileError) -> Bool {
    let names = try paths.root.entries()
    let generations = names.count { StorePaths.generationNumber(directoryName: $0) != nil }
    if generations > 1 || names.contains(where: { StorePaths.isSetAside(directoryName: $0) }) { return true }
    return try !unfinishedCurrent(paths).isEmpty
  }

  /// The numbers of the generations in the store's directory.
  static func numbers(_ paths: StorePaths) throws(FileError) -> [UInt64] {
    try paths.root.entries().compactMap { StorePaths.generationNumber(directoryName: $0) }
  }

  /// Takes a generation that nobody has open out of the way. The caller holds `open.lock`.
  ///
  /// - Parameter requireInPlace: What it throws leaves the directory where it was, or brings it back: between the two the store may have been
  ///   replaced, and the directory may be that of the other one.
  static func setAside(_ number: UInt64, _ paths: StorePaths, _ requireInPlace: () throws -> Void) throws {
    let (place, aside) = (paths.generation(number), paths.setAside(number))
    try requireInPlace()
    try Directories.rename(place, to: aside)
    do {
      try requireInPlace()
    } catch {
      // The first error is the one to report.
      try? Directories.rename(aside, to: place)
      throw error
    }
  }

  /// - Returns: Whether it is out of the way.
  private static func setAsideUnused(_ number: UInt64, _ paths: StorePaths, _ requireInPlace: () throws -> Void) throws -> Bool {
    let lock = try FileLock(ifExists: paths.data(number))
    if let isFree = try lock?.tryLock(.exclusive), !isFree { return false }
    try setAside(number, paths, requireInPlace)
    return true
  }

  /// A later generation than the live one is being built, or was when its builder ended; unless it has just become the live one.
  private static func setAsideUnfinished(
    _ number: UInt64, _ paths: StorePaths, _ live: Generation, _ requireInPlace: () throws -> Void
  ) throws -> Bool {
    let building = try FileLock(path: paths.rebuildLock)
    guard try building.tryLock(.exclusive) else { return false }
    // Only now: a builder that commits and ends between the two would leave a live generation that nobody has open.
    let transaction = try EnvironmentSnapshot(live.environment)
    guard try RecordReader(transaction.view, live, now: 0).state().supersededBy == 0 else { return false }
    guard try !live.hasCommit(after: transaction) else { return false }
    return try setAsideUnused(number, paths, requireInPlace)
  }
}
