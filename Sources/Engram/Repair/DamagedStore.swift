import Files
import LMDB

/// A store that is read page by page, while no process has it open.
struct DamagedStore: ~Copyable {
  let paths: StorePaths
  private let opening: FileLock?
  private let alive: FileLock?

  /// Locks the lock files of the store that exist; they need not be writable.
  ///
  /// - Throws: ``StoreError`` `.storeMissing`, `.notAStore`, `.stillInUse`.
  init(_ path: String) throws {
    guard let status = try Directories.status(path, followingLinks: true) else {
      throw StoreError(.storeMissing, "there is no store at \(path)")
    }
    guard status.isDirectory else { throw StoreError(.notAStore, "\(path) is not an Engram store: it is no directory") }
    let paths = try StorePaths(path: path)
    guard try !GenerationSweep.numbers(paths).isEmpty else {
      throw StoreError(.notAStore, "\(path) is not an Engram store: it has no directory 'gen-1' or later")
    }
    try StoreTrust.check(paths)
    for number in try GenerationSweep.numbers(paths) { try StoreTrust.check(paths, generation: number) }
    let opening = try FileLock(ifExists: paths.openLock)
    try opening?.lock(.exclusive)
    let alive = try FileLock(ifExists: paths.aliveLock)
    if try alive?.tryLock(.exclusive) == false { throw Self.inUse(paths, paths.aliveLock) }
    self.paths = paths
    self.opening = opening
    self.alive = alive
  }

  /// Locks a generation's data file, to exclude processes that have it open even if the store's own lock files are lost.
  func lock(_ generation: DamagedGeneration) throws -> FileLock {
    let lock = try FileLock(existing: paths.data(generation.number))
    guard try lock.tryLock(.exclusive) else { throw Self.inUse(paths, paths.data(generation.number)) }
    return lock
  }

  private static func inUse(_ paths: StorePaths, _ file: FilePlace) -> StoreError {
    let holders = LockHolders.processes(locking: file).map(String.init).joined(separator: ", ")
    return StoreError(
      .stillInUse,
      "the store \(paths.directory) is in use\(holders.isEmpty ? "" : " by the processes \(holders)"): only a closed store is repaired")
  }

  // MARK: Generations

  /// The generation that was live: the one that the file `current` names, or the last one of the chain of successors that begins there.
  ///
  /// If `current` names no generation that can be read, it is the lowest one that has no successor: a generation is live only once the
  /// state record of the one before names it, so a higher one is unfinished.
  func liveGeneration(_ notes: RepairNotes) throws -> DamagedGeneration {
    if let generation = try namedGeneration(notes) { return try successor(of: generation) }
    let generations = try GenerationSweep.numbers(paths).sorted().compactMap { try read($0) }
    let readable = generations.filter { $0.last?.state != nil && $0.lastIsSound }
    if let live = readable.first(where: { $0.last?.state?.supersededBy == 0 }) { return live }
    if let live = generations.last(where: { $0.last != nil }) { return live }
    throw StoreError(.corrupted, "no meta page of \(paths.directory) can be read: there is nothing to begin at")
  }

  private func namedGeneration(_ notes: RepairNotes) throws -> DamagedGeneration? {
    do {
      let number = try StoreOpening.currentNumber(paths)
      if let generation = try read(number), generation.last != nil { return generation }
      notes.note("the file 'current' names generation \(number), of which no meta page can be read")
    } catch {
      notes.note("the file 'current' cannot be read: \(StoreVerifier.message(of: error))")
    }
    return nil
  }

  private func successor(of generation: DamagedGeneration) throws -> DamagedGeneration {
    var live = generation
    while let next = live.last?.state?.supersededBy, next > live.number, let later = try read(next), later.last != nil { live = later }
    return live
  }

  /// Nil if the generation has no data file.
  private func read(_ number: UInt64) throws -> DamagedGeneration? {
    guard let status = try Directories.status(paths.data(number)), status.isRegularFile else { return nil }
    return try DamagedGeneration(number, place: paths.generation(number))
  }
}
