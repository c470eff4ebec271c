import Files
import LMDB

/// Removes the directories of generations that no process has open: those that were superseded, and those whose building was interrupted.
///
/// It takes two steps, because processes that open or follow wait for `open.lock`, and removing a large directory is slow. With the lock
/// held, a directory is renamed so that it no longer counts as a generation. Without the lock, all directories with such names are removed,
/// also those that a killed process left.
///
/// LMDB announces a commit to readers by a number in the lock table, which the writer raises after it has written the meta page. A writer
/// that is killed in between has committed, and no reader knows until the next write transaction begins or the first process opens the
/// file. So a generation may be superseded although readers do not see it: only a write transaction or the meta pages show it.
enum GenerationSweep {
  /// The first step. The caller holds `open.lock`, and has `live` open for writing.
  ///
  /// - Parameter requireInPlace: Called before and after each change: in a store that was restored meanwhile, the names belong to other
  ///   files.
  /// - Returns: The generations that stay because a process has them open or builds them.
  static func setAside(_ paths: StorePaths, live: Generation, requireInPlace: () throws -> Void) throws -> [UInt64] {
    let others = try numbers(paths).filter { $0 != live.number }
    if others.isEmpty { return [] }
    // `current` must not name a generation that is about to be removed.
    if try StoreOpening.currentNumber(paths) < live.number {
      try StoreOpening.setCurrent(live.number, paths, requireInPlace: requireInPlace)
    }
    return try others.filter { number in
      try number < live.number
        ? !setAsideUnused(number, paths, requireInPlace) : !setAsideUnfinished(number, paths, live, requireInPlace)
    }
  }

  /// The second step, without a lock: removes everything that this process or another one has set aside.
  static func removeSetAside(_ paths: StorePaths) throws {
    for name in try paths.root.entries() where StorePaths.isSetAside(directoryName: name) {
      try Directories.removeTreeWithOthers(paths.root.place(name))
    }
  }

  /// Removes the temporary files of `current` whose writers were killed before the rename. The caller holds `open.lock`, and so does every
  /// writer of `current`, except a builder that names its generation: during a rebuild or a backup, the files stay until the next sweep.
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

  /// Renames the directory of a generation that no process has open. The caller holds `open.lock`.
  ///
  /// - Parameter requireInPlace: Called before and after the rename. If it throws, the directory keeps its name, or gets it back: the store
  ///   may have been replaced in between, and the directory may belong to the other store.
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

  /// - Returns: Whether it was set aside; false if a process has it open.
  private static func setAsideUnused(_ number: UInt64, _ paths: StorePaths, _ requireInPlace: () throws -> Void) throws -> Bool {
    let lock = try FileLock(ifExists: paths.data(number))
    if let isFree = try lock?.tryLock(.exclusive), !isFree { return false }
    try setAside(number, paths, requireInPlace)
    return true
  }

  /// Sets aside a generation with a higher number than the live one, unless it is being built or has just become the live one.
  private static func setAsideUnfinished(
    _ number: UInt64, _ paths: StorePaths, _ live: Generation, _ requireInPlace: () throws -> Void
  ) throws -> Bool {
    let building = try FileLock(path: paths.rebuildLock)
    guard try building.tryLock(.exclusive) else { return false }
    // Checked only now that no builder is at work: one that commits and ends before the lock is taken leaves a live generation that no
    // process has open.
    let transaction = try EnvironmentSnapshot(live.environment)
    guard try RecordReader(transaction.view, live, now: 0).state().supersededBy == 0 else { return false }
    guard try !live.hasCommit(after: transaction) else { return false }
    return try setAsideUnused(number, paths, requireInPlace)
  }
}
