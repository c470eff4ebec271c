import Formats

/// The shape of a file of conversations. <doc:Conversations> has the fields that are read.
public enum ConversationFormat: String, Sendable, CaseIterable, Codable {
  /// `conversations.json` of a data export of ChatGPT: a tree of messages for each conversation.
  case chatGPT = "chatgpt"
  /// `conversations.json` of a data export of Claude.
  case claude
  /// Lists of messages with `role` and `content`, as in requests to OpenAI and in files for fine-tuning.
  case openAI = "openai"
  /// Lists of messages with `from` and `value`.
  case shareGPT = "sharegpt"
  /// Lists of messages as LangChain's `messages_to_dict` or `dumpd` write them.
  case langChain = "langchain"
  /// One message a line, with its role.
  case messages
  /// Conversations between two people in sessions, with questions about them.
  case loCoMo = "locomo"
  /// Questions with the sessions that they are about.
  case longMemEval = "longmemeval"

  /// The format of a file, detected by its content and never by its name; nil if it is none of these.
  ///
  /// - Throws: ``StoreError`` `.invalidImport` for a ZIP or gzip archive, `.inputOutput`.
  /// - Complexity: O(bytes of the first conversations).
  public static func detected(in source: ImportSource) throws -> ConversationFormat? {
    do {
      var elements = try ConversationElements(source)
      // The first ones may be at fault.
      for _ in 0..<16 {
        guard let element = try elements.next() else { return nil }
        guard case .success(let bytes) = element.content, let value = try? Self.tree(bytes, isLossy: true).value else { continue }
        if let format = Self.format(of: value) { return format }
        // A well-formed line with a `type` that is no conversation: the file has another format.
        if elements.isLines, value["type"] != nil { return nil }
      }
      return nil
    } catch {
      throw StoreError.surfacing(error, "the format cannot be found out")
    }
  }

  /// - Returns: The tree, and how many halves of surrogate pairs were replaced.
  static func tree(_ bytes: [UInt8], isLossy: Bool) throws -> (value: JSONValue, replaced: Int) {
    try JSONReader.read(bytes) { reader in
      reader.replacesLoneSurrogates = isLossy
      let value = try reader.readValue()
      return (value, reader.replacedSurrogates)
    }
  }

  private static func format(of value: JSONValue) -> ConversationFormat? {
    switch value {
    case .array(let messages): return messages.first.flatMap(listFormat)
    case .object:
      if value["mapping"] != nil { return .chatGPT }
      if value["chat_messages"] != nil { return .claude }
      if value["haystack_sessions"] != nil { return .longMemEval }
      if case .object? = value["conversation"] { return .loCoMo }
      if let messages = MessageList.messages(of: value) { return messages.first.flatMap(listFormat) ?? .openAI }
      return messageFormat(of: value)
    default: return nil
    }
  }

  /// The format of a list with this message.
  private static func listFormat(of message: JSONValue) -> ConversationFormat? {
    guard let format = messageFormat(of: message) else { return nil }
    return format == .messages ? .openAI : format
  }

  private static func messageFormat(of message: JSONValue) -> ConversationFormat? {
    if case .object? = message["data"], case .string? = message["type"] { return .langChain }
    if message["lc"] != nil, case .object? = message["kwargs"] { return .langChain }
    if case .string? = message["from"], message["value"] != nil { return .shareGPT }
    guard message["userID"] == nil || message["type"] == nil, case .string? = message["role"] else { return nil }
    return message["content"] != nil || message["text"] != nil ? .messages : nil
  }
}
