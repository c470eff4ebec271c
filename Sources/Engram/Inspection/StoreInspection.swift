import Files
import Formats
package import Foundation
import LMDB

/// What `memtool inspect` shows of a whole store.
package struct StoreInspection: Sendable {
  package struct FileSize: Sendable {
    package let name: String
    package let sizeBytes: Int
    /// Bytes of disk blocks in use.
    package let allocatedBytes: Int
  }

  package struct DatabaseSize: Sendable {
    package let name: String
    package let entries: Int
    package let sizeBytes: Int
  }

  /// A slot of the reader table.
  package struct Reader: Sendable {
    package let processID: Int32
    package let isAlive: Bool
    /// Nil for a slot that pins nothing.
    package let transactionID: Int?
    /// Commits since the snapshot that the slot pins.
    package let commitsBehind: Int?
  }

  package let status: StoreStatus
  package let files: [FileSize]
  package let databases: [DatabaseSize]
  package let readers: [Reader]
  package let identity: StoreIdentity
}

/// What a store is for good.
package struct StoreIdentity: Sendable {
  package let format: Int
  package let storeID: UUID
  package let createdAt: Date
  package let dimension: Int?
  package let metric: Metric
  package let embedder: EmbedderIdentity?
}

/// What is stored of one user.
package struct UserInspection: Sendable {
  package struct Context: Sendable {
    package let userID: String
    package let recordType: String
    package let version: UInt64
    package let schema: Int
    package let updatedAt: Date
    /// Of the stored value, its envelope included.
    package let sizeBytes: Int
  }

  package let userID: String
  /// Memories that have not expired.
  package let memories: Int
  package let embeddings: Int
  package let contexts: [Context]
  /// The last few memories, the newest first.
  package let newest: [Memory]
}

extension MemoryStore {
  package var identity: StoreIdentity {
    let store = core.generation.store
    let bytes = store.storeID
    // SAFETY: opening has checked that there are 16 bytes, and a UUID is any 16 bytes.
    let uuid = unsafe bytes.withUnsafeBytes { unsafe UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    return StoreIdentity(
      format: store.format, storeID: uuid, createdAt: Date(milliseconds: store.createdAt), dimension: store.dimension, metric: store.metric,
      embedder: core.generation.embedder)
  }

  /// Counts, sizes and readers.
  package func inspection() throws -> StoreInspection {
    let (databases, last) = try readOnce { reader in
      let environment = reader.generation.environment
      let databases = try environment.databases.map { database in
        let statistics = try reader.view.statistics(of: database)
        return StoreInspection.DatabaseSize(name: database.name, entries: statistics.entries, sizeBytes: statistics.sizeBytes)
      }
      return (databases, environment.lastTransactionID)
    }
    let status = try status
    let own = MachineIdentity.processID
    // The slots of this process are those of the inspection itself.
    let readers = status.readers.filter { $0.processID != own }.map { reader in
      StoreInspection.Reader(
        processID: reader.processID, isAlive: Self.isAlive(reader.processID), transactionID: reader.transactionID,
        commitsBehind: reader.transactionID.map { max(0, last - $0) })
    }
    return StoreInspection(status: status, files: try files(), databases: databases, readers: readers, identity: identity)
  }

  private func files() throws -> [StoreInspection.FileSize] {
    do {
      var sizes: [StoreInspection.FileSize] = []
      // Leftovers of other generations, too: they take room.
      let paths =
        ["current", "open.lock", "alive.lock", "writer.lock", "rebuild.lock"]
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

  /// A process of another user counts as alive, too: the signal is refused, not lost.
  private static func isAlive(_ processID: Int32) -> Bool { kill(processID, 0) == 0 || errno == EPERM }

  /// Counts, contexts and the newest memories of a user; nil where the store has nothing of the user.
  package func inspection(of userID: String, newest limit: Int = 10) throws -> UserInspection? {
    try Limits.checkUserID(userID)
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

  /// The contexts of a user, or of all, by userID and type.
  package func contexts(of userID: String? = nil) throws -> [UserInspection.Context] {
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
