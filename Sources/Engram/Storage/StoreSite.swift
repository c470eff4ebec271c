import Files

/// The temporary directory beside a store's place in which a store is made, locked as long as its maker lives.
///
/// The lock is a `flock` on the directory itself. A lock file in it would come too late: a sweeper that opened the directory before the file existed
/// removes what the maker adds afterwards, whichever of the two made the file.
///
/// It is reached by its descriptor from the moment it was made or found: nobody who may rename files beside the store can lead a write or a
/// removal somewhere else.
struct StoreSite: ~Copyable {
  let paths: StorePaths
  private let parent: Directory
  private let name: String
  /// Tells others that the directory is not abandoned.
  private let lock: FileLock

  /// Makes the directory and locks it; nil if it was swept in between.
  init?(in parent: Directory, _ name: String) throws(FileError) {
    do throws(FileError) {
      try Directories.create(parent.place(name))
      let directory = try Directory(parent.place(name))
      self.init(directory, named: name, in: parent, try Self.lock(directory, named: name, in: parent))
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Takes over a directory whose maker is gone; nil if the maker lives, or if the directory is not this user's alone.
  init?(abandoned name: String, in parent: Directory) throws(FileError) {
    let directory = try Directory(parent.place(name))
    self.init(directory, named: name, in: parent, try Self.lock(directory, named: name, in: parent))
  }

  private init?(_ directory: Directory, named name: String, in parent: Directory, _ lock: consuming FileLock?) {
    guard let lock else { return nil }
    paths = StorePaths(directory)
    self.parent = parent
    self.name = name
    self.lock = lock
  }

  /// Nil if the directory is not this user's alone, if another holds the lock, or if the directory was removed or renamed before it was locked here.
  private static func lock(_ directory: Directory, named name: String, in parent: Directory) throws(FileError) -> FileLock? {
    guard StoreTrust.isOwn(try directory.status()) else { return nil }
    let lock = try FileLock(directory)
    guard try lock.tryLock(.exclusive), try Directories.status(parent.place(name))?.id == directory.id else { return nil }
    return lock
  }

  /// Gives a finished store its name; false if the name is taken, and the directory is then removed.
  func publish(as name: String) throws(FileError) -> Bool {
    do throws(FileError) {
      try Directories.rename(parent.place(self.name), to: parent.place(name))
      return true
    } catch {
      guard error.isExisting else { throw error }
      try remove()
      return false
    }
  }

  /// Removes the directory with everything in it.
  func remove() throws(FileError) { try Directories.removeTreeWithOthers(paths.root, named: parent.place(name)) }
}
