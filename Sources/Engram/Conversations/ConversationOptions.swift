public import Foundation

/// What of a file of conversations is read, and what an import does with it.
public struct ConversationOptions: Sendable {
  /// Which branches of a conversation whose messages were edited or made again.
  public enum Branches: String, Sendable, CaseIterable {
    /// The branch that its program shows: to the message that the file names, or else to the newest.
    case current
    /// Every message, in order of time.
    case all
  }

  /// Only messages of these roles, and those of people without one. `human` is `user`; `ai`, `gpt` and `model` are `assistant`; `developer` is `system`;
  /// `function` and `observation` are `tool`.
  public var roles: Set<String>
  public var branches: Branches
  /// The time of conversations that have none. A file that has none is refused without it: the moment of the import would be another each time.
  public var createdAt: Date?
  /// Replaces a half of a surrogate pair without its other half by U+FFFD. Otherwise such a conversation is at fault.
  public var isLossy: Bool
  /// Of an import: what to do if the embedder fails.
  public var onEmbeddingFailure: EmbeddingFailurePolicy
  /// Of an import: checks and counts, and changes nothing.
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
  /// It calls a tool, or is what a tool answered.
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
  /// As it was given.
  public let file: String
  /// Of the line, or of the element of the array; counts from 1.
  public let number: Int
  /// Whether the number is one of a line.
  public let isLine: Bool
  /// Of the conversation; nil if it is not known.
  public let id: String?
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

  /// Of which at least one message was read.
  public internal(set) var conversations = 0
  /// Messages that are new memories.
  public internal(set) var added = 0
  /// Messages that the store has already.
  public internal(set) var existing = 0
  /// Messages that were left out.
  public internal(set) var leftOut: [MessageOmission: Int] = [:]
  /// Images, files and other attachments, which are not imported.
  public internal(set) var attachments = 0
  /// Conversations at fault, of which nothing was imported, and the first 20 of them.
  public internal(set) var invalid = 0
  public internal(set) var faults: [ConversationFault] = []
  /// Halves of surrogate pairs that were replaced by U+FFFD.
  public internal(set) var replacedSurrogates = 0

  mutating func add(_ fault: ConversationFault) {
    invalid += 1
    if faults.count < Self.faultLimit { faults.append(fault) }
  }
}
