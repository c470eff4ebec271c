import Files
import LMDB
import Synchronization
import VectorSearch

/// The files of one generation, open: the environment, its databases, and the rows.
final class Generation: Sendable {
  let number: UInt64
  /// The device and inode of the directory and its files: see ``StorePaths/move(from:writerLock:)``.
  let files: StoreTrust.GenerationFiles
  let environment: Environment
  let schema: Schema
  private let fixed: StoreRecord
  private let pinned: Mutex<Pinned>

  /// What may be pinned after the generation was opened.
  private struct Pinned {
    var embedder: EmbedderIdentity?
    var template: EmbeddingTemplate
  }
  /// Nil once the store is closed, although a handle may keep this object alive.
  private let held: Mutex<Held?>
  /// Whether it is read without any lock, see ``StoreOptions/Access/immutable``.
  let isUnprotected: Bool
  private let closing = Atomic(false)

  /// Descriptors and maps of the generation, except those of LMDB.
  private final class Held: Sendable {
    /// Nil in a store without embeddings.
    let rows: RowFile?
    /// Nil in a store without embeddings, or with embeddings too long for codes.
    let codes: GenerationCodes?
    /// The shared lock on the data file: a process that can lock it exclusively knows that no process has the generation open.
    let presence: FileLock
    /// For growing LMDB's file in advance, and for reading its meta pages.
    let dataFile: Files.FileHandle

    init(rows: RowFile?, codes: GenerationCodes?, presence: consuming FileLock, dataFile: consuming Files.FileHandle) {
      self.rows = rows
      self.codes = codes
      self.presence = presence
      self.dataFile = dataFile
    }
  }

  init(
    place: FilePlace, files: StoreTrust.GenerationFiles, environment: Environment, schema: Schema, store: StoreRecord, rows: RowFile?,
    presence: consuming FileLock, isUnprotected: Bool
  ) throws {
    self.isUnprotected = isUnprotected
    number = store.generation
    self.files = files
    self.environment = environment
    self.schema = schema
    fixed = store
    termReaders = TermReaders(store.language, seed: UserKey("the terms of texts", secret: store.secret).high)
    pinned = Mutex(Pinned(embedder: store.embedder, template: store.template))
    let dataFile = try Files.FileHandle(path: place.appending(Self.dataFileName), access: environment.isReadOnly ? .read : .readWrite)
    let codes = rows.flatMap { rows in
      rows.header.dimension > CodeFileHeader.largestDimension
        ? nil : GenerationCodes(place, rows.header, isReadOnly: environment.isReadOnly)
    }
    held = Mutex(Held(rows: rows, codes: codes, presence: presence, dataFile: dataFile))
  }

  /// Nil in a store without embeddings, and once the store is closed.
  var rows: RowFile? { held.withLock { $0?.rows } }

  /// Nil in a store without embeddings, or with embeddings too long for codes; and once the store is closed.
  var codes: GenerationCodes? { held.withLock { $0?.codes } }

  private func requireHeld() throws(StoreError) -> Held {
    guard let held = held.withLock({ $0 }) else { throw StoreError(.closed, "the store is closed") }
    return held
  }

  /// The directory.
  var place: FilePlace { get throws(StoreError) { try requireHeld().dataFile.place.parent } }

  /// The identity that the store is pinned to; nil while it has none.
  var embedder: EmbedderIdentity? { pinned.withLock { $0.embedder } }

  /// The form of the text that the embedder gets for a memory.
  var template: EmbeddingTemplate { pinned.withLock { $0.template } }

  /// ``embedder`` and ``template``, read together.
  var embedding: EmbeddingBasis { pinned.withLock { EmbeddingBasis(embedder: $0.embedder, template: $0.template) } }

  /// The store's record, with the embedder that is pinned by now.
  var store: StoreRecord {
    var store = fixed
    (store.embedder, store.template) = pinned.withLock { ($0.embedder, $0.template) }
    return store
  }

  /// The secret with which ``UserKey`` hashes.
  var secret: [UInt8] { fixed.secret }

  /// Readers that make terms of texts.
  let termReaders: TermReaders

  /// - Parameter store: The record that was stored.
  func pin(as store: StoreRecord) { pinned.withLock { $0 = Pinned(embedder: store.embedder, template: store.template) } }

  /// Whether the environment is about to be closed, and opened again as another object, because a commit failed half-way. Long
  /// operations on a snapshot of it check this now and then.
  var isClosing: Bool { closing.load(ordering: .relaxed) }

  func markClosing() { closing.store(true, ordering: .relaxed) }

  func requireRows() throws(StoreError) -> RowFile {
    guard let rows else {
      throw StoreError(.dimensionMismatch, "the store was made without a dimension: it holds no embeddings to search")
    }
    return rows
  }

