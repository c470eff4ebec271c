import Files

/// A temporary directory beside a store's place, in which the store is made. It is locked while the process that makes the store lives.
///
/// The lock is a `flock` on the directory itself. A lock file in it would be too late: a process that sweeps, and that opened the directory
/// before the file existed, would remove everything that is added afterwards.
///
/// The directory is reached by its descriptor from the moment it was made or found: a user who may rename files beside the store cannot
/// redirect a write or a removal.
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

  /// Takes over a directory whose maker has ended; nil if the maker lives, or if the directory is not this user's alone.
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

  /// Nil if the directory is not this user's alone, if another holds the lock, or if the directory was removed or renamed before it was
  /// locked here.
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
