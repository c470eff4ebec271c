public import Foundation

/// What ``MemoryStore/repair(_:into:usingPrevious:progress:)`` kept, and what was lost.
public struct RepairReport: Sendable, Codable {
  /// Which of the two last commits was read.
  public enum Commit: Sendable, Hashable, Codable {
    case last
    /// The one before it, and why.
    case previous(reason: String)
  }

  /// The generation of the damaged store that was read.
  public internal(set) var generation: UInt64 = 0
  /// The commit that was read.
  public internal(set) var commit = Commit.last
  /// The number of that commit, as far as the store still has it.
  public internal(set) var batchSequence: UInt64 = 0
  /// The time of that commit, as far as the store still has it; nil if nothing was committed yet.
  public internal(set) var lastCommit: Date?

  /// Memories in the new store.
  public internal(set) var memories = 0
  /// Contexts in the new store.
  public internal(set) var contexts = 0
  /// Earlier versions of contexts and of memories in the new store.
  public internal(set) var versions = 0
  /// Embeddings in the new store.
  public internal(set) var rows = 0
  /// Tokens of writes in the new store.
  public internal(set) var tokens = 0
  /// Bytes of disk that the new store takes.
  public internal(set) var sizeBytes = 0
  /// Whether the store's own record is lost: the new store then has a new secret and creation time, and its dimension, metric and identity
  /// are from the header of the row file.
  public internal(set) var isStoreRecordLost = false

  /// What was lost, or differs in the new store, a sentence each; at most ``sentenceLimit``.
  public internal(set) var losses: [String] = []
  /// Losses beyond the limit.
  public internal(set) var omittedLosses = 0
  /// Problems of the files, whether they caused a loss or not, a sentence each; at most ``sentenceLimit``.
  public internal(set) var problems: [String] = []
  /// Problems beyond the limit.
  public internal(set) var omittedProblems = 0
  /// The time that the repair took.
  public internal(set) var duration = Duration.zero

  /// Whether everything was kept.
  public var isLossless: Bool { losses.isEmpty }

  /// The most losses, and the most problems, that are listed.
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
