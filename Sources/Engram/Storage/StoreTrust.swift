import Files

/// Refuses a store that another user can read, change or exchange.
///
/// Examines names and opens nothing: a pipe must not block, and closing a descriptor of `lock.mdb` would drop the locks that LMDB holds on
/// it. The result stays true, because no other user may write in the directory. A user who may rename the directories above the store is
/// trusted.
enum StoreTrust {
  /// The device and inode of a generation's directory and of each of its files.
  struct GenerationFiles: Equatable {
    let directory: FileID
    let data: FileID
    let lock: FileID?
    /// Nil in a store without embeddings.
    let rows: FileID?
  }

  /// Checks the store's directory, the files in it, and the directories of all generations. A missing file is no error here.
  ///
  /// - Throws: ``StoreError`` `.foreignOwner`, `.loosePermissions`, `.unexpectedFile`.
  static func check(_ paths: StorePaths) throws {
    try check(try paths.root.status(), .directory, paths.directory, paths)
    for file in [paths.current, paths.openLock, paths.aliveLock, paths.writerLock, paths.rebuildLock, paths.embeddingWork] {
      try check(file, .file, paths)
    }
    for number in try GenerationSweep.numbers(paths) { try check(paths.generation(number), .directory, paths) }
  }

  /// Checks the files of one generation.
  ///
  /// - Returns: Nil if the directory or the data file is missing.
  /// - Throws: As ``check(_:)``.
  @discardableResult
  static func check(_ paths: StorePaths, generation number: UInt64) throws -> GenerationFiles? {
    let directory = paths.generation(number)
    guard let own = try check(directory, .directory, paths) else { return nil }
    let lock = try check(directory.appending(Generation.lockTableName), .file, paths)
    let rows = try check(directory.appending(Generation.rowFileName), .file, paths)
    try check(directory.appending(GenerationCodes.fileName), .file, paths)
    guard let data = try check(paths.data(number), .file, paths) else { return nil }
    return GenerationFiles(directory: own, data: data, lock: lock, rows: rows)
  }

  /// Whether a directory belongs to this user, and no other user can write in it.
  static func isOwn(_ status: FileStatus) -> Bool {
    status.isDirectory && status.ownerID == MachineIdentity.userID && status.permissions & 0o022 == 0
  }

  /// Whether this user owns a regular file, its permissions exclude all others, and it has one hard link.
  static func isOwnFile(_ status: FileStatus) -> Bool {
    status.isRegularFile && status.ownerID == MachineIdentity.userID && status.permissions & 0o077 == 0 && status.linkCount == 1
  }

  // MARK: One name

  private enum Kind: String {
    case directory, file
  }

  @discardableResult
  private static func check(_ place: FilePlace, _ kind: Kind, _ paths: StorePaths) throws -> FileID? {
    guard let status = try Directories.status(place) else { return nil }
    try check(status, kind, place.path, paths)
    return status.id
  }

  private static func check(_ status: FileStatus, _ kind: Kind, _ path: String, _ paths: StorePaths) throws(StoreError) {
    let own = MachineIdentity.userID
    guard status.ownerID == own else {
      throw StoreError(
        .foreignOwner,
        "\(path) belongs to user \(status.ownerID), this process runs as user \(own): run it as the owner, "
          + remedy(owner: status.ownerID, own, paths))
    }
    guard kind == .directory ? status.isDirectory : status.isRegularFile else {
      throw StoreError(
        .unexpectedFile,
        "\(path) is \(status.isSymbolicLink ? "a symbolic link" : "something else"), and must be a \(kind.rawValue): "
          + "put the \(kind.rawValue) itself there")
    }
    guard kind == .directory || status.linkCount == 1 else {
      throw StoreError(
        .unexpectedFile,
        "\(path) has \(status.linkCount) names (hard links), and stores that share a file destroy each other: "
          + "make a copy of its own with cp -R, or a backup")
    }
    guard status.permissions & 0o077 == 0 else {
      throw StoreError(
        .loosePermissions,
        "others than its owner may use \(path) (mode 0\(String(status.permissions, radix: 8))): "
          + "look whether that did harm, then close it with: chmod -R go= \(quoted(paths.directory))")
    }
  }

  /// Root is never asked to take a store over: its owner could not use it any more.
  private static func remedy(owner: UInt32, _ own: UInt32, _ paths: StorePaths) -> String {
    if own == 0 { return "for example with: sudo -u '#\(owner)' COMMAND" }
    return "or let an administrator make the store yours with: chown -R \(own) \(quoted(paths.directory))"
  }

  /// The path in quotes if it needs them, so that a shell reads it as one word.
  private static func quoted(_ path: String) -> String {
    let isPlain = path.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return isPlain ? path : "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
