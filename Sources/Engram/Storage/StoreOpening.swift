import Files
import Foundation
import LMDB
import Logging
import VectorSearch

/// Opens the files of a store, checking each before it is trusted.
///
/// Blocks: called on a thread of its own, never on the cooperative pool.
enum StoreOpening {
  /// The files and locks of an open store.
  struct Files: ~Copyable, Sendable {
    let paths: StorePaths
    /// The shared lock on `alive.lock`, which every process holds that has the store open; nil if no locks are taken.
    let alive: FileLock?
    /// The device and inode of `writer.lock`; nil in a read-only store that lacks it.
    let writerLock: FileID?
    let generation: Generation
  }

  /// Creates the store if it is missing and the options allow it, and checks the directory.
  ///
  /// - Parameter landmarks: Set as soon as the directory is open, before it is checked.
  /// - Returns: The store's directory, open.
  static func prepare(_ path: String, options: StoreOptions, _ landmarks: inout StoreLandmarks?) throws -> StorePaths {
    if try Directories.status(path, followingLinks: true) == nil || isEmptyDirectory(path) {
      guard options.access == .readWrite, options.createsIfMissing else {
        throw StoreError(.storeMissing, "there is no store at \(path)")
      }
      guard let parent = try Directories.status(Directories.parent(of: path), followingLinks: true), parent.isDirectory else {
        throw StoreError(.storeMissing, "the directory \(Directories.parent(of: path)) for the new store does not exist")
      }
      try refuseNetwork(try Directory(path: Directories.parent(of: path)))
      // If `path` is a link to an empty directory, the directory is replaced and the link stays.
      _ = try StoreCreation.create(at: Directories.resolved(path) ?? path, options: options)
    }
    let found = try existing(path)
    if found == nil, try Directories.status(path, followingLinks: true) == nil {
      throw StoreMove.path("\(path) existed when it was looked at, and does not exist any more").error(committed: false, isOpening: true)
    }
    landmarks = try found.map { paths throws(FileError) in try StoreLandmarks(paths) }
    guard let paths = found, try Directories.status(paths.current) != nil else {
      throw StoreError(.notAStore, "\(path) is not an Engram store: it has no file 'current'")
    }
    try refuseNetwork(paths.root)
    try StoreTrust.check(paths)
    return paths
  }

