public import Foundation

/// What was erased, how far, and what could not be reached.
public struct ErasureReceipt: Sendable {
  public enum Subject: Sendable, Hashable {
    case user(String)
    case memories([MemoryID])

    public static func == (left: Subject, right: Subject) -> Bool {
      switch (left, right) {
      case (.user(let left), .user(let right)): left.hasSameBytes(as: right)
      case (.memories(let left), .memories(let right)): left == right
      default: false
      }
    }

    public func hash(into hasher: inout Hasher) {
      switch self {
      case .user(let userID): userID.hash(bytesInto: &hasher)
      case .memories(let ids): hasher.combine(ids)
      }
    }
  }

  public let subject: Subject
  /// What the commit that hid them took away; all zero where nothing was left to hide.
  public internal(set) var memories = 0
  public internal(set) var embeddings = 0
  public internal(set) var contexts = 0
  /// Earlier versions of contexts.
  public internal(set) var versions = 0
  /// The commit from which on nobody sees them, and when it was made.
  public internal(set) var hiddenBy: UInt64 = 0
  public internal(set) var hiddenAt = Date(timeIntervalSince1970: 0)
  /// The generation of files that never held them, and when it took over.
  public internal(set) var generation: UInt64 = 0
  public internal(set) var rebuiltAt = Date(timeIntervalSince1970: 0)
  /// Generations that held them and whose files are still there, because a process has them open.
  public internal(set) var remainingGenerations: [UInt64] = []
  /// The processes that have those open; this process's own snapshots count, too.
  public internal(set) var holders: [Int32] = []
  /// What was found in the files before the commit and after the rebuild; nil where no proof was asked for.
  public internal(set) var scanBefore: ErasureScan?
  public internal(set) var scan: ErasureScan?

  /// Whether the files that held them are gone.
  public var isComplete: Bool { remainingGenerations.isEmpty }

  /// What no rebuild of the store can reach.
  public static let outOfReach = [
    "backups, exports and other copies of the store made before",
    "what processes have read into their memory, and what the system has swapped out",
    "blocks of the disk that the removed files used: the file system has freed them, not overwritten them",
    "tokens of writes and texts of other users that mention them",
  ]

  init(_ subject: Subject) { self.subject = subject }
}
