import Files

/// The directory and the lock files of a store when its opening began. An opening that fails compares them, to find out whether the store
/// was moved: it has no open generation yet to compare.
struct StoreLandmarks {
  private let paths: StorePaths
  /// The lock files that existed. No process replaces or removes one while the store is where it is.
  private let locks: [(place: FilePlace, id: FileID)]

  init(_ paths: StorePaths) throws(FileError) {
    self.paths = paths
    var locks: [(FilePlace, FileID)] = []
    for place in [paths.openLock, paths.aliveLock, paths.writerLock] {
      if let id = try Directories.status(place)?.id { locks.append((place, id)) }
    }
    self.locks = locks
  }

  /// How the store has changed since then; nil if it has not.
  func move() throws(FileError) -> StoreMove? {
    for (place, id) in locks where try Directories.status(place)?.id != id { return .contents("another file is \(place) now, or none") }
    return try paths.root.isInPlace ? nil : .path("\(paths.root.path) is another directory now, or none")
  }
}
