import Formats
public import Foundation

/// What an erasure removed, when, and which files with the data still exist.
public struct ErasureReceipt: Sendable, Codable {
  /// What was erased: a user, or single memories.
  public enum Subject: Sendable, Hashable {
    case user(String)
    /// The memories with these ids that belong to the user; `userID` is nil for memories of any user, as by `memtool delete --erase`.
    case memories([MemoryID], userID: String?)

    public static func == (left: Subject, right: Subject) -> Bool {
      switch (left, right) {
      case (.user(let left), .user(let right)): left.hasSameBytes(as: right)
      case (.memories(let left, let leftUser), .memories(let right, let rightUser)): left == right && leftUser.hasSameBytes(as: rightUser)
      default: false
      }
    }

    public func hash(into hasher: inout Hasher) {
      switch self {
      case .user(let userID): userID.hash(bytesInto: &hasher)
      case .memories(let ids, let userID):
        hasher.combine(ids)
        userID.hash(bytesInto: &hasher)
      }
    }
  }

  /// What was to be erased.
  public let subject: Subject
  /// How many memories the commit that hid the data removed; 0 if there was nothing to hide.
  public internal(set) var memories = 0
  /// How many of the memories had an embedding.
  public internal(set) var embeddings = 0
  /// How many contexts the commit removed; always 0 if single memories were erased.
  public internal(set) var contexts = 0
  /// How many earlier versions of contexts and of memories the commit removed.
  public internal(set) var versions = 0
  /// The number of the commit from which on no read shows the data.
  public internal(set) var hiddenBy: UInt64 = 0
  /// The time of that commit.
  public internal(set) var hiddenAt = Date(timeIntervalSince1970: 0)
  /// Whether the files were rebuilt. A user without records needs no rebuild if no erasure is pending, the log does not name the user, and
  /// the files have no dead rows, freed pages or, if they were searched, traces of the user.
  public internal(set) var isRebuilt = true
  /// The live generation after the erasure, whose files do not hold the data.
  public internal(set) var generation: UInt64 = 0
  /// When that generation became the live one; the time of the commit if nothing was rebuilt.
  public internal(set) var rebuiltAt = Date(timeIntervalSince1970: 0)
  /// Earlier generations whose files still exist, because a process has them open.
  public internal(set) var remainingGenerations: [UInt64] = []
  /// The processes that have these generations open; this process is among them if its own snapshots do.
  public internal(set) var holders: [Int32] = []
  /// The result of searching the files before the commit; nil if `verifiesErasure` was false.
  public internal(set) var scanBefore: ErasureScan?
  /// The result of searching the files after the rebuild; nil if `verifiesErasure` was false.
  public internal(set) var scan: ErasureScan?

  /// Whether all files that held the data are removed.
  public var isComplete: Bool { remainingGenerations.isEmpty }

  /// Copies of erased data that no rebuild of the store can remove.
  public static let outOfReach = [
    "backups, exports and other copies of the store made before",
    "what processes have read into their memory, and what the system has swapped out",
    "blocks of the disk that the removed files used: the file system has freed them, not overwritten them",
    "tokens of writes and texts of other users that mention them",
  ]

  init(_ subject: Subject) { self.subject = subject }

  /// Whether the commit removed nothing.
  public var hadNoRecords: Bool { memories == 0 && contexts == 0 && versions == 0 }
}

extension ErasureReceipt: CustomStringConvertible {
  /// A few lines: what was erased, when, what is left, and what the search found.
  public var description: String {
    var lines = summary
    if !isComplete {
      let (numbers, pids) = (remainingGenerations.map(String.init), holders.map(String.init))
      lines.append(
        "old files still there: generation \(numbers.joined(separator: ", ")), "
          + "held by \(pids.isEmpty ? "unknown processes" : "process \(pids.joined(separator: ", "))")")
    }
    if let scanBefore, let scan { lines.append("searched for in the files: before, \(scanBefore); after, \(scan)") }
    return lines.joined(separator: "\n")
  }

  /// What was erased, and when: one or two lines for people. Control characters of data are escaped.
  public var summary: [String] {
    let what =
      switch subject {
      case .user(let userID): "user \(TerminalText.escaped(userID))"
      case .memories(let ids, _): ids.count == 1 ? "1 memory" : "\(ids.count) memories"
      }
    let times = (hidden: Self.text(hiddenAt), rebuilt: Self.text(rebuiltAt))
    if case .user = subject, hadNoRecords {
      let files = isRebuilt ? "files rebuilt" : "nothing to rebuild"
      let when = isRebuilt ? "rebuilt as generation \(generation) at \(times.rebuilt)" : "as of commit \(hiddenBy) at \(times.hidden)"
      return ["erased \(what): no records; \(files)", when]
    }
    func count(_ number: Int, _ singular: String, _ plural: String) -> String { "\(number) \(number == 1 ? singular : plural)" }
    let counts = [
      count(memories, "memory", "memories"), count(embeddings, "embedding", "embeddings"), count(contexts, "context", "contexts"),
      count(versions, "earlier version", "earlier versions"),
    ]
    return [
      "erased \(what): \(counts.joined(separator: ", "))",
      "hidden by commit \(hiddenBy) at \(times.hidden), rebuilt as generation \(generation) at \(times.rebuilt)",
    ]
  }

  private static func text(_ date: Date) -> String { TimestampText.string(date.milliseconds) ?? "an unknown time" }
}

// {"user": "ada"}, {"user": "ada", "memories": ["…"]}, or {"memories": ["…"]} for memories of any user.
extension ErasureReceipt.Subject: Codable {
  private enum CodingKeys: String, CodingKey { case user, memories }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let userID = try container.decodeIfPresent(String.self, forKey: .user)
    if let userID, !container.contains(.memories) {
      self = .user(userID)
    } else {
      self = .memories(try container.decode([MemoryID].self, forKey: .memories), userID: userID)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .user(let userID): try container.encode(userID, forKey: .user)
    case .memories(let ids, let userID):
      try container.encodeIfPresent(userID, forKey: .user)
      try container.encode(ids, forKey: .memories)
    }
  }
}
