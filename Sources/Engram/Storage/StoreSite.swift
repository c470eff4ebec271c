import Files

/// The temporary directory beside a store's place in which a store is made, locked as long as its maker lives.
///
/// It is reached by its descriptor from the moment it was made or found: nobody who may rename files beside the store can lead a write or a
/// removal somewhere else.
struct StoreSite: ~Copyable {
  let paths: StorePaths
  private let parent: Directory
  private let name: String
  /// Tells others that the directory is not abandoned.
  private let alive: FileLock

  /// Makes the directory and locks it; nil where it was swept in between.
  init?(in parent: Directory, _ name: String) throws(FileError) {
    do throws(FileError) {
      try Directories.create(parent.place(name))
      let directory = try Directory(parent.place(name))
      guard StoreTrust.isOwn(try directory.status()) else { return nil }
      self.init(directory, named: name, in: parent, try Self.lock(directory))
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Takes over a directory whose maker is gone; nil where it lives, or where the directory is not this user's alone.
  init?(abandoned name: String, in parent: Directory) throws(FileError) {
    let directory = try Directory(parent.place(name))
    guard StoreTrust.isOwn(try directory.status()) else { return nil }
    // The lock file is made where it is missing: a maker that was killed before making it left the directory, too.
    self.init(directory, named: name, in: parent, try Self.lock(directory))
  }

  private init?(_ directory: Directory, named name: String, in parent: Directory, _ alive: consuming FileLock?) {
    guard let alive else { return nil }
    paths = StorePaths(directory)
    self.parent = parent
    self.name = name
    self.alive = alive
  }

  /// Nil where another process holds the lock, or removed the lock file before it was locked here.
  private static func lock(_ directory: Directory) throws(FileError) -> FileLock? {
    let alive = try FileLock(path: StorePaths(directory).aliveLock)
    guard try alive.tryLock(.exclusive), try alive.isInPlace else { return nil }
    return alive
  }

  /// Gives a finished store its name; false where the name is taken, and the directory is then removed.
  func publish(as name: String) throws(FileError) -> Bool {
    do throws(FileError) {
      try Directories.rename(parent.place(self.name), to: parent.place(name))
      return true
    } catch {
      guard error.isExisting else { throw error }
      // As soon as its lock file is gone, an opener of the other store may take it for abandoned.
      try remove()
      return false
    }
  }

  /// Removes the directory with everything in it.
  func remove() throws(FileError) { try Directories.removeTreeWithOthers(paths.root, named: parent.place(name)) }
}
