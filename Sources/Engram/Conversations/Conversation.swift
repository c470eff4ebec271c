public import Foundation

/// A conversation of one user: what was said, in order. ``MemoryStore/add(_:onEmbeddingFailure:)-(Conversation,_)`` makes a memory of each message.
public struct Conversation: Sendable {
  /// The session of its memories; at most 1,024 UTF-8 bytes. Two conversations of a user with the same id are parts of one.
  public var id: String
  /// Whose memories they become; 1 to 1,024 UTF-8 bytes.
  public var userID: String
  /// Kept as the metadata `title` of each memory.
  public var title: String?
  /// Where it comes from: ``MemoryDraft/source`` of each memory.
  public var source: String?
  /// When it began: the time of messages that have none, and come before the first that has one.
  public var createdAt: Date?
  /// In the order in which they were said.
  public var messages: [Message]

  /// A message of a conversation.
  public struct Message: Sendable {
    /// Names the message within its conversation for good; nil: it is known by what it says. Kept as the metadata `messageID`.
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
    /// Kept with the memory, before what the conversation adds to it.
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
