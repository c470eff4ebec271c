import Files

extension LiveGeneration {
  /// How the store's files differ from those that are open; nil if they do not, or if the store is closed.
  func move(of generation: Generation) throws -> StoreMove? { try paths.move(from: generation, writerLock: writerLock) }

  /// The same for the live generation. If another thread switches to a new one meanwhile and the old directory is removed, that is not a
  /// move.
  func move() throws -> StoreMove? {
    while true {
      let pooled = current
      guard let move = try move(of: pooled.generation) else { return nil }
      if current === pooled { return move }
    }
  }

  /// Maps an error of a call on this store that is about to leave the public surface: see
  /// ``StoreMove/surfacing(_:committed:isOpening:_:find:)``.
  func surfacing(_ error: any Error, committed: Bool = false, _ doing: @autoclosure () -> String) -> any Error {
    StoreMove.surfacing(error, committed: committed, doing()) { try move() }
  }

  /// - Throws: ``StoreError`` `.storeMoved`; `FileError` if the files cannot be compared.
  func requireInPlace(_ generation: Generation) throws {
    if let move = try move(of: generation) { throw move.error(committed: false) }
  }

  /// The same for the live generation.
  func requireInPlace() throws {
    if let move = try move() { throw move.error(committed: false) }
  }

  /// The file `open.lock`, which is locked to open, follow, sweep and close. This call does not lock it.
  ///
  /// - Throws: ``StoreError`` `.storeMoved` if it is missing: an open store has it.
  func openLock() throws -> FileLock {
    let place = try paths.openLock
    if let lock = try FileLock(ifExists: place) { return lock }
    throw (try move(of: generation) ?? .contents("\(place) does not exist any more")).error(committed: false)
  }

  /// The move because of which a commit is not acknowledged; nil if the files are in place, or if they cannot be compared. In the latter
  /// case the commit counts: the files were in place before it, and the next batch compares them again.
  func moveAfterCommit(to generation: Generation) -> StoreMove? { try? move(of: generation) }
}
