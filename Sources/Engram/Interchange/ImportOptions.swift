public import Foundation

/// How to handle a line whose memory id, dedupe key or context exists already, in the store or in an earlier line.
public enum ImportPolicy: String, Sendable, CaseIterable {
  /// The line is at fault.
  case fail
  /// The line is ignored.
  case skip
  /// The line replaces what exists, but never a memory of another user.
  case replace
}

/// How lines are imported.
public struct ImportOptions: Sendable {
  /// What happens to a line whose memory id, dedupe key or context exists already.
  public var onConflict: ImportPolicy
  /// Imports the valid lines, and counts the others. If false, one line at fault fails the whole import.
  public var skipsInvalid: Bool
  /// Called with every line that is left out, without its line feed, on a thread of the import. An error that it throws ends the import.
  public var rejects: (@Sendable ([UInt8]) throws -> Void)?
  /// The file for every line that is left out. It is created with mode 0600, or replaced, after the commit. Links, pipes and devices are
  /// refused, and so are paths inside the store.
  public var rejectsFile: URL?
  /// Replaces half of a surrogate pair without its other half by U+FFFD. If false, such a line is at fault.
  public var isLossy: Bool
  /// Checks and counts, and changes nothing.
  public var isDryRun: Bool

  public init(
    onConflict: ImportPolicy = .fail, skipsInvalid: Bool = false, rejects: (@Sendable ([UInt8]) throws -> Void)? = nil,
    rejectsFile: URL? = nil, isLossy: Bool = false, isDryRun: Bool = false
  ) {
    self.onConflict = onConflict
    self.skipsInvalid = skipsInvalid
    self.rejects = rejects
    self.rejectsFile = rejectsFile
    self.isLossy = isLossy
    self.isDryRun = isDryRun
  }
}

/// What an import did, or would do.
public struct ImportSummary: Sendable, Equatable, Codable {
  /// New memories.
  public internal(set) var memories = 0
  /// New contexts.
  public internal(set) var contexts = 0
  /// Lines that were ignored because their memory or context existed, with ``ImportPolicy/skip``.
  public internal(set) var skipped = 0
  /// Lines whose memory or context replaced what existed.
  public internal(set) var replaced = 0
  /// The number of lines that were left out because they are at fault.
  public internal(set) var invalid = 0
  /// The first 20 lines that were left out.
  public internal(set) var faults: [ImportFault] = []
  /// The number of keys that this version does not know.
  public internal(set) var unknownKeyCount = 0
  /// The first five different unknown keys, each with the key that is probably meant.
  public internal(set) var unknownKeys: [String] = []
  /// How many times were numbers that were read as seconds: those below 10¹¹.
  public internal(set) var secondsSince1970 = 0
  /// How many times were numbers that were read as milliseconds.
  public internal(set) var millisecondsSince1970 = 0
  /// Halves of surrogate pairs that were replaced by U+FFFD.
  public internal(set) var replacedSurrogates = 0
}

/// A line of an import that is at fault.
public struct ImportFault: Sendable, Equatable, Codable, CustomStringConvertible {
  /// The name of the source, as in ``ImportSource/name``.
  public let file: String
  /// Counts from 1.
  public let line: Int
  /// What is wrong with the line.
  public let message: String

  public var description: String { "\(file):\(line): \(message)" }
}

/// The cause of an error of an import with several lines at fault.
public struct ImportFaults: Error, Sendable, Equatable, CustomStringConvertible {
  /// The most that are listed.
  public static let limit = 20

  /// The first ones, in the order of the lines.
  public internal(set) var first: [ImportFault] = []
  /// The number of all lines at fault.
  public internal(set) var count = 0

  public var description: String { "\(count) lines are at fault" }

  mutating func add(_ fault: ImportFault) {
    count += 1
    if first.count < Self.limit { first.append(fault) }
  }
}
