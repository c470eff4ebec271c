import ArgumentParser
import Engram
import Formats

/// A memory on the command line: its id, or the last digits of it.
enum IDArgument: ExpressibleByArgument {
  case full(MemoryID)
  case short(MemoryIDSuffix)

  init?(argument: String) {
    if let id = MemoryID(argument) {
      self = .full(id)
    } else if let suffix = MemoryIDSuffix(argument) {
      self = .short(suffix)
    } else {
      return nil
    }
  }

  var isShort: Bool { if case .short = self { true } else { false } }

  /// The id that is meant.
  ///
  /// - Parameter userID: The user whose memory it must be; nil for any user.
  /// - Throws: ``AmbiguousID``; ``StoreError`` `.notFound` for a short id that no memory has. A full one is not looked up.
  func resolved(of userID: String?, in store: MemoryStore) throws -> MemoryID {
    switch self {
    case .full(let id): return id
    case .short(let suffix):
      let found = try store.memories(endingWith: suffix, of: userID, limit: AmbiguousID.limit + 1)
      guard found.count < 2 else { throw AmbiguousID(suffix: suffix, candidates: found) }
      guard let memory = found.first else {
        let owner = userID.map { " of the user '\($0)'" } ?? ""
        throw StoreError(.notFound, "there is no memory\(owner) whose id ends in \(suffix)")
      }
      return memory.id
    }
  }
}

extension MemoryStore {
  /// The user of each memory; without memories that do not exist or have expired.
  ///
  /// - Complexity: O(memories).
  func owners(of ids: [MemoryID]) throws -> [MemoryID: String] {
    guard !ids.isEmpty else { return [:] }
    let found = try memories(scope: .all, limit: ids.count, filter: .ids(Set(ids)))
    return Dictionary(found.map { ($0.id, $0.userID) }) { first, _ in first }
  }
}

/// The error for a short id if the ids of several memories end in it.
struct AmbiguousID: Error {
  /// The most candidates that are listed.
  static let limit = 20

  let suffix: MemoryIDSuffix
  let candidates: [Memory]

  /// One line for the error and one for each candidate. Data is escaped.
  var lines: [String] {
    let shown = candidates.prefix(Self.limit)
    let count = candidates.count > shown.count ? "more than \(shown.count)" : "\(shown.count)"
    return ["\(count) ids end in \(suffix); give more digits, or the whole id:"]
      + shown.map { memory in
        let owner = TerminalText.excerpt(memory.userID)
        return "  \(memory.id)  \(owner)  " + TerminalText.excerpt(memory.text)
      }
  }
}
