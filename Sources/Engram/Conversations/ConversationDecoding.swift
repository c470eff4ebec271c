import Formats
import Foundation

/// Makes conversations of one element of a file, and counts what is left out of it.
struct ConversationDecoding {
  let options: ConversationOptions
  let userID: String?
  /// The name of the file: with the number, the id of a conversation that has none.
  let file: String
  let number: Int
  let isLine: Bool

  /// The id of the conversation, as soon as it is known.
  var id: String?
  var conversations: [Conversation] = []
  var isPart = false
  var leftOut: [MessageOmission: Int] = [:]
  var attachments = 0

  init(options: ConversationOptions, userID: String?, file: String, number: Int, isLine: Bool) {
    self.options = options
    self.userID = userID
    self.file = file
    self.number = number
    self.isLine = isLine
  }

  /// - Throws: ``ShapeFault``.
  mutating func decode(_ value: JSONValue, _ format: ConversationFormat) throws {
    switch format {
    case .chatGPT: try decodeChatGPT(value)
    case .claude: try decodeClaude(value)
    case .openAI, .shareGPT, .langChain, .messages: try decodeMessages(value)
    case .loCoMo: try decodeLoCoMo(value)
    case .longMemEval: try decodeLongMemEval(value)
    }
  }

  /// The user, in formats that name none: the reader has checked that there is one.
  var requiredUserID: String { userID ?? "" }

  /// The id of a conversation that has none in the file.
  var placeName: String { "\(file):\(number)" }

  mutating func leaveOut(_ reason: MessageOmission) { leftOut[reason, default: 0] += 1 }

  /// Why a message of the role is left out; nil: it is kept.
  func omission(ofRole role: String) -> MessageOmission? {
    if options.roles.contains(role) { return nil }
    return switch role {
    case "system": .system
    case "tool": .tool
    default: .role
    }
  }
}

/// Maps the names of roles in various programs to `user`, `assistant`, `system` and `tool`; other names stay, in lower case.
enum MessageRole {
  static func name(_ name: String) -> String {
    switch name.lowercased() {
    case "user", "human", "humanmessage", "humanmessagechunk": "user"
    case "assistant", "ai", "gpt", "model", "chatgpt", "bing", "bard", "aimessage", "aimessagechunk": "assistant"
    case "system", "developer", "systemmessage": "system"
    case "tool", "function", "function_call", "function_response", "observation", "toolmessage", "functionmessage": "tool"
    case let other: other
    }
  }
}

extension JSONValue {
  /// Nil if there is no such member, or it is null.
  func member(_ key: String) -> JSONValue? {
    guard let value = self[key], value != .null else { return nil }
    return value
  }

  /// The text of a member; nil if it is missing or null.
  ///
  /// - Throws: ``ShapeFault`` if it is something else.
  func text(_ key: String) throws(ShapeFault) -> String? {
    switch self[key] {
    case nil, .null?: return nil
    case .string(let text)?: return text
    case let other?: throw ShapeFault(message: "'\(key)' is \(other.kindName), not a text")
    }
  }

  /// - Throws: ``ShapeFault`` also if the member is missing.
  func requiredText(_ key: String) throws(ShapeFault) -> String {
    guard let text = try text(key) else { throw ShapeFault(message: "'\(key)' is missing, or no text") }
    return text
  }

  /// The text, or the number as text, of the first of the members that is there and not empty.
  func name(_ keys: [String]) throws(ShapeFault) -> String? {
    for key in keys {
      switch self[key] {
      case nil, .null?: continue
      case .string("")?: continue
      case .string(let text)?: return text
      case .number(.integer(let number))?: return "\(number)"
      case let other?: throw ShapeFault(message: "'\(key)' is \(other.kindName), not a name")
      }
    }
    return nil
  }

  /// The elements of a member; nil if it is missing or null.
  func list(_ key: String) throws(ShapeFault) -> [JSONValue]? {
    switch self[key] {
    case nil, .null?: return nil
    case .array(let elements)?: return elements
    case let other?: throw ShapeFault(message: "'\(key)' is \(other.kindName), not a list")
    }
  }

  /// The time of the first of the members that is there: ISO 8601 with a zone, a date, or seconds or milliseconds since 1970.
  func time(_ keys: [String]) throws(ShapeFault) -> Date? {
    for key in keys {
      switch self[key] {
      case nil, .null?: continue
      case .string(let text)?:
        guard let time = TimestampText.milliseconds(text) else {
          throw ShapeFault(message: "\(key): \(TimestampText.fault(text.utf8.count > 64 ? "" : text))")
        }
        return Date(milliseconds: time)
      case .number(let number)?:
        guard let time = TimestampText.milliseconds(number: number.double) else {
          throw ShapeFault(message: "\(key): the number is no time in the years 1 to 9999")
        }
        return Date(milliseconds: time.milliseconds)
      case let other?: throw ShapeFault(message: "'\(key)' is \(other.kindName), not a time")
      }
    }
    return nil
  }

  var isTrue: Bool { self == .bool(true) }

  /// The kind of the value, for messages.
  var kindName: String {
    let kind: JSONKind =
      switch self {
      case .null: .null
      case .bool: .bool
      case .number: .number
      case .string: .string
      case .array: .array
      case .object: .object
      }
    return kind.rawValue
  }
}

extension JSONNumber {
  var double: Double {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .negative(let complement): -1 - Double(complement)
    case .real(let value): value
    }
  }
}

extension String {
  /// Whether the text has nothing but white space.
  var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }
}
