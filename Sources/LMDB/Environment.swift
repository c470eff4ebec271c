import CLMDB
package import Files
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One LMDB environment: a data file, a lock file and the databases in it.
///
/// The same file must never be opened twice in one process: closing one would wipe the other's reader slots. The caller keeps the
/// registry that prevents it. Threads: any; a write transaction stays on the thread that began it.
@safe
package final class Environment: Sendable {
  package struct Options: Sendable {
    package var mapSizeBytes = 1 << 40
    package var smallestMapSizeBytes = 1 << 30
    /// Address space that must stay free beside the map. For a map of the smallest size it is ``AddressSpace/reserveBytes`` at most.
    package var spareBytes = 0
    package var maximumReaders = 1024
    package var isReadOnly = false
    /// If false, LMDB takes no locks (MDB_NOLOCK), for reading only: ``exclusion`` or a read-only medium keeps writers out.
    package var usesLocks = true
    /// Entered by every snapshot of an environment without locks; nil if nothing can be written.
    package var exclusion: (any ReadExclusion)?
    /// Creates missing databases in a write transaction. If false, a missing database is an error, and opening waits for no writer.
    package var createsDatabases = false
    /// Names of databases that may be missing: ``Environment/databases`` leaves a missing one out.
    package var optionalDatabases: Set<String> = []
    /// MDB_NOMETASYNC: a power failure may lose the last commits, never the integrity.
    package var defersMetaFlush = false

    package init() {}
  }

  // SAFETY: an MDB_env may be used by many threads at once; it is closed only when no transaction is alive.
  nonisolated(unsafe) let handle: OpaquePointer
  package let path: String
  package let isReadOnly: Bool
  package let mapSizeBytes: Int
  /// The databases that exist, in the order in which the names were given.
  package let databases: [Database]
  let exclusion: (any ReadExclusion)?
  private let forkCount: Int
  private let state = Mutex(State())

  private struct State {
    var liveTransactions = 0
    var isClosed = false
    var onIdle: (@Sendable () -> Void)?
  }

  /// Opens `data.mdb` in the directory, making it if it is missing and the environment is writable, and the named databases in it.
  ///
  /// A refused map size is tried again at a quarter, down to `smallestMapSizeBytes`.
  package convenience init(path: some FilePlaceConvertible, databases names: [String], options: Options) throws(LMDBError) {
    let (opened, mapSize) = unsafe try Self.open(path.place, databaseCount: names.count, options: options)
    unsafe try self.init(opened, path.place.path, names, options, mapSizeBytes: mapSize)
  }

  /// Opens as the other initialiser does, and lets `inspect` look at the file before LMDB touches a page of a tree in it.
  ///
  /// LMDB follows the meta pages before that: see ``MetaPair/validate(_:pageSizeBytes:)``.
  ///
  /// - Parameter inspect: Given a reader slot, which pins the last commit. If it throws, the environment is closed and the error rethrown.
  package convenience init(
    path: some FilePlaceConvertible, databases names: [String], options: Options, inspect: (inout InspectionSlot) throws -> Void
  ) throws {
    let (opened, mapSize) = unsafe try Self.open(path.place, databaseCount: names.count, options: options)
    do {
      var slot = unsafe try InspectionSlot(environment: opened)
      try inspect(&slot)
    } catch {
      unsafe mdb_env_close(opened)
      throw error
    }
    unsafe try self.init(opened, path.place.path, names, options, mapSizeBytes: mapSize)
  }

  /// Takes over an open environment and opens its databases; closes the environment if that fails.
  private init(
    _ opened: OpaquePointer, _ path: String, _ names: [String], _ options: Options, mapSizeBytes: Int
  ) throws(LMDBError) {
    do throws(LMDBError) {
      unsafe databases = try Self.openDatabases(names, in: opened, options)
    } catch {
      unsafe mdb_env_close(opened)
      throw error
    }
    unsafe handle = opened
    self.path = path
    isReadOnly = options.isReadOnly
    exclusion = options.exclusion
    self.mapSizeBytes = mapSizeBytes
    forkCount = ForkCount.current
  }

  deinit {
    let isClosed = state.withLock { $0.isClosed }
    if !isClosed, isInOwnProcess { unsafe mdb_env_close(handle) }
  }

  private static func open(
    _ place: FilePlace, databaseCount: Int, options: Options
  ) throws(LMDBError) -> (handle: OpaquePointer, mapSizeBytes: Int) {
    ForkCount.register()
    var mapSize = options.mapSizeBytes
    while true {
      let isSmallest = mapSize <= options.smallestMapSizeBytes
      let spare = isSmallest ? min(options.spareBytes, AddressSpace.reserveBytes) : options.spareBytes
      if spare > 0, !AddressSpace.hasRoom(for: mapSize + spare) {
        if isSmallest { throw LMDBError(code: ENOMEM, operation: "mdb_env_open \(place)") }
        mapSize = max(mapSize / 4, options.smallestMapSizeBytes)
        continue
      }
      do throws(LMDBError) {
        return unsafe (try open(place, databaseCount: databaseCount, mapSizeBytes: mapSize, options: options), mapSize)
      } catch {
        guard error.code == ENOMEM, mapSize > options.smallestMapSizeBytes else { throw error }
        mapSize = max(mapSize / 4, options.smallestMapSizeBytes)
      }
    }
  }

  private static func open(
    _ place: FilePlace, databaseCount: Int, mapSizeBytes: Int, options: Options
  ) throws(LMDBError) -> OpaquePointer {
    let path: String
    do throws(FileError) {
      path = try place.systemPath
    } catch {
      throw LMDBError(code: error.errno, operation: "\(error.call) \(error.path)")
    }
    var created: OpaquePointer?
    unsafe try check(mdb_env_create(&created), "mdb_env_create")
    // SAFETY: mdb_env_create succeeded, so the pointer is set.
    let environment = unsafe created!
    do throws(LMDBError) {
      unsafe try check(mdb_env_set_maxdbs(environment, MDB_dbi(databaseCount)), "mdb_env_set_maxdbs")
      unsafe try check(mdb_env_set_maxreaders(environment, UInt32(options.maximumReaders)), "mdb_env_set_maxreaders")
      unsafe try check(mdb_env_set_mapsize(environment, mapSizeBytes), "mdb_env_set_mapsize")
      var flags = UInt32(MDB_NOTLS) | UInt32(MDB_NORDAHEAD)
      if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
      if options.defersMetaFlush { flags |= UInt32(MDB_NOMETASYNC) }
      if !options.usesLocks { flags |= UInt32(MDB_NOLOCK) }
      unsafe try check(mdb_env_open(environment, path, flags, 0o600), "mdb_env_open \(place)")
      // Before the first transaction: killed readers may have filled the table.
      var dead: Int32 = 0
      unsafe try check(mdb_reader_check(environment, &dead), "mdb_reader_check")
      var descriptor: mdb_filehandle_t = -1
      unsafe try check(mdb_env_get_fd(environment, &descriptor), "mdb_env_get_fd")
      // LMDB 0.9 opens the data file without O_CLOEXEC.
      if fcntl(descriptor, F_SETFD, FD_CLOEXEC) == -1 { throw LMDBError(code: errno, operation: "fcntl(FD_CLOEXEC) \(place)") }
      return unsafe environment
    } catch {
      // LMDB demands the close after a failed open, too.
      unsafe mdb_env_close(environment)
      throw error
    }
  }

  private static func openDatabases(
    _ names: [String], in environment: OpaquePointer, _ options: Options
  ) throws(LMDBError) -> [Database] {
    let create = options.createsDatabases
    let transaction = unsafe create ? try beginWriting(environment) : try EnvironmentSnapshot.begin(environment)
    var databases: [Database] = []
    for name in names {
      var handle: MDB_dbi = 0
      let code = unsafe mdb_dbi_open(transaction, name, create ? UInt32(MDB_CREATE) : 0, &handle)
      if code == MDB_NOTFOUND, options.optionalDatabases.contains(name) { continue }
      guard code == MDB_SUCCESS else {
        unsafe mdb_txn_abort(transaction)
        throw LMDBError(code: code, operation: "mdb_dbi_open \(name)")
      }
      databases.append(Database(handle: handle, name: name))
    }
    // A read transaction must be committed, too, or its handles would be closed again.
    unsafe try check(mdb_txn_commit(transaction), "mdb_txn_commit of the database handles")
    return databases
  }

  private static func beginWriting(_ environment: OpaquePointer) throws(LMDBError) -> OpaquePointer {
    var begun: OpaquePointer?
    unsafe try check(mdb_txn_begin(environment, nil, 0, &begun), "mdb_txn_begin")
    // SAFETY: mdb_txn_begin succeeded, so the pointer is set.
    return unsafe begun!
  }

  /// The status of the data file that LMDB has open. The environment's path may name another file by now.
  package var dataFile: FileStatus {
    get throws {
      var descriptor: mdb_filehandle_t = -1
      // SAFETY: the environment is open, and the descriptor is only looked at.
      unsafe try check(mdb_env_get_fd(handle, &descriptor), "mdb_env_get_fd")
      return try FileStatus(descriptor: descriptor, path: path)
    }
  }

  // MARK: Transactions

  /// Counts a transaction. Fails if the environment is closed or belongs to the parent of a fork.
  func enter(_ operation: StaticString) throws(LMDBError) {
    try requireOwnProcess(operation)
    let isOpen = state.withLock { state in
      if !state.isClosed { state.liveTransactions += 1 }
      return !state.isClosed
    }
    guard isOpen else { throw LMDBError(code: EBADF, operation: "\(operation): the environment is closed") }
  }

  /// Whether this is the process that opened the environment, and not a fork of it.
  var isInOwnProcess: Bool { forkCount == ForkCount.current }

  func requireOwnProcess(_ operation: StaticString) throws(LMDBError) {
    guard isInOwnProcess else { throw LMDBError(code: EBADF, operation: "\(operation): opened before a fork") }
  }

  func leave() {
    let onIdle = state.withLock { state in
      state.liveTransactions -= 1
      return state.liveTransactions == 0 ? state.onIdle : nil
    }
    onIdle?()
  }

  /// From now on calls `body` each time the last live transaction ends, on the thread that ended it. Replaces an earlier `body`.
  package func onIdle(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onIdle = body } }

  /// Transactions that were begun and not ended, pooled ones included.
  package var liveTransactionCount: Int { state.withLock { $0.liveTransactions } }

  /// Closes the environment if no transaction is alive.
  ///
  /// - Returns: Whether it is closed now.
  package func close() -> Bool {
    let mayClose = state.withLock { state -> Bool in
      guard !state.isClosed, state.liveTransactions == 0 else { return false }
      state.isClosed = true
      return true
    }
    if mayClose { unsafe mdb_env_close(handle) }
    return mayClose || state.withLock { $0.isClosed }
  }

  /// Whether a commit failed while its meta page was written: LMDB then refuses every further write, and the outcome is in doubt.
  ///
  /// Begins and aborts a write transaction, so it may wait for another writer.
  package var isPanicked: Bool {
    do throws(LMDBError) {
      let transaction = try EnvironmentTransaction(self)
      extendLifetime(transaction)
      return false
    } catch {
      return error.isPanic
    }
  }

  // MARK: Maintenance

  /// Flushes what ``Options/defersMetaFlush`` left to the system.
  package func synchronize() throws(LMDBError) {
    try enter("flush")
    defer { leave() }
    unsafe try check(mdb_env_sync(handle, 1), "mdb_env_sync")
  }

  /// Frees the slots of dead processes.
  ///
  /// - Returns: How many were freed.
  @discardableResult
  package func clearStaleReaders() throws(LMDBError) -> Int {
    try enter("reader check")
    defer { leave() }
    var dead: Int32 = 0
    unsafe try check(mdb_reader_check(handle, &dead), "mdb_reader_check")
    return Int(dead)
  }

  /// Whether three quarters of the reader slots were taken at once at some time since the first process opened the environment.
  ///
  /// - Complexity: O(1), some nanoseconds.
  package var hasCrowdedReaderTable: Bool {
    var info = unsafe MDB_envinfo()
    unsafe _ = mdb_env_info(handle, &info)
    return unsafe info.me_numreaders * 4 >= info.me_maxreaders * 3
  }

  /// The id of the last committed transaction, as this process's map shows it now. The caller must keep the environment open.
  package var lastTransactionID: Int { unsafe Self.lastTransactionID(handle) }

  static func lastTransactionID(_ handle: OpaquePointer) -> Int {
    var info = unsafe MDB_envinfo()
    unsafe _ = mdb_env_info(handle, &info)
    return unsafe info.me_last_txnid
  }

  /// The size of the data file up to the last page of the last commit, in bytes.
  package var usedBytes: Int {
    var info = unsafe MDB_envinfo()
    unsafe _ = mdb_env_info(handle, &info)
    var statistics = MDB_stat()
    unsafe _ = mdb_env_stat(handle, &statistics)
    return unsafe (info.me_last_pgno + 1) * Int(statistics.ms_psize)
  }
}
