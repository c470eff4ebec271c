import Files
import Formats
public import Foundation
import LMDB

/// The counts, files and databases of a store at one moment: see ``MemoryStore/inspection()``.
public struct StoreInspection: Sendable, Codable {
  /// A file of the store.
  public struct FileSize: Sendable, Hashable, Codable {
    /// Relative to the store's directory.
    public let name: String
    public let sizeBytes: Int
    /// Bytes of disk blocks in use.
    public let allocatedBytes: Int
  }

  /// A database of LMDB, see <doc:FileFormat>.
  public struct DatabaseSize: Sendable, Hashable, Codable {
    public let name: String
    public let entries: Int
    /// Bytes of its pages.
    public let sizeBytes: Int
  }

  /// A slot of the reader table that another process has taken.
  public struct Reader: Sendable, Hashable, Codable {
    public let processID: Int32
    public let isAlive: Bool
    /// The commit that the slot pins; nil for a slot that pins none.
    public let transactionID: Int?
    /// Commits since the snapshot that the slot pins. The file cannot reuse the pages that those commits freed.
    public let commitsBehind: Int?
  }

  public let status: StoreStatus
  /// Memories without an embedding, which no search by vector finds, including expired ones that are not removed yet; nil in a store
  /// without embeddings.
  public let withoutEmbedding: Int?
  /// Whether searches by vector of 512 embeddings and more can use compressed codes, see <doc:Architecture>; nil in a store without
  /// embeddings. A store has them from 4,096 embeddings on, once they are written in the background.
  public let hasCodes: Bool?
  /// The files of all generations, also of those that are about to be removed, `current`, and the lock files.
  public let files: [FileSize]
  public let databases: [DatabaseSize]
  /// The databases of indexes that are missing or incomplete, because an earlier version of Engram made the store or wrote to it. Reads
  /// work without them, but more slowly. The next rebuild makes them: an automatic one, or ``MemoryStore/compact(progress:)``.
  public let missingTables: [String]
  /// Reader slots of other processes.
  public let readers: [Reader]
  public let identity: StoreIdentity
}

/// The properties of a store that never change, except its embedder and dimension, which ``MemoryStore/reembed(with:progress:)`` changes.
public struct StoreIdentity: Sendable, Hashable, Codable {
  /// The version of the file format.
  public let format: Int
  /// The same in every copy of the store.
  public let storeID: UUID
  public let createdAt: Date
  /// Components of an embedding; nil: a store without embeddings.
  public let dimension: Int?
  public let metric: Metric
  /// The language of the texts, for searches by words.
  public let language: WordLanguage
  /// The embedder that the store is pinned to; nil: none so far.
  public let embedder: EmbedderIdentity?
}

/// The data that is stored of one user.
public struct UserInspection: Sendable, Codable {
  /// A context without its content.
  public struct Context: Sendable, Hashable, Codable {
    public let userID: String
    public let recordType: String
    /// Counts the updates of the context, from 1 on.
    public let version: UInt64
    /// The version of the type's shape.
    public let schema: Int
    public let updatedAt: Date
    /// Bytes of the stored value, with its envelope and without its checksum.
    public let sizeBytes: Int

    /// Whether all parts are the same, byte for byte.
    public static func == (left: Self, right: Self) -> Bool {
      left.userID.hasSameBytes(as: right.userID) && left.recordType.hasSameBytes(as: right.recordType) && left.version == right.version
        && left.schema == right.schema && left.updatedAt == right.updatedAt && left.sizeBytes == right.sizeBytes
    }

    public func hash(into hasher: inout Hasher) {
      userID.hash(bytesInto: &hasher)
      hasher.combine(version)
    }
  }

  public let userID: String
  /// Memories that have not expired.
  public let memories: Int
  /// Memories with an embedding, including expired ones that are not removed yet.
  public let embeddings: Int
  public let contexts: [Context]
  /// The newest memories by `createdAt`, the newest first.
  public let newest: [Memory]
}

