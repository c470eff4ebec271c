public import Foundation

/// Which messages of a file of conversations are read, and how an import stores them.
public struct ConversationOptions: Sendable {
  /// Which branches are read of a conversation whose messages were edited or generated again.
  public enum Branches: String, Sendable, CaseIterable {
    /// The branch that the program shows: it ends with the message that the file names, or else with the newest.
    case current
    /// Every message, in order of time.
    case all
  }

  /// Only messages of these roles are read, and those that have a speaker but no role. `human` is `user`; `ai`, `gpt` and `model` are
  /// `assistant`; `developer` is `system`; `function` and `observation` are `tool`.
  public var roles: Set<String>
  /// Which branches are read; formats without branches ignore it.
  public var branches: Branches
  /// The time of conversations that have none. If it is nil, a file without times is refused: the time of the import would differ each
  /// time.
  public var createdAt: Date?
  /// Replaces half of a surrogate pair without its other half by U+FFFD. If false, such a conversation is at fault.
  public var isLossy: Bool
  /// For an import: what to do if the embedder fails.
  public var onEmbeddingFailure: EmbeddingFailurePolicy
  /// For an import: checks and counts, and changes nothing.
  public var isDryRun: Bool

  public init(
    roles: Set<String> = ["user", "assistant"], branches: Branches = .current, createdAt: Date? = nil, isLossy: Bool = false,
    onEmbeddingFailure: EmbeddingFailurePolicy = .throw, isDryRun: Bool = false
  ) {
    self.roles = roles
    self.branches = branches
    self.createdAt = createdAt
    self.isLossy = isLossy
    self.onEmbeddingFailure = onEmbeddingFailure
    self.isDryRun = isDryRun
  }
}

/// Why a message of a conversation is left out.
public enum MessageOmission: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
  /// It is of the role `system` or `developer`.
  case system
  /// It calls a tool, or is the answer of a tool.
  case tool
  /// It is of another role that was not asked for.
  case role
  /// The program does not show it.
  case hidden
  /// It has no text: only files, for example.
  case empty
  /// Its content is of a type that is no text, such as thoughts.
  case unsupported
  /// It is on another branch than the current one.
  case branch
}

/// A conversation of an import that is at fault.
public struct ConversationFault: Sendable, Equatable, Codable, CustomStringConvertible {
  /// The name of the source, as in ``ImportSource/name``.
  public let file: String
  /// The number of the line, or of the element of the array, counted from 1.
  public let number: Int
  /// Whether the number is one of a line.
  public let isLine: Bool
  /// The id of the conversation; nil if it is not known.
  public let id: String?
  /// What is wrong with the conversation.
  public let message: String

  public var description: String {
    let id = id.map { " ('\($0)')" } ?? ""
    return isLine ? "\(file):\(number)\(id): \(message)" : "\(file), element \(number)\(id): \(message)"
  }
}

/// What an import of conversations did, or would do.
public struct ConversationReport: Sendable, Equatable, Codable {
  /// The most faults that are listed.
  public static let faultLimit = 20

  /// Conversations of which at least one message was read.
  public internal(set) var conversations = 0
  /// Messages that are new memories.
  public internal(set) var added = 0
  /// Messages that the store has already.
  public internal(set) var existing = 0
  /// Messages that were left out.
  public internal(set) var leftOut: [MessageOmission: Int] = [:]
  /// Images, files and other attachments, which are not imported.
  public internal(set) var attachments = 0
  /// The number of conversations at fault, of which nothing was imported.
  public internal(set) var invalid = 0
  /// The first 20 conversations at fault.
  public internal(set) var faults: [ConversationFault] = []
  /// Halves of surrogate pairs that were replaced by U+FFFD.
  public internal(set) var replacedSurrogates = 0

  mutating func add(_ fault: ConversationFault) {
    invalid += 1
    if faults.count < Self.faultLimit { faults.append(fault) }
  }
}
