import Files
import LMDB
import Synchronization
import VectorSearch

/// The files of one generation, open: the environment, its databases, and the rows.
final class Generation: Sendable {
  let number: UInt64
  let directory: String
  let environment: Environment
  let schema: Schema
  private let fixed: StoreRecord
  /// Nil in a store without embeddings.
  let rows: RowFile?
  private let pinnedEmbedder: Mutex<EmbedderIdentity?>
  /// A share in the lock of the data file: whoever gets it exclusively knows that no process has the generation open.
  private let presence: FileLock
  /// To grow LMDB's file ahead of it, and to look at its meta pages.
  private let dataFile: Files.FileHandle
  private let left = Atomic(false)

  init(
    directory: String, environment: Environment, schema: Schema, store: StoreRecord, rows: RowFile?, presence: consuming FileLock
  ) throws {
    number = store.generation
    self.directory = directory
    self.environment = environment
    self.schema = schema
    fixed = store
    self.rows = rows
    pinnedEmbedder = Mutex(store.embedder)
    dataFile = try Files.FileHandle(path: "\(directory)/\(Self.dataFileName)", access: environment.isReadOnly ? .read : .readWrite)
    self.presence = presence
  }

  /// The identity that the store is pinned to; nil while it has none.
  var embedder: EmbedderIdentity? { pinnedEmbedder.withLock { $0 } }

  /// What is fixed in the store, with the embedder that is pinned by now.
  var store: StoreRecord {
    var store = fixed
    store.embedder = embedder
    return store
  }

  /// Of ``UserKey``.
  var secret: [UInt8] { fixed.secret }

  func pin(_ embedder: EmbedderIdentity) { pinnedEmbedder.withLock { $0 = embedder } }

  /// Whether the environment is about to be closed, and opened again as another object, because a commit failed half-way. Who holds a
  /// snapshot of it for long looks here now and then.
  var isLeft: Bool { left.load(ordering: .relaxed) }

  func leave() { left.store(true, ordering: .relaxed) }

  func requireRows() throws(StoreError) -> RowFile {
    guard let rows else {
      throw StoreError(.dimensionMismatch, "the store was made without a dimension: it holds no embeddings to search")
    }
    return rows
  }

  /// Writes zeros ahead of LMDB, so that a commit finds its pages' room taken: a full disk shows here.
  ///
  /// - Returns: False where there is no room; a commit that only uses freed pages may still succeed.
  @discardableResult
  func growDataFile(by sizeBytes: Int) -> Bool {
    guard let size = try? dataFile.status().sizeBytes else { return true }
    let needed = environment.usedBytes + 2 * sizeBytes + (512 << 10)
    guard size < needed else { return true }
    return (try? dataFile.writeZeros(from: size, to: needed + min(max(size / 8, 512 << 10), 16 << 20))) != nil
  }

  /// Gives back the room that was taken ahead of growth. Only while no other process has the generation open.
  func trim() throws {
    let snapshot = try ReadTransaction(environment)
    try rows?.trim(toRowCount: RecordReader(snapshot.view, self, now: .min).state().rowsHigh)
    try dataFile.truncate(to: environment.usedBytes)
  }

  /// Whether the file has a commit that readers do not know of yet, because its writer is at it or was killed.
  func hasCommit(after transaction: borrowing ReadTransaction) throws(FileError) -> Bool {
    try MetaPair.read(dataFile).newest.transactionID > UInt64(transaction.id)
  }

  /// Takes the remains of a failed commit out of the file. The caller has begun the write transaction with the given number.
  func withdraw(transaction id: UInt64) throws(FileError) { try MetaPair.withdraw(transaction: id, in: dataFile) }

  /// Walks every page of the data file, at the state of a reader slot of its own.
  func pages() throws -> PageReport {
    var slot = try ReadTransaction(environment)
    let walker = PageWalker(try Files.FileHandle(path: "\(directory)/\(Self.dataFileName)", access: .read), databases: Schema.names)
    return try walker.walkOwnSnapshot(&slot)
  }

  /// Closes the environment unless a transaction is alive. The caller holds `open.lock`.
  ///
  /// The share in the files goes with this object, as the map of the rows does: who finds it gone knows that nothing of the files is in use.
  /// - Parameter givesUpFiles: The store is closed, and its handles may live on: the share goes now.
  /// - Returns: Whether it is closed now.
  func close(givingUpFiles givesUpFiles: Bool = true) -> Bool {
    guard environment.close() else { return false }
    // Nothing else could be done about it, and the lock goes with the descriptor.
    if givesUpFiles { try? presence.unlock() }
    return true
  }

  static let rowFileName = "rows.f32"
  static let dataFileName = "data.mdb"
  /// LMDB's. To be opened by nobody else while the environment is open: see ``StoreTrust``.
  static let lockTableName = "lock.mdb"
}
