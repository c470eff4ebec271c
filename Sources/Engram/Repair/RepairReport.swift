public import Foundation

/// What ``MemoryStore/repair(_:into:usingPrevious:progress:)`` kept, and what it could not.
public struct RepairReport: Sendable, Codable {
  /// Which of the two last commits was read.
  public enum Commit: Sendable, Hashable, Codable {
    case last
    /// The one before it, and why.
    case previous(reason: String)
  }

  /// The generation of the damaged store that was read.
  public internal(set) var generation: UInt64 = 0
  public internal(set) var commit = Commit.last
  /// The number of that commit and when it was made, as far as the store still tells.
  public internal(set) var batchSequence: UInt64 = 0
  public internal(set) var lastCommit: Date?

  /// What the new store holds.
  public internal(set) var memories = 0
  public internal(set) var contexts = 0
  /// Earlier versions of contexts and of memories.
  public internal(set) var versions = 0
  /// Embeddings.
  public internal(set) var rows = 0
  /// Tokens of writes.
  public internal(set) var tokens = 0
  /// Bytes of disk that the new store takes.
  public internal(set) var sizeBytes = 0
  /// The store's own record is gone: the new store has a new secret and creation time, and what the header of its row file tells.
  public internal(set) var isStoreRecordLost = false

  /// What is not in the new store as it was in the old one, a sentence each; at most ``sentenceLimit``.
  public internal(set) var losses: [String] = []
  /// Losses beyond the limit.
  public internal(set) var omittedLosses = 0
  /// What is wrong with the files, whether something was lost by it or not; at most ``sentenceLimit``.
  public internal(set) var problems: [String] = []
  public internal(set) var omittedProblems = 0
  public internal(set) var duration = Duration.zero

  /// Everything was kept.
  public var isLossless: Bool { losses.isEmpty }

  public static let sentenceLimit = 1000

  init() {}
}

/// Gathers sentences up to a limit. Used by one thread.
final class RepairNotes {
  private(set) var losses: [String] = []
  private(set) var omittedLosses = 0
  private(set) var problems: [String] = []
  private(set) var omittedProblems = 0

  func lose(_ sentence: @autoclosure () -> String) {
    if losses.count < RepairReport.sentenceLimit { losses.append(sentence()) } else { omittedLosses += 1 }
  }

  func note(_ problem: String) {
    if problems.count < RepairReport.sentenceLimit { problems.append(problem) } else { omittedProblems += 1 }
  }

  func note(_ others: [String], omitted: Int) {
    for problem in others { note(problem) }
    omittedProblems += omitted
  }
}
