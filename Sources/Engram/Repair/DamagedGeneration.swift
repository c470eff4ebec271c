import Files
import LMDB

/// The last two commits of one damaged generation, as far as its meta pages can be read.
struct DamagedGeneration {
  /// One commit: its meta page, and the two records of `meta` as far as the tree leads to them.
  struct Commit {
    let page: MetaPage
    var store: StoreRecord?
    var state: StateRecord?
  }

  let number: UInt64
  let place: FilePlace
  /// The latest commit whose meta page is sound; nil if none is.
  let last: Commit?
  /// The commit before ``last``.
  let previous: Commit?
  /// What is wrong with the meta pages.
  let problems: [String]
  /// Why ``last`` may not be the last commit of the generation; nil if it is.
  let reason: String?

  var dataPath: FilePlace { place.appending(Generation.dataFileName) }
  var rowPath: FilePlace { place.appending(Generation.rowFileName) }
  var lastIsSound: Bool { last != nil && reason == nil }

  /// - Throws: ``StoreError`` `.newerFormat`; `FileError` if the file cannot be read at all.
  init(_ number: UInt64, place: FilePlace) throws {
    self.number = number
    self.place = place
    let path = place.appending(Generation.dataFileName)
    let pair = try MetaPair.read(Files.FileHandle(path: path, access: .read))
    let newest = pair.newest
    let other = newest.slot == pair.first.slot ? pair.second : pair.first
    problems = pair.first.problems + pair.second.problems
    let commits = [newest, other].filter(\.isValid)
    let read = try commits.map { try Self.read($0, path) }
    guard let first = read.first else {
      (last, previous, reason) = (nil, nil, nil)
      return
    }
    if read.count == 1 {
      (last, previous) = (first, nil)
      reason = Self.reason(newest, other)
    } else if (read[1].state?.batchSequence ?? 0) > first.state?.batchSequence ?? .max {
      // A damaged number makes the older page look newer; the state record has a checksum.
      (last, previous, reason) = (read[1], first, nil)
    } else {
      (last, previous, reason) = (first, read[1], nil)
    }
  }

  /// Why the only sound meta page may not be that of the last commit; nil if it is.
  private static func reason(_ newest: MetaPage, _ other: MetaPage) -> String? {
    let damaged = newest.isValid ? other : newest
    if newest.isValid, other.transactionID &+ 1 == newest.transactionID { return nil }
    return "the meta page that \(newest.isValid ? "may be" : "is") that of a later commit is not sound: \(damaged.problems.first ?? "")"
  }

  private static func read(_ page: MetaPage, _ path: FilePlace) throws -> Commit {
    var commit = Commit(page: page)
    var salvage = try PageSalvage(
      Files.FileHandle(path: path, access: .read), meta: page, databases: [Tables.Meta.name], problemLimit: 1)
    try salvage.forEachEntry { name, key, stored in
      guard let value = SalvagedEntry.value(name, key, stored) else { return false }
      switch try SalvagedEntry(ifSound: name, key, value) {
      case .store(let store): commit.store = store
      case .state(let state): commit.state = state
      default: break
      }
      return true
    }
    return commit
  }
}