  /// Opens the directory that `path` leads to; nil if it leads to none.
  private static func existing(_ path: String) throws -> StorePaths? {
    do throws(FileError) {
      return try StorePaths(path: path)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  private static func isEmptyDirectory(_ path: String) throws -> Bool {
    guard let status = try Directories.status(path, followingLinks: true), status.isDirectory else { return false }
    do throws(FileError) {
      return try Directories.entries(path).isEmpty
    } catch {
      // The directory was removed in between: the caller looks again.
      if error.isMissing { return false }
      throw error
    }
  }

  static func refuseNetwork(_ directory: Directory) throws {
    if let name = try FileSystems.networkFileSystemName(of: directory) {
      throw StoreError(
        .networkFileSystem, "\(directory.path) lies on a network file system (\(name)), where locks and maps do not hold: use a local disk")
    }
  }

  static func open(_ paths: StorePaths, options: StoreOptions) throws -> Files {
    if options.access == .immutable {
      // `openLive` needs a lock as an argument. This one is never locked.
      let unused = try FileLock(existing: paths.current)
      return Files(paths: paths, alive: nil, writerLock: nil, generation: try openLive(paths, atLeast: 1, unused, options: options))
    }
    let opening = try lockFile(paths.openLock, options)
    try opening.lock(.exclusive)
    let alive = try lockFile(paths.aliveLock, options)
    try join(alive, opening, paths.directory)
    let writerLock = try writerLockID(paths, options)
    while true {
      let generation = try openLive(paths, atLeast: 1, opening, options: options)
      do {
        // Checked before something is removed and again at the end, so that the files that were checked are those that are open.
        if let move = try paths.move(from: generation, writerLock: writerLock) { throw move.error(committed: false, isOpening: true) }
        if options.access == .readWrite {
          // On a full disk `current` cannot be updated. Then the old generation stays.
          removing(options) {
            _ = try GenerationSweep.setAside(paths, live: generation) {
              if let move = try paths.move(from: generation, writerLock: writerLock) { throw move.error(committed: false, isOpening: true) }
            }
          }
          removing(options) { try GenerationSweep.removeUnfinishedCurrent(paths) }
          removing(options) { try EmbeddingWork.removeIfUseless(paths, generation.store) }
        }
        // Released before files are removed, which is slow, and before `pin` waits for `writer.lock`: other processes wait to open or to
        // follow.
        try opening.unlock()
        if options.access == .readWrite {
          removing(options) { try GenerationSweep.removeSetAside(paths) }
          StoreCreation.removeAbandoned(besides: paths.directory)
        }
        if try pin(options.embedder?.identity, generation, paths, writerLock, options) {
          if let move = try paths.move(from: generation, writerLock: writerLock) { throw move.error(committed: false, isOpening: true) }
          return Files(paths: paths, alive: alive, writerLock: writerLock, generation: generation)
        }
        try opening.lock(.exclusive)
        _ = generation.close()
      } catch {
        _ = generation.close()
        throw error
      }
    }
  }

  /// Opens a lock file, and creates it if it is missing. If it cannot be written and the store is opened read-only, opens it for reading.
  private static func lockFile(_ place: FilePlace, _ options: StoreOptions) throws(FileError) -> FileLock {
    do throws(FileError) {
      return try FileLock(path: place)
    } catch {
      guard options.access == .readOnly, error.isReadOnlyFileSystem || error.isPermission else { throw error }
      return try FileLock(existing: place)
    }
  }

  /// The device and inode of `writer.lock`. An opening for writing creates the file; otherwise nil if it is missing.
  private static func writerLockID(_ paths: StorePaths, _ options: StoreOptions) throws(FileError) -> FileID? {
    if options.access == .readWrite { return try FileHandle(path: paths.writerLock, access: .create).status().id }
    return try Directories.status(paths.writerLock)?.id
  }

  /// Logs an error of `body`: files that cannot be removed do not prevent the opening. The store's maintenance tries again.
  private static func removing(_ options: StoreOptions, _ body: () throws -> Void) {
    do {
      try body()
    } catch {
      options.logger.warning("what a killed process or an earlier generation left cannot be removed", metadata: ["error": "\(error)"])
    }
  }

  /// Takes the shared lock on `alive.lock`. The first process notes its pid namespace in `open.lock`; a process of another namespace is
  /// refused, because LMDB identifies readers and writers by pid and thread.
  private static func join(_ alive: borrowing FileLock, _ opening: borrowing FileLock, _ path: String) throws {
    let own = MachineIdentity.processNamespace() ?? ""
    // The note may be missing although another process holds the lock: on a read-only medium the note cannot be written.
    if try alive.tryLock(.exclusive) || opening.readNote()?.isEmpty == true {
      // Not on a read-only medium, where LMDB's lock table is not used either.
      if opening.isWritable { try opening.writeNote(own) }
    } else if let note = opening.readNote(), !note.isEmpty, note != own {
      throw StoreError(
        .foreignNamespace, "a process of another pid namespace (\(note)) has the store \(path) open: use it from one namespace at a time")
    }
    try alive.lock(.shared)
  }

  /// The generation that the file `current` names. A crash between the last commit of a generation and the rename leaves the old name.
  static func currentNumber(_ paths: StorePaths) throws -> UInt64 {
    let text = String(decoding: try FileHandle(path: paths.current, access: .read).read(count: 64, at: 0), as: UTF8.self)
    guard let number = StorePaths.generationNumber(text) else {
      throw StoreError(.corrupted, "the file \(paths.current) does not name a generation")
    }
    return number
  }

  /// Makes `current` name a generation, durably.
  static func setCurrent(_ number: UInt64, _ paths: StorePaths) throws(FileError) {
    var file = try AtomicFile(destination: paths.current)
    try file.append(Array("gen-\(number)\n".utf8))
    try file.commit()
  }

  /// The same in a store that others may move or replace meanwhile.
  ///
  /// - Parameter requireInPlace: Called before the file is written and right before it gets its name. If it throws, the old file stays.
  static func setCurrent(_ number: UInt64, _ paths: StorePaths, requireInPlace: () throws -> Void) throws {
    try requireInPlace()
    var file = try AtomicFile(destination: paths.current)
    try file.append(Array("gen-\(number)\n".utf8))
    try file.flush()
    try requireInPlace()
    try file.commit()
  }

  /// Opens the live generation, following each superseded one to its successor. Checks the pages of each first if the options ask for it.
  ///
  /// - Parameters:
  ///   - first: A generation known to have been live. This process must have neither it nor a later one open.
  ///   - opening: `open.lock`, which the caller holds unless the access is `.immutable`; released while pages are checked.
  static func openLive(
    _ paths: StorePaths, atLeast first: UInt64, _ opening: borrowing FileLock, options: StoreOptions
  ) throws -> Generation {
    var number = max(first, try currentNumber(paths))
    while true {
      let (generation, state) = try openGeneration(paths, number, options) { environmentOptions in
        guard let inspection = options.inspectsPages else { return nil }
        return try openInspected(paths, number, environmentOptions, opening, holdsIt: options.access != .immutable, inspection)
      }
      guard state.supersededBy > number else {
        do throws(StoreError) {
          try requireDemands(generation.store, options)
        } catch {
          _ = generation.close()
          throw error
        }
        return generation
      }
      guard generation.close() else { throw StoreError(.stillInUse, "generation \(number) cannot be closed") }
      number = state.supersededBy
    }
  }

  /// Opens one generation, live or not. The caller holds `open.lock`, and this process does not have it open.
  static func openGeneration(_ paths: StorePaths, number: UInt64, options: StoreOptions) throws -> (Generation, StateRecord) {
    try openGeneration(paths, number, options) { _ in nil }
  }

  /// - Parameter openSpecially: Opens the environment in a special way; if it returns nil, the environment is opened in the usual way.
  private static func openGeneration(
    _ paths: StorePaths, _ number: UInt64, _ options: StoreOptions, _ openSpecially: (Environment.Options) throws -> Environment?
  ) throws -> (Generation, StateRecord) {
    let (directory, data) = (paths.generation(number), paths.data(number))
    guard var files = try StoreTrust.check(paths, generation: number) else {
      throw StoreError(.corrupted, "the store's file \(data) is missing")
    }
    let presence = try FileLock(existing: data)
    var environmentOptions = Environment.Options()
    environmentOptions.isReadOnly = options.access != .readWrite
    environmentOptions.optionalDatabases = Tables.optionalNames
    // The rows are mapped after the records, so the map of the records must leave address space for them.
    environmentOptions.spareBytes = RowFile.smallestMapBytes + AddressSpace.reserveBytes
    environmentOptions.usesLocks = try usesLockTable(paths, number, files, options)
    if environmentOptions.usesLocks {
      if files.lock == nil { files = try makeLockTable(paths, number) ?? files }
      try backMappedFiles(paths, number, files, isAlone: presence.tryLock(.exclusive), isReadOnly: environmentOptions.isReadOnly)
    } else if options.access == .readOnly {
      environmentOptions.exclusion = try exclusion(paths)
    }
    if options.access != .immutable { try presence.lock(.shared) }
    // Entered for the whole opening. Each snapshot enters for itself as well.
    try environmentOptions.exclusion?.enter()
    defer { environmentOptions.exclusion?.leave() }
    try checkMetaPages(of: data)
    if case .eventual = options.durability { environmentOptions.defersMetaFlush = true }
    let environment =
      try openSpecially(environmentOptions) ?? Environment(path: directory, databases: Tables.names, options: environmentOptions)
    do {
      // LMDB opens its files by path, and follows links.
      guard try environment.dataFile.id == files.data, try StoreTrust.check(paths, generation: number) == files else {
        throw StoreError(.unexpectedFile, "the files in \(directory) were exchanged while they were opened: find out by whom")
      }
      if environmentOptions.usesLocks, try environment.readerTable().isUnlocked {
        throw StoreError(
          .readOnlyFileSystem,
          "\(directory) is mounted read-only, where snapshots are not protected from writers: mount it writable, or copy it")
      }
      try environment.clearStaleReaders()
      let schema = Schema(environment)
      let store = try readStore(environment, schema, number, options)
      let state = try readState(environment, schema)
      let rows = try RowFileHeader(store).map { header in
        let rowPath = directory.appending(Generation.rowFileName)
        guard try Directories.status(rowPath) != nil else { throw StoreError(.corrupted, "the store's file \(rowPath) is missing") }
        return try RowFile(
          path: rowPath, header: header, rowCount: state.rowsHigh,
          isReadOnly: environmentOptions.isReadOnly)
      }
      let generation = try Generation(
        place: directory, files: files, environment: environment, schema: schema, store: store, rows: rows, presence: presence,
        isUnprotected: options.access == .immutable)
      return (generation, state)
    } catch {
      _ = environment.close()
      throw error
    }
  }

  /// Whether LMDB's lock table protects reads: it must be writable, or it must be possible to create it.
  private static func usesLockTable(
    _ paths: StorePaths, _ number: UInt64, _ files: StoreTrust.GenerationFiles, _ options: StoreOptions
  ) throws(FileError) -> Bool {
    switch options.access {
    case .readWrite: true
    case .immutable: false
    case .readOnly:
      try Directories.mayWrite(files.lock == nil ? paths.generation(number) : paths.generation(number).appending(Generation.lockTableName))
    }
  }

  /// Keeps writers out if the lock table cannot be written.
  private static func exclusion(_ paths: StorePaths) throws(StoreError) -> WriterExclusion {
    do throws(FileError) {
      return try WriterExclusion(paths)
    } catch {
      throw StoreError(
        .readOnlyFileSystem,
        "LMDB's lock table cannot be written, and writers cannot be kept out (\(error)): if nobody writes to \(paths.directory), read it with access "
          + ".immutable", cause: error)
    }
  }

  /// Creates the lock table, which a copy of the store may lack. LMDB would create it with the permissions that the umask leaves.
  private static func makeLockTable(_ paths: StorePaths, _ number: UInt64) throws -> StoreTrust.GenerationFiles? {
    try LockTable.fill(FileHandle(path: paths.generation(number).appending(Generation.lockTableName), access: .createNew))
    return try StoreTrust.check(paths, generation: number)
  }

  /// Allocates the disk blocks that a map would need later. The caller holds `open.lock`, and this process does not have the generation
  /// open.
  ///
  /// - Parameter isAlone: Whether no other process has it open, either.
  private static func backMappedFiles(
    _ paths: StorePaths, _ number: UInt64, _ files: StoreTrust.GenerationFiles, isAlone: Bool, isReadOnly: Bool
  ) throws {
    let directory = paths.generation(number)
    do throws(FileError) {
      try LockTable.back(FileHandle(path: directory.appending(Generation.lockTableName), access: .readWrite), isAlone: isAlone)
      try MappedFile.back(paths.data(number), isReadOnly: isReadOnly)
      if files.rows != nil { try MappedFile.back(directory.appending(Generation.rowFileName), isReadOnly: isReadOnly) }
    } catch {
      // On a read-only file system nothing is written, so no blocks are needed. If LMDB must write, it reports its own error.
      if !error.isReadOnlyFileSystem { throw error }
    }
  }

  /// Checks the meta pages and the size of the file. LMDB trusts its meta pages, and access to a map beyond the end of the file raises
  /// SIGBUS.
  private static func checkMetaPages(of data: FilePlace) throws {
    let problems = try MetaPair.validate(try FileHandle(path: data, access: .read))
    guard let problem = problems.first else { return }
    throw StoreError(.corrupted, "\(data) is damaged: \(problem)", cause: problems.count > 1 ? PageDamage(problems: problems) : nil)
  }

  /// Opens the environment once every page of its data file is known to be good.
  ///
  /// The check may take minutes, so `open.lock` is released meanwhile: other processes can open, close and follow. The reader slot prevents
  /// that pages are overwritten, and the shared lock on the data file prevents that the generation is removed.
  private static func openInspected(
    _ paths: StorePaths, _ number: UInt64, _ options: Environment.Options, _ opening: borrowing FileLock, holdsIt: Bool,
    _ inspection: StoreOptions.PageInspection
  ) throws -> Environment {
    let data = paths.data(number)
    let walker = PageWalker(try FileHandle(path: data, access: .read), databases: Tables.names, optional: Tables.optionalNames)
    return try Environment(path: paths.generation(number), databases: Tables.names, options: options) { slot in
      if holdsIt { try opening.unlock() }
      let walk: Result<PageReport, any Error>
      do {
        let pages = try walker.walkOwnSnapshot(&slot, inspection.check)
        inspection.report(pages)
        walk = .success(pages)
      } catch {
        walk = .failure(error)
      }
      if holdsIt { try opening.lock(.exclusive) }
      let problems = try walk.get().problems
      guard let problem = problems.first else { return }
      throw StoreError(.corrupted, "\(data) is damaged: \(problem)", cause: PageDamage(problems: problems))
    }
  }

  /// Pins the identity of the embedder if this is the first opening for writing with an embedder.
  ///
  /// - Returns: False if the generation was superseded meanwhile.
  private static func pin(
    _ asked: EmbedderIdentity?, _ generation: Generation, _ paths: StorePaths, _ writerLock: FileID?, _ options: StoreOptions
  ) throws -> Bool {
    guard let asked, generation.embedder == nil, options.access == .readWrite else { return true }
    let lock = try FileLock(path: paths.writerLock)
    // Waits as long as a write would.
    try lock.lock(.exclusive, atMost: options.writeTimeout ?? FileLock.patience)
    if let move = try paths.move(from: generation, writerLock: writerLock) { throw move.error(committed: false, isOpening: true) }
    var transaction = try EnvironmentTransaction(generation.environment)
    if try RecordReader(transaction.view, generation, now: 0).state().supersededBy > 0 { return false }
    var store = try RecordReader(transaction.view, generation, now: 0).storedRecord()
    if let pinned = store.embedder, pinned != asked {
      throw StoreError.embedderMismatch(asked, pinned: pinned)
    }
    store.pin(asked)
    try transaction.put(MetaKey.store.encoded, store.encoded(), in: generation.schema[Tables.Meta.self])
    try transaction.commit()
    generation.pin(as: store)
    return true
  }
}

/// Several problems with the pages of a data file.
struct PageDamage: Error {
  let problems: [String]
}
