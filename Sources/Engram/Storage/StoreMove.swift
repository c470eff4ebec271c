import Files

/// How a store's files differ from those that this process has open: it was moved, replaced or removed meanwhile.
///
/// The files are reached through a descriptor, so a process keeps using a moved store. It would acknowledge writes to files that no other
/// process finds, and it could remove files of the store that is at the path now. So the files are compared before anything is written,
/// renamed or removed, and after each commit. Overwriting a file in place, so that it stays the same file, is not noticed.
enum StoreMove: Equatable {
  /// The store's path leads to another directory, or to none: the open one was moved or removed.
  case path(String)
  /// The directory is the same, but other files have the names in it.
  case contents(String)

  /// Says what was found at the store's path.
  var sentence: String {
    switch self {
    case .path(let sentence), .contents(let sentence): sentence
    }
  }

  /// - Parameters:
  ///   - committed: The move was noticed after a commit.
  ///   - cause: The error that the move caused; nil: the move was noticed by comparing the files.
  ///   - isOpening: Whether the store was still being opened, so that the process has no files of it to go on reading.
  func error(committed: Bool, cause: (any Error)? = nil, isOpening: Bool = false) -> StoreError {
    if isOpening {
      return StoreError(
        .storeMoved,
        "the store was moved, replaced or removed while it was being opened: \(sentence); nothing was changed: open the one that is to be used",
        cause: cause)
    }
    let outcome =
      committed
      ? "the write was committed, to the files that this process has open" : "nothing was changed in them"
    return StoreError(
      .storeMoved,
      "the store was moved, replaced or removed while it was open: \(sentence); \(outcome). This process reads on in the files that it has open, and "
        + "writes no more: close the store, and open the one that is to be used", isCommitted: committed, cause: cause)
  }

  /// Maps an error that is about to leave the public surface. The only place that turns an error of files or LMDB into `.storeMoved`.
  ///
  /// Any system call may be the first to fail in a moved store, because a file is missing or another store's file has its name. The error
  /// of that call (`.inputOutput`, `.corrupted`, `.unexpectedFile`) is then a consequence of the move. It becomes ``StoreError/cause`` of
  /// `.storeMoved`.
  ///
  /// - Parameters:
  ///   - committed: Whether the call had committed something before it failed. A commit whose outcome is unknown stays `.inDoubt` or
  ///     `.poisoned`.
  ///   - isOpening: Whether the store was still being opened.
  ///   - find: Compares the files; called only for errors that a move can cause.
  static func surfacing(
    _ error: any Error, committed: Bool, isOpening: Bool = false, _ doing: @autoclosure () -> String, find: () throws -> StoreMove?
  ) -> any Error {
    let surfaced = StoreError.surfacing(error, doing())
    guard let failure = surfaced as? StoreError else { return surfaced }
    if failure.code == .storeMoved, !failure.isCommitted {
      guard committed else { return failure }
      let move = (try? find()) ?? .path("it has come back to its place since")
      return move.error(committed: true, cause: failure.cause)
    }
    guard failure.code.isOfFiles, let move = try? find() else { return failure }
    return move.error(committed: committed, cause: failure, isOpening: isOpening)
  }
}

extension StorePaths {
  /// Compares the files that the store's path leads to with the open ones: the directory, `writer.lock`, and the files of a generation.
  ///
  /// It takes four system calls of a microsecond each. A process that has given up its user's rights since it opened the store may not
  /// examine the files: then no move is reported, and the process cannot rename or remove anything either.
  ///
  /// - Parameter writerLock: The device and inode of `writer.lock` when the store was opened; nil if it was missing.
  /// - Returns: Nil if nothing differs.
  /// - Throws: `FileError` if the files cannot be examined.
  func move(from generation: Generation, writerLock: FileID?) throws(FileError) -> StoreMove? {
    do throws(FileError) {
      if let move = try contentMove(from: generation, writerLock) { return move }
      return try root.isInPlace ? nil : .path("\(root.path) is another directory now, or none")
    } catch {
      if error.isPermission { return nil }
      throw error
    }
  }

  private func contentMove(from generation: Generation, _ writerLock: FileID?) throws(FileError) -> StoreMove? {
    if let writerLock, try Directories.status(self.writerLock)?.id != writerLock {
      return .contents("another file is \(self.writerLock) now, or none")
    }
    let (number, files) = (generation.number, generation.files)
    for (place, id) in [(self.generation(number), files.directory), (data(number), files.data)]
    where try Directories.status(place)?.id != id {
      return .contents("another file is \(place) now, or none")
    }
    return nil
  }
}
