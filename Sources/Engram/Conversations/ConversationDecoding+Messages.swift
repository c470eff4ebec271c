import Formats
import Foundation

/// Lists of messages: OpenAI, ShareGPT, LangChain, and single messages with their role.
extension ConversationDecoding {
  private static let sessionKeys = ["session_id", "sessionID", "sessionId", "session", "conversation_id", "conversationId", "thread_id"]
  private static let timeKeys = ["created_at", "createdAt", "create_time", "timestamp", "time"]

  mutating func decodeMessages(_ value: JSONValue) throws {
    if case .array(let messages) = value { return try add(messages, of: .null) }
    guard case .object(let members) = value else { throw ShapeFault(message: "it is \(value.kindName), not a conversation") }
    if let messages = MessageList.messages(of: value) { return try add(messages, of: value) }
    guard value["role"] != nil || value["from"] != nil || value["speaker"] != nil || value["data"] != nil || value["kwargs"] != nil else {
      let keys = members.prefix(5).map { "'\(TerminalText.excerpt($0.key))'" }.joined(separator: ", ")
      throw ShapeFault(message: keys.isEmpty ? "the object is empty" : "it is no conversation and no message: its keys are \(keys)")
    }
    isPart = true
    let session = try value.name(Self.sessionKeys) ?? file
    id = session
    guard let userID = try userID ?? value.name(["user_id", "userID", "userId"]) else {
      throw ShapeFault(message: "'user_id' is missing: it does not say whose message it is, so name the user")
    }
    guard let message = try message(value) else { return }
    conversations = [Conversation(id: session, userID: userID, messages: [message])]
  }

  private mutating func add(_ messages: [JSONValue], of object: JSONValue) throws {
    let name = try object.name(["id"] + Self.sessionKeys)
    id = name
    var conversation = Conversation(
      id: name ?? placeName, userID: try userID ?? object.name(["user_id", "userID", "userId"]) ?? "", title: try object.text("title"),
      createdAt: try object.time(Self.timeKeys))
    guard !conversation.userID.isEmpty else { throw ShapeFault(message: "it does not say whose conversation it is: name the user") }
    if case .string(let system)? = object["system"], !system.isEmpty {
      if let omission = omission(ofRole: "system") {
        leaveOut(omission)
      } else {
        conversation.messages.append(Conversation.Message(role: "system", text: system))
      }
    }
    for (index, value) in messages.enumerated() {
      do throws(ShapeFault) {
        if let message = try message(value) { conversation.messages.append(message) }
      } catch {
        throw ShapeFault(message: "message \(index + 1): \(error.message)")
      }
    }
    // An answer that was not preferred counts as another branch.
    if let rejected = try object.list("non_preferred_output") { leftOut[.branch, default: 0] += rejected.count }
    if !conversation.messages.isEmpty { conversations = [conversation] }
  }

  /// Nil if the message is left out.
  private mutating func message(_ value: JSONValue) throws(ShapeFault) -> Conversation.Message? {
    guard case .object = value else { throw ShapeFault(message: "it is \(value.kindName), not an object") }
    var (fields, role, contentKey) = (value, nil as String?, "content")
    if case .object? = value["data"], let type = try value.text("type") {
      (fields, role) = (value["data"] ?? .null, type)
    } else if value["lc"] != nil, let kwargs = value.member("kwargs") {
      fields = kwargs
      if case .string(let name)? = try value.list("id")?.last { role = name }
    } else if value["from"] != nil {
      (role, contentKey) = (try value.requiredText("from"), "value")
    } else {
      role = try value.text("role")
      if value["content"] == nil, value["text"] != nil { contentKey = "text" }
    }
    if role?.lowercased().hasPrefix("chat") == true, let named = try fields.text("role") { role = named }
    role = role.map(MessageRole.name)
    if let role, let omission = omission(ofRole: role) {
      leaveOut(omission)
      return nil
    }
    let content = try MessageContent(fields[contentKey], contentKey)
    attachments += content.attachments
    guard let text = content.text else {
      let calls = fields.member("tool_calls") ?? fields.member("function_call")
      leaveOut(content.usesTools || calls != nil ? .tool : .empty)
      return nil
    }
    let name = try fields.text("name")
    let speaker = try fields.text("speaker").map { $0.isEmpty ? name : $0 } ?? name
    guard role != nil || speaker != nil else { throw ShapeFault(message: "'role' is missing") }
    return Conversation.Message(
      role: role, speaker: speaker?.isEmpty == true ? nil : speaker, text: text, createdAt: try fields.time(Self.timeKeys),
      id: try fields.name(["id", "message_id"]))
  }
}

enum MessageList {
  /// The messages of an object that has a list of them; nil if it has none.
  static func messages(of object: JSONValue) -> [JSONValue]? {
    for key in ["messages", "conversations", "conversation", "items"] {
      if case .array(let messages)? = object[key] { return messages }
    }
    // A question with a preferred and another answer.
    guard case .array(let asked)? = object["input"]?["messages"] else { return nil }
    guard case .array(let preferred)? = object["preferred_output"] else { return asked }
    return asked + preferred
  }
}

/// The content of a message: a text, or a list of blocks.
struct MessageContent {
  /// Nil if there is nothing but white space.
  private(set) var text: String?
  private(set) var attachments = 0
  private(set) var usesTools = false

  init(_ value: JSONValue?, _ key: String) throws(ShapeFault) {
    switch value {
    case nil, .null?: return
    case .string(let string)?: add(string)
    case .array(let blocks)?:
      for block in blocks {
        if case .string(let string) = block {
          add(string)
          continue
        }
        switch try block.text("type") {
        case "text"?, "input_text"?, "output_text"?: if let string = try block.text("text") { add(string) }
        case "tool_use"?, "tool_result"?, "function_call"?, "tool_call"?: usesTools = true
        case "thinking"?, "redacted_thinking"?, "reasoning"?, "token_budget"?: break
        default: attachments += 1
        }
      }
    case let other?: throw ShapeFault(message: "'\(key)' is \(other.kindName), not a text or a list")
    }
  }

  private mutating func add(_ string: String) {
    guard !string.isBlank else { return }
    text = text.map { "\($0)\n\(string)" } ?? string
  }
}
