import Checksums
import Foundation

/// Makes drafts of conversations: the time, the key and the fields of each message. Keeps the progress of conversations that come in parts.
struct ConversationDrafts {
  /// What the next part of a conversation needs: the time of the last message, and the messages seen.
  private struct Progress {
    var last: Int64?
    /// How often each message without an id was seen.
    var seen: [String: Int] = [:]
  }

  private var parts: [String: Progress] = [:]

  /// The number of conversations that came in parts.
  var partCount: Int { parts.count }

  /// - Parameters:
  ///   - isPart: Whether more of the conversation may follow, or came before.
  ///   - fallback: The time of a conversation that has none.
  /// - Throws: ``StoreError`` `.invalidArgument` if there is no time.
  mutating func drafts(of conversation: Conversation, isPart: Bool, fallback: Date?) throws(StoreError) -> [MemoryDraft] {
    let name = isPart ? Self.hash(["part", conversation.userID, conversation.id]) : ""
    var progress = isPart ? parts[name] ?? Progress() : Progress()
    var drafts: [MemoryDraft] = []
    drafts.reserveCapacity(conversation.messages.count)
    for message in conversation.messages {
      try Limits.check(message.createdAt, "the time of a message")
      let time = try Self.time(of: message, in: conversation, after: progress.last, fallback)
      progress.last = time
      var draft = MemoryDraft(
        userID: conversation.userID, text: message.text, kind: "message", sessionID: conversation.id,
        speaker: message.speaker ?? message.role, createdAt: Date(milliseconds: time),
        dedupeKey: Self.key(of: message, in: conversation, &progress.seen), metadata: message.metadata, caption: message.caption,
        source: conversation.source)
      for (key, value) in [
        ("title", conversation.title), ("messageID", message.id), ("role", message.speaker == nil ? nil : message.role),
      ] { if let value, draft.metadata[key] == nil { draft.metadata[key] = .string(value) } }
      drafts.append(draft)
    }
    if isPart { parts[name] = progress }
    return drafts
  }

  /// The message's own time, but at least a millisecond after the message before, so that the order of time is that of the conversation.
  private static func time(
    of message: Conversation.Message, in conversation: Conversation, after last: Int64?, _ fallback: Date?
  ) throws(StoreError) -> Int64 {
    if let own = message.createdAt?.milliseconds { return max(own, last.map { $0 + 1 } ?? own) }
    if let last { return last + 1 }
    try Limits.check(conversation.createdAt, "the time of a conversation")
    let earliest = conversation.messages.compactMap(\.createdAt).min()
    let begin = [conversation.createdAt, earliest].compactMap { $0 }.min()
    guard let begin = begin ?? fallback else {
      throw StoreError(.invalidArgument, "it has no time: say when it was, by the option createdAt")
    }
    return begin.milliseconds
  }

  /// The dedupe key of a message: a hash of the ids of the conversation and the message. Without an id of the message, a hash of its
  /// content and, if the same content came before, of its number. Only a time that is in the file counts as content.
  private static func key(
    of message: Conversation.Message, in conversation: Conversation, _ seen: inout [String: Int]
  ) -> String {
    if let id = message.id { return "message:" + hash(["id", conversation.id, id]) }
    let time = message.createdAt.map { "\($0.milliseconds)" } ?? ""
    let content = hash(["text", conversation.id, message.role ?? "", message.speaker ?? "", time, message.text, message.caption ?? ""])
    let number = seen[content, default: 0]
    seen[content] = number + 1
    return "message:" + (number == 0 ? content : hash(["again", content, "\(number)"]))
  }

  /// The 128-bit hash of texts, each with its length, so that different lists never give the same bytes.
  private static func hash(_ texts: [String]) -> String {
    var bytes: [UInt8] = []
    for text in texts {
      bytes += "\(text.utf8.count):".utf8
      bytes += text.utf8
    }
    return unsafe bytes.withUnsafeBytes { unsafe XXH3.hexadecimal128($0) }
  }
}
