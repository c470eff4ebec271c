public import Foundation

/// A conversation of one user: what was said, in order. ``MemoryStore/add(_:onEmbeddingFailure:)-(Conversation,_)`` makes a memory of each
/// message.
public struct Conversation: Sendable {
  /// The session of its memories; at most 1,024 UTF-8 bytes. Two conversations of a user with the same id are parts of one.
  public var id: String
  /// The user whose memories the messages become; 1 to 1,024 UTF-8 bytes.
  public var userID: String
  /// Kept as the metadata `title` of each memory.
  public var title: String?
  /// Where it comes from: ``MemoryDraft/source`` of each memory.
  public var source: String?
  /// When it began: the time of the first message if that has none. The earliest time of a message is used instead if it is earlier.
  public var createdAt: Date?
  /// In the order in which they were said.
  public var messages: [Message]

  /// A message of a conversation.
  public struct Message: Sendable {
    /// The permanent id of the message within its conversation; nil: its content identifies it. Kept as the metadata `messageID`.
    public var id: String?
    /// Such as `user` or `assistant`; nil if people talk to each other.
    public var role: String?
    /// Who said it; nil: the role. If there is a speaker, the role is kept as the metadata `role`.
    public var speaker: String?
    /// At most 1 MiB of UTF-8.
    public var text: String
    /// What an attachment shows; at most 64 KiB of UTF-8.
    public var caption: String?
    /// Nil: a millisecond after the message before.
    public var createdAt: Date?
    /// Kept as metadata of the memory. The conversation adds only keys that are missing here.
    public var metadata: [String: MetadataValue]

    public init(
      role: String? = nil, speaker: String? = nil, text: String, caption: String? = nil, createdAt: Date? = nil, id: String? = nil,
      metadata: [String: MetadataValue] = [:]
    ) {
      self.id = id
      self.role = role
      self.speaker = speaker
      self.text = text
      self.caption = caption
      self.createdAt = createdAt
      self.metadata = metadata
    }
  }

  public init(
    id: String, userID: String, title: String? = nil, source: String? = nil, createdAt: Date? = nil, messages: [Message] = []
  ) {
    self.id = id
    self.userID = userID
    self.title = title
    self.source = source
    self.createdAt = createdAt
    self.messages = messages
  }
}
