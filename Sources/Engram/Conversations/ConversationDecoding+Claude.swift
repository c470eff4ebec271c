import Formats
import Foundation

/// Conversations of a data export of Claude.
extension ConversationDecoding {
  mutating func decodeClaude(_ value: JSONValue) throws {
    id = try value.name(["uuid", "id"])
    guard let list = try value.list("chat_messages") else { throw ShapeFault(message: "'chat_messages' is missing") }
    let shown = options.branches == .all ? list.indices.map { $0 } : try Self.path(list)
    var messages: [Conversation.Message] = []
    for index in shown { if let message = try claudeMessage(list[index], index) { messages.append(message) } }
    if shown.count < list.count {
      let isShown = Set(shown)
      // Counts the messages of other branches that would be kept. A copy decodes them, so that their own omissions are not counted.
      var others = self
      for index in list.indices where !isShown.contains(index) {
        if try others.claudeMessage(list[index], index) != nil { leaveOut(.branch) }
      }
    }
    guard !messages.isEmpty else { return }
    let title = try value.text("name")
    let begin = try value.time(["created_at"])
    let changed = messages.contains { $0.createdAt != nil } ? nil : try value.time(["updated_at"])
    conversations = [
      Conversation(
        id: id ?? placeName, userID: requiredUserID, title: title?.isEmpty == true ? nil : title, createdAt: begin ?? changed,
        messages: messages)
    ]
  }

  /// Nil if the message is left out.
  private mutating func claudeMessage(_ value: JSONValue, _ index: Int) throws(ShapeFault) -> Conversation.Message? {
    do throws(ShapeFault) {
      let role = MessageRole.name(try value.requiredText("sender"))
      if let omission = omission(ofRole: role) {
        leaveOut(omission)
        return nil
      }
      attachments += (try value.list("attachments")?.count ?? 0) + (try value.list("files")?.count ?? 0)
      let content = try MessageContent(value["content"], "content")
      attachments += content.attachments
      // Older exports have the text here, newer ones leave it empty.
      let older = try MessageContent(value["text"], "text").text
      guard let text = content.text ?? older else {
        leaveOut(content.usesTools ? .tool : .empty)
        return nil
      }
      return Conversation.Message(
        role: role, text: text, createdAt: try value.time(["created_at", "updated_at"]), id: try value.name(["uuid", "id"]))
    } catch {
      throw ShapeFault(message: "message \(index + 1): \(error.message)")
    }
  }

  /// The messages from the first one to the newest one that has no answer; a cycle or a missing parent ends the path. If no message names
  /// its parent, all messages in the order of the file.
  private static func path(_ list: [JSONValue]) throws -> [Int] {
    let key = "parent_message_uuid"
    let parents: [String?] = try list.map { try $0.text(key) }
    guard parents.contains(where: { $0 != nil }) else { return Array(list.indices) }
    var indexes: [String: Int] = [:]
    for (index, value) in list.enumerated() { if let id = try value.text("uuid") { indexes[id] = index } }
    let answered = Set(parents.compactMap { $0.flatMap { indexes[$0] } })
    let leaves = list.indices.filter { !answered.contains($0) }
    var times: [Date] = []
    for value in list { times.append(try value.time(["created_at"]) ?? .distantPast) }
    guard var index = (leaves.isEmpty ? Array(list.indices) : leaves).max(by: { (times[$0], $0) < (times[$1], $1) }) else { return [] }
    var path = [index]
    var seen: Set = [index]
    while let next = parents[index].flatMap({ indexes[$0] }), seen.insert(next).inserted {
      path.append(next)
      index = next
    }
    return path.reversed()
  }
}
