import Files
import Formats
import Foundation
import LMDB
import VectorSearch

/// Makes an empty store: built and flushed beside its place, then renamed into it, so that no half-made store is ever seen.
enum StoreCreation {
  /// - Returns: Whether this call made the store; false if another process was faster.
  /// - Throws: ``StoreError``; nothing is left behind.
  static func create(at path: String, options: StoreOptions) throws -> Bool {
    let dimension = try dimension(options)
    do {
      return try buildUnlessTaken(at: path) { place in
        var store = StoreRecord(
          storeID: UUID().bytes, generation: 1, dimension: dimension, metric: options.metric ?? .cosine,
          embedder: nil, secret: randomBytes(192), createdAt: WallClock.now())
        if let embedder = options.embedder?.identity { store.pin(embedder) }
        if let language = options.language, language != .english {
          store.language = language
          store.features.readOnlyCompatible |= StoreRecord.Features.language
        }
        try createGeneration(in: place.generation(1), store)
        try complete(place)
      }
    } catch {
      throw StoreError.wrapping(error, "the store \(path) cannot be made")
    }
  }

  /// A random name for the temporary directory, beside a store's place, in which the store is made.
  static func temporaryName(for storeName: String) -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 36)
    return "\(storeName).tmp-\(String(repeating: "0", count: suffixDigits - digits.count))\(digits)"
  }

  /// Whether ``temporaryName(for:)`` can have made this name for a store's name. Other directories must not be removed, such as a copy that
  /// is called `bot.memory.tmp-old`.
  static func isTemporary(_ name: String, for storeName: String) -> Bool {
    guard name.hasBytePrefix(storeName + ".tmp-") else { return false }
    let suffix = name.utf8.dropFirst(storeName.utf8.count + 5)
    guard suffix.count == suffixDigits, !suffix.contains(where: (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains) else { return false }
    return UInt64(Substring(suffix), radix: 36) != nil
  }

  /// How many digits the largest number has in base 36.
  private static var suffixDigits: Int { 13 }

  /// Refuses a place where no store can be made: something exists there, or the directory around it is missing or on a network file system.
  static func checkPlace(_ path: String) throws {
    let parent = Directories.parent(of: path)
    guard let status = try Directories.status(parent, followingLinks: true), status.isDirectory else {
      throw StoreError(.storeMissing, "the directory \(parent) for the new store does not exist")
    }
    guard try Directories.status(path) == nil else { throw taken(path) }
    try StoreOpening.refuseNetwork(try Directory(path: parent))
  }

  static func taken(_ path: String) -> StoreError {
    StoreError(.storeExists, "\(path) already exists; nothing was overwritten")
  }

  /// Makes a store from the files that `fill` puts into a temporary directory. A partial store never exists at `path`.
  ///
  /// - Parameter fill: Leaves a flushed store in the directory that it is given.
  /// - Throws: ``StoreError`` `.storeExists` if the place was taken meanwhile; what `fill` throws, and nothing is left behind.
  static func build<Value>(at path: String, _ fill: (StorePaths) throws -> Value) throws -> Value {
    var value: Value?
    guard try buildUnlessTaken(at: path, { value = try fill($0) }), let value else { throw taken(path) }
    return value
  }

  /// - Returns: False if the place was taken meanwhile.
  private static func buildUnlessTaken(at path: String, _ fill: (StorePaths) throws -> Void) throws -> Bool {
    removeAbandoned(besides: path)
    let (parent, name) = (try Directory(path: Directories.parent(of: path)), Directories.name(of: path))
    // Until it is locked, a new directory looks abandoned, and another process may remove it: then try again.
    for _ in 0..<1000 {
      guard let site = try StoreSite(in: parent, temporaryName(for: name)) else { continue }
      do {
        try fill(site.paths)
        return try site.publish(as: name)
      } catch {
        // The first error is the one to report.
        try? site.remove()
        throw error
      }
    }
    throw StoreError(.inputOutput, "its temporary directory is removed again and again")
  }

  /// Makes the files that a store's directory holds beside its first generation.
  static func complete(_ paths: StorePaths) throws(FileError) {
    for path in [paths.openLock, paths.aliveLock, paths.writerLock, paths.rebuildLock] {
      // Allocates room for the note of the holder, so that the store can be opened on a full disk.
      _ = try FileHandle(path: path, access: .createNew).allocate(64, keepingSize: true)
    }
    try StoreOpening.setCurrent(1, paths)
    try paths.root.synchronize()
  }

  private static func dimension(_ options: StoreOptions) throws(StoreError) -> Int? {
    guard let dimension = options.dimension ?? options.embedder?.identity.dimension else { return nil }
    guard Limits.dimension.contains(dimension) else {
      throw StoreError(.invalidArgument, "the dimension is \(dimension), it must lie in 1…\(Limits.dimension.upperBound)")
    }
    if let embedder = options.embedder?.identity, embedder.dimension != dimension {
      throw StoreError(.embedderMismatch, "the embedder '\(embedder)' does not make vectors of dimension \(dimension)")
    }
    return dimension
  }

  /// Makes a generation's directory with the files of an empty one, flushed.
  ///
  /// - Returns: The directory.
  /// - Throws: Also if something has the name already; it is not changed. Nothing is left behind.
  @discardableResult
  static func createGeneration(in place: FilePlace, _ store: StoreRecord) throws -> Directory {
    try Directories.create(place)
    let made = try Directory(place)
    do {
      try fillGeneration(made.place("."), store)
      return made
    } catch {
      // The first error is the one to report.
      try? Directories.removeTreeWithOthers(made, named: place)
      throw error
    }
  }

  private static func fillGeneration(_ directory: FilePlace, _ store: StoreRecord) throws {
    // LMDB would create its files with the permissions that the umask leaves, and may then be unable to open them again.
    _ = try FileHandle(path: directory.appending(Generation.dataFileName), access: .createNew).allocate(64 << 10, keepingSize: true)
    try LockTable.fill(FileHandle(path: directory.appending(Generation.lockTableName), access: .createNew))
    var options = Environment.Options()
    options.mapSizeBytes = 64 << 20
    options.createsDatabases = true
    let environment = try Environment(path: directory, databases: Tables.names, options: options)
    let schema = Schema(environment)
    var transaction = try EnvironmentTransaction(environment)
    try transaction.put(MetaKey.store.encoded, store.encoded(), in: schema[Tables.Meta.self])
    var state = StateRecord()
    state.tables = .known
    var writer = CBORWriter()
    state.encode(into: &writer)
    try transaction.put(MetaKey.state.encoded, writer.bytes, in: schema[Tables.Meta.self])
    try transaction.commit()
    guard environment.close() else { throw StoreError(.stillInUse, "the new store's environment cannot be closed") }
    if let header = RowFileHeader(store) {
      try RowFile.create(path: directory.appending(Generation.rowFileName), header: header)
    }
    try FileHandle(path: directory.appending(Generation.dataFileName), access: .readWrite).synchronize()
    try Directories.synchronize(directory)
  }

  /// Removes the temporary directories that killed creations and backups left beside a store: no process holds their locks. Those that
  /// cannot be removed stay.
  ///
  /// Other users may be allowed to create files beside the store. So a directory counts only if it belongs to this user and no other user
  /// can write in it, and it is emptied through its descriptor: see ``StoreSite``.
  static func removeAbandoned(besides path: String) {
    let storeName = Directories.name(of: path)
    guard let parent = try? Directory(path: Directories.parent(of: path)), let names = try? parent.entries() else { return }
    for name in names where isTemporary(name, for: storeName) { try? StoreSite(abandoned: name, in: parent)?.remove() }
  }

  static func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}

extension RowFileHeader {
  /// Nil for a store without embeddings.
  init?(_ store: StoreRecord) {
    guard let dimension = store.dimension else { return nil }
    self.init(storeID: store.storeID, generation: store.generation, dimension: dimension, metric: store.metric.rows)
  }
}

extension UUID {
  var bytes: [UInt8] { unsafe withUnsafeBytes(of: uuid) { unsafe Array($0) } }
}