extension MemoryStore {
  /// The lasting properties of the store. Reads no file, and works on a closed store, too.
  public var identity: StoreIdentity {
    let store = core.generation.store
    let bytes = store.storeID
    // SAFETY: opening has checked that there are 16 bytes, and a UUID is any 16 bytes.
    let uuid = unsafe bytes.withUnsafeBytes { unsafe UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    return StoreIdentity(
      format: store.format, storeID: uuid, createdAt: Date(milliseconds: store.createdAt), dimension: store.dimension, metric: store.metric,
      language: store.language, embedder: core.generation.embedder)
  }

  /// Counts, sizes of files and databases, and the processes that hold snapshots.
  ///
  /// - Throws: ``StoreError`` `.corrupted`, `.inputOutput`, `.permissionDenied`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(files). The first call of a process also reads the entries of the log since codes were last flushed. Blocks the caller
  ///   for the time of a directory listing.
  public func inspection() throws -> StoreInspection {
    let (databases, missing, last, withoutEmbedding, hasCodes) = try readOnce { reader in
      let environment = reader.generation.environment
      let databases = try environment.databases.map { database in
        let statistics = try reader.view.statistics(of: database)
        return StoreInspection.DatabaseSize(name: database.name, entries: statistics.entries, sizeBytes: statistics.sizeBytes)
      }
      let missing = try Tables.all.filter { try !reader.has($0) }.map { $0.name }
      let state = try reader.state()
      let withoutEmbedding = reader.store.dimension.map { _ in state.memories - state.rowsLive }
      let hasCodes = reader.store.dimension.map { _ in reader.generation.codes?.reading(reader, state) != nil }
      return (databases, missing, environment.lastTransactionID, withoutEmbedding, hasCodes)
    }
    let status = try status
    let own = MachineIdentity.processID
    // The slots of this process are those of the inspection itself.
    let readers = status.readers.filter { $0.processID != own }.map { reader in
      StoreInspection.Reader(
        processID: reader.processID, isAlive: Self.isAlive(reader.processID), transactionID: reader.transactionID,
        commitsBehind: reader.transactionID.map { max(0, last - $0) })
    }
    return StoreInspection(
      status: status, withoutEmbedding: withoutEmbedding, hasCodes: hasCodes, files: try files(), databases: databases,
      missingTables: missing,
      readers: readers, identity: identity)
  }

  private func files() throws -> [StoreInspection.FileSize] {
    do {
      var sizes: [StoreInspection.FileSize] = []
      // Also the files of former and unfinished generations, because they use disk space.
      let paths =
        ["current", "open.lock", "alive.lock", "writer.lock", "rebuild.lock", EmbeddingWork.fileName]
        + (try core.paths.root.entries().filter {
          StorePaths.generationNumber(directoryName: $0) != nil || StorePaths.isSetAside(directoryName: $0)
        }
        .flatMap { name in try Directories.entries(core.paths.root.place(name)).map { "\(name)/\($0)" } })
      for path in paths {
        guard let status = try Directories.status(core.paths.root.place(path)), !status.isDirectory else { continue }
        sizes.append(.init(name: path, sizeBytes: status.sizeBytes, allocatedBytes: status.allocatedBytes))
      }
      return sizes
    } catch {
      throw core.live.surfacing(error, "the store's files cannot be listed")
    }
  }

  /// A process of another user counts as alive, too: `kill` then fails with EPERM.
  private static func isAlive(_ processID: Int32) -> Bool { kill(processID, 0) == 0 || errno == EPERM }

  /// Counts, contexts and the newest memories of a user at one instant; nil if the store has nothing of the user.
  ///
  /// - Parameter limit: The most memories to return; at least 1.
  /// - Throws: ``StoreError`` `.invalidUserID`, `.invalidArgument`, `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(the user's contexts + limit).
  public func inspection(of userID: String, newest limit: Int = 10) throws -> UserInspection? {
    try Limits.checkUserID(userID)
    if limit < 1 { throw StoreError(.invalidArgument, "the limit is \(limit), it must be at least 1") }
    return try read { snapshot in
      try snapshot.read { reader in
        guard let user = try reader.user(reader.userKey(userID), userID) else { return nil }
        var newest: [Memory] = []
        try reader.forEachMemory(of: userID, newestFirst: true, after: nil) { record in
          newest.append(record.memory)
          return newest.count < limit
        }
        return UserInspection(
          userID: userID, memories: try reader.count(.user(userID)), embeddings: user.rows, contexts: try reader.contexts(of: userID),
          newest: newest)
      }
    }
  }

  /// The contexts of a user, or of all, without their content: in ascending order of userID and type, by bytes.
  ///
  /// - Throws: ``StoreError`` `.invalidUserID`, `.corrupted`, `.tooManyReaders`, `.closed`.
  /// - Complexity: O(n log n) in the contexts. Blocks the caller.
  public func contexts(of userID: String? = nil) throws -> [UserInspection.Context] {
    if let userID { try Limits.checkUserID(userID) }
    return try readOnce { try $0.contexts(of: userID) }
  }
}

extension RecordReader {
  fileprivate func contexts(of userID: String?) throws -> [UserInspection.Context] {
    var contexts: [UserInspection.Context] = []
    try walk(Tables.Contexts.self, prefix: userID.map { userKey($0).prefix } ?? Key()) { key, value in
      contexts.append(try Self.context(key, value))
      return true
    }
    contexts.sort {
      $0.userID.hasSameBytes(as: $1.userID)
        ? $0.recordType.precedesInBytes($1.recordType) : $0.userID.precedesInBytes($1.userID)
    }
    return contexts
  }

  private static func context(_ key: ContextKey, _ value: RawSpan) throws -> UserInspection.Context {
    let header = try ContextEnvelope.read(value) { header, _ in header }
    return UserInspection.Context(
      userID: header.userID, recordType: key.recordType, version: header.version, schema: header.schema,
      updatedAt: Date(milliseconds: header.updatedAt), sizeBytes: value.byteCount)
  }
}