  /// Writes zeros at the end of LMDB's file before a commit needs the pages, so that a full disk is noticed here.
  ///
  /// - Returns: False if there is no room; a commit that only uses freed pages may still succeed.
  @discardableResult
  func growDataFile(by sizeBytes: Int) -> Bool {
    guard let held = held.withLock({ $0 }), let size = try? held.dataFile.status().sizeBytes else { return true }
    let needed = environment.usedBytes + 2 * sizeBytes + (512 << 10)
    guard size < needed else { return true }
    let ahead = min(max(size / 8, 512 << 10), 16 << 20)
    // A commit changes pages in many places of the file.
    return (try? held.dataFile.grow(from: size, to: needed, ahead: ahead, partBytes: 16 << 10)) != nil
  }

  /// Whether less than 1 MiB of disk space is free: LMDB may write as much at once.
  var isDiskNearlyFull: Bool { get throws { try DiskSpace(of: requireHeld().dataFile).availableBytes < 1 << 20 } }

  /// Truncates the files to the space in use. Must only be called while no other process has the generation open.
  func trim() throws {
    let snapshot = try EnvironmentSnapshot(environment)
    let rowsHigh = try RecordReader(snapshot.view, self, now: .min).state().rowsHigh
    try rows?.trim(toRowCount: rowsHigh)
    try codes?.file()?.trim(toRowCount: rowsHigh)
    try requireHeld().dataFile.truncate(to: environment.usedBytes)
  }

  /// Whether the file has a commit that readers do not know of yet, because its writer has not announced it yet or was killed.
  func hasCommit(after transaction: borrowing EnvironmentSnapshot) throws -> Bool {
    try MetaPair.read(requireHeld().dataFile).newest.transactionID > UInt64(transaction.id)
  }

  /// Compares the last commit in the file with that of a snapshot that nothing protects: see ``StoreOptions/Access/immutable``.
  ///
  /// - Throws: ``StoreError`` `.snapshotExpired`.
  func requireUnchanged(since transactionID: Int) throws {
    guard isUnprotected, try MetaPair.read(requireHeld().dataFile).newest.transactionID != UInt64(transactionID) else { return }
    throw StoreError(
      .snapshotExpired,
      "the store was written to while it was read with access .immutable, which takes no locks: what was read may be wrong; open it with access .readOnly"
    )
  }

  /// Makes the meta page that a failed commit left the older one, so that no process uses it. The caller has begun the write transaction
  /// with the given number, and has changed nothing.
  func withdraw(transaction id: UInt64) throws { try MetaPair.withdraw(transaction: id, in: requireHeld().dataFile) }

  /// Checks every page of the data file, in the state of a snapshot of its own.
  ///
  /// - Parameter check: Called once for every 64 pages; what it throws ends the check.
  func pages(_ check: @escaping () throws -> Void) throws -> PageReport {
    var slot = try EnvironmentSnapshot(environment)
    let walker = PageWalker(
      try Files.FileHandle(path: place.appending(Self.dataFileName), access: .read), databases: Tables.names,
      optional: Tables.optionalNames)
    return try walker.walkOwnSnapshot(&slot, check)
  }

  /// Closes the environment unless a transaction is alive. The caller holds `open.lock`.
  ///
  /// The shared lock on the data file is released with this object, as is the map of the rows: a process that can lock the file exclusively
  /// knows that the files are unused.
  /// - Parameter givesUpFiles: Whether to release the lock, the map and the descriptors now, because handles of a closed store may still
  ///   exist.
  /// - Returns: Whether it is closed now.
  func close(givingUpFiles givesUpFiles: Bool = true) -> Bool {
    guard environment.close() else { return false }
    guard givesUpFiles, let given = held.withLock({ $0.take() }) else { return true }
    // A search that has ended may have left a thread behind that reads the last of its rows.
    RowScan.awaitHelpers()
    // A failure cannot be handled here, and closing the descriptor releases the lock anyway.
    try? given.presence.unlock()
    return true
  }

  static let rowFileName = "rows.f32"
  static let dataFileName = "data.mdb"
  /// LMDB's lock table. This process must not open it by other means while the environment is open: see ``StoreTrust``.
  static let lockTableName = "lock.mdb"
}

extension PageWalker {
  /// Walks the state that `snapshot` holds until `check` throws.
  func walkOwnSnapshot<Snapshot: RenewableSnapshot & ~Copyable>(
    _ snapshot: inout Snapshot, _ check: @escaping () throws -> Void
  ) throws -> PageReport {
    var failure: (any Error)?
    let report = try walkOwnSnapshot(
      &snapshot,
      stoppingIf: {
        do {
          try check()
          return false
        } catch {
          failure = error
          return true
        }
      })
    if let failure { throw failure }
    return report
  }
}
