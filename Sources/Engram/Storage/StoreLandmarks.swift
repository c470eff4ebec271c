import Files

/// What a store that is being opened looked like at first: an opening has nothing else to compare with when it fails.
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

  /// How the store differs from what it was; nil: it does not.
  func move() throws(FileError) -> StoreMove? {
    for (place, id) in locks where try Directories.status(place)?.id != id { return .contents("another file is \(place) now, or none") }
    return try paths.root.isInPlace ? nil : .path("\(paths.root.path) is another directory now, or none")
  }
}
